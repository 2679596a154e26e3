"""Recovery: journals that nobody holds → shards, and what else dead processes left behind → nothing.

Whoever moves raw data holds the lock of the coverage directory, so two never work on the same files. Tracing itself
needs no lock: a process only ever appends to its own journal.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from coverage import CoverageData
from coverage.exceptions import CoverageException

from instrument import journal
from instrument.children import adopt
from instrument.errors import CovatlasError

log = logging.getLogger("covatlas")
WAIT_S = 60.0  # how long a command waits for another one; the app itself never waits, but leaves the work to it
_BATCH = 64  # journals recovered at once, into one shard per slug
_RECORD_AGE_S = 3600.0
# context → path → lines
Contexts = dict[str, dict[str, set[int]]]


@contextmanager
def locked(directory: Path, wait: float) -> Iterator[bool]:
    """Hold the lock of a coverage directory; yield whether it was to be had within `wait` seconds.

    It is a lock on the directory itself: no file is left behind, and it ends with its process.
    """
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    journal.passing.add(file)
    ours = False
    try:
        ours = _try(file, wait)
        yield ours
    finally:
        if ours:
            fcntl.flock(file, fcntl.LOCK_UN)  # a child that was forked meanwhile may have a copy
        journal.passing.discard(file)
        os.close(file)


@contextmanager
def exclusively(directory: Path) -> Iterator[None]:
    """Hold the lock for a command; raise CovatlasError if another one keeps it for too long."""
    with locked(directory, WAIT_S) as ours:
        if not ours:
            raise CovatlasError(f"{directory} is in use by another command for {WAIT_S:g} s; try again when it is done")
        yield


def recover(directory: Path, wait: float = 0.0) -> int:
    """Turn every journal that nobody holds into shards and return how many shards were written.

    If somebody else is at work in the directory for longer than `wait` seconds, leave it to the next one.
    """
    if not directory.is_dir():
        return 0
    with locked(directory, wait) as ours:
        return recover_locked(directory) if ours else 0


def recover_locked(directory: Path) -> int:
    """Do the same for a caller who holds the lock."""
    _sweep(directory)
    adopt(directory)
    written = 0
    for batch in _batches(journal.journals(directory)):
        with ExitStack() as held:
            ours = [path for path in batch if held.enter_context(journal.taken(path))]
            records: list[journal.Record] = []
            for path in ours:
                path.with_suffix(journal.OPEN_SUFFIX).unlink(missing_ok=True)  # nothing is open there any more
                found, damaged = read_journal(path)
                if damaged:
                    log.warning("covatlas: %s: %d damaged records are left out", path, damaged)
                records += found
            written += write_shards(directory, records)
            for path in ours:
                path.unlink(missing_ok=True)
    return written


def left_over(directory: Path) -> int:
    """Return how many journals there are: those of live processes, and those that wait to be recovered."""
    try:
        return sum(name.endswith(journal.SUFFIX) for name in os.listdir(directory / journal.FOLDER))
    except OSError:
        return 0


def read_journal(path: Path) -> tuple[list[journal.Record], int]:
    """Return the whole records of a journal and the number of damaged ones; none of one that is gone."""
    try:
        return journal.read_records(path.read_bytes())
    except FileNotFoundError:  # recovered by somebody else meanwhile: its shards are there
        return [], 0


def write_shards(directory: Path, records: Iterable[journal.Record]) -> int:
    """Write the records as one shard per slug, each under a temporary name and renamed; return how many."""
    by_slug: dict[str, Contexts] = {}
    for record in records:
        add(by_slug.setdefault(record.slug, {}), record.context, record.lines)
    for slug, contexts in by_slug.items():
        name = f"{slug}.coverage.{journal.host()}.{os.getpid()}.{secrets.token_hex(4)}"
        write_data(directory / name, contexts)
    return len(by_slug)


def write_data(target: Path, contexts: Contexts) -> None:
    """Write a coverage data file in one rename; raise CovatlasError or OSError if the disk does not take it."""
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
    except (CoverageException, sqlite3.Error) as error:
        raise CovatlasError(f"{target} cannot be written ({error}); is the disk full?") from None
    finally:
        memory.close()
        hidden.unlink(missing_ok=True)


def add(contexts: Contexts, context: str, lines_by_path: dict[str, list[int]] | dict[str, set[int]]) -> None:
    """Unite lines with those that `contexts` has of this context."""
    mine = contexts.setdefault(context, {})
    for path, lines in lines_by_path.items():
        mine.setdefault(path, set()).update(lines)


def _batches(paths: list[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in paths:
        batch.append(path)
        with suppress(OSError):
            size += path.stat().st_size
        if len(batch) == _BATCH or size >= journal.ROLL_BYTES:  # an app's start must not fill its memory
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _try(file: int, wait: float) -> bool:
    end = time.monotonic() + wait
    while True:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)


def _sweep(directory: Path) -> None:
    """Remove what processes left that were killed: half-written files, nameless journals, boards without one."""
    for path in directory.glob(".*.coverage*.tmp*"):  # written under the lock only, and we have the lock
        path.unlink(missing_ok=True)
    for path in directory.glob(".*.run.json.*.tmp"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _RECORD_AGE_S:
                path.unlink(missing_ok=True)
    folder = directory / journal.FOLDER
    for path in folder.glob(f"*{journal.NEW_SUFFIX}"):
        with journal.taken(path) as ours:
            if ours:
                path.unlink(missing_ok=True)
    for path in folder.glob(f"*{journal.OPEN_SUFFIX}"):
        # In this order: a beginning journal has the one name or the other at any time.
        names = [path.with_suffix(journal.NEW_SUFFIX), path.with_suffix(journal.SUFFIX)]
        if not any(name.exists() for name in names):
            path.unlink(missing_ok=True)
