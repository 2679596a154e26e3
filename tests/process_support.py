"""A real package with recorded data, and `covatlas build` in processes of its own, for the proofs that need both."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sitegen.publish import TOKEN
from tests.atlas_support import run_coverage

ROOT = Path(__file__).parent.parent
DRIVERS = {
    "answers": """
        from flask import Flask, jsonify, request
        app = Flask("shop")
        app.add_url_rule("/<int:n>", view_func=lambda n: jsonify(n=n, q=request.args), endpoint="n")
        client = app.test_client()
        assert client.get("/3?x=1").json["n"] == 3 and client.get("/none").status_code == 404
        """,
    "session": """
        import flask
        app = flask.Flask("shop")
        app.secret_key = "x"
        @app.route("/", methods=["GET", "POST"])
        def start():
            flask.session["seen"] = flask.session.get("seen", 0) + 1
            flask.flash("hello")
            return flask.render_template_string("{{ get_flashed_messages() }} {{ g }}")
        @app.errorhandler(400)
        def bad(error):
            return flask.redirect(flask.url_for("start"))
        @app.route("/bad")
        def refuse():
            flask.abort(400)
        client = app.test_client()
        assert client.get("/").status_code == 200 and client.get("/bad").status_code == 302
        with client.session_transaction() as session:
            assert session["seen"]
        """,
    "commands": """
        import flask
        app = flask.Flask("shop")
        @app.cli.command("hello")
        def hello():
            print("hello")
        assert "hello" in app.test_cli_runner().invoke(args=["hello"]).output
        blueprint = flask.Blueprint("b", "shop", url_prefix="/b")
        blueprint.add_url_rule("/", view_func=lambda: flask.json.dumps([1]), endpoint="x")
        app.register_blueprint(blueprint)
        assert app.test_client().get("/b/").data
        """,
}


def fast_folder() -> str | None:
    """Return a file system in memory for what is copied often, where there is one with room; else None."""
    memory = Path("/dev/shm")
    return str(memory) if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30 else None


def real_project(root: Path) -> Path:
    """Copy Flask's installed source below `root`, record three profiles of it, and return the package's directory."""
    found = find_spec("flask")
    assert found is not None and found.origin is not None
    package = root / "flask"
    shutil.copytree(Path(found.origin).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for slug in DRIVERS:
        record(root, slug, DRIVERS[slug])
    return package


def record(root: Path, slug: str, driver: str) -> None:
    """Run a driver with the copied package under plain coverage.py, and keep its data as a profile's."""
    script = root / "drivers" / f"{slug}.py"
    script.parent.mkdir(exist_ok=True)
    script.write_text(textwrap.dedent(driver))
    (root / "data").mkdir(exist_ok=True)
    data = root / "data" / f"{slug}.coverage"
    data.unlink(missing_ok=True)
    run_coverage(root, "run", f"--rcfile={os.devnull}", f"--data-file={data}", "--source=flask", str(script))


@dataclass(frozen=True)
class Built:
    """What one `covatlas build` said: its explanation, and its messages."""

    told: dict[str, Any]
    messages: str

    def pages(self, *fates: str) -> set[str]:
        """Return the pages that met one of these fates."""
        return {item["page"] for item in self.told["pages"] if item["fate"] in fates and item["page"].endswith(".html")}


def build(root: Path, *args: str, package: str = "flask", cwd: Path | None = None, **environment: str) -> Built:
    """Run `covatlas build --explain` in a fresh process over `root`/<package> and `root`/data."""
    command = [
        sys.executable, "-m", "sitegen.cli", "build", "--explain", "--format", "json",
        "--source", str(root / package), "--coverage-dir", str(root / "data"),
        "--site-dir", str(root / "site"), "--cache-dir", str(root / "cache"), *args,
    ]  # fmt: skip
    given = {"PATH": os.environ["PATH"], "HOME": str(root), "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(command, cwd=cwd or root, env=given, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return Built(json.loads(done.stdout), done.stderr)


def tree(site: Path) -> dict[str, str]:
    """Return path and digest of every file of a site but the token."""
    return {
        path.relative_to(site).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in site.rglob("*")
        if path.is_file() and path.name != TOKEN
    }
