"""The app of the traced playback tests: orders that RQ jobs ship. Run as a program it serves on a free port."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from flask import Flask, request
from redis import Redis
from rq import Queue

from instrument import ProfileCoverage
from instrument.rq import TracedJob

Queue.job_class = TracedJob


def ship(order: int) -> None:
    """Mark the order as shipped, not at once."""
    time.sleep(0.3)
    _redis().set(f"shipped:{order}", 1)


def burn(order: int) -> None:
    """Fail."""
    raise RuntimeError(f"order {order} burnt")


def dawdle(order: int) -> None:
    """Outlast every patience of the tests, until `/release` is asked for."""
    _redis().blpop("released", 120)


JOBS = {"ship": ship, "burn": burn, "dawdle": dawdle}


def _redis() -> Redis:
    return Redis.from_url(os.environ["REDIS_URL"])


def create_app() -> Flask:
    """Return the app."""
    app = Flask(__name__)
    app.config["REDIS_URL"] = os.environ["REDIS_URL"]
    ProfileCoverage(app)

    @app.post("/orders")
    def order() -> tuple[dict[str, Any], int]:
        number = int(_redis().incr("orders"))
        queue = Queue(connection=_redis())
        previous = None
        for name in request.get_json().get("jobs", []):
            previous = queue.enqueue(JOBS[name], number, depends_on=previous)
        return {"id": number}, 201

    @app.get("/orders/<int:number>")
    def show(number: int) -> tuple[dict[str, Any], int]:
        return {"id": number}, 200 if _redis().exists(f"shipped:{number}") else 409

    @app.get("/vanish")
    def vanish() -> str:
        request.environ["werkzeug.socket"].shutdown(2)
        return ""

    @app.get("/die")
    def die() -> str:
        os._exit(3)

    @app.get("/release")
    def release() -> str:
        _redis().rpush("released", 1)
        return ""

    @app.get("/slow")
    def slow() -> str:
        time.sleep(3)
        return "slow"

    return app


if __name__ == "__main__":
    from werkzeug.serving import make_server

    sys.modules["tests.playback_shop"] = sys.modules["__main__"]
    for function in JOBS.values():
        function.__module__ = "tests.playback_shop"  # the worker imports the jobs by this name
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    print(server.port, flush=True)
    server.serve_forever()
