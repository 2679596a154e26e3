"""The trace: one traced request or job under one slug, and the only way to start, enter, leave and end one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from instrument.engine import Engine, Lines

log = logging.getLogger("covatlas")


class _Thread(threading.local):
    """The trace that the calling thread is in; the class attribute is what an untraced thread reads."""

    trace: Trace | None = None


_thread = _Thread()


class Trace:
    """One traced execution, which owns its lines; its sections (stretches on one thread) all add to them.

    It is open while its main part runs or anything holds it (a thread it started, a call it submitted).
    """

    __slots__ = ("_written", "closed", "ended", "ended_at", "holds", "job", "lines", "lock", "request", "slug")

    def __init__(self, slug: str, request: str, job: str | None = None) -> None:
        self.slug = slug
        self.request = request
        self.job = job
        self.ended = False
        self.ended_at = 0.0
        self.closed = False  # by the grace period: lines and jobs that come later are nobody's
        self.holds = 1
        # Reentrant: a signal handler or a finalizer may run Python code of the trace while the lock is held.
        self.lock = threading.RLock()
        self.lines: Lines = {}
        self._written: Lines = {}

    @property
    def context(self) -> str:
        """coverage.py's label of this trace: `profile:<slug>:<request>`, of a job with `/<job>` behind."""
        return f"profile:{self.slug}:{self.request}" + (f"/{self.job}" if self.job else "")

    def take_new(self) -> Lines:
        """Return the lines not returned before; other threads may still add, so the sets are copied, not emptied."""
        with self.lock:
            written = self._written
            if not written:
                self._written = {path: lines.copy() for path, lines in self.lines.copy().items()}
                return self._written.copy()
            fresh: Lines = {}
            for path, lines in self.lines.copy().items():
                before = written.get(path)
                new = lines - before if before else lines.copy()
                if new:
                    fresh[path] = new
                    written[path] = before | new if before else new  # what was returned is never changed
            return fresh

    def remember(self, earlier: Trace) -> None:
        """Count what an earlier part of the same execution has returned as returned."""
        self._written = earlier._written.copy()

    def give_back(self, lines: Lines) -> None:
        """Take back that these lines were written."""
        with self.lock:
            for path, found in lines.items():
                self._written[path] = self._written.get(path, set()) - found


def current() -> Trace | None:
    """Return the trace that this thread's lines go to, if any."""
    trace = _thread.trace
    return None if trace is None or trace.closed else trace


@contextmanager
def outside() -> Iterator[None]:
    """Let what this thread starts for a while belong to no trace; its own lines still go where they went."""
    outer = current()
    _thread.trace = None
    try:
        yield
    finally:
        _thread.trace = outer


class Section:
    """A stretch of a trace on one thread, as a context manager; a request is four of them, so it is no generator."""

    __slots__ = ("_engine", "_outer", "_token", "_trace")

    def __init__(self, engine: Engine, trace: Trace) -> None:
        self._engine = engine
        self._trace = trace

    def __enter__(self) -> None:
        self._outer = _thread.trace
        _thread.trace = self._trace
        try:
            self._token = self._engine.enter(self._trace.lines)
        except Exception:  # whatever it is, the app's code must run
            self._token = None
            log.exception("covatlas: lines of %s are lost", self._trace.context)

    def __exit__(self, *_error: object) -> None:
        _thread.trace = self._outer
        if self._token is not None:
            try:
                self._engine.leave(self._token)
            except Exception:  # as above
                log.exception("covatlas: a trace of %s was not left", self._trace.context)


def _nothing() -> None:
    """Watch no held trace."""


class Tracer:
    """Open, enter, leave and end traces; hand their finished lines to `sink` and their count to `count`."""

    def __init__(self, engine: Engine, sink: Callable[[Trace, Lines], None], count: Callable[[str, int], None]) -> None:
        self.engine = engine
        self._sink = sink
        self._count = count
        self._open: set[Trace] = set()
        self.when_held: Callable[[], None] = _nothing

    def open(self, slug: str, request: str, job: str | None = None) -> Trace:
        """Begin a trace; it counts as open until it has ended and nobody holds it."""
        trace = Trace(slug, request, job)
        self._open.add(trace)
        self.engine.open(trace.lines)
        self._count(slug, 1)
        return trace

    def section(self, trace: Trace) -> Section:
        """Send this thread's lines to the trace in a `with` block; sections nest."""
        return Section(self.engine, trace)

    def flush(self, trace: Trace) -> None:
        """Write what the trace has executed so far; nothing new writes nothing."""
        lines = trace.take_new()
        if lines:
            try:
                self._sink(trace, lines)
            except BaseException:  # a signal handler's, as RQ's timeout: written twice is better than not at all
                trace.give_back(lines)
                raise

    def end(self, trace: Trace) -> None:
        """End the main part: its lines are safe when this returns; threads that still hold it may add more."""
        with trace.lock:
            if trace.ended:
                return
            trace.ended_at = time.monotonic()
            trace.ended = True
        try:
            self.flush(trace)
        except BaseException:  # as above
            self.flush(trace)
            raise
        finally:
            self._drop(trace)
        if trace.holds:
            self.when_held()

    def hold(self, trace: Trace) -> bool:
        """Keep the trace open for a part that runs elsewhere; False if it is closed, else pair it with `release`."""
        with trace.lock:
            if trace.holds == 0 or trace not in self._open:
                return False
            trace.holds += 1
            return True

    def release(self, trace: Trace) -> None:
        """End such a part; lines that come after the main part's end are written here."""
        if trace.ended and not trace.closed:
            self.flush(trace)
        self._drop(trace)

    def held(self) -> list[Trace]:
        """Return the traces whose main part has ended while something holds them."""
        return [trace for trace in list(self._open) if trace.ended]

    def close(self, trace: Trace) -> bool:
        """Write what a held trace has so far and leave the rest to nobody; return False if it is done already."""
        with trace.lock:
            if trace.closed or trace.holds == 0:
                return False
            trace.closed = True
        self.flush(trace)
        self._forget(trace)
        return True

    def flush_all(self) -> None:
        """Write what every open trace of this process has so far: the process is about to end."""
        for trace in list(self._open):
            self.flush(trace)

    def forget(self) -> None:
        """Drop the open traces of the parent after a fork, but the one that this thread is in."""
        mine = current()
        if mine is None:
            self.engine.drop()
        self.engine.after_fork()
        self._open = set() if mine is None else {mine}
        if mine is not None:
            mine.lock = threading.RLock()  # another thread of the parent may have held it
            mine.holds = 1
            mine.take_new()  # what ran before the fork is the parent's to write
            self._count(mine.slug, 1)

    def _drop(self, trace: Trace) -> None:
        with trace.lock:
            trace.holds -= 1
            done = trace.holds == 0 and not trace.closed
        if done:
            self._forget(trace)

    def _forget(self, trace: Trace) -> None:
        self._open.discard(trace)
        self.engine.close(trace.lines)
        self._count(trace.slug, -1)
