"""Faults to plant in a server of the proofs: mistakes that a tracer could make, and that the proof must see."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from types import CodeType
from typing import Any


def always_disable() -> None:
    """Let every line report once and never again until the next trace opens, whoever ran it."""
    from instrument.engine.sysmon import SysmonEngine

    make = SysmonEngine._make_line

    def make_line(self: SysmonEngine) -> Callable[[CodeType, int], Any]:
        line = make(self)

        def disable(code: CodeType, number: int) -> Any:
            line(code, number)
            self._dirty[id(code)] = code
            return sys.monitoring.DISABLE

        return disable

    SysmonEngine._make_line = make_line  # type: ignore[method-assign]


def two_call_rearm() -> None:
    """Disarm code and arm it again in two steps, between which other threads run."""
    from instrument.engine import parking, sysmon

    def rearm(tool: int, codes: list[CodeType]) -> None:
        for code in codes:
            sys.monitoring.set_local_events(tool, code, 0)
            time.sleep(0.0005)  # what a switch interval does now and then, long enough to show
            sys.monitoring.set_local_events(tool, code, sys.monitoring.events.LINE)

    parking.rearm = sysmon.rearm = rearm  # type: ignore[assignment]


def late_publication() -> None:
    """Arm the code for a new trace before the other threads know of the trace."""
    from instrument.engine.sysmon import SysmonEngine, rearm

    def open_(self: SysmonEngine, lines: Any) -> None:
        with self._parking.lock:
            dirty = [self._dirty.popitem()[1] for _ in range(len(self._dirty))]
            rearm(self.tool, dirty)
        time.sleep(0.0005)
        with self._parking.lock:
            self._active = (*self._active, lines)

    SysmonEngine.open = open_  # type: ignore[method-assign]


def parking_without_a_look() -> None:
    """Park code although a traced thread is running it."""
    from instrument.engine.parking import Parking

    Parking._needed = lambda self, code, lines: False  # type: ignore[method-assign]


def parking_without_a_guard() -> None:
    """Let parked code sleep on when a traced thread starts it."""
    from instrument.engine.parking import Parking

    Parking._started = lambda self, code, offset: None  # type: ignore[method-assign]


def no_propagation() -> None:
    """Let threads and pools know nothing of the trace that starts them."""
    import instrument.runtime

    instrument.runtime.install = lambda tracer, child: lambda: None


def inheriting_worker() -> None:
    """Let a worker of a pool keep the trace in which it was born."""
    import instrument.pools

    instrument.pools.outside = contextlib.nullcontext


FAULTS = {
    fault.__name__: fault
    for fault in (
        always_disable,
        two_call_rearm,
        late_publication,
        parking_without_a_look,
        parking_without_a_guard,
        no_propagation,
        inheriting_worker,
    )
}
