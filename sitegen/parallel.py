"""Work on several files at once, in forked processes; the results do not depend on how many there are."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from instrument.errors import CovatlasError
from sitegen.index import Drained
from sitegen.store import DiskStore, Store

Item = TypeVar("Item")
Result = TypeVar("Result")
FEWEST = 24
_work: tuple[Callable[[Any], Any], Sequence[Any]] | None = None  # what a forked process inherits


def spread(task: Callable[[Item], Result], items: Sequence[Item], jobs: int, fewest: int = FEWEST) -> Iterator[Result]:
    """Yield `task(item)` for each item, in order, by up to `jobs` processes (0: one per core).

    `fewest` items are worth a process.
    """
    global _work
    jobs = min(jobs or _cores(), len(items) // fewest)
    # A fork takes only the calling thread along: another's lock would stay locked for ever (mkdocs serve has threads).
    if jobs < 2 or threading.active_count() > 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(task, items)
        return
    _work = task, items
    try:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _end_with_the_build) as pool:
            # Items stay where the fork has them: only their positions go through the pipe.
            yield from pool.map(_call, range(len(items)), chunksize=max(1, len(items) // (jobs * 16)))
    except BrokenProcessPool:
        raise CovatlasError("a worker process of the build was killed; try again, or with --jobs 1") from None
    finally:
        _work = None


def spread_stages(
    task: Callable[[Item], Result], items: Sequence[Item], store: Store, jobs: int, fewest: int = FEWEST
) -> list[Result]:
    """Return `task(item)` for each item; what the processes write down in a disk store's index is taken over."""
    if not isinstance(store, DiskStore):
        return [task(item) for item in items]
    store.flush()
    here = os.getpid()

    def through(item: Item) -> tuple[Result, Drained | None]:
        return task(item), None if os.getpid() == here else store.index.drain()

    made = []
    for result, drained in spread(through, items, jobs, fewest):
        if drained is not None:
            store.index.adopt(drained)
        made.append(result)
    return made


def _call(position: int) -> Any:
    assert _work is not None
    task, items = _work
    return task(items[position])


def _end_with_the_build() -> None:
    """End this process when its parent is killed: nothing else would ever tell it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
