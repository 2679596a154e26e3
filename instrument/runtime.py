"""The runtime of a traced process: built once from the settings, only with the flag on; never hurts its host."""

from __future__ import annotations

import atexit
import hmac
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Mapping

from instrument.caps import Caps
from instrument.children import adopt, child_environment
from instrument.engine import Lines, choose
from instrument.errors import CovatlasError
from instrument.forks import flush_on_sigterm
from instrument.grace import Grace
from instrument.journal import Journal
from instrument.propagate import install
from instrument.recovery import left_over, recover
from instrument.scope import Scope
from instrument.settings import Settings, read_settings
from instrument.slug import SlugError, parse_slug
from instrument.trace import Trace, Tracer, current

log = logging.getLogger("covatlas")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_runtime: Runtime | None = None
_failure: str | None = None
_lock = threading.Lock()
_FLUSH_WAIT_S = 5.0
_LOOK_EVERY, _LEFT_OVER = 64, 64


class Runtime:
    """Tracing of one process: opens traces for admitted slugs and journals their lines."""

    def __init__(self, settings: Settings) -> None:
        """Prepare the coverage directory and the engine; raise CovatlasError or OSError if that is impossible."""
        self.settings = settings
        self.problem: str | None = None
        self._stopping = threading.RLock()
        self._jobs_loaded = 0
        self.scope = scope = Scope(settings.config)
        scope.refuse_inside(settings.coverage_dir)
        settings.coverage_dir.mkdir(parents=True, exist_ok=True)
        if not os.access(settings.coverage_dir, os.W_OK):
            raise CovatlasError(f"{settings.coverage_dir} is not writable; name another PROFILE_COVERAGE_DIR")
        recover(settings.coverage_dir)
        self.caps = Caps(settings)
        self.journal = Journal(settings.coverage_dir)
        self.engine = choose(settings.engine, scope)
        self.tracer = Tracer(self.engine, self._write, self._count)
        self.grace = Grace(self.tracer, settings.grace)
        self._environment = child_environment(scope, str(settings.coverage_dir))
        self._has_children = False
        self.undo = install(self.tracer, self._child)

    @property
    def refused(self) -> int:
        """How many traces this process has refused."""
        return self.journal.refused

    def admit(self, slug: str, request: str | None, token: str | None) -> Trace | None:
        """Open a trace for the header values of a request; a refused one is counted and stays untraced."""
        if self.problem:
            return None
        try:
            if not self.knows(token) or not self._allows(slug):
                self._guard(self.journal.refuse)
                return None
            self._refuse_greenlets()
            return self.tracer.open(slug, request_id(request))
        except Exception as error:  # whatever it is, the request must be answered
            self.stop(_why(error))
            return None

    def open_job(self, slug: str, request: str, job: str) -> Trace | None:
        """Open the trace of an RQ job that a traced request caused; what Redis says is checked as a header is."""
        if self.problem:
            return None
        try:
            if not _REQUEST_ID.fullmatch(request) or not self._allows(slug):
                self._guard(self.journal.refuse)
                return None
            self._refuse_greenlets()
            return self.tracer.open(slug, request, job)
        except Exception as error:  # as above
            self.stop(_why(error))
            return None

    def knows(self, token: str | None) -> bool:
        """Return whether the caller sent the shared token, where one is set; takes the same time for any guess."""
        wanted = self.settings.token
        return wanted is None or hmac.compare_digest(wanted.encode(), (token or "").encode("utf-8", "surrogatepass"))

    def flush(self) -> int:
        """Write what open traces have, let go of the journal, turn what nobody holds into shards; return how many.

        Raise CovatlasError or OSError if the disk does not take them; the journals stay then.
        """
        self.tracer.flush_all()
        if self.problem is None:
            self._guard(self.journal.roll)
        return recover(self.settings.coverage_dir, wait=_FLUSH_WAIT_S)

    def job_loaded(self) -> None:
        """Recover the journals of ended work-horses now and then; an RQ worker calls this before it forks the next."""
        self._jobs_loaded += 1
        if self._jobs_loaded % _LOOK_EVERY or self.problem:
            return
        directory = self.settings.coverage_dir
        try:
            if left_over(directory) >= _LEFT_OVER:
                recover(directory)
        except (OSError, CovatlasError) as error:
            log.warning("covatlas: the journals of ended processes stay for later: %s", error)

    def stop(self, reason: str) -> None:
        """Trace nothing more in this process and say why, once."""
        with self._stopping:
            if self.problem is not None:
                return
            self.problem = reason
        log.error("covatlas: tracing is off in process %d: %s", os.getpid(), reason)
        self.journal.fail(reason)

    def after_fork(self) -> None:
        """Go on in a forked child with a journal of its own."""
        self._stopping = threading.RLock()
        self._jobs_loaded = 0
        self.journal.after_fork()
        self.tracer.forget()
        flush_on_sigterm(self.tracer, inside=current() is not None)
        self.grace.after_fork()

    @staticmethod
    def _refuse_greenlets() -> None:
        # Looked at for each trace: a server's worker may patch long after a preloaded app has set us up.
        where = threading.get_ident.__module__
        if where != "_thread":
            raise CovatlasError(
                f"{where} has taken the place of threads, and its switches are not followed: a trace would have the "
                "lines of others; serve with threads (gunicorn's gthread)"
            )

    def _allows(self, slug: str) -> bool:
        try:
            parse_slug(slug)
        except SlugError:
            return False
        allowed = self.settings.allow
        return (allowed is None or slug in allowed) and self.caps.reached(slug) is None

    def _write(self, trace: Trace, lines: Lines) -> None:
        self._guard(lambda: self.journal.write(trace.slug, trace.context, lines))

    def _child(self, trace: Trace) -> Mapping[str, str]:
        self._has_children = True
        return self._environment(trace)

    def _count(self, slug: str, step: int) -> None:
        if step < 0 and self._has_children:
            try:
                adopt(self.settings.coverage_dir)  # first: whoever sees no open trace expects all of its lines
            except OSError as error:
                log.warning("covatlas: the lines of child processes stay for later: %s", error)
        self._guard(lambda: self.journal.count(slug, step))

    def _guard(self, action: Callable[[], None]) -> None:
        if self.problem is not None:
            return
        try:
            action()
        except OSError as error:
            if error.errno is None:  # no disk's: a signal handler of the app raised it here, TimeoutError perhaps
                raise
            self.stop(f"{self.settings.coverage_dir}: {error}")
        except MemoryError:
            self.stop("there is no memory left for a record")


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, CovatlasError) else f"{type(error).__name__}: {error}"


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
            except Exception as error:  # whatever it is, the app must start: say it and stay out of its way
                _failure = str(error) or type(error).__name__
                log.error("covatlas: tracing is off: %s", _failure)
        return _runtime


def failure() -> str | None:
    """Return why tracing could not start in this process, None if it did or was not asked for."""
    return _failure


def _at_exit() -> None:
    if _runtime is not None:
        try:
            _runtime.tracer.flush_all()
            _runtime.journal.close()
            recover(_runtime.settings.coverage_dir)
        except Exception as error:  # whatever it is, the app's own exit goes on; the next start recovers
            log.error("covatlas: the journal of process %d stays for the next start: %s", os.getpid(), error)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    if _runtime is not None:
        _runtime.after_fork()


os.register_at_fork(after_in_child=_after_fork)
