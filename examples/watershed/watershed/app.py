"""The app factory; `ProfileCoverage(app)` is all that Covatlas asks of it."""

from __future__ import annotations

from flask import Flask

from instrument import ProfileCoverage
from watershed.config import Config
from watershed.storage.db import init_schema
from watershed.web import api, auth, errors, pages, reports


def create_app() -> Flask:
    """Return the app, configured from the environment."""
    config = Config.from_environment()
    app = Flask("watershed")
    app.secret_key = config.secret_key
    app.config["WATERSHED"] = config
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600  # s
    init_schema(config.database)
    ProfileCoverage(app)

    for blueprint in (auth.blueprint, pages.blueprint, api.blueprint, reports.blueprint):
        app.register_blueprint(blueprint)
    errors.register(app)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
