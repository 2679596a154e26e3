"""Engines: collect the lines that one thread executes. One interface, chosen at start."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Protocol

import coverage

from instrument.scope import Decide

Lines = dict[str, set[int]]
log = logging.getLogger("covatlas")
# coverage.py versions whose CTracer is known to take our members; others are tried in a child process first.
_KNOWN = {(7, minor) for minor in range(10, 18)}


class Engine(Protocol):
    """Collect executed lines of the calling thread. `enter` and `leave` nest strictly, on one thread."""

    name: str

    def open(self, lines: Lines) -> None:
        """Expect lines for `lines`, from any thread, until `close`."""

    def close(self, lines: Lines) -> None:
        """Expect no more lines for `lines`."""

    def enter(self, lines: Lines) -> object:
        """Start adding this thread's executed lines to `lines`; return a token for `leave`."""

    def leave(self, token: object) -> None:
        """Stop adding, and give the thread back to whoever traced it before."""

    def after_fork(self) -> None:
        """Go on in a forked child with only the trace that its one thread is in."""

    def drop(self) -> None:
        """Take this thread out of whatever it is in: a forked child that belongs to no trace."""


def choose(name: str, decide: Decide) -> Engine:
    """Return the engine called `name`; "auto" takes the fastest one that works here."""
    if name in ("auto", "sysmon") and sys.version_info >= (3, 12):
        from instrument.engine.sysmon import SysmonEngine

        try:
            return SysmonEngine(decide)
        except RuntimeError as error:
            log.warning("covatlas: the sysmon engine cannot be used (%s); trying the next one", error)
    if name != "pure" and (ctrace_works() or name == "ctrace"):
        from instrument.engine.ctrace import CTraceEngine

        return CTraceEngine(decide)
    if name == "auto":
        log.warning(
            "covatlas: coverage.py %s has no usable C tracer here; tracing with a slow pure-Python engine",
            coverage.__version__,
        )
    from instrument.engine.pure import PureEngine

    return PureEngine(decide)


def ctrace_works() -> bool:
    """Return whether coverage.py's CTracer can be used; an unknown version is tried in a child process."""
    try:
        from coverage.tracer import CTracer  # noqa: F401
    except ImportError:
        return False
    if coverage.version_info[:2] in _KNOWN:
        return True
    # A CTracer with a member that we do not know to set is a crash: let a child process have it.
    try:
        command = [sys.executable, "-m", "instrument.engine.ctrace"]
        return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
