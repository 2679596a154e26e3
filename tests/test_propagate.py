"""A request spreads over threads, pools, forks and children, and has exactly its own lines, whoever else is at work."""

from __future__ import annotations

import ast
import contextlib
import os
import pprint
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from instrument import shards

ROOT = Path(__file__).parent.parent
EXACT = Path(__file__).resolve().parent / "exact"
SPREAD, OFFSPRING, LIMITS = (str(EXACT / f"{name}.py") for name in ("spread", "offspring", "limits"))
ENGINES = ["sysmon", "ctrace"] if sys.version_info >= (3, 12) else ["ctrace"]
Files = dict[str, set[int]]


def bodies(path: str, mark: str = "# never") -> dict[str, set[int]]:
    """Return the statement lines of each function body, and of the module under "", without the marked lines."""
    text = Path(path).read_text().split("\n")
    found: dict[str, set[int]] = {}

    def visit(nodes: list[ast.stmt], owner: str, prefix: str) -> None:
        for node in nodes:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if not docstring and not isinstance(node, ast.Try) and mark not in text[node.lineno - 1]:
                found.setdefault(owner, set()).add(node.lineno)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                visit(node.body, prefix + node.name, "")
            elif isinstance(node, ast.ClassDef):
                visit(node.body, owner, f"{node.name}.")
            else:
                for part in ("body", "orelse", "finalbody"):
                    visit(getattr(node, part, []), owner, prefix)
                for handler in getattr(node, "handlers", []):
                    found[owner].add(handler.lineno)
                    visit(handler.body, owner, prefix)
            if isinstance(node, ast.Try):
                found[owner].add(node.lineno)

    visit(ast.parse("\n".join(text)).body, "", "")
    return found


def cases() -> dict[str, Files]:
    """Return case → the lines it must have, read from its decorator."""
    functions, children = bodies(SPREAD), bodies(OFFSPRING)
    module = children.pop("") | {1}  # its docstring is a line that runs
    found = {}
    for node in ast.parse(Path(SPREAD).read_text()).body:
        if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
            continue
        call = node.decorator_list[0]
        names = [node.name, *(name.value for name in call.args)]  # type: ignore[attr-defined]
        found[node.name] = {SPREAD: set().union(*(functions.get(name, set()) for name in names))}
        for keyword in call.keywords:  # type: ignore[attr-defined]
            modes = keyword.value.value.split()  # type: ignore[attr-defined]
            found[node.name][OFFSPRING] = module.union(*(children[mode] for mode in modes))
    return found


CASES = cases()


