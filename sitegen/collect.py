"""What `covatlas collect` does: the artifacts of a night → checked data, the map, one bundle and a summary."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from instrument.errors import CovatlasError, Finding, counted
from instrument.files import append_text
from sitegen.collect_bundle import SCHEMA, SITE_PARTS, Bundled, LastNight, read_last, write_bundle
from sitegen.collect_read import Arrival, read_arrivals
from sitegen.collect_report import Night, summary
from sitegen.collect_state import Decision, decide
from sitegen.generate import BuildOptions, Say
from sitegen.nights import FILE, read_nights
from sitegen.site import BuildReport, build_site

MARK = "covatlas-night.json"  # in a coverage directory that collect filled, and may empty again


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """Where everything is: `build.coverage_dir` is filled, `last` is the last bundle or its folder, or None."""

    build: BuildOptions
    root: Path
    artifacts: Path
    due: str  # "nightly" or "weekly"
    last: Path | None
    bundle: Path
    summary: Path | None


def collect_night(options: CollectOptions, say: Say, now: datetime | None = None) -> dict[str, Any]:
    """Collect, build and bundle a night; return its record; raise Finding at the end where the night is partial.

    `now` is the end of the night, from which ages are counted. Raises CovatlasError, with the old site left whole,
    where there is no data at all.
    """
    now = now or datetime.now(UTC)
    nights = read_nights(options.root / FILE)
    arrivals = read_arrivals(options.artifacts, nights.profiles)
    last, said = read_last(options.last)
    decisions = decide(nights, options.due, arrivals, last, now)
    left_out = tuple(f"{arrival.name}: {arrival.problem}" for arrival in arrivals if arrival.problem)
    for sentence in (*left_out, *said):
        say(sentence)
    fill(options.build.coverage_dir, decisions)
    report = _build(options.build, last, say)
    site = _site_data(options.build.site_dir)
    record = _record(options, decisions, (*left_out, *said), site, now)
    bundled = write_bundle(options.bundle, _bundle_files(record, decisions, options.build.site_dir))
    night = _night(options, decisions, record, last, site, report, bundled)
    if options.summary is not None:
        append_text(options.summary, summary(night), "name another --summary")
    say(f"Wrote {bundled.path}, {bundled.size / 1e6:.1f} MB")
    wrong = [decision.slug for decision in decisions if decision.wrong]
    if wrong or left_out or said or bundled.too_large:
        what = [f"{counted(len(wrong), 'profile')} without a good playback: {', '.join(wrong)}"] if wrong else []
        what += [f"{counted(len(left_out) + len(said), 'artifact')} left out"] if left_out or said else []
        what += ["the bundle is over its budget"] if bundled.too_large else []
        raise Finding(f"the night is partial ({'; '.join(what)}); the summary says why")
    return record


# ── data of the map ──────────────────────────────────────────────────────────────────────────────────────────────


def fill(directory: Path, decisions: Iterable[Decision]) -> None:
    """Make a coverage directory hold the decided data and nothing else; refuse one that collect did not fill."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        present = [path for path in directory.iterdir() if path.is_file() or path.is_symlink()]
        if present and not (directory / MARK).is_file():
            raise CovatlasError(f"{directory}: holds data that collect did not put there; name another --coverage-dir")
        (directory / MARK).write_text("{}\n", "utf-8")
        for path in present:
            if path.name != MARK:
                path.unlink()
        for decision in decisions:
            arrival, record = decision.arrival, decision.record()
            if arrival is not None and arrival.data is not None:
                (directory / f"{decision.slug}.coverage").write_bytes(arrival.data)
            if arrival is not None and record is not None:
                (directory / f"{decision.slug}.run.json").write_bytes(record)
    except OSError as error:
        raise CovatlasError(f"{directory}: cannot be written ({error.strerror}); name another --coverage-dir") from None


def _build(options: BuildOptions, last: LastNight, say: Say) -> BuildReport:
    """Build the map, compared with the last published one where the bundle has it."""
    if not last.site:
        return build_site(options, say)
    with tempfile.TemporaryDirectory(prefix="covatlas-previous-") as folder:
        for name, data in last.site.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return build_site(replace(options, previous=Path(folder)), say)


def _site_data(site_dir: Path) -> Mapping[str, Any]:
    """Return what the summary needs of the map that was just built."""
    found = {}
    for name in ("matrix", "gaps", "build"):
        found[name] = json.loads((site_dir / "data" / f"{name}.json").read_bytes())
    return found


# ── record, bundle, summary ──────────────────────────────────────────────────────────────────────────────────────


def _record(options: CollectOptions, decisions: tuple[Decision, ...], left_out: tuple[str, ...],
            site: Mapping[str, Any], now: datetime) -> dict[str, Any]:  # fmt: skip
    matrix = site["matrix"]
    covered = sorted({matrix["symbols"][index] for indexes in matrix["covered"].values() for index in indexes})
    return {
        "schema": SCHEMA,
        "collected": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "commit": site["build"]["commit"],
        "due": options.due,
        "partial": bool(left_out) or any(decision.wrong for decision in decisions),
        "left_out": left_out,
        "profiles": {
            decision.slug: {
                "state": decision.state,
                "why": decision.why,
                "age_days": decision.age,
                "since": decision.since,
                "symbols": len(matrix["covered"].get(decision.slug, ())),
            }
            for decision in decisions
        },
        "symbols": len(matrix["symbols"]),
        "covered": covered,
    }


def _bundle_files(record: dict[str, Any], decisions: tuple[Decision, ...], site_dir: Path) -> dict[str, bytes]:
    files = {"night.json": (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()}
    for decision in decisions:
        arrival: Arrival | None = decision.arrival
        if arrival is not None and arrival.data is not None and arrival.record is not None:
            files[f"data/{decision.slug}.coverage"] = arrival.data
            files[f"data/{decision.slug}.run.json"] = arrival.record  # as it was recorded, whatever the map says of it
    for name in SITE_PARTS:
        if (site_dir / name).is_file():
            files[f"site/{name}"] = (site_dir / name).read_bytes()
    return files


def _night(options: CollectOptions, decisions: tuple[Decision, ...], record: dict[str, Any], last: LastNight,
           site: Mapping[str, Any], report: BuildReport, bundled: Bundled) -> Night:  # fmt: skip
    before, now = set(last.night.get("covered", ())), set(record["covered"])
    files = [path for path in options.build.site_dir.rglob("*") if path.is_file()]
    return Night(
        record=record,
        decisions=decisions,
        before=last.night.get("collected"),
        lost=tuple(sorted((before - now) & set(site["matrix"]["symbols"]))) if last.night else (),
        gone=len(before - now - set(site["matrix"]["symbols"])),
        gained=tuple(sorted(now - before)) if last.night else (),
        gaps=(len(site["gaps"]["modules"]), len(site["gaps"]["symbols"])),
        largest_gaps=tuple((gap["id"], gap["statements"]) for gap in site["gaps"]["symbols"][:10]),
        pages=report.pages,
        changed=report.changed,
        site_files=len(files),
        site_bytes=sum(path.stat().st_size for path in files),
        bundled=bundled,
    )
