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
    from instrument.trace import Trace

log = logging.getLogger("covatlas")
HEADER = "X-Profile-Trace"
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ProfileCoverage:
    """Trace the requests of a Flask app that name a profile; with the flag off, do nothing at all.

    `ProfileCoverage(app)` or `ProfileCoverage().init_app(app)`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Wrap the app's WSGI callable and register the control blueprint, once per app, if the flag is on."""
        try:
            if not is_enabled():
                return
        except CovatlasError as error:
            log.error("covatlas: tracing is off: %s", error)
            return
        if "covatlas" in app.extensions:
            return
        app.extensions["covatlas"] = self
        from instrument.control import blueprint
        from instrument.runtime import ensure

        app.register_blueprint(blueprint)
        runtime = ensure()
        if runtime is not None:
            app.wsgi_app = TraceRequests(app.wsgi_app, runtime)  # type: ignore[method-assign]


class TraceRequests:
    """WSGI middleware: a request with the header is one trace, from the call to the close of its body."""

    def __init__(self, app: Wsgi, runtime: Runtime) -> None:
        self.app = app
        self.runtime = runtime

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        slug = environ.get("HTTP_X_PROFILE_TRACE")
        if slug is None:
            return self.app(environ, start_response)
        trace = self.runtime.admit(slug, environ.get("HTTP_X_PROFILE_REQUEST"), environ.get("HTTP_X_PROFILE_TOKEN"))
        if trace is None:
            return self.app(environ, start_response)
        tracer = self.runtime.tracer
        length = _Length()

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            length.read(environ, status, headers)
            # WSGI servers look at the number of arguments: pass on what we were given.
            return start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)

        try:
            with tracer.section(trace):
                body = self.app(environ, start)
        except BaseException:
            tracer.end(trace)
            raise
        return TracedBody(body, trace, self.runtime, length)


class _Length:
    """The number of body bytes that the headers announce; None where they do not."""

    def __init__(self) -> None:
        self.total: int | None = None

    def read(self, environ: dict[str, Any], status: str, headers: list[tuple[str, str]]) -> None:
        if environ.get("REQUEST_METHOD") == "HEAD" or status[:3] in ("204", "304"):
            self.total = 0
            return
        for name, value in headers:
            if name.lower() == "content-length" and value.isdigit():
                self.total = int(value)


class TracedBody:
    """Iterate the body inside the trace; the trace is on disk before the last byte of a sized body leaves."""

    def __init__(self, body: Iterable[bytes], trace: Trace, runtime: Runtime, length: _Length) -> None:
        self._body = body
        self._trace = trace
        self._tracer = runtime.tracer
        self._length = length
        self._sent = 0
        self._iterator: Iterator[bytes] | None = None
        if length.total == 0:
            self._tracer.flush(trace)  # no byte follows the headers: the client may have its answer now

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
        self._sent += len(chunk)
        if self._length.total is not None and self._sent >= self._length.total:
            self._tracer.flush(self._trace)
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
