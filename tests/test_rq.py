"""Traced RQ jobs with a real Redis and a real forking worker in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from instrument import shards
from tests.exact import jobs as jobs_module

ROOT = Path(__file__).parent.parent
SOURCE = str(Path(jobs_module.__file__).resolve())


@dataclass
class Proof:
    directory: Path
    client: Any

    def post(self, kind: str, slug: str | None, request: str) -> str:
        headers = {} if slug is None else {"X-Profile-Trace": slug, "X-Profile-Request": request}
        answer = self.client.post(f"/start/{kind}", headers=headers)
        assert answer.status_code == 200
        return answer.json["job"]

    def wait(self, slug: str, done: Callable[[list[dict[str, Any]]], bool] = lambda jobs: True) -> list[dict[str, Any]]:
        for _ in range(300):
            found = self.client.get(f"/__covatlas__/jobs?slug={slug}").json
            if not found["pending"] and done(found["jobs"]):
                return found["jobs"]
            time.sleep(0.05)
        raise AssertionError(f"still pending: {found}")

    def ran(self, slug: str) -> dict[str, set[str]]:
        """Return context → names of the functions of tests/exact/jobs.py that ran."""
        names = function_lines()
        path = shards.combine(self.directory, slug).path
        contexts = shards.read_data(path) if path else {}
        return {
            context: {names[line] for line in files.get(SOURCE, ()) if line in names}
            for context, files in contexts.items()
        }


def function_lines() -> dict[int, str]:
    import ast

    tree = ast.parse(Path(SOURCE).read_text())
    return {node.body[0].lineno: node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="module")
def proof(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    tmp_path = tmp_path_factory.mktemp("rq")
    config = tmp_path / "coverage.ini"
    config.write_text("[run]\nsource_pkgs = tests.exact\n")
    env = {
        "ENABLE_PROFILE_COVERAGE": "1",
        "PROFILE_COVERAGE_DIR": str(tmp_path / "data"),
        "PROFILE_COVERAGE_CONFIG": str(config),
        "REDIS_URL": redis_url,
        "FLAKY_FILE": str(tmp_path / "flaky"),
        "RQ_JOB_CLASS": "instrument.rq.TracedJob",
        "PYTHONPATH": str(ROOT),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.exact.serve", "tests.exact.jobs_app"],
        cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=(tmp_path / "server.log").open("w"),
    )  # fmt: skip
    worker = subprocess.Popen(
        [sys.executable, "-m", "rq.cli", "worker", "proof", "--url", redis_url],
        cwd=ROOT, env={**os.environ, **env}, stdout=(tmp_path / "worker.log").open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        yield Proof(tmp_path / "data", HttpClient(int(server.stdout.readline())))
    finally:
        server.send_signal(signal.SIGINT)
        worker.terminate()
        server.wait(20)
        worker.wait(20)


class HttpClient:
    """The two calls of a Flask test client that the proofs use, over real HTTP."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    def get(self, path: str, headers: dict[str, str] | None = None) -> Any:
        return self._call("GET", path, headers)

    def post(self, path: str, headers: dict[str, str] | None = None) -> Any:
        return self._call("POST", path, headers)

    def _call(self, method: str, path: str, headers: dict[str, str] | None) -> Any:
        import requests

        answer = requests.request(method, self.base + path, headers=headers, timeout=60)
        answer.json = answer.json() if "json" in answer.headers.get("Content-Type", "") else None  # type: ignore
        return answer


def test_nested_jobs_carry_slug_and_request(proof: Proof) -> None:
    job = proof.post("nested", "nested", "r-1")
    found = proof.wait("nested", lambda jobs: len(jobs) == 2)
    assert {item["function"].rpartition(".")[2] for item in found} == {"outer", "inner"}
    assert {item["request"] for item in found} == {"r-1"}
    assert {item["status"] for item in found} == {"finished"}
    ran = proof.ran("nested")
    assert ran["profile:nested:r-1"] == {"queue", "start"}
    assert ran[f"profile:nested:r-1/{job}"] == {"outer", "queue"}
    inner = next(item["id"] for item in found if item["id"] != job)
    assert ran[f"profile:nested:r-1/{inner}"] == {"inner", "in_thread"}


def test_every_attempt_of_a_retried_job_is_traced(proof: Proof) -> None:
    job = proof.post("retry", "retry", "r-1")
    (found,) = proof.wait("retry")
    assert (found["attempts"], found["status"]) == (2, "finished")
    assert proof.ran("retry")[f"profile:retry:r-1/{job}"] == {"flaky", "second_attempt"}


def test_a_failed_job_is_done_and_traced(proof: Proof) -> None:
    job = proof.post("fails", "fails", "r-1")
    (found,) = proof.wait("fails")
    assert (found["attempts"], found["status"]) == (1, "failed")
    assert proof.ran("fails")[f"profile:fails:r-1/{job}"] == {"fails"}


def test_enqueue_many_is_one_trace_a_job(proof: Proof) -> None:
    proof.post("many", "many", "r-1")
    assert len(proof.wait("many")) == 3
    assert sorted(map(sorted, proof.ran("many").values())) == [["plain"], ["plain"], ["plain"], ["queue", "start"]]


def test_an_inline_job_is_a_trace_within_the_request(proof: Proof) -> None:
    job = proof.post("inline", "inline", "r-1")
    ran = proof.ran("inline")
    assert ran[f"profile:inline:r-1/{job}"] == {"plain"}
    assert ran["profile:inline:r-1"] == {"queue", "start"}


def test_an_untraced_request_makes_an_untraced_job(proof: Proof) -> None:
    before = set(shards.known_slugs(proof.directory))
    job = proof.post("fails", None, "")
    for _ in range(100):
        if job_status(proof, job) == "failed":
            break
        time.sleep(0.05)
    assert set(shards.known_slugs(proof.directory)) == before


def job_status(proof: Proof, job: str) -> str:
    return proof.client.get(f"/job/{job}").json["status"]


@pytest.mark.parametrize("where", ["request", "job"])
def test_a_child_process_records_under_its_parents_context(proof: Proof, where: str) -> None:
    slug = f"child-{where}"
    if where == "request":
        proof.client.get("/child", {"X-Profile-Trace": slug, "X-Profile-Request": "r-1"})
        context = f"profile:{slug}:r-1"
    else:
        context = f"profile:{slug}:r-1/{proof.post('child', slug, 'r-1')}"
        proof.wait(slug)
    path = shards.combine(proof.directory, slug).path
    assert path is not None
    files = shards.read_data(path)[context]
    child = str(Path(SOURCE).with_name("child.py"))
    text = Path(child).read_text().split("\n")
    assert {text[line - 1].strip() for line in files[child]} >= {"return 41 + 1", "work()"}
