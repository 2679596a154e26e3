"""What a build says: what is wrong with the data, and with `--explain` why each page was made, put back or left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from instrument.errors import CovatlasError
from sitegen.address import profile_path
from sitegen.fingerprint import digest
from sitegen.generate import Prepared
from sitegen.statcache import memory_of
from sitegen.store import DiskStore

if TYPE_CHECKING:
    from sitegen.site import BuildReport

REASONS = {
    "made": "rendered: what it shows, its template or the theme's shell changed",
    "restored": "rendered: the published file was missing or had been changed",
    "same": "not rendered: an input of its file changed, but nothing that it shows",
    "deleted": "deleted: its symbol, profile or document is gone",
    "written": "written: its bytes changed",
    "left": "not rendered: no input that could reach it changed",
}


TOLD = 5  # problems of one profile; its page has all


def troubles(site_dir: Path) -> Iterator[str]:
    """Yield what the profiles of a site that was just built suffer from: a sentence each.

    It is read from the site itself: so a build that found nothing to do says it too.
    """
    try:
        profiles = json.loads((site_dir / "data" / "build.json").read_bytes())["profiles"]
    except (OSError, ValueError, KeyError):
        return  # hand-written pages only
    for slug, profile in profiles.items():
        problems = profile["problems"] or (["its playback failed"] if profile["status"] == "failed" else [])
        word = "failed" if profile["status"] == "failed" else "is not whole"
        yield from (f"profile {slug} {word}: {' '.join(problem.split())}" for problem in problems[:TOLD])
        if len(problems) > TOLD:
            yield f"profile {slug} {word}: {len(problems) - TOLD} more problems are on {profile_path(slug)}"


def summed_up(report: BuildReport) -> str:
    """Return, as JSON, where the site is, how many pages it has, and which files the build wrote and deleted."""
    value = {
        "schema": 1,
        "site": str(report.site_dir),
        "page_count": report.pages,
        "rendered": report.made,
        "written": sorted(report.written),
        "deleted": sorted(report.deleted),
        "causes": list(report.causes),
        "seconds": round(report.seconds, 3),
    }
    return json.dumps(value, indent=1) + "\n"


def explained(report: BuildReport, page: str, form: str) -> str:
    """Return a line per page, or of `page` alone: path, word and reason, or the same as JSON.

    Pages that nothing could reach are named only when asked for. Raises CovatlasError for a page that the site lacks.
    """
    words: dict[str, str] = dict.fromkeys(report.written, "written") | dict(report.fates)
    words |= dict.fromkeys(report.deleted, "deleted")
    if page:
        if page not in words and page not in report.paths:
            raise CovatlasError(f"the site has no {page!r}; name a path below it, as symbols/pkg.module.name.html")
        words = {page: words.get(page, "left")}
    rows = [{"page": path, "fate": words[path], "reason": _reason(words[path], path, report)} for path in sorted(words)]
    if form == "json":
        return json.dumps({"schema": 1, "pages": rows, "causes": list(report.causes)}, indent=1) + "\n"
    lines = [f"cause: {cause}" for cause in report.causes]
    lines += [f"{row['fate']:9}{row['page']}: {row['reason']}" for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _reason(word: str, path: str, report: BuildReport) -> str:
    if word == "made" and path not in report.written:
        return "rendered: its bytes were not known, and are the same"
    return REASONS[word]


def causes_of(prepared: Prepared) -> tuple[str, ...]:
    """Return which inputs differ from those of the last build of this site, and remember them for the next."""
    memory = memory_of(prepared.options.cache_dir, prepared.options.site_dir).with_suffix(".inputs")
    now = _inputs(prepared)
    try:
        before = orjson.loads(memory.read_bytes())
        causes = tuple(
            f"{name} {'is new' if name not in before else 'is gone' if name not in now else 'changed'}"
            for name in sorted(now.keys() | before.keys())
            if now.get(name) != before.get(name)
        )
    except (OSError, ValueError, AttributeError):
        causes = ("there is no earlier build of this site in the cache",)
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_bytes(orjson.dumps(now))
    except OSError:
        pass  # the next build can only say less
    return causes


def _inputs(prepared: Prepared) -> dict[str, str]:
    snapshot = prepared.snapshot
    found = {f"source {source.path}": source.data.digest for source in snapshot.sources}
    found |= {f"profile {profile.slug}": digest(profile) for profile in snapshot.profiles}
    found |= {f"template {name}": digest(text) for name, text in snapshot.templates}
    found["configuration"] = digest((snapshot.config, snapshot.exclude))
    found["commit"] = digest(snapshot.commit)
    found["previous site"] = digest(snapshot.previous)
    if isinstance(prepared.store, DiskStore):
        found["Covatlas, Python or a library"] = prepared.store.toolchain
    return found
