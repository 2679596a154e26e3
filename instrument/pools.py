"""Calls that another thread or process makes later: pools, futures' callbacks. The call carries its trace along.

The workers themselves are born outside every trace: they serve whoever comes next.
"""

from __future__ import annotations

import functools
import inspect
import logging
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from instrument.trace import Trace, Tracer, current, outside

log = logging.getLogger("covatlas")
_tracer: Tracer | None = None
_last = threading.local()
_when_done = Future.add_done_callback  # as it was before we patch it


class Part:
    """A part of a trace that runs elsewhere: it keeps the trace open until it has ended. It never raises."""

    __slots__ = ("_finish", "_tracer", "trace")

    def __init__(self, tracer: Tracer, trace: Trace, finish: Callable[[Trace], None] | None) -> None:
        self._tracer = tracer
        self.trace = trace
        self._finish = finish

    def run(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Make the call inside the trace."""
        if self._finish is None:
            return call(*args, **kwargs)
        with self._tracer.section(self.trace):
            return call(*args, **kwargs)

    def end(self) -> None:
        """Let the trace go; a second time does nothing."""
        finish, self._finish = self._finish, None
        if finish is not None:
            try:
                finish(self.trace)
            except Exception:  # whatever it is, the app's code goes on
                log.exception("covatlas: lines of %s may be lost", self.trace.context)


def part_of(tracer: Tracer, trace: Trace) -> Part:
    """Return a part of an open trace; of a closed one, a part that traces nothing."""
    try:
        held = tracer.hold(trace)
    except Exception:  # as above
        log.exception("covatlas: lines of %s are lost", trace.context)
        held = False
    return Part(tracer, trace, tracer.release if held else None)


class Carried:
    """A call that takes its trace along by name, also into another process, and runs as a part of it there."""

    __slots__ = ("_call", "_key", "_trace")

    def __init__(self, trace: Trace, call: Callable[..., Any]) -> None:
        self._key = (trace.slug, trace.request, trace.job)
        self._call = call
        self._trace: Trace | None = trace

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            part = _join(self._trace, self._key)
        except Exception:  # as above
            log.exception("covatlas: a call of profile %s is not traced", self._key[0])
            part = None
        if part is None:
            return self._call(*args, **kwargs)
        try:
            return part.run(self._call, *args, **kwargs)
        finally:
            part.end()

    def __getstate__(self) -> tuple[Any, ...]:
        return (self._key, self._call)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._key, self._call = state
        self._trace = None


def serve(tracer: Tracer | None) -> None:
    """Say which tracer carried calls of this process use."""
    global _tracer
    _tracer = tracer


def submitting(tracer: Tracer, original: Callable[..., Any], *, another_process: bool) -> Callable[..., Any]:
    """Return an Executor.submit whose call carries the trace; the trace stays open until the future is done."""

    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        trace = current()
        if trace is None:
            return original(self, fn, *args, **kwargs)
        part = part_of(tracer, trace)
        call = Carried(trace, fn) if another_process else functools.partial(part.run, fn)
        try:
            with outside():
                future = original(self, call, *args, **kwargs)
        except BaseException:
            part.end()
            raise
        _when_done(future, lambda _future: part.end())  # runs for a cancelled call too
        return future

    return submit


def carrying(original: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """Return `original` with the callable (or iterable) arguments of these names carried; what it starts is outside."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        trace = current()
        if trace is None:
            return original(*args, **kwargs)
        try:
            bound = signature.bind(*args, **kwargs)
            for name in names:
                value = bound.arguments.get(name)
                if name == "iterable":
                    # A generator is asked for its items by a thread of the pool; iter() asks until StopIteration.
                    bound.arguments[name] = iter(Carried(trace, iter(value).__next__), object())
                elif callable(value):
                    bound.arguments[name] = Carried(trace, value)
            args, kwargs = bound.args, bound.kwargs
        except Exception:  # wrong arguments: the original says so
            log.debug("covatlas: %s is called untraced", original.__qualname__, exc_info=True)
        with outside():
            return original(*args, **kwargs)

    return method


def _reach() -> Tracer | None:
    if _tracer is None and multiprocessing.parent_process() is not None:
        # A worker that was spawned, not forked, begins with nothing but our flag in its environment.
        from instrument.runtime import ensure

        ensure()
    return _tracer


def _join(trace: Trace | None, key: tuple[str, str, str | None]) -> Part | None:
    tracer = _reach()
    if tracer is None:
        return None
    if trace is not None and tracer.hold(trace):
        return Part(tracer, trace, tracer.release)
    again = tracer.open(*key)
    last = getattr(_last, "trace", None)
    if last is not None and (last.slug, last.request, last.job) == key:
        again.remember(last)  # a pool's map makes thousands of calls: only new lines are written
    _last.trace = again
    return Part(tracer, again, tracer.end)
