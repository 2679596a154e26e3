"""Work on several files at once, in forked processes; the results do not depend on how many there are."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from instrument.errors import CovatlasError

Item = TypeVar("Item")
Result = TypeVar("Result")
FEWEST = 24  # items that are worth a process
_task: Callable[[Any], Any] | None = None  # what a forked process inherits


def spread(task: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> list[Result]:
    """Return `task(item)` for each item, in order, by up to `jobs` processes (0: one per core)."""
    global _task
    jobs = min(jobs or _cores(), len(items) // FEWEST)
    # A fork takes only the calling thread along: another's lock would stay locked for ever (mkdocs serve has threads).
    if jobs < 2 or threading.active_count() > 1 or "fork" not in multiprocessing.get_all_start_methods():
        return [task(item) for item in items]
    _task = task
    try:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork")) as pool:
            return list(pool.map(_call, items, chunksize=max(1, len(items) // (jobs * 8))))
    except BrokenProcessPool:
        raise CovatlasError("a worker process of the build was killed; try again, or with --jobs 1") from None
    finally:
        _task = None


def _call(item: Any) -> Any:
    assert _task is not None
    return _task(item)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
