"""Forked children: what they have recorded is written before a signal ends them."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrument.trace import Tracer


def flush_on_sigterm(tracer: Tracer) -> None:
    """Write what open traces have before a SIGTERM ends this process; a handler of the app's own stays."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def end(number: int, _frame: FrameType | None) -> None:
        try:
            tracer.flush_all()
        finally:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
