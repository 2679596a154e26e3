"""Ends child processes for certain, and turns signals into exceptions so that `with` blocks are left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

# RQ reads a second SIGTERM as "take the running job down too", but ignores one within its first second.
STOP_STEPS = ((signal.SIGTERM, 5.0), (signal.SIGTERM, 5.0), (signal.SIGTERM, 15.0), (signal.SIGKILL, 20.0))


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child that leads its own process group, then whatever of that group is left."""
    for number, patience_s in STOP_STEPS:
        if process.poll() is not None:
            break
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # what the process itself left behind
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def signals_as_exit() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise SystemExit, as Ctrl-C raises KeyboardInterrupt, so that `with` blocks are left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def signals_ignored() -> Iterator[None]:
    """Let no second Ctrl-C interrupt the block: it stops what the first one asked to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
