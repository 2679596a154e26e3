"""The app of the RQ proofs: one route enqueues a job."""

from __future__ import annotations

import subprocess
import sys

from flask import Flask, Response, jsonify

from instrument import ProfileCoverage
from tests.exact import jobs


def create_app() -> Flask:
    app = Flask(__name__)

    @app.post("/start/<kind>")
    def start(kind: str) -> Response:
        return jsonify(job=jobs.start(kind))

    @app.post("/prepare")
    def prepare() -> Response:
        jobs.prepare()
        return jsonify(made=True)

    @app.get("/child")
    def child() -> Response:
        done = subprocess.run([sys.executable, "-m", "tests.exact.child"], check=True)
        return jsonify(code=done.returncode)

    @app.get("/job/<job>")
    def status(job: str) -> Response:
        return jsonify(status=jobs.TracedJob.fetch(job, connection=jobs.queue().connection).get_status())

    ProfileCoverage(app)
    return app
