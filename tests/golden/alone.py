"""The sample app and its jobs in one single-threaded process, to be run under plain `coverage run`.

Prints the port, then serves one request after the other; the jobs that a request enqueued are worked off, in this very
thread, before the next request is taken. What runs before the first request keeps coverage.py's empty context; the rest
gets the context `played`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import coverage
from redis import Redis
from rq import Queue, SimpleWorker
from watershed.app import create_app
from watershed.jobs import observations, pipeline, tiles  # noqa: F401  a worker has them too
from werkzeug.serving import make_server


class JobsAfterEachRequest:
    """WSGI middleware: when a body is closed, run every queued job here and now."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        if environ["PATH_INFO"] == "/worked-off":  # one request at a time: the jobs before it are done
            start_response("204 No Content", [])
            return
        measured.switch_context("played")
        body = self.app(environ, start_response)
        try:
            yield from body
        finally:
            if hasattr(body, "close"):
                body.close()
            queue = Queue("watershed", connection=Redis.from_url(os.environ["REDIS_URL"]))
            worker = SimpleWorker([queue], connection=queue.connection)
            while queue.count:
                worker.work(burst=True, logging_level=logging.ERROR)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # the worker had taken it


if __name__ == "__main__":
    measured = coverage.Coverage.current()
    app = create_app()
    app.wsgi_app = JobsAfterEachRequest(app.wsgi_app)
    server = make_server("127.0.0.1", 0, app, threaded=False)
    print(server.port, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
