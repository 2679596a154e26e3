"""Shards and live journals → `<slug>.coverage`: the raw data of a coverage directory, merged and set aside."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from coverage import CoverageData
from coverage.exceptions import CoverageException

from instrument import journal
from instrument.errors import CovatlasError, Finding, counted
from instrument.record import read_record, record_path
from instrument.recovery import (
    Contexts,
    add,
    exclusively,
    read_journal,
    recover,
    recover_locked,
    write_data,
    write_shards,
)
from instrument.slug import SlugError, parse_slug

__all__ = ["combine", "combine_all", "read_data", "recover", "set_aside", "shard_counts", "shard_files", "write_shards"]
ASIDE = "aside"
KEPT_ASIDE = 3


@dataclass(frozen=True, slots=True)
class Combined:
    """What one combine did: `left_out` counts contexts of other playbacks, `damaged` names unreadable files."""

    slug: str
    path: Path | None
    contexts: int
    requests: int
    files: int
    lines: int
    left_out: int
    damaged: tuple[str, ...]


def shard_files(directory: Path, slug: str) -> list[Path]:
    """Return the shards of a slug, sorted by name."""
    return sorted(path for path in directory.glob(f"{slug}.coverage.*") if not path.name.endswith("-journal"))


def known_slugs(directory: Path) -> list[str]:
    """Return every slug with profile data, shards or records in live journals, sorted."""
    found = set()
    for path in directory.glob("*.coverage*"):
        try:
            found.add(parse_slug(path.name.split(".")[0]))
        except SlugError:
            continue
    for path in journal.journals(directory):
        found.update(record.slug for record in read_journal(path)[0])
    return sorted(found)


def set_aside(directory: Path, slug: str) -> Path | None:
    """Move the earlier data of a slug to `aside/<slug>/<n>` (the last few are kept); return it, None if none was."""
    directory.mkdir(parents=True, exist_ok=True)
    with exclusively(directory):
        recover_locked(directory)
        files = [directory / f"{slug}.coverage", *shard_files(directory, slug), record_path(directory, slug)]
        files = [path for path in files if path.exists()]
        if not files:
            return None
        target = _new_aside(directory, slug)
        for path in files:
            os.replace(path, target / path.name)
        return target


def combine(directory: Path, slug: str, *, attempt: str | None = None) -> Combined:
    """Merge shards, left-over journals and the finished records of live journals into `<slug>.coverage`.

    With `attempt`, only contexts whose request id begins with `<attempt>-` are taken; a shard that holds others too
    is set aside, not deleted. A damaged file is named in the result, and kept. Killed at any point, nothing is lost:
    a file goes only after the renamed `<slug>.coverage` has what it had.
    """
    parse_slug(slug)
    if not directory.is_dir():
        return _summary(directory, slug, _Reading())
    with exclusively(directory):
        recover_locked(directory)
        found = _read_all(directory, slug, attempt)
        if found.kept:
            _replace(directory, slug, found)
    return _summary(directory, slug, found)


@dataclass(slots=True)
class _Reading:
    """What a combine has read, and what is to become of each file."""

    kept: Contexts = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    consumed: list[Path] = field(default_factory=list)
    mixed: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def _read_all(directory: Path, slug: str, attempt: str | None) -> _Reading:
    found = _Reading()
    for path in journal.journals(directory):
        for record in read_journal(path)[0]:
            if record.slug != slug:
                continue
            if _belongs(record.context, slug, attempt):
                add(found.kept, record.context, record.lines)
            else:
                found.left_out.add(record.context)
    target = directory / f"{slug}.coverage"
    for path in [*([target] if target.exists() else []), *shard_files(directory, slug)]:
        try:
            contexts = read_data(path)
        except CovatlasError as error:
            found.damaged.append(str(error))
            found.unreadable.append(path)
            continue
        others = {context for context in contexts if not _belongs(context, slug, attempt)}
        found.left_out |= others
        for context in contexts.keys() - others:
            add(found.kept, context, contexts[context])
        (found.mixed if others else found.consumed).append(path)
    return found


def _summary(directory: Path, slug: str, found: _Reading) -> Combined:
    files: dict[str, set[int]] = {}
    for lines_by_path in found.kept.values():
        for path, lines in lines_by_path.items():
            files.setdefault(path, set()).update(lines)
    return Combined(
        slug=slug,
        path=directory / f"{slug}.coverage" if found.kept else None,
        contexts=len(found.kept),
        requests=len({context.split(":", 2)[-1].split("/")[0] for context in found.kept}),
        files=len(files),
        lines=sum(map(len, files.values())),
        left_out=len(found.left_out),
        damaged=tuple(found.damaged),
    )


def combine_all(directory: Path, slugs: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Combine the named slugs, or all that are there; say one line each; raise Finding if a file was damaged."""
    for slug in slugs:
        parse_slug(slug)
    try:
        _combine_all(directory, slugs, say)
    except OSError as error:
        raise CovatlasError(f"{directory}: {error}; mend its permissions, or free some space") from None


