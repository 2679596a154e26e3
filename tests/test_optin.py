"""Tracing is strictly opt-in: with the flag off nothing is imported, patched or registered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROBE = """
import concurrent.futures, json, os, subprocess, sys, threading
hooks = (threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit, subprocess.Popen.__init__, os._exit)
from flask import Flask
from redis import Redis
from rq import Queue
from instrument import ProfileCoverage
from instrument.rq import TracedJob
app = Flask("probe")
wsgi = app.wsgi_app
ProfileCoverage(app)
Queue.job_class = TracedJob
job = TracedJob.create("os.getcwd", connection=Redis(), id="x")
job.to_dict()
after = (threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit, subprocess.Popen.__init__, os._exit)
print(json.dumps({
    "modules": sorted(name for name in sys.modules if name.split(".")[0] in ("instrument", "coverage", "sitegen")),
    "patched": [before is not now for before, now in zip(hooks, after)],
    "wrapped": app.wsgi_app != wsgi,
    "blueprints": sorted(app.blueprints),
    "extensions": sorted(app.extensions),
    "status": app.test_client().get("/__covatlas__/status", headers=json.loads(os.environ["HEADERS"])).status_code,
    "meta": job.meta,
    "trace": sys.gettrace() is not None,
}))
"""


def probe(tmp_path: Path, headers: str = '{"X-Profile-Trace": "alps"}', **env: str) -> dict:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ENABLE_", "PROFILE_"))}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True,
        env={**clean, "PROFILE_COVERAGE_DIR": str(tmp_path / "data"), "HEADERS": headers, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("env", [{}, {"ENABLE_PROFILE_COVERAGE": "0"}, {"ENABLE_PROFILE_COVERAGE": ""}])
def test_flag_off_means_nothing_is_there(tmp_path: Path, env: dict[str, str]) -> None:
    assert probe(tmp_path, **env) == {
        "modules": [
            "instrument",
            "instrument.errors",
            "instrument.flask",
            "instrument.jobs",
            "instrument.rq",
            "instrument.settings",
            "instrument.slug",
        ],
        "patched": [False] * 4,
        "wrapped": False,
        "blueprints": [],
        "extensions": [],
        "status": 404,
        "meta": {},
        "trace": False,
    }
    assert not (tmp_path / "data").exists()


def test_flag_on_installs_and_no_header_traces_nothing(tmp_path: Path) -> None:
    found = probe(tmp_path, headers="{}", ENABLE_PROFILE_COVERAGE="1")
    assert found["patched"] == [True] * 4
    assert (found["wrapped"], found["blueprints"], found["meta"], found["trace"]) == (True, ["covatlas"], {}, False)
    assert not list((tmp_path / "data").iterdir())


def test_an_unreadable_flag_leaves_the_app_alone(tmp_path: Path) -> None:
    found = probe(tmp_path, ENABLE_PROFILE_COVERAGE="perhaps")
    assert (found["wrapped"], found["status"]) == (False, 404)
