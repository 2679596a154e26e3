"""Tracing is strictly opt-in: with the flag off nothing is imported, patched or registered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from redis import Redis
from rq import Queue

from examples.ports import listening_socket
from tests.exact.server import end

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
    assert (found["wrapped"], found["blueprints"], found["meta"], found["trace"]) == (True, [], {}, False)
    assert not list((tmp_path / "data").iterdir())


def test_an_unreadable_flag_leaves_the_app_alone(tmp_path: Path) -> None:
    found = probe(tmp_path, ENABLE_PROFILE_COVERAGE="perhaps")
    assert (found["wrapped"], found["status"]) == (False, 404)


HOOKS = """
import concurrent.futures, json, os, signal, subprocess, sys, threading
def report():
    return {
        "modules": sorted(name for name in sys.modules if name.split(".")[0] in ("instrument", "coverage", "sitegen")),
        "ours": sorted(
            f"{hook.__module__}.{hook.__qualname__}"
            for hook in (threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit,
                         subprocess.Popen.__init__, subprocess.Popen.wait, signal.getsignal(signal.SIGTERM),
                         os._exit, os.fork)
            if "instrument" in (getattr(getattr(hook, "__code__", None), "co_filename", "") or "")
        ),
        "trace": sys.gettrace() is not None,
        "tools": [sys.monitoring.get_tool(n) for n in range(6)] if hasattr(sys, "monitoring") else [None] * 6,
        "threads": sorted(thread.name for thread in threading.enumerate() if "covatlas" in thread.name),
    }
"""
OFF = {
    "modules": [
        "instrument", "instrument.errors", "instrument.flask", "instrument.settings", "instrument.slug"
    ],
    "ours": [],
    "trace": False,
    "tools": [None] * 6,
    "threads": [],
}  # fmt: skip


def clean_environment(tmp_path: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ENABLE_", "PROFILE_"))}
    return {**clean, "PROFILE_COVERAGE_DIR": str(tmp_path / "data"), "PYTHONPATH": f"{tmp_path}:{ROOT}"}


def test_flag_off_means_nothing_is_there_inside_a_gunicorn_worker(tmp_path: Path) -> None:
    text = "from flask import Flask, jsonify\nfrom instrument import ProfileCoverage\napp = Flask('probe')\n"
    text += "@app.get('/')\ndef index(): return jsonify(report())\nProfileCoverage(app)\n"
    (tmp_path / "probed_app.py").write_text(HOOKS + text)
    with listening_socket(0) as listener, (tmp_path / "log").open("w") as log:
        base, fd = f"http://127.0.0.1:{listener.getsockname()[1]}", listener.fileno()
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-k", "gthread", "--no-control-socket", "-b", f"fd://{fd}",
             "probed_app:app"],
            cwd=tmp_path, env=clean_environment(tmp_path), stdout=log, stderr=log, pass_fds=[fd],
        )  # fmt: skip
    try:
        assert requests.get(f"{base}/", headers={"X-Profile-Trace": "alps"}, timeout=60).json() == OFF
        assert requests.get(f"{base}/__covatlas__/status", timeout=60).status_code == 404
    finally:
        end(server)
    assert not (tmp_path / "data").exists()


def test_flag_off_means_nothing_is_there_inside_a_work_horse(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "probed_job.py").write_text(HOOKS)
    queue = Queue("optin", connection=Redis.from_url(redis_url))
    job = queue.enqueue("probed_job.report")
    env = {**clean_environment(tmp_path), "RQ_JOB_CLASS": "instrument.rq.TracedJob"}
    command = [sys.executable, "-m", "rq.cli", "worker", "optin", "--url", redis_url, "--burst", "-q"]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, timeout=120)
    found = job.latest_result().return_value
    loaded = set(found.pop("modules")) - set(OFF["modules"])
    assert found == {name: value for name, value in OFF.items() if name != "modules"}
    assert loaded <= {"instrument.rq", "instrument.jobs"}
    assert not (tmp_path / "data").exists()
