"""The runtime of a traced process: built once from the settings, only with the flag on; never hurts its host."""

from __future__ import annotations

import atexit
import hmac
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable

from instrument.children import child_environment
from instrument.engine import Lines, choose
from instrument.errors import CovatlasError
from instrument.forks import flush_on_sigterm
from instrument.journal import Journal
from instrument.propagate import install
from instrument.scope import Scope
from instrument.settings import Settings, read_settings
from instrument.shards import recover
from instrument.slug import SlugError, parse_slug
from instrument.trace import Trace, Tracer, current

log = logging.getLogger("covatlas")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_runtime: Runtime | None = None
_failure: str | None = None
_lock = threading.Lock()


class Runtime:
    """Tracing of one process: opens traces for admitted slugs and journals their lines."""

    def __init__(self, settings: Settings) -> None:
        """Prepare the coverage directory and the engine; raise CovatlasError or OSError if that is impossible."""
        self.settings = settings
        self.problem: str | None = None
        self.refused = 0
        scope = Scope(settings.config)
        scope.refuse_inside(settings.coverage_dir)
        settings.coverage_dir.mkdir(parents=True, exist_ok=True)
        if not os.access(settings.coverage_dir, os.W_OK):
            raise CovatlasError(f"{settings.coverage_dir} is not writable; name another PROFILE_COVERAGE_DIR")
        recover(settings.coverage_dir)
        self.journal = Journal(settings.coverage_dir)
        self.engine = choose(settings.engine, scope)
        self.tracer = Tracer(self.engine, self._write, self._count)
        self.undo = install(self.tracer, child_environment(scope, str(settings.coverage_dir)))

    def admit(self, slug: str, request: str | None, token: str | None) -> Trace | None:
        """Open a trace for the header values of a request; a refused one is counted and stays untraced."""
        if self.problem:
            return None
        wanted = self.settings.token
        allowed = self.settings.allow
        try:
            parse_slug(slug)
        except SlugError:
            return self._refuse()
        if wanted is not None and not hmac.compare_digest(wanted.encode(), (token or "").encode("utf-8", "replace")):
            return self._refuse()
        if allowed is not None and slug not in allowed:
            return self._refuse()
        return self.tracer.open(slug, request_id(request))

    def open_job(self, slug: str, request: str, job: str) -> Trace | None:
        """Open the trace of an RQ job that a traced request caused."""
        return None if self.problem else self.tracer.open(slug, request, job)

    def flush(self) -> int:
        """Write what open traces have, let go of the journal, turn what nobody holds into shards; return how many."""
        self.tracer.flush_all()
        self.journal.roll()
        return recover(self.settings.coverage_dir)

    def stop(self, reason: str) -> None:
        """Trace nothing more in this process and say why, once."""
        if self.problem is None:
            self.problem = reason
            log.error("covatlas: tracing is off in process %d: %s", os.getpid(), reason)

    def _refuse(self) -> None:
        self.refused += 1

    def _write(self, trace: Trace, lines: Lines) -> None:
        self._guard(lambda: self.journal.write(trace.slug, trace.context, lines))

    def _count(self, slug: str, step: int) -> None:
        self._guard(lambda: self.journal.count(slug, step))

    def _guard(self, action: Callable[[], None]) -> None:
        if self.problem is not None:
            return
        try:
            action()
        except (OSError, ValueError) as error:
            self.stop(f"{self.settings.coverage_dir}: {error}")


def request_id(given: str | None) -> str:
    """Return the client's request id if it is one, else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def ensure() -> Runtime | None:
    """Return this process's runtime, built at the first call; None with the flag off or if it cannot be built."""
    global _runtime, _failure
    if _runtime is not None or _failure is not None:
        return _runtime
    with _lock:
        if _runtime is None and _failure is None:
            try:
                settings = read_settings()
                if settings.enabled:
                    _runtime = Runtime(settings)
                    atexit.register(_at_exit)
                    os.register_at_fork(after_in_child=_after_fork)
            except Exception as error:  # whatever it is, the app must start: say it and stay out of its way
                _failure = str(error) or type(error).__name__
                log.error("covatlas: tracing is off: %s", _failure)
        return _runtime


def failure() -> str | None:
    """Return why tracing could not start in this process, None if it did or was not asked for."""
    return _failure


def _at_exit() -> None:
    if _runtime is not None and _runtime.problem is None:
        try:
            _runtime.tracer.flush_all()
            _runtime.journal.close()
            recover(_runtime.settings.coverage_dir)
        except (OSError, CovatlasError) as error:
            log.error("covatlas: the journal of process %d stays for the next start: %s", os.getpid(), error)


def _after_fork() -> None:
    if _runtime is not None:
        _runtime.journal.after_fork()
        _runtime.tracer.forget()
        if current() is not None:
            flush_on_sigterm(_runtime.tracer)
