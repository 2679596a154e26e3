"""The Flask extension: a WSGI wrapper that traces requests, and the control blueprint. One line in the app factory."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from instrument.errors import CovatlasError
from instrument.settings import is_enabled

if TYPE_CHECKING:
    from flask import Flask

    from instrument.runtime import Runtime
    from instrument.trace import Trace, Tracer

log = logging.getLogger("covatlas")
_MARK = "covatlas.traced"
_BODILESS = ("204", "304")
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ProfileCoverage:
    """Trace the requests of a Flask app that name a profile; with the flag off, do nothing at all.

    `ProfileCoverage(app)` or `ProfileCoverage().init_app(app)`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Wrap the app's WSGI callable, with the control blueprint beside it, once per app, if the flag is on."""
        try:
            if not is_enabled():
                return
        except CovatlasError as error:
            log.error("covatlas: tracing is off: %s", error)
            return
        if "covatlas" in app.extensions:
            return
        try:
            from instrument.control import Control
            from instrument.runtime import ensure

            runtime = ensure()
            traced = app.wsgi_app if runtime is None else TraceRequests(app.wsgi_app, runtime)
            app.wsgi_app = Control(traced, app)  # type: ignore[method-assign]
        except Exception as error:  # a Flask that we do not know: the app must start
            log.error("covatlas: tracing is off in %s: %s", app.name, error)
            return
        app.extensions["covatlas"] = self


class TraceRequests:
    """WSGI middleware: a request with the header is one trace, from the call to the close of its body."""

    def __init__(self, app: Wsgi, runtime: Runtime) -> None:
        self.app = app
        self.runtime = runtime

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        slug = environ.get("HTTP_X_PROFILE_TRACE")
        if slug is None or _MARK in environ:  # marked: an app inside a traced app
            return self.app(environ, start_response)
        trace = self.runtime.admit(slug, environ.get("HTTP_X_PROFILE_REQUEST"), environ.get("HTTP_X_PROFILE_TOKEN"))
        if trace is None:
            return self.app(environ, start_response)
        environ[_MARK] = True
        tracer = self.runtime.tracer
        sending = Sending(tracer, trace, head=environ.get("REQUEST_METHOD") == "HEAD")

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            write = start_response(status, headers, *exc_info)
            sending.begin(status, headers)
            return sending.written_by(write)

        try:
            self._watch_jobs()
            with tracer.section(trace):
                body = self.app(environ, start)
            return TracedBody(body, tracer, trace, sending)
        except BaseException:
            tracer.end(trace)
            raise

    def _watch_jobs(self) -> None:
        """Notice plain RQ jobs that are enqueued from here on, once the app has RQ."""
        if "rq.job" not in sys.modules:
            return
        try:
            from instrument.rq import watch

            watch(self.runtime)
        except Exception as error:  # an RQ that we do not know: the request must be answered
            self.runtime.stop(f"RQ cannot be watched ({type(error).__name__}: {error})")


class Sending:
    """Put the trace on disk before the client can have its whole answer.

    A sized body is written before its last byte leaves. Nobody knows which chunk of an unsized one is the last, so new
    lines are written before each: what may be lost is only what runs after the last chunk.
    """

    __slots__ = ("_head", "_left", "_lines", "_trace", "_tracer")

    def __init__(self, tracer: Tracer, trace: Trace, *, head: bool) -> None:
        self._tracer = tracer
        self._trace = trace
        self._head = head
        self._left: int | None = None
        self._lines = 0

    def begin(self, status: str, headers: list[tuple[str, str]]) -> None:
        """Read how many bytes follow; an app may call this again with an error page."""
        self._left = 0 if self._head or status[:3] in _BODILESS else _content_length(headers)

    def done(self) -> bool:
        """Return whether no byte is missing that the headers announced."""
        return self._left is not None and self._left <= 0

    def before(self, chunk: bytes) -> None:
        """Write what must be on disk before this chunk leaves."""
        if self._left is not None:
            self._left -= len(chunk)
            if self._left <= 0:
                self._tracer.flush(self._trace)
            return
        lines = sum(map(len, list(self._trace.lines.values())))
        if lines != self._lines:
            self._tracer.flush(self._trace)
            self._lines = lines

    def written_by(self, write: Any) -> Any:
        """Return WSGI's old `write` callable, which sends a chunk at once, with `before` in front."""
        if write is None:
            return None

        def traced_write(chunk: bytes) -> Any:
            self.before(chunk)
            return write(chunk)

        return traced_write


def _content_length(headers: list[tuple[str, str]]) -> int | None:
    try:
        for name, value in headers:
            if name.lower() == "content-length":
                return int(value)
    except (AttributeError, TypeError, ValueError):  # the server will complain, not we
        pass
    return None


class TracedBody:
    """Iterate the body inside the trace."""

    def __init__(self, body: Iterable[bytes], tracer: Tracer, trace: Trace, sending: Sending) -> None:
        self._body = body
        self._trace = trace
        self._tracer = tracer
        self._sending = sending
        self._iterator: Iterator[bytes] | None = None
        if sending.done():
            tracer.flush(trace)  # no byte follows the headers: the client may have its answer now

    def __iter__(self) -> TracedBody:
        return self

    def __next__(self) -> bytes:
        try:
            with self._tracer.section(self._trace):
                if self._iterator is None:
                    self._iterator = iter(self._body)
                chunk = next(self._iterator)
        except BaseException:  # also the end of the body: an unsized stream is complete for the client now
            self._tracer.flush(self._trace)
            raise
        self._sending.before(chunk)
        return chunk

    def close(self) -> None:
        """Close the body inside the trace, then end the trace."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                with self._tracer.section(self._trace):
                    close()
        finally:
            self._tracer.end(self._trace)

    def __del__(self) -> None:
        # A server that drops the body without closing it (PEP 3333 forbids it) must not leave the trace open.
        if not sys.is_finalizing():
            self._tracer.end(self._trace)
