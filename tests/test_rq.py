"""Traced RQ jobs with a real Redis and a real forking worker in another process."""

from __future__ import annotations

import contextlib
import itertools
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
import rq
from redis import Redis

from instrument import shards
from instrument.jobs import JobIndex
from tests.exact import jobs as jobs_module
from tests.exact.server import end

ROOT = Path(__file__).parent.parent
DATABASES = itertools.count(1)  # a worker of another test must not take our jobs
SOURCE = str(Path(jobs_module.__file__).resolve())


@dataclass
class Proof:
    tmp_path: Path
    client: Any
    redis_url: str

    @property
    def directory(self) -> Path:
        return self.tmp_path / "data"

    def log(self, name: str) -> str:
        return (self.tmp_path / f"{name}.log").read_text()

    def post(self, kind: str, slug: str | None, request: str) -> str:
        headers = {} if slug is None else {"X-Profile-Trace": slug, "X-Profile-Request": request}
        answer = self.client.post(f"/start/{kind}", headers=headers)
        assert answer.status_code == 200
        return answer.json["job"]

    def wait(self, slug: str, done: Callable[[list[dict[str, Any]]], bool] = lambda jobs: True) -> list[dict[str, Any]]:
        end = time.monotonic() + 120
        while time.monotonic() < end:
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
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            first = node.body[1 if ast.get_docstring(node) else 0]
            found[first.lineno] = node.name
    return found


