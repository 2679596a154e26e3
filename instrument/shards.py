"""Journals → shards → `<slug>.coverage`: the raw data of a coverage directory, moved and merged."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData
from coverage.exceptions import CoverageException

from instrument import journal
from instrument.errors import CovatlasError, Finding
from instrument.record import read_record, record_path
from instrument.slug import SlugError, parse_slug

log = logging.getLogger("covatlas")
ASIDE = "aside"
KEPT_ASIDE = 3
# context → path → lines
Contexts = dict[str, dict[str, set[int]]]


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
    return sorted(directory.glob(f"{slug}.coverage.*"))


def known_slugs(directory: Path) -> list[str]:
    """Return every slug with profile data, shards or records in live journals, sorted."""
    found = set()
    for path in directory.glob("*.coverage*"):
        try:
            found.add(parse_slug(path.name.split(".")[0]))
        except SlugError:
            continue
    for path in journal.journals(directory):
        found.update(record.slug for record in _read_journal(path)[0])
    return sorted(found)


def recover(directory: Path) -> int:
    """Turn every journal that nobody holds into shards and return how many shards were written."""
    written = 0
    for path in journal.journals(directory):
        with journal.taken(path) as ours:
            if not ours:
                continue
            records, damaged = _read_journal(path)
            if damaged:
                log.warning("covatlas: %s: %d damaged records are left out", path, damaged)
            written += write_shards(directory, records)
            path.with_suffix(journal.OPEN_SUFFIX).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
    return written


def write_shards(directory: Path, records: Iterable[journal.Record]) -> int:
    """Write the records as one shard per slug, each under a temporary name and renamed; return how many."""
    by_slug: dict[str, Contexts] = {}
    for record in records:
        _add(by_slug.setdefault(record.slug, {}), record.context, record.lines)
    for slug, contexts in by_slug.items():
        name = f"{slug}.coverage.{journal.host()}.{os.getpid()}.{secrets.token_hex(4)}"
        _write(directory / name, contexts)
    return len(by_slug)


def set_aside(directory: Path, slug: str) -> Path | None:
    """Move the earlier data of a slug to `aside/<slug>/<n>` (the last few are kept); return it, None if none was."""
    directory.mkdir(parents=True, exist_ok=True)
    recover(directory)
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
    is set aside, not deleted. A damaged file stays where it is and is named in the result.
    """
    parse_slug(slug)
    recover(directory)
    target = directory / f"{slug}.coverage"
    kept: Contexts = {}
    left_out: set[str] = set()
    damaged: list[str] = []
    mixed: list[Path] = []
    consumed: list[Path] = []
    # Journals before shards: a process that ends meanwhile turns the one into the other, and twice does no harm.
    for path in journal.journals(directory):
        for record in _read_journal(path)[0]:
            if record.slug != slug:
                continue
            if _belongs(record.context, slug, attempt):
                _add(kept, record.context, record.lines)
            else:
                left_out.add(record.context)
    for path in [*([target] if target.exists() else []), *shard_files(directory, slug)]:
        try:
            contexts = read_data(path)
        except CovatlasError as error:
            damaged.append(str(error))
            continue
        others = {context for context in contexts if not _belongs(context, slug, attempt)}
        left_out |= others
        for context in contexts.keys() - others:
            _add(kept, context, contexts[context])
        (mixed if others else consumed).append(path)
    if kept:
        _replace(directory, slug, kept, consumed, mixed)
    requests = {context.split(":", 2)[-1].split("/")[0] for context in kept}
    files: dict[str, set[int]] = {}
    for lines_by_path in kept.values():
        for path_text, lines in lines_by_path.items():
            files.setdefault(path_text, set()).update(lines)
    return Combined(
        slug=slug,
        path=target if kept else None,
        contexts=len(kept),
        requests=len(requests),
        files=len(files),
        lines=sum(map(len, files.values())),
        left_out=len(left_out),
        damaged=tuple(damaged),
    )


def combine_all(directory: Path, slugs: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Combine the named slugs, or all that are there; say one line each; raise Finding if a file was damaged."""
    for slug in slugs:
        parse_slug(slug)
    known = known_slugs(directory) if directory.is_dir() else []
    missing = [slug for slug in slugs if slug not in known]
    if missing or not known:
        wanted = f"profile {missing[0]!r}" if missing else "any profile"
        raise CovatlasError(f"no data of {wanted} in {directory}: play it with --trace-code, or name --coverage-dir")
    damaged: list[str] = []
    for slug in slugs or known:
        record = read_record(directory, slug)
        done = combine(directory, slug, attempt=record.attempt if record else None)
        damaged += done.damaged
        others = f"; {done.left_out} traces of other playbacks left out" if done.left_out else ""
        where = done.path or "nothing written"
        say(f"{slug}: {done.requests} requests, {done.files} files, {done.lines} lines{others} → {where}")
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


def _add(contexts: Contexts, context: str, lines_by_path: dict[str, list[int]] | dict[str, set[int]]) -> None:
    mine = contexts.setdefault(context, {})
    for path, lines in lines_by_path.items():
        mine.setdefault(path, set()).update(lines)


def _read_journal(path: Path) -> tuple[list[journal.Record], int]:
    try:
        return journal.read_records(path.read_bytes())
    except FileNotFoundError:  # recovered by somebody else meanwhile: its shards are there
        return [], 0


def _write(target: Path, contexts: Contexts) -> None:
    hidden = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    memory = CoverageData(no_disk=True)
    for context, lines_by_path in sorted(contexts.items()):
        memory.set_context(context)
        memory.add_lines(lines_by_path)
    try:
        data = CoverageData(basename=str(hidden))
        data.update(memory)
        data.close()
        os.replace(hidden, target)
    finally:
        hidden.unlink(missing_ok=True)


def _replace(directory: Path, slug: str, kept: Contexts, consumed: list[Path], mixed: list[Path]) -> None:
    target = directory / f"{slug}.coverage"
    if mixed:
        aside = _new_aside(directory, slug)
        for path in mixed:
            shutil.copy2(path, aside / path.name)
    _write(target, kept)
    for path in [*consumed, *mixed]:
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