@dataclass
class App:
    base: str
    directory: Path
    log: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str, slug: str | None = None, request: str = "") -> requests.Response:
        headers = {} if slug is None else {"X-Profile-Trace": slug, "X-Profile-Request": request}
        return requests.get(self.base + path, headers=headers, timeout=120)

    def settle(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = self.get("/__covatlas__/status").json()["open"]
            if not found:
                return
            time.sleep(0.05)
        raise AssertionError(f"traces stay open: {found}")

    def recorded(self, slug: str) -> dict[str, Files]:
        """Return context → file → lines, of the files that the proofs are about."""
        done = shards.combine(self.directory, slug)
        assert not done.damaged
        if done.path is None:
            return {}
        return {
            context: {path: lines for path, lines in files.items() if path in (SPREAD, OFFSPRING, LIMITS)}
            for context, files in shards.read_data(done.path).items()
        }


def tracing(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a process that traces the apps of the proofs into `data`."""
    config = tmp_path / "coverage.ini"
    config.write_text(f"[run]\nsource = {EXACT}\n")
    return {
        **os.environ,
        "ENABLE_PROFILE_COVERAGE": "1",
        "PROFILE_COVERAGE_DIR": str(tmp_path / "data"),
        "PROFILE_COVERAGE_CONFIG": str(config),
    }


@contextlib.contextmanager
def serving(tmp_path: Path, **env: str) -> Iterator[App]:
    settings = {
        **tracing(tmp_path),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "SWITCH_INTERVAL": "1e-5",
    }
    log = tmp_path / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.exact.serve", "tests.exact.spread_app"],
            cwd=ROOT, env={**settings, **env}, stdout=subprocess.PIPE, stderr=stream,
            start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        yield App(f"http://127.0.0.1:{int(process.stdout.readline())}", tmp_path / "data", log, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the workers of its pools
        process.wait(60)


def difference(got: Files, want: Files) -> dict[str, dict[str, list[str]]]:
    found = {}
    for path in got.keys() | want.keys():
        text = Path(path).read_text().split("\n")
        missing = [f"{n}: {text[n - 1].strip()}" for n in sorted(want.get(path, set()) - got.get(path, set()))]
        wrong = [f"{n}: {text[n - 1].strip()}" for n in sorted(got.get(path, set()) - want.get(path, set()))]
        if missing or wrong:
            found[Path(path).name] = {"missing": missing, "wrong": wrong}
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_every_case_has_exactly_its_own_lines(engine: str, tmp_path: Path) -> None:
    names = [name for name in CASES if engine == ENGINES[0] or OFFSPRING not in CASES[name]]
    errors: list[str] = []

    def client(slug: str | None, order: list[str]) -> None:
        for name in order:
            if app.process.poll() is not None:  # the workers of its pools still hold the port and answer nobody
                errors.append(f"{name}: the server died with {app.process.returncode}")
                return
            try:
                answer = app.get(f"/spread/{name}", slug, f"r-{name}")
                if answer.status_code != 200:
                    errors.append(f"{name}: {answer.status_code}")
            except requests.RequestException as error:
                errors.append(f"{name}: {error}")

    with serving(tmp_path, PROFILE_COVERAGE_ENGINE=engine) as app:
        ordinary = [name for pair in zip(names, ["strangers"] * len(names), strict=True) for name in pair]
        orders = {"alps": names, "coast": names[::-1], None: ordinary}
        # First those that make what the others share, alone: a lasting fork beside a Popen may keep its pipe open.
        client("alps", [name for name in names if "by_the_first" in name or "spawns" in name])
        threads = [threading.Thread(target=client, args=item) for item in orders.items()]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for slug in ("alps", "coast"):  # at the same time: a child's shard is whole or not there
                assert not shards.combine(app.directory, slug).damaged
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        assert not errors, (errors, app.log.read_text()[-3000:])
        app.settle()
        for slug in ("alps", "coast"):
            deadline = time.monotonic() + 60
            while True:  # nobody waits for the child of one case
                got = app.recorded(slug)
                different = {name: difference(got.pop(f"profile:{slug}:r-{name}", {}), CASES[name]) for name in names}
                different = {name: found for name, found in different.items() if found}
                if not different or time.monotonic() > deadline:
                    break
                time.sleep(0.2)
            assert not different, pprint.pformat(different, width=150)
            assert not any(got.values()), "nobody else has any line"
        assert "Traceback" not in app.log.read_text().replace("ValueError: as wanted", "")


ALONE = """
import os, signal, sys, threading, time
from flask import Flask
from instrument import ProfileCoverage
from tests.exact import endings

app = Flask("alone")
app.add_url_rule("/<name>", view_func=lambda name: str(getattr(endings, name)()))
ProfileCoverage(app)
client = app.test_client()
me = os.getpid()
for name in sys.argv[1:]:
    for slug in ("alps", "coast", None):
        headers = {"X-Profile-Trace": slug, "X-Profile-Request": f"r-{name}"} if slug else {}
        client.get("/" + name, headers=headers)
        if os.getpid() != me:
            sys.exit()
"""
ENDINGS = str(EXACT / "endings.py")
ENDING = ("leaves", "exits", "falls_off", "is_terminated", "handles_term", "fails")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_forked_child_is_recorded_however_it_ends(engine: str, tmp_path: Path) -> None:
    """Requests on the main thread, as under gunicorn's sync worker and in RQ's work-horse."""
    env = tracing(tmp_path) | {"PROFILE_COVERAGE_ENGINE": engine}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *ENDING], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    functions = bodies(ENDINGS)
    for slug in ("alps", "coast"):
        path = shards.combine(tmp_path / "data", slug).path
        assert path is not None
        got = {context: files[ENDINGS] for context, files in shards.read_data(path).items()}
        want = {f"profile:{slug}:r-{name}": functions[name] | functions[f"{name}_child"] for name in ENDING}
        assert got == want


LIMIT = ("spawned_process", "bare_thread", "own_queue", "fed_queue", "system_child")


def test_what_cannot_be_followed_hurts_nobody(tmp_path: Path) -> None:
    """The lines marked as lost are nobody's; the rest of the request, and everybody else, is exact."""
    functions = bodies(LIMITS, "# lost")
    with serving(tmp_path) as app:
        for name in LIMIT:
            for slug in ("alps", None, "coast"):
                assert app.get(f"/limit/{name}", slug, f"r-{name}").status_code == 200, name
        app.settle()
        for slug in ("alps", "coast"):
            want = {f"profile:{slug}:r-{name}": {LIMITS: functions[name]} for name in LIMIT}
            assert app.recorded(slug) == want


BROKEN = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import multiprocessing, subprocess
from flask import Flask
from instrument import ProfileCoverage

app = Flask("broken")
ProfileCoverage(app)
from instrument import children, runtime
tracer = runtime.ensure().tracer

def explode(*args, **kwargs):
    raise RuntimeError("planted")

@app.get("/")
def view():
    setattr(*{"enter": (tracer.engine, "enter", explode), "hold": (tracer, "hold", explode),
              "leave": (tracer.engine, "leave", explode), "makedirs": (children.Path, "mkdir", explode)}[sys.argv[1]])
    done = []
    thread = threading.Thread(target=done.append, args=(1,))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(done.append, 2)
        future.add_done_callback(lambda _: done.append(3))
        future.result()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        done.append(pool.apply(abs, (-4,)))
    done.append(subprocess.run([sys.executable, "-c", "raise SystemExit(5)"]).returncode)
    return repr(done)

answer = app.test_client().get("/", headers={"X-Profile-Trace": "alps"})
print(answer.status_code, answer.text)
"""


@pytest.mark.parametrize("fault", ["enter", "leave", "hold"])
def test_a_broken_tracer_leaves_the_original_calls(fault: str, tmp_path: Path) -> None:
    env = {"ENABLE_PROFILE_COVERAGE": "1", "PROFILE_COVERAGE_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, fault], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.stdout.strip() == "200 [1, 2, 3, 4, 5]", done.stderr[-2000:]


PARENT = """
import os, subprocess, sys
from instrument.runtime import ensure

runtime = ensure()
trace = runtime.open_job("alps", "r-1", "job")
with runtime.tracer.section(trace):
    subprocess.run([sys.executable, "-m", "tests.exact.child"], check=True, stdout=subprocess.DEVNULL)
runtime.tracer.end(trace)
os._exit(0)  # nobody recovers
"""


def test_an_ended_child_is_brought_in_with_the_trace_that_ran_it(tmp_path: Path) -> None:
    """Nobody on another host, as the app beside a worker in a container, can tell that the child has ended."""
    done = subprocess.run(
        [sys.executable, "-c", PARENT], cwd=ROOT, env=tracing(tmp_path), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "data").glob("alps.coverage.*"))
