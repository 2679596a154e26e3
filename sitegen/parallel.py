"""Work on several files at once, in forked processes; the results do not depend on how many there are."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

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
    if jobs < 2 or not _can_fork():
        yield from map(task, items)
        return
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor  # a build of nothing new needs none

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
    return _adopted(spread(_drained(task, store), items, jobs, fewest), store)


def _drained(task: Callable[[Item], Result], store: Store) -> Callable[[Item], tuple[Result, Drained | None]]:
    """Return `task` that also returns what it wrote down in a disk store's index, where another process runs it."""
    if not isinstance(store, DiskStore):
        return lambda item: (task(item), None)
    store.flush()  # or the other process would have what is pending here, too
    here = os.getpid()
    return lambda item: (task(item), None if os.getpid() == here else store.index.drain())


def _adopted(made: Iterable[tuple[Result, Drained | None]], store: Store) -> list[Result]:
    """Return the results, with what was drained taken over."""
    results = []
    for result, drained in made:
        if isinstance(store, DiskStore) and drained is not None:
            store.index.adopt(drained)
        results.append(result)
    return results


@contextmanager
def beside(task: Callable[[], Result], jobs: int) -> Iterator[Callable[[], Result]]:
    """Begin `task`, which may be run twice, in a forked process; yield what waits for its result.

    With one job, where no process can be forked or that one fails, the task runs here when its result is asked for.
    """
    if (jobs or _cores()) < 2 or not _can_fork():
        yield cache(task)
        return
    ended, at_work = os.pipe()
    alive, end = os.pipe()
    answer = _in_memory()
    child = os.fork()
    if not child:
        try:
            os.close(ended)
            os.close(end)
            threading.Thread(target=lambda: (os.read(alive, 1), os._exit(1)), daemon=True).start()
            with answer:
                pickle.dump(task(), answer, protocol=5)
        finally:
            os._exit(0)  # whatever happened: nothing more of the parent's may run here
    os.close(at_work)
    os.close(alive)
    with answer, open(ended, "rb") as done, open(end, "wb"):  # the end is closed when this process is killed, too
        try:
            yield cache(lambda: _answered(done, answer, task))
        finally:
            os.kill(child, signal.SIGKILL)  # it may still be at work, and nobody will ask
            os.waitpid(child, 0)


def _in_memory() -> IO[bytes]:
    """Return a file that two processes share: a pipe would make the one wait until the other reads."""
    return open(os.memfd_create("covatlas"), "w+b") if hasattr(os, "memfd_create") else TemporaryFile()


def _answered(done: IO[bytes], answer: IO[bytes], task: Callable[[], Result]) -> Result:
    done.read()  # nothing, once the process has ended
    try:
        answer.seek(0)
        return pickle.loads(answer.read())  # type: ignore[no-any-return]
    except Exception:  # half an answer or none: the task failed there, or the process was killed
        return task()


def share_out(
    task: Callable[[Item], Result], ours: Sequence[Item], theirs: Sequence[Item], store: Store, jobs: int
) -> list[Result]:
    """Return `task(item)` for each item of both; another process does `theirs`, if there may be one."""
    through = _drained(task, store)
    with beside(lambda: list(map(through, theirs)), jobs if theirs else 1) as wait:
        made = list(map(through, ours))
        return _adopted(made + wait(), store)


def _call(position: int) -> Any:
    assert _work is not None
    task, items = _work
    return task(items[position])


def _end_with_the_build() -> None:
    """End this process when its parent is killed: nothing else would ever tell it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _can_fork() -> bool:
    # A fork takes only the calling thread along: another's lock would stay locked for ever (mkdocs serve has threads).
    return threading.active_count() == 1 and "fork" in multiprocessing.get_all_start_methods()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
