"""Profile data and run record → ProfileData: the lines each profile ran, per file of the source tree and context.

coverage.py's data files are read from their bytes, in memory: nothing is opened, nothing can be written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from instrument.errors import CovatlasError
from instrument.record import RunRecord, decode_record
from sitegen.model import ProfileData, ProfileHead, ProfileInput, RequestStep
from sitegen.paths import Aliases, PathMap, Tree

SCHEMA = 7  # coverage.py's data file version; it has been the same since coverage 5.0
_MOST_LINES = 2_000_000  # a bit mask up to a forged line number would fill the memory
_MOST = 2**53  # what JSON can hold of a number
_JOIN = "join file f on f.id = t.file_id join context c on c.id = t.context_id"
_LINES = f"select f.path, c.context, t.numbits from line_bits t {_JOIN}"
_ARCS = f"select f.path, c.context, t.fromno, t.tono from arc t {_JOIN}"
# Rows that name no file or context: joined to nothing, their lines would be lost without a word.
_ORPHANS = (
    "select count(*) from {table} t left join file f on f.id = t.file_id left join context c on c.id = t.context_id "
    "where f.id is null or c.id is null"
)
_TABLES = frozenset({"coverage_schema", "file", "context", "line_bits", "arc"})
_Masks = dict[str, dict[str, int]]  # recorded path → context → mask


class _Damaged(Exception):
    """Say what is wrong with a data file or a run record."""


def read_profile(profile: ProfileInput, tree: Tree) -> ProfileData:
    """Return what one profile ran in the source tree; `tree` pairs each file's path with its absolute path.

    Several data files are united. A damaged file or record is named in the head's problems and makes the profile
    `failed`; `stale` is left empty here (`pipeline` knows the sources).
    """
    problems: list[str] = []
    recorded: _Masks = {}
    for name, content in profile.data:
        try:
            part = _read_data(content.value)
        except _Damaged as error:
            problems.append(f"{name}: {error}; play the profile again")
        else:
            _unite(recorded, part)
    if not profile.data:
        problems.append(f"{profile.slug} has a run record but no profile data; play it with --trace-code")
    record = None
    if profile.record is not None:
        try:
            record = _read_record(profile.slug, profile.record)
        except _Damaged as error:
            problems.append(f"{error}")
    damaged = bool(problems)
    paths = PathMap(tree, tuple(sorted(recorded)), profile.aliases)
    problems += paths.problems
    files, contexts = _translate(recorded, paths)
    if not files and not damaged:
        problems.append(f"{profile.slug}: its data names no file of the source; check --source")
        damaged = True
    return ProfileData(
        head=_head(profile.slug, record, tuple(problems), damaged),
        files=files,
        contexts=contexts,
        stale=(),
        sources=_sources(record, tree, profile.aliases),
    )


def check_data(slug: str, data: bytes) -> None:
    """Raise CovatlasError with what is wrong with the bytes of a `<slug>.coverage`, and where its lines are not its."""
    try:
        masks = _read_data(data)
        _check_whole(data)
    except _Damaged as error:
        raise CovatlasError(str(error)) from None
    contexts = {context for by_context in masks.values() for context, mask in by_context.items() if mask}
    if not contexts:
        raise CovatlasError("the data file holds no line")
    for context in sorted(contexts):
        kind, _, rest = context.partition(":")
        if kind == "profile" and rest.partition(":")[0] != slug:
            raise CovatlasError(f"its lines are of profile {rest.partition(':')[0]!r:.80}, not of {slug!r}")


def _check_whole(data: bytes) -> None:
    """Raise _Damaged where the end is missing: its pages may hold nothing that was read, and yet it was cut off."""
    page = int.from_bytes(data[16:18], "big")
    size = (65536 if page == 1 else page) * int.from_bytes(data[28:32], "big")  # the database's header says so
    if len(data) < size:
        raise _Damaged(f"the data file is cut off: {len(data):,} of {size:,} bytes")


def check_record(slug: str, data: bytes) -> RunRecord:
    """Return the run record of a slug from its bytes; raise CovatlasError where it is none or another's."""
    try:
        record = _read_record(slug, data)
    except _Damaged as error:
        raise CovatlasError(str(error)) from None
    if not isinstance(record.finished, str) or type(record.attempts) is not int:
        raise CovatlasError(f"{slug}.run.json: not a run record (finished or attempts is of another type)")
    return record


# ── coverage.py's data files ─────────────────────────────────────────────────────────────────────────────────────


def _read_data(data: bytes) -> _Masks:
    if not data:
        raise _Damaged("the data file is empty")
    masks: _Masks = {}
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(data)
            database.execute("pragma trusted_schema = off")
            version = database.execute("select version from coverage_schema").fetchone()
            if version is None or version[0] != SCHEMA:
                found = version[0] if version else None
                raise _Damaged(f"the data file has coverage.py's schema {found!r}, this Covatlas reads {SCHEMA}")
            _check_tables(database)
            for path, context, mask in _rows(database):
                contexts = masks.setdefault(path, {})
                contexts[context] = contexts.get(context, 0) | mask
    except (sqlite3.Error, TypeError, ValueError, OverflowError) as error:
        raise _Damaged(f"not a readable coverage.py data file ({error})") from None
    return masks


