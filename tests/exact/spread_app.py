"""The app of the propagation proofs: one route runs one case, untraced itself."""

from __future__ import annotations

from flask import Flask, Response, jsonify

from instrument import ProfileCoverage
from tests.exact import limits, spread


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/spread/<name>")
    def run(name: str) -> Response:
        getattr(spread, name)()
        return jsonify(done=name)

    @app.get("/limit/<name>")
    def limit(name: str) -> Response:
        getattr(limits, name)()
        return jsonify(done=name)

    ProfileCoverage(app)
    return app
