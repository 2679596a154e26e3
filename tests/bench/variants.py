"""The servers that the benchmarks compare, each a WSGI callable of the same app."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import coverage

from tests.bench.app import create_app

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def bare() -> Wsgi:
    """Return the app without Covatlas."""
    return create_app(covatlas=False)


def covatlas() -> Wsgi:
    """Return the app with Covatlas; the environment says whether its flag is on."""
    return create_app(covatlas=True)


def both() -> Wsgi:
    """Return the app with Covatlas, which a request can ask to be answered past its wrapper: one process, two ways."""
    app = create_app(covatlas=True)
    wrapped = app.wsgi_app

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_X_BENCH_WSGI") == "without":
            return wrapped.app(environ, start_response)
        return wrapped(environ, start_response)

    return answer


def plain_coverage() -> Wsgi:
    """Return the app under one coverage.py C tracer for the whole process, as `coverage run` traces it."""
    cov = coverage.Coverage(data_file=None, config_file=False, source_pkgs=["tests.bench.app"], timid=False)
    cov.set_option("run:core", "ctrace")
    # Here and not at import: gunicorn calls this in the worker, whose threads coverage.py then traces from their birth.
    cov.start()
    return create_app(covatlas=False)


def per_request() -> Wsgi:
    """Return the app with one Coverage object per request, the recipe that coverage.py's public API offers."""
    app = create_app(covatlas=False)
    directory = os.environ["PROFILE_COVERAGE_DIR"]
    lock = threading.Lock()

    def traced(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        slug = environ.get("HTTP_X_PROFILE_TRACE")
        if slug is None:
            return app(environ, start_response)
        with lock:  # two at once are HTTP 500
            cov = coverage.Coverage(
                data_file=os.path.join(directory, f"{slug}.coverage"),
                data_suffix=True,
                config_file=False,
                source_pkgs=["tests.bench.app"],
                context=f"profile:{slug}:{environ.get('HTTP_X_PROFILE_REQUEST')}",
            )
            cov.start()
            try:
                return [b"".join(app(environ, start_response))]
            finally:
                cov.stop()
                cov.save()

    return traced