@contextlib.contextmanager
def running(redis_url: str, tmp_path: Path, worker_class: str = "rq.Worker", **more: str) -> Iterator[Proof]:
    config = tmp_path / "coverage.ini"
    config.write_text("[run]\nsource_pkgs = tests.exact\n")
    redis_url = f"{redis_url.rpartition('/')[0]}/{next(DATABASES)}"
    env = {
        "ENABLE_PROFILE_COVERAGE": "1",
        "PROFILE_COVERAGE_DIR": str(tmp_path / "data"),
        "PROFILE_COVERAGE_CONFIG": str(config),
        "REDIS_URL": redis_url,
        "FLAKY_FILE": str(tmp_path / "flaky"),
        "RQ_JOB_CLASS": "instrument.rq.TracedJob",
        "PYTHONPATH": str(ROOT),
        **more,
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.exact.serve", "tests.exact.jobs_app"],
        cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=(tmp_path / "server.log").open("w"),
    )  # fmt: skip
    command = [sys.executable, "-m", "rq.cli", "worker", "proof", "--url", redis_url, "--with-scheduler", "-w"]
    worker = subprocess.Popen(
        [*command, worker_class],
        cwd=ROOT, env={**os.environ, **env}, stdout=(tmp_path / "worker.log").open("w"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        yield Proof(tmp_path, HttpClient(int(server.stdout.readline())), redis_url)
    finally:
        end(server, signal.SIGINT)
        end(worker)


@pytest.fixture(scope="module")
def proof(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    with running(redis_url, tmp_path_factory.mktemp("rq")) as found:
        yield found


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


# kind → the functions that each of its jobs runs, one set a job; several attempts are one context.
JOBS: dict[str, list[set[str]]] = {
    "nested": [{"outer", "queue"}, {"inner", "in_thread"}],
    "retry": [{"flaky", "second_attempt"}],
    "repeat": [{"repeated"}],
    "fails": [{"fails"}],
    "many": [{"plain"}, {"plain"}, {"plain"}],
    "inline": [{"plain"}],
    "at": [{"scheduled_at"}],
    "in": [{"scheduled_in"}],
    "unique": [{"alone"}],
    "dependent": [{"parent"}, {"dependent"}],
    "premade": [{"premade_job"}],
    "saved": [{"saved_job"}],
    "prepared": [{"plain"}],
    "callbacks": [{"plain", "succeeded"}],
    "failure": [{"fails", "failed"}],
    "meta": [{"rewrites_meta", "flaky", "second_attempt"}],
    "spread": [{"spreads", "in_pool", "in_process"}],
}
ATTEMPTS = {"retry": 2, "repeat": 3, "meta": 2}
SPAWNED = ("nested", "retry", "spread", "callbacks")  # each job starts an interpreter


SPAWNS = pytest.param(
    "rq.worker.SpawnWorker",
    marks=pytest.mark.skipif(rq.VERSION < "3", reason="RQ 2's SpawnWorker knows no job class: the next test"),
)


@pytest.mark.parametrize("worker", ["rq.Worker", "rq.SimpleWorker", SPAWNS])
def test_every_way_to_enqueue_is_one_trace_a_job(worker: str, redis_url: str, tmp_path: Path) -> None:
    kinds = SPAWNED if "Spawn" in worker else tuple(JOBS)
    with running(redis_url, tmp_path, worker) as proof:
        for kind in kinds:
            for slug in ("alps", None, "coast"):
                if kind in ("premade", "saved", "prepared"):
                    proof.client.post("/prepare")
                proof.post(kind, slug, f"r-{kind}")
        expected = sum(len(JOBS[kind]) for kind in kinds)
        for slug in ("alps", "coast"):
            found = proof.wait(slug, lambda jobs: len(jobs) == expected and attempts(jobs) == wanted(kinds))
            assert all(job["traced"] for job in found)
            ran = proof.ran(slug)
            for kind in kinds:
                here = {"queue", "start", f"starts_{kind}"}
                assert ran.pop(f"profile:{slug}:r-{kind}") == here, kind
                contexts = [name for name in ran if name.startswith(f"profile:{slug}:r-{kind}/")]
                got = [ran.pop(name) for name in contexts]
                assert sorted(map(sorted, got)) == sorted(map(sorted, JOBS[kind])), kind
            assert not ran, "nobody else has any line"
        assert proof.client.get("/__covatlas__/status").json["untraced_jobs"] == {}
        assert set(shards.known_slugs(proof.directory)) == {"alps", "coast"}


def wanted(kinds: tuple[str, ...]) -> dict[str, int]:
    return {kind: ATTEMPTS.get(kind, 1) for kind in kinds}


def attempts(jobs: list[dict[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for job in jobs:
        kind = job["request"].removeprefix("r-")
        found[kind] = max(found.get(kind, 0), job["attempts"])
    return found


def test_a_traced_request_that_saves_anothers_job_does_not_take_it(proof: Proof) -> None:
    job = proof.post("later", "maker", "r-1")
    assert proof.post("saver", "saver", "r-1") == job
    proof.wait("maker")
    assert proof.ran("maker")[f"profile:maker:r-1/{job}"] == {"scheduled_in"}
    assert set(proof.ran("saver")) == {"profile:saver:r-1"}
    assert proof.wait("saver") == []


def test_a_plain_job_of_a_traced_request_is_counted(proof: Proof) -> None:
    for _ in range(2):
        job = proof.post("bare", "bare", "r-1")
    until(lambda: proof.client.get("/__covatlas__/status").json["untraced_jobs"] == {"bare": 2})
    assert set(proof.ran("bare")) == {"profile:bare:r-1"}
    assert job_status(proof, job) in ("queued", "started", "finished")
    assert proof.log("server").count("was enqueued by profile bare as a plain RQ job") == 1


def test_strict_mode_fails_the_enqueue_of_a_plain_job_and_a_job_that_lost_its_tag(
    redis_url: str, tmp_path: Path
) -> None:
    with running(redis_url, tmp_path, PROFILE_COVERAGE_STRICT="1") as proof:
        headers = {"X-Profile-Trace": "strict", "X-Profile-Request": "r-1"}
        assert proof.client.post("/start/bare").status_code == 200
        assert proof.client.post("/start/bare", headers=headers).status_code == 500
        assert "instrument.rq.UntracedJob" in proof.log("server")
        job = proof.post("later", "strict", "r-2")
        with Redis.from_url(proof.redis_url) as connection:
            assert connection.hdel(f"rq:job:{job}", "profile_trace") == 1
        proof.wait("strict", lambda jobs: jobs[0]["done"])
        assert job_status(proof, job) == "failed"
        assert "has no tag in Redis, so it is not traced: set Queue.job_class" in proof.log("worker")


def test_a_worker_without_traced_jobs_is_seen(redis_url: str, tmp_path: Path) -> None:
    plain = ("rq.Worker", "rq.job.Job") if rq.VERSION >= "3" else ("rq.worker.SpawnWorker", "instrument.rq.TracedJob")
    with running(redis_url, tmp_path, plain[0], RQ_JOB_CLASS=plain[1]) as proof:
        job = proof.post("fails", "alps", "r-1")
        proof.wait("alps")
        assert proof.client.get("/__covatlas__/status").json["untraced_jobs"] == {"alps": 1}
        assert set(proof.ran("alps")) == {"profile:alps:r-1"}
        assert job_status(proof, job) == "failed"


def test_a_job_whose_process_ended_has_failed_also_when_rq_keeps_nothing_of_it(proof: Proof) -> None:
    job = proof.post("cut", "ledge", "r-cut")
    (found,) = proof.wait("ledge", lambda jobs: jobs[0]["attempts"] == 1)
    assert not Redis.from_url(proof.redis_url).exists(rq.job.Job.key_for(job))
    assert (found["status"], found["done"], found["traced"]) == ("failed", True, True)
    assert proof.ran("ledge")[f"profile:ledge:r-cut/{job}"] == {"cut_off"}


def test_an_untraced_request_makes_an_untraced_job(proof: Proof) -> None:
    before = set(shards.known_slugs(proof.directory))
    job = proof.post("fails", None, "")
    until(lambda: job_status(proof, job) == "failed")
    assert set(shards.known_slugs(proof.directory)) == before


def until(what: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


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


def test_the_pending_jobs_are_counted_without_looking_through_all_of_redis(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.delete("covatlas:slugs")
        redis.config_resetstat()
        index = JobIndex(redis)
        for slug in ("counted-b", "counted-a"):
            index.add(slug, "r-1", f"{slug}-job", "shop.ship", traced=False)
            redis.hset(rq.job.Job.key_for(f"{slug}-job"), "status", "queued")
        assert list(index.pending().items()) == [("counted-a", 1), ("counted-b", 1)]
        assert index.untraced() == {"counted-a": 1, "counted-b": 1}
        assert redis.ttl("covatlas:slugs") > 0
        commands = redis.info("commandstats")
        assert "cmdstat_hgetall" in commands
        assert not {"cmdstat_scan", "cmdstat_keys"} & set(commands)
        redis.delete("covatlas:slugs", *(rq.job.Job.key_for(f"counted-{name}-job") for name in "ab"))


SPOILED = """
import flask, sys
import instrument.rq
from instrument import ProfileCoverage
from redis import Redis

app = flask.Flask("spoiled")
app.config["REDIS_URL"] = sys.argv[1]
ProfileCoverage(app)
redis = Redis.from_url(sys.argv[1])
key = "covatlas:jobs:alps"
spoil = {"type": lambda: redis.set(key, "x"), "json": lambda: redis.hset(key, "j", "{"),
         "list": lambda: redis.hset(key, "j", "[]")}
redis.delete("covatlas:jobs:alps")
redis.sadd("covatlas:slugs", "alps")
spoil[sys.argv[2]]()
client = app.test_client()
print(client.get("/__covatlas__/status").json["jobs"], client.get("/__covatlas__/jobs?slug=alps").json["unknown"])
redis.delete("covatlas:jobs:alps", "covatlas:slugs")
"""


@pytest.mark.parametrize("how", ["type", "json", "list"])
def test_a_redis_that_does_not_tell_its_jobs_is_an_answer(redis_url: str, tmp_path: Path, how: str) -> None:
    env = {"ENABLE_PROFILE_COVERAGE": "1", "PROFILE_COVERAGE_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", SPOILED, redis_url, how], cwd=ROOT, env={**os.environ, **env}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.startswith("unknown: the jobs cannot be read from Redis ("), done.stderr
    assert done.stdout.count("the jobs cannot be read from Redis (") == 2
