"""The app of the durability proofs whose route starts a child Python process and kills it."""

from __future__ import annotations

import subprocess
import sys

from flask import Flask, Response, jsonify

from instrument import ProfileCoverage

CHILD = """
import time
from tests.exact.work import work
work(27)
print("ready", flush=True)
time.sleep(30)
"""


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/child/<int:number>")
    def child(number: int) -> Response:
        process = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(number)
            code = process.wait()
        return jsonify(code=code)

    ProfileCoverage(app)
    return app
