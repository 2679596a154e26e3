"""Engine in pure Python over sys.settrace: slow, for interpreters where coverage.py has no C tracer."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from instrument.engine import Lines
from instrument.scope import Decide


class PureEngine:
    """Collect lines with a trace function of one thread; a trace inside a trace swaps the lines."""

    name = "pure"

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._cache: dict[str, str | None] = {}
        self._thread = threading.local()

    def open(self, lines: Lines) -> None:
        """Do nothing: a thread's tracer starts when it enters."""

    def close(self, lines: Lines) -> None:
        """Do nothing: a thread's tracer stops when it leaves."""

    def after_fork(self) -> None:
        """Do nothing: a forked child's thread keeps its tracer."""

    def drop(self) -> None:
        """Take this thread out of whatever it is in: a forked child that belongs to no trace."""
        self._thread.lines = None
        if sys.gettrace() == self._call:
            sys.settrace(None)

    def enter(self, lines: Lines) -> object:
        """Start adding this thread's executed lines to `lines`."""
        outer = getattr(self._thread, "lines", None)
        before = sys.gettrace()
        self._thread.lines = lines
        if outer is None:
            sys.settrace(self._call)
        return (outer, before)

    def leave(self, token: object) -> None:
        """Stop adding; restore the outer trace, debugger or coverage run, if there was one."""
        outer, before = token  # type: ignore[misc]
        self._thread.lines = outer
        if outer is None and sys.gettrace() == self._call:
            sys.settrace(before)

    def _call(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        lines = getattr(self._thread, "lines", None)
        if lines is None:
            return None
        source = self._source(frame)
        if source is None:
            return None
        add = lines.setdefault(source, set()).add

        def local(frame: FrameType, event: str, _arg: Any) -> Any:
            if event == "line":
                add(frame.f_lineno)
            return local

        return local

    def _source(self, frame: FrameType) -> str | None:
        filename = frame.f_code.co_filename
        try:
            return self._cache[filename]
        except KeyError:
            pass
        try:
            source = self._decide(filename, frame)
        except Exception:  # nothing may leave a trace callback: it would surface in the app's own code
            source = None
        self._cache[filename] = source
        return source
