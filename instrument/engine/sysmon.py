"""Engine over sys.monitoring (CPython 3.12+): lines cost only until every open trace has them.

PY_START and PY_RESUME discover, once per code object, what is in scope and arm its LINE events. A line that each open
trace has already is disabled; opening a trace arms again just the code objects with disabled lines. With nothing open
there are no events.

Ordinary traffic beside an open trace is `instrument.engine.parking`'s matter.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from instrument.engine import Lines
from instrument.engine.parking import Parking, rearm
from instrument.scope import Decide

log = logging.getLogger("covatlas")
# Ids that no standard kind of tool reserves come first; the optimizer's is not used by any known one.
_TOOL_IDS = (4, 3, 5)


class _Thread(threading.local):
    """The lines that the calling thread adds to; class attributes are what an untraced thread reads."""

    lines: Lines | None = None
    bottom: FrameType | None = None  # of the stack, where it is the same for the thread's whole life


class SysmonEngine:
    """Collect lines with sys.monitoring; one tool id for all traces of the process."""

    name = "sysmon"

    def __init__(self, decide: Decide) -> None:
        """Take free tool ids and begin to discover code; raise RuntimeError if all are taken, or without a GIL."""
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            raise RuntimeError("no GIL: threads could run between two steps that must be one")
        self._decide = decide
        self._thread = _Thread()
        self._active: tuple[Lines, ...] = ()
        self._paths: dict[int, str] = {}
        self._codes: dict[int, CodeType] = {}  # keeps the ids of _paths from being reused
        self._files: dict[str, str | None] = {}
        self._dirty: dict[int, CodeType] = {}
        self._failed = False
        monitoring = sys.monitoring
        events = monitoring.events
        free = [tool for tool in _TOOL_IDS if monitoring.get_tool(tool) is None]
        if not free:
            raise RuntimeError("every tool id of sys.monitoring is taken")
        self.tool = free[0]
        monitoring.use_tool_id(self.tool, "covatlas")
        self._parking = Parking(self.tool, free[1] if len(free) > 1 else None, self._thread, self._fail)
        start = self._make_start()
        monitoring.register_callback(self.tool, events.PY_START, start)
        monitoring.register_callback(self.tool, events.PY_RESUME, start)
        monitoring.register_callback(self.tool, events.LINE, self._make_line())
        monitoring.set_events(self.tool, events.PY_START | events.PY_RESUME)

    def open(self, lines: Lines) -> None:
        """Make every line of the scope report again, until `lines` has it."""
        with self._parking.lock:
            # Published first: from here on no callback disables a line that `lines` lacks.
            self._active = (*self._active, lines)
            dirty = []
            while self._dirty:
                dirty.append(self._dirty.popitem()[1])
            if dirty:
                rearm(self.tool, dirty)

    def close(self, lines: Lines) -> None:
        """Forget `lines`: what it lacks need not report any longer."""
        with self._parking.lock:
            self._active = tuple(other for other in self._active if other is not lines)
            if not self._active and self._parking.parked:
                self._dirty.update(self._parking.clear())

    def enter(self, lines: Lines) -> object:
        """Start adding this thread's executed lines to `lines`."""
        thread = self._thread
        outer = thread.lines
        thread.lines = lines
        self._parking.enter(lines, nested=outer is not None)
        return (outer,)

    def leave(self, token: object) -> None:
        """Stop adding; the outer trace of this thread goes on."""
        (outer,) = token  # type: ignore[misc]
        self._thread.lines = outer
        self._parking.leave(outer)

    def after_fork(self) -> None:
        """Give a forked child its own lock; only what its one thread is in stays open."""
        mine = self._thread.lines
        self._active = () if mine is None else (mine,)
        self._parking.after_fork()

    def drop(self) -> None:
        """Take this thread out of whatever it is in: a forked child that belongs to no trace."""
        self._thread.lines = None

    def shut(self) -> None:
        """Give the tool id back."""
        sys.monitoring.set_events(self.tool, 0)
        for code in self._codes.values():
            sys.monitoring.set_local_events(self.tool, code, 0)
        sys.monitoring.free_tool_id(self.tool)
        self._parking.shut()
        sys.monitoring.restart_events()  # or what we disabled stays so for the next one that takes the id

    def _make_line(self) -> Callable[[CodeType, int], Any]:
        thread, paths, dirty, disable = self._thread, self._paths, self._dirty, sys.monitoring.DISABLE
        parking = self._parking
        consider, owned = parking.consider, parking.owned

        def line(code: CodeType, number: int) -> Any:
            try:
                mine = thread.lines
                key = id(code)
                path = paths[key]
                if mine is not None:
                    if path in mine:
                        mine[path].add(number)
                    else:
                        mine.setdefault(path, set()).add(number)
                active, stamp = self._active, parking.stamp
                for other in active:
                    if other is mine or (path in other and number in other[path]):
                        continue
                    if mine is None or not owned(key, mine):
                        return consider(code, mine)
                dirty[key] = code
                # The last step, and no thread switch within it: a trace that was opened since we looked must get its
                # line, and so must one that woke the code.
                return disable if self._active is active and parking.stamp is stamp else None
            except RecursionError:  # the app is at its limit, and will say so itself
                return None
            except Exception as error:  # it would surface in the app's own code, in untraced requests too
                dirty[id(code)] = code
                return self._fail(error)

        return line

    def _make_start(self) -> Callable[[CodeType, int], Any]:
        monitoring = sys.monitoring

        def start(code: CodeType, _offset: int) -> Any:
            try:
                key = id(code)
                if key not in self._paths:
                    path = self._path(code)
                    if path is None:
                        return monitoring.DISABLE
                    self._codes[key] = code
                    self._paths[key] = path
                    monitoring.set_local_events(self.tool, code, monitoring.events.LINE)
                return monitoring.DISABLE
            except RecursionError:  # as above; the next start decides
                return None
            except Exception as error:
                return self._fail(error)

        return start

    def _path(self, code: CodeType) -> str | None:
        filename = code.co_filename
        try:
            return self._files[filename]
        except KeyError:
            # The callback's caller is the frame that runs the code; coverage.py's rules look at its globals.
            frame = sys._getframe(2)
            path = self._files[filename] = self._decide(filename, frame if frame.f_code is code else None)
            return path

    def _fail(self, error: Exception) -> object:
        # At the interpreter's end coverage.py's rules cannot be asked any more, and no trace is open to lose a line.
        if not self._failed and not sys.is_finalizing():
            self._failed = True
            log.error("covatlas: the sysmon engine failed (%s: %s); lines are lost", type(error).__name__, error)
        return sys.monitoring.DISABLE
