"""Forked children: what they have recorded is written before a SIGTERM ends them."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrument.trace import Tracer

_tracer: Tracer | None = None


def flush_on_sigterm(tracer: Tracer, *, inside: bool) -> None:
    """Write what a child forked inside a trace has before SIGTERM ends it; a handler of the app's own stays.

    A child that was forked outside every trace (a pool's worker) keeps the kernel's default: a handler in Python waits
    for the interpreter, and pools terminate their workers while those wait for a lock.
    """
    global _tracer
    _tracer = tracer
    if threading.current_thread() is not threading.main_thread():
        return
    before, after = (signal.SIG_DFL, _end) if inside else (_end, signal.SIG_DFL)
    if signal.getsignal(signal.SIGTERM) is before:
        signal.signal(signal.SIGTERM, after)


def _end(number: int, _frame: FrameType | None) -> None:
    try:
        if _tracer is not None:
            _tracer.flush_all()
    finally:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
