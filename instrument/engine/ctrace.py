"""Engine over coverage.py's CTracer: one tracer per traced thread, each trace with its own data."""

from __future__ import annotations

import sys
import threading
from types import FrameType, MemberDescriptorType
from typing import Any

from coverage.disposition import disposition_init
from coverage.tracer import CFileDisposition, CTracer

from instrument.engine import Lines
from instrument.scope import Decide


def _nothing(*_args: Any) -> None:
    """Stand in for callbacks that never matter here; CTracer calls them without looking at the answer."""


# Every member of a CTracer; one that a newer coverage.py adds is set to None, and a test asks for its meaning.
MEMBERS: dict[str, Any] = {
    "data": None,  # of each tracer
    "should_trace": None,  # of each engine
    "should_trace_cache": None,
    "check_include": _nothing,
    "should_start_context": None,
    "switch_context": None,
    "concur_id_func": None,
    "file_tracers": {},
    "disable_plugin": _nothing,
    "trace_arcs": False,
    "warn": _nothing,
    "lock_data": int,  # must be C functions: Python ones cost half of the speed
    "unlock_data": int,
}


class CTraceEngine:
    """Collect lines with CTracer; a trace inside a trace on the same thread swaps the tracer's data."""

    name = "ctrace"

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._cache: dict[str, Any] = {}
        self._thread = threading.local()
        known = dict(MEMBERS, should_trace=self._should_trace, should_trace_cache=self._cache)
        unknown = dict.fromkeys(name for name, kind in vars(CTracer).items() if isinstance(kind, MemberDescriptorType))
        self._members = tuple({**unknown, **known}.items())

    def open(self, lines: Lines) -> None:
        """Do nothing: a thread's tracer starts when it enters."""

    def close(self, lines: Lines) -> None:
        """Do nothing: a thread's tracer stops when it leaves."""

    def after_fork(self) -> None:
        """Do nothing: a forked child's thread keeps its tracer."""

    def drop(self) -> None:
        """Take this thread out of whatever it is in: a forked child that belongs to no trace."""
        tracer = getattr(self._thread, "tracer", None)
        if tracer is not None and sys.gettrace() is tracer:
            tracer.data = {}  # frames that began under the tracer may call it once more
            sys.settrace(None)
        self._thread.tracer = None

    def enter(self, lines: Lines) -> object:
        """Start adding this thread's executed lines to `lines`."""
        tracer = getattr(self._thread, "tracer", None)
        if tracer is not None and sys.gettrace() is tracer:
            outer = tracer.data
            tracer.data = lines
            return (tracer, outer, None)
        before = sys.gettrace()
        tracer = self._tracer(lines)
        self._thread.tracer = tracer
        tracer.start()
        return (tracer, None, before)

    def leave(self, token: object) -> None:
        """Stop adding; restore the outer trace, debugger or coverage run, if there was one."""
        tracer, outer, before = token  # type: ignore[misc]
        if outer is not None:
            tracer.data = outer
            return
        self._thread.tracer = None
        # If somebody set another trace function meanwhile, it stays.
        if sys.gettrace() is tracer:
            # Frames that began under our tracer still point to it; a stopped tracer that such a frame calls would
            # uninstall the one that we restore. For the same reason it is stopped last.
            frame: FrameType | None = sys._getframe() if before is not None else None
            while frame is not None and frame.f_trace is tracer:
                frame.f_trace = before
                frame = frame.f_back
            sys.settrace(before)
        tracer.stop()

    def _tracer(self, lines: Lines) -> Any:
        tracer = CTracer()
        # Every member is set: CTracer dereferences them without a look.
        for name, value in self._members:
            setattr(tracer, name, value)
        tracer.data = lines
        return tracer

    def _should_trace(self, filename: str, frame: FrameType) -> Any:
        disposition = disposition_init(CFileDisposition, filename)
        try:
            source = self._decide(filename, frame)
        except Exception:  # nothing may leave a trace callback: it would surface in the app's own code
            source = None
        if source is not None:
            disposition.trace = True
            disposition.source_filename = source
        return disposition


def _self_test() -> int:
    """Trace a function with this CTracer and compare; run in a child process, since a misfit crashes."""
    engine = CTraceEngine(lambda filename, frame: "here" if filename == "<self-test>" else None)
    scope: dict[str, Any] = {}
    exec(compile("def f():\n    a = 1\n    return a\n", "<self-test>", "exec"), scope)
    outer: Lines = {}
    inner: Lines = {}
    first = engine.enter(outer)
    second = engine.enter(inner)
    scope["f"]()
    engine.leave(second)
    engine.leave(first)
    scope["f"]()
    return 0 if (outer, inner) == ({}, {"here": {2, 3}}) else 1


if __name__ == "__main__":
    sys.exit(_self_test())
