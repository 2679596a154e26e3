"""Forked children: what they have recorded is written before a SIGTERM ends them."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrument.trace import Tracer

_tracer: Tracer | None = None
_AGAIN_S = 0.05


def flush_on_sigterm(tracer: Tracer, *, inside: bool) -> None:
    """Write what a child forked inside a trace has before SIGTERM ends it; a handler of the app's own stays.

    A child that was forked outside every trace (a pool's worker) keeps the kernel's default.
    """
    global _tracer
    _tracer = tracer
    if threading.current_thread() is not threading.main_thread():
        return
    handler = signal.getsignal(signal.SIGTERM)
    if handler is _end:  # of the process that forked us; so is the pipe
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    elif handler is not signal.SIG_DFL:
        return
    if inside and _handlers_run():
        signal.signal(signal.SIGTERM, _end)
        _watch()


def _handlers_run() -> bool:
    # CPython 3.13 tells the thread that was the parent's main thread of a signal: in a child that another thread has
    # forked, nobody hears it before the next blocking call, and SIGTERM would not end the process.
    main = threading._MainThread  # type: ignore[attr-defined]
    return sys.version_info < (3, 13) or isinstance(threading.main_thread(), main)


def _watch() -> None:
    """Repeat a SIGTERM: one that comes just before a blocking call is heard only after it, and that may be never."""
    before = signal.set_wakeup_fd(-1)
    if before != -1:  # an event loop has its own way to wake up
        signal.set_wakeup_fd(before)
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    main = threading.get_ident()

    def repeat() -> None:
        while os.read(read, 1)[0] != signal.SIGTERM:
            continue
        while True:
            time.sleep(_AGAIN_S)
            signal.pthread_kill(main, signal.SIGTERM)

    _thread.start_new_thread(repeat, ())


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough
    try:
        if _tracer is not None:
            _tracer.flush_all()
    finally:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