def _combine_all(directory: Path, slugs: tuple[str, ...], say: Callable[[str], None]) -> None:
    known = known_slugs(directory) if directory.is_dir() else []
    missing = [slug for slug in slugs if slug not in known]
    if missing or not known:
        wanted = f"profile {missing[0]!r}" if missing else "any profile"
        raise CovatlasError(f"no data of {wanted} in {directory}: play it with --trace-code, or name --coverage-dir")
    damaged: list[str] = []
    for slug in slugs or known:
        try:
            record = read_record(directory, slug)
        except CovatlasError as error:  # which playback the data is of stands there: without it nothing is merged
            damaged.append(str(error))
            continue
        done = combine(directory, slug, attempt=record.attempt if record else None)
        damaged += done.damaged
        others = f"; {counted(done.left_out, 'trace')} of other playbacks left out" if done.left_out else ""
        where = done.path or "nothing written"
        numbers = [counted(done.requests, "request"), counted(done.files, "file"), counted(done.lines, "line")]
        say(f"{slug}: {', '.join(numbers)}{others} → {where}")
    if damaged:
        raise Finding("; ".join(damaged))


def read_data(path: Path) -> Contexts:
    """Return the lines of a coverage data file per context; raise CovatlasError naming a file that cannot be read."""
    if not path.stat().st_size:  # the library would initialise an empty file in place
        raise CovatlasError(f"{path}: the file is empty; delete it or record the profile again")
    try:
        data = CoverageData(basename=str(path))
        data.read()
        contexts: Contexts = {}
        for context in data.measured_contexts():
            data.set_query_context(context)
            found = {name: set(data.lines(name) or ()) for name in data.measured_files()}
            contexts[context] = {name: lines for name, lines in found.items() if lines}
        data.close()
        return contexts
    except (CoverageException, sqlite3.Error, OSError, ValueError) as error:
        raise CovatlasError(f"{path}: not readable as coverage data ({error}); record the profile again") from None


def _belongs(context: str, slug: str, attempt: str | None) -> bool:
    return attempt is None or context.startswith(f"profile:{slug}:{attempt}-")


def _replace(directory: Path, slug: str, found: _Reading) -> None:
    target = directory / f"{slug}.coverage"
    aside = [*found.mixed, *(path for path in found.unreadable if path == target)]
    if aside:
        folder = _new_aside(directory, slug)
        for path in aside:
            shutil.copy2(path, folder / path.name)
    write_data(target, found.kept)
    for path in [*found.consumed, *found.mixed]:
        if path != target:
            path.unlink(missing_ok=True)


def _new_aside(directory: Path, slug: str) -> Path:
    folder = directory / ASIDE / slug
    folder.mkdir(parents=True, exist_ok=True)
    numbers = sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdigit())
    for number in numbers[: -(KEPT_ASIDE - 1)]:
        shutil.rmtree(folder / str(number), ignore_errors=True)
    target = folder / str(numbers[-1] + 1 if numbers else 1)
    target.mkdir()
    return target


def shard_counts(directory: Path) -> dict[str, int]:
    """Return the number of shards per slug."""
    counts: dict[str, int] = {}
    for path in directory.glob("*.coverage.*"):
        slug = path.name.split(".")[0]
        counts[slug] = counts.get(slug, 0) + 1
    return dict(sorted(counts.items()))