def _check_tables(database: sqlite3.Connection) -> None:
    tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    if not tables >= _TABLES:
        raise _Damaged(f"not a readable coverage.py data file (no table {min(_TABLES - tables)})")
    for table in ("line_bits", "arc"):
        (orphans,) = database.execute(_ORPHANS.format(table=table)).fetchone()
        if orphans:
            raise _Damaged(f"{orphans} rows of its table {table} belong to no file or context")


def _rows(database: sqlite3.Connection) -> Iterator[tuple[str, str, int]]:
    for path, context, numbits in database.execute(_LINES):
        if not isinstance(numbits, bytes):
            raise TypeError("a line set is not bytes")
        if len(numbits) > _MOST_LINES // 8:
            raise ValueError(f"a line set of {len(numbits):,} bytes")
        # Bit 0 is no line: CPython 3.11+ starts a module there.
        yield _text(path), _text(context), int.from_bytes(numbits, "little") & ~1
    for path, context, *ends in database.execute(_ARCS):
        mask = 0
        for line in ends:
            if line > _MOST_LINES:
                raise ValueError(f"line {line}")
            if line > 0:  # a negative end means entry or exit of the code that starts there
                mask |= 1 << line
        yield _text(path), _text(context), mask


def _unite(into: _Masks, part: _Masks) -> None:
    for path, contexts in part.items():
        kept = into.setdefault(path, {})
        for context, mask in contexts.items():
            kept[context] = kept.get(context, 0) | mask


_PathMasks = tuple[tuple[str, int], ...]


def _translate(recorded: _Masks, paths: PathMap) -> tuple[_PathMasks, tuple[tuple[str, _PathMasks], ...]]:
    files: dict[str, int] = {}
    contexts: dict[str, dict[str, int]] = {}
    for name, masks in recorded.items():
        path = paths.found.get(name)
        if path is None:
            continue
        for context, mask in masks.items():
            if mask:
                files[path] = files.get(path, 0) | mask
                kept = contexts.setdefault(context, {})
                kept[path] = kept.get(path, 0) | mask
    return tuple(sorted(files.items())), tuple(
        (context, tuple(sorted(masks.items()))) for context, masks in sorted(contexts.items())
    )


# ── the run record ───────────────────────────────────────────────────────────────────────────────────────────────


def _read_record(slug: str, data: bytes) -> RunRecord:
    name = f"{slug}.run.json"
    try:
        record = decode_record(data, name)
    except CovatlasError as error:
        raise _Damaged(str(error)) from None
    except RecursionError:
        raise _Damaged(f"{name}: not a run record (nested too deep); play the profile again") from None
    if record.slug != slug:
        raise _Damaged(f"{name}: this run record is of {record.slug!r}, not of {slug!r}; play the profile again")
    if record.status not in ("passed", "failed"):
        raise _Damaged(f"{name}: status {record.status!r} is neither passed nor failed; play the profile again")
    counts = [record.attempts, *(run.status for run in record.requests)]
    try:
        if not all(abs(number) < _MOST for number in (*counts, record.duration_s)):
            raise ValueError("a number is too large")
        if not all(isinstance(run.ok, bool) for run in record.requests):
            raise ValueError("ok is neither true nor false")
        _head(slug, record, (), False)
        _sources(record, (), ())
    except (TypeError, ValueError, AttributeError) as error:
        raise _Damaged(f"{name}: not a run record ({error}); play the profile again") from None
    return record


def _head(slug: str, record: RunRecord | None, problems: tuple[str, ...], damaged: bool) -> ProfileHead:
    if record is None:
        status = "failed" if damaged else "unknown"
        return ProfileHead(slug, "", "", status, None, None, None, 0, (), (), problems)
    jobs: dict[str, list[tuple[str, str, str]]] = {}
    for job in record.jobs:
        jobs.setdefault(job.request, []).append((_text(job.id), _text(job.function), _text(job.status)))
    requests = tuple(
        RequestStep(
            id=_text(run.id),
            method=_text(run.method),
            path=_text(run.path),
            route=None if run.route is None else _text(run.route),
            status=int(run.status),
            ok=bool(run.ok),
            jobs=tuple(jobs.get(run.id, ())),
        )
        for run in record.requests
    )
    return ProfileHead(
        slug=slug,
        title="" if record.title == slug else _text(record.title),  # what would say the slug twice says nothing
        description=_text(record.description),
        status="failed" if damaged else record.status,
        commit=None if record.commit is None else _text(record.commit),
        recorded=_text(record.started),
        duration_s=float(record.duration_s),
        attempts=int(record.attempts),
        requests=requests,
        routes=tuple(
            (", ".join(_text(method) for method in route.methods), _text(route.rule)) for route in record.routes
        ),
        problems=(*(_text(problem) for problem in record.problems), *problems),
    )


def _sources(record: RunRecord | None, tree: Tree, aliases: Aliases) -> tuple[tuple[str, str], ...]:
    if record is None or record.sources is None:
        return ()
    digests = {_text(name): _text(digest) for name, digest in record.sources.items()}
    found = PathMap(tree, tuple(sorted(digests)), aliases).found
    return tuple(sorted((path, digests[name]) for name, path in found.items()))


def _text(value: object) -> str:
    """Return a string that UTF-8 can write; raise TypeError for anything that is no string."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a string")
    return value.encode("utf-8", "replace").decode()
