"""Parking: spare threads the line events of code that only traces on other threads may still need.

While a trace is open, a line that it lacks must go on reporting, also to all other threads, which run it all the time.
So code that is on the stack of no thread whose trace could need it is parked: a second tool watches for its start.
Parked by an untraced thread it has no LINE events at all; parked by a trace, the lines that it has are disabled.
The first other traced thread that starts the code, or that enters a section with it on its stack, wakes it before it
runs a line.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection
from itertools import chain, cycle, repeat
from types import CodeType, FrameType
from typing import Any

from instrument.engine import Lines

# A suspended generator goes on in a `throw` without an event that could wake it; a generator expression has no line to
# go on at.
_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
# Line events in untraced threads before parking is tried, then at each power of two and at each of these.
_PATIENCE = 16
_AGAIN = 4096
_BOOTSTRAP = threading.Thread._bootstrap.__code__  # type: ignore[attr-defined]


class Parking:
    """Know which threads are traced, and park and wake code for one tool id; without a second one, do nothing."""

    def __init__(self, tool: int, guard: int | None, thread: Any, fail: Callable[[Exception], object]) -> None:
        self._tool = tool
        self._guard = guard
        self._thread = thread
        self._fail = fail
        self.lock = threading.RLock()  # the engine's too: two could wait for each other in a finalizer
        # What is parked, by id: its code and the lines of the trace that parked it, None for an untraced thread.
        self.parked: dict[int, tuple[CodeType, Lines | None]] = {}
        self._waits: dict[int, int] = {}
        # The lines and the lowest frame of each traced thread; the lines are None where a trace is in a trace.
        self._inside: dict[int, tuple[Lines | None, FrameType]] = {}
        # Replaced by each traced thread that enters a section or starts guarded code.
        self.stamp = object()
        events = sys.monitoring.events
        self._start_events = events.PY_START | events.PY_RESUME
        if guard is not None:
            sys.monitoring.use_tool_id(guard, "covatlas-guard")
            sys.monitoring.register_callback(guard, events.PY_START, self._started)
            sys.monitoring.register_callback(guard, events.PY_RESUME, self._started)

    def enter(self, lines: Lines, nested: bool) -> None:
        """Note that the calling thread adds to `lines` from now on, and wake what is on its stack."""
        if self._guard is None:
            return
        bottom = self._thread.bottom
        if bottom is None:
            bottom = _bottom(sys._getframe())
            if bottom.f_code is _BOOTSTRAP:  # any other is not ours to keep alive
                self._thread.bottom = bottom
        # In this order: whoever parks code reads the stamp first and then looks at the threads inside.
        self._inside[threading.get_ident()] = (None if nested else lines, bottom)
        self.stamp = object()
        if self.parked:
            with self.lock:
                frame: FrameType | None = sys._getframe()
                while frame is not None:
                    self._wake(frame.f_code, lines)
                    frame = frame.f_back

    def leave(self, outer: Lines | None) -> None:
        """Note that the calling thread's trace is over; `outer` is the one that goes on."""
        if self._guard is None:
            return
        if outer is None:
            self._inside.pop(threading.get_ident(), None)
            return
        self.enter(outer, nested=True)  # how deep it still is does not matter: nothing is parked for it

    def owned(self, key: int, lines: Lines) -> bool:
        """Return whether the trace with these lines has parked the code; then a line of it may be disabled at once."""
        parked = self.parked.get(key)
        return parked is not None and parked[1] is lines

    def consider(self, code: CodeType, lines: Lines | None) -> None:
        """Count an event that the calling thread, tracing into `lines`, can do without; park if that is worth it."""
        key = id(code)
        waits = self._waits[key] = self._waits.get(key, 0) + 1
        if waits < _PATIENCE or (waits & (waits - 1) and waits % _AGAIN) or self._guard is None:
            return
        if code.co_flags & _SUSPENDS and code.co_name != "<genexpr>":
            return
        if self.lock.acquire(blocking=False):
            try:
                if key not in self.parked:
                    self._park(code, lines)
            finally:
                self.lock.release()

    def clear(self) -> dict[int, CodeType]:
        """Watch for no start any longer; return what was parked, which has no LINE events or disabled ones."""
        with self.lock:
            parked = {key: code for key, (code, _) in self.parked.items()}
            self.parked.clear()
            self._waits.clear()
            for code in parked.values():
                sys.monitoring.set_local_events(self._guard, code, 0)
            return parked

    def after_fork(self) -> None:
        """Give a forked child its own lock and forget the threads that it does not have."""
        self.lock = threading.RLock()
        ident = threading.get_ident()
        self._inside = {ident: self._inside[ident]} if ident in self._inside else {}

    def shut(self) -> None:
        """Give the second tool id back."""
        if self._guard is not None:
            self.clear()
            sys.monitoring.free_tool_id(self._guard)

    def _park(self, code: CodeType, lines: Lines | None) -> None:
        set_local, key = sys.monitoring.set_local_events, id(code)
        stamp = self.stamp
        # From here on a traced thread that starts the code changes the stamp; one that started it before is found by
        # the look at the stacks.
        set_local(self._guard, code, self._start_events)
        if not self._needed(code, lines):
            entry = (code, lines)
            # No thread switch between the comparison and the last assignment or call.
            if self.stamp is stamp:
                self.parked[key] = entry
                if lines is None:
                    set_local(self._tool, code, 0)
                self._waits.pop(key, None)
                return
        set_local(self._guard, code, 0)

    def _wake(self, code: CodeType, lines: Lines) -> None:
        parked = self.parked.get(id(code))
        if parked is not None and parked[1] is not lines:
            del self.parked[id(code)]
            rearm(self._tool, [code])
            sys.monitoring.set_local_events(self._guard, code, 0)

    def _started(self, code: CodeType, _offset: int) -> None:
        try:
            lines = self._thread.lines
            if lines is not None and not self.owned(id(code), lines):
                self.stamp = object()
                with self.lock:
                    self._wake(code, lines)
        except Exception as error:  # it would surface in the app's own code
            self._fail(error)

    def _needed(self, code: CodeType, lines: Lines | None) -> bool:
        """Return whether a thread that traces into other lines is, or may be, running the code."""
        tops = sys._current_frames()
        # Our own frame holds `tops`: in it, that would be a cycle, and the locals of every thread's frames would live
        # on until the garbage collector comes by (before CPython 3.12.7 it crashes on some, as multiprocessing's).
        tops.pop(threading.get_ident(), None)
        for ident, (theirs, bottom) in list(self._inside.items()):
            if theirs is not None and theirs is lines:
                continue
            frame, last = tops.get(ident), None
            while frame is not None:
                if frame.f_code is code:
                    return True
                frame, last = frame.f_back, frame
            # A generator that yielded since we took its frame has no caller to go on to: then we do not know.
            if last is not bottom:
                return True
        return False


def rearm(tool: int, codes: Collection[CodeType]) -> None:
    """Make every line of the code objects report again, disabled or not.

    Disarmed and armed in one C-level loop: between two Python calls another thread could run a line.
    """
    events = cycle((0, sys.monitoring.events.LINE))
    twice = chain.from_iterable(zip(codes, codes, strict=True))
    deque(map(sys.monitoring.set_local_events, repeat(tool), twice, events), maxlen=0)


def _bottom(frame: FrameType) -> FrameType:
    while frame.f_back is not None:
        frame = frame.f_back
    return frame
