"""The grace period: a trace that something still holds long after its main part ended is closed."""

from __future__ import annotations

import logging
import threading
import time

from instrument.trace import Tracer, outside

log = logging.getLogger("covatlas")


class Grace:
    """Close held traces `seconds` after their main part ended, and say so.

    A request or job that is still running is never closed: only threads and submitted calls that outlive it are waited
    for. There is a thread only while something is held, or was within the last `seconds`.
    """

    def __init__(self, tracer: Tracer, seconds: float) -> None:
        self._tracer = tracer
        self._seconds = seconds
        self._watching = False
        self._lock = threading.RLock()  # a finalizer may end a trace while we hold it
        tracer.when_held = self.watch

    def watch(self) -> None:
        """Begin to watch, unless somebody does."""
        with self._lock:
            if self._watching:
                return
            self._watching = True
        try:
            with outside():  # the watcher itself must hold no trace
                threading.Thread(target=self._watch, name="covatlas-grace", daemon=True).start()
        except RuntimeError:  # the interpreter shuts down: the traces are written at exit
            self._watching = False

    def after_fork(self) -> None:
        """Forget the parent's watcher, which a forked child does not have."""
        self._lock = threading.RLock()
        self._watching = False

    def _watch(self) -> None:
        while True:
            with self._lock:
                held = self._tracer.held()
                if not held:
                    self._watching = False
                    return
            now = time.monotonic()
            late = [trace for trace in held if trace.ended_at + self._seconds <= now]
            closed = [trace.context for trace in late if self._tracer.close(trace)]
            if closed:
                log.warning(
                    "covatlas: closed %d traces that were still held %g s after their end (PROFILE_COVERAGE_GRACE); "
                    "later lines are left out: %s",
                    len(closed),
                    self._seconds,
                    ", ".join(sorted(closed)[:3]),
                )
            else:
                time.sleep(max(0.01, min(trace.ended_at for trace in held) + self._seconds - now))
