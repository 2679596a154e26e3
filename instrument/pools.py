"""Calls that another thread or process makes later: pools, futures' callbacks. The call carries its trace along.

The workers themselves are born outside every trace: they serve whoever comes next.
"""

from __future__ import annotations

import functools
import inspect
import logging
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from instrument.trace import Trace, Tracer, current, outside

log = logging.getLogger("covatlas")
_tracer: Tracer | None = None
_last = threading.local()
_when_done = Future.add_done_callback  # as it was before we patch it


class Part:
    """A part of a trace that runs elsewhere in this process: it keeps the trace open until it has ended."""

    __slots__ = ("_held", "_tracer", "trace")

    def __init__(self, tracer: Tracer, trace: Trace) -> None:
        self._tracer = tracer
        self.trace = trace
        self._held = tracer.hold(trace)

    def run(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Make the call inside the trace."""
        if not self._held:
            return call(*args, **kwargs)
        with self._tracer.section(self.trace):
            return call(*args, **kwargs)

    def end(self) -> None:
        """Let the trace go; a second time does nothing."""
        if self._held:
            self._held = False
            self._tracer.release(self.trace)


class Carried:
    """A call that takes its trace along by name, also into another process, and runs as a part of it there."""

    __slots__ = ("_call", "_key", "_trace")

    def __init__(self, trace: Trace, call: Callable[..., Any]) -> None:
        self._key = (trace.slug, trace.request, trace.job)
        self._call = call
        self._trace: Trace | None = trace

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tracer = _reach()
        if tracer is None:
            return self._call(*args, **kwargs)
        with _joined(tracer, self._trace, self._key):
            return self._call(*args, **kwargs)

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
        part = Part(tracer, trace)
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


@contextmanager
def _joined(tracer: Tracer, trace: Trace | None, key: tuple[str, str, str | None]) -> Iterator[None]:
    if trace is not None and tracer.hold(trace):
        try:
            with tracer.section(trace):
                yield
        finally:
            tracer.release(trace)
        return
    again = tracer.open(*key)
    last = getattr(_last, "trace", None)
    if last is not None and (last.slug, last.request, last.job) == key:
        again.remember(last)  # a pool's map makes thousands of calls: only new lines are written
    _last.trace = again
    try:
        with tracer.section(again):
            yield
    finally:
        tracer.end(again)
