"""The exactness check: run a server under load, compare every request's lines with its own oracle."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from examples.ports import listening_socket
from instrument import shards
from tests.exact.server import end

ROOT = Path(__file__).parent.parent.parent
KINDS = ("plain", "stream", "fail", "threads", "pool", "async")
SLUGS = ("us-small", "us-large", "alps", "coast")
THREADS = 8
# Of this interpreter, the fastest first.
ENGINES = [*(["sysmon"] if sys.version_info >= (3, 12) else []), "ctrace", "pure"]
Requests = dict[str, dict[str, list[int]]]  # path or context → file → lines


@functools.cache
def oracle() -> Requests:
    """Return the lines of each path, one request at a time under plain coverage.py in a process of its own."""
    paths = [f"/{kind}/{number}" for kind in KINDS for number in range(0, 24)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.exact.oracle"], cwd=ROOT, input=json.dumps(paths), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: Requests = json.loads(done.stdout)
    assert len({json.dumps(lines) for lines in found.values()}) > 40, "routes must differ for a proof to mean much"
    return found


def environment(directory: Path, engine: str) -> dict[str, str]:
    """Return the environment of a traced server that switches threads as often as it can."""
    config = directory.with_suffix(".ini")
    config.write_text("[run]\nsource_pkgs = tests.exact.app\n")
    return {
        **os.environ,
        "ENABLE_PROFILE_COVERAGE": "1",
        "PROFILE_COVERAGE_DIR": str(directory),
        "PROFILE_COVERAGE_CONFIG": str(config),
        "PROFILE_COVERAGE_ENGINE": engine,
        "SWITCH_INTERVAL": "1e-6",
    }


@contextlib.contextmanager
def werkzeug(env: dict[str, str], tmp_path: Path, fault: str = "") -> Iterator[int]:
    """Serve the app with threaded werkzeug, with a planted fault if one is named; yield the port."""
    command = [sys.executable, "-m", "tests.exact.serve", "tests.exact.app", *([fault] if fault else [])]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        end(process, signal.SIGINT)


@contextlib.contextmanager
def gunicorn(env: dict[str, str], tmp_path: Path) -> Iterator[int]:
    """Serve the app with two gunicorn workers of eight threads; yield the port."""
    with listening_socket(0) as listener, (tmp_path / "server.log").open("w") as log:
        port, fd = listener.getsockname()[1], listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", "2", "--threads", "8"]
        command += ["--no-control-socket", "-b", f"fd://{fd}", "tests.exact.app:create_app()"]
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, pass_fds=[fd])
    try:
        yield port
    finally:
        end(process)


def fire(port: int, oracle: Requests, requests: int) -> dict[str, str]:
    """Send requests from 8 threads, every third untraced; return context → path of the traced ones."""
    sent: dict[str, str] = {}
    errors: list[BaseException] = []

    def client(number: int) -> None:
        chance = random.Random(number)
        try:
            for count in range(requests // THREADS):
                path = chance.choice(sorted(oracle))
                headers = {}
                if count % 3:
                    slug, request = chance.choice(SLUGS), f"t{number}-{count}"
                    headers = {"X-Profile-Trace": slug, "X-Profile-Request": request}
                    sent[f"profile:{slug}:{request}"] = path
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", path, headers=headers)
                connection.getresponse().read()
                connection.close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    return sent


def recorded(directory: Path) -> Requests:
    """Return what was recorded so far, per context."""
    found: Requests = {}
    for slug in SLUGS:
        path = shards.combine(directory, slug).path
        assert path is not None
        for context, files in shards.read_data(path).items():
            found[context] = {name: sorted(lines) for name, lines in files.items()}
    return found


def compare(sent: dict[str, str], got: Requests, oracle: Requests) -> tuple[float, float, dict[str, object]]:
    """Return (recall, precision) over all lines of all requests, and the difference of each path that has one."""
    right = wrong = missing = 0
    differences: dict[str, object] = {}
    for context in sent.keys() | got.keys():
        want = {(name, line) for name, lines in oracle[sent[context]].items() for line in lines}
        have = {(name, line) for name, lines in got.get(context, {}).items() for line in lines}
        right += len(want & have)
        wrong += len(have - want)
        missing += len(want - have)
        if want != have:
            differences[sent[context]] = {
                "missing": sorted(line for _, line in want - have),
                "wrong": sorted(line for _, line in have - want),
            }
    return right / (right + missing), right / (right + wrong), dict(sorted(differences.items())[:20])
