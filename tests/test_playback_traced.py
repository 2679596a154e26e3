"""`covatlas play --trace-code` against a real traced Flask app, real Redis and a real RQ worker."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from redis import Redis

from instrument.playback.control import Control
from instrument.record import RunRecord, read_record
from instrument.recovery import locked
from instrument.shards import read_data
from tests import playback_support
from tests.playback_support import Reply, Seen, entry, serving, write_profile

ROOT = Path(__file__).parents[1]
SHOP = ROOT / "tests" / "playback_shop.py"


@dataclass
class Shop:
    """A running shop: its address and where it writes its data."""

    base_url: str
    data: Path
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def redis_url(redis_url: str) -> str:
    """A database that no other tests use."""
    return f"{redis_url.rpartition('/')[0]}/14"


@contextmanager
def _process(command: list[str], folder: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with open(folder / "log", "a") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def _shop(folder: Path, redis_url: str, worker: bool = False, **extra: str) -> Iterator[Shop]:
    data = folder / "data"
    (folder / "coverage.ini").write_text(f"[run]\ninclude = {SHOP}\n")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PROFILE_", "GITHUB_"))} | {
        "PYTHONPATH": str(ROOT),
        "REDIS_URL": redis_url,
        "ENABLE_PROFILE_COVERAGE": "1",
        "PROFILE_COVERAGE_DIR": str(data),
        "PROFILE_COVERAGE_CONFIG": str(folder / "coverage.ini"),
        "RQ_JOB_CLASS": "instrument.rq.TracedJob",
        **extra,
    }
    with _process([sys.executable, str(SHOP)], folder, env) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, (folder / "log").read_text()
        shop = Shop(f"http://127.0.0.1:{port}", data, process)
        if not worker:
            yield shop
            return
        rq = [str(Path(sys.executable).with_name("rq")), "worker", "--url", redis_url, "--path", str(ROOT)]
        with _process(rq, folder, env):
            yield shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Shop]:
    with _shop(tmp_path_factory.mktemp("shop"), redis_url, worker=True) as running:
        yield running


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROFILE_COVERAGE_TOKEN", raising=False)


def _play(profiles: Path, shop: Shop, *arguments: str) -> Result:
    return playback_support.play(profiles, shop.base_url, "--trace-code", "--coverage-dir", str(shop.data), *arguments)


def _record(shop: Shop, slug: str) -> RunRecord:
    record = read_record(shop.data, slug)
    assert record is not None
    return record


def _order(*jobs: str) -> dict[str, object]:
    return entry("POST", "/orders", body={"jobs": list(jobs)}, status=201, answer={"id": 1})


def test_a_traced_playback_writes_data_and_a_run_record_of_itself_only(tmp_path: Path, shop: Shop) -> None:
    about = 'title = "Ships"\ndescription = "Orders and waits."\n'
    write_profile(tmp_path, "ships", _order("ship", "ship"), entry(path="/orders/1?x=1"), entry(path="/no", status=404),
                  toml=about)  # fmt: skip
    result = _play(tmp_path, shop, "ships")
    assert result.exit_code == 0, result.stderr
    data = shop.data / "ships.coverage"
    pattern = rf"ships: passed, 3 requests answered as recorded, 2 jobs, 1 file, \d+ lines → {re.escape(str(data))}\n"
    assert re.fullmatch(pattern, result.stderr)
    first = _record(shop, "ships")
    assert re.fullmatch("[a-z0-9]{10}", first.attempt)
    assert (first.status, first.attempts, first.problems) == ("passed", 1, ())
    assert (first.title, first.description, first.base_url) == ("Ships", "Orders and waits.", shop.base_url)
    assert [(r.id, r.method, r.path, r.route, r.recorded, r.status, r.ok) for r in first.requests] == [
        (f"{first.attempt}-0001", "POST", "/orders", "/orders", 201, 201, True),
        (f"{first.attempt}-0002", "GET", "/orders/1?x=1", "/orders/<int:number>", 200, 200, True),
        (f"{first.attempt}-0003", "GET", "/no", None, 404, 404, True),
    ]
    assert all(run.duration_ms > 0 for run in first.requests)
    assert [(j.request, j.function, j.status, j.attempts, j.expected) for j in first.jobs] == [
        (f"{first.attempt}-0001", "tests.playback_shop.ship", "finished", 1, False)
    ] * 2
    assert "/orders/<int:number>" in {route.rule for route in first.routes}
    assert first.sources == {str(SHOP): hashlib.sha256(SHOP.read_bytes()).hexdigest()}
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path.cwd())
    assert first.commit == (head.stdout.strip() or None)
    assert first.started.endswith("Z") and first.started < first.finished and first.duration_s > 0.5

    assert _play(tmp_path, shop, "ships").exit_code == 0
    second = _record(shop, "ships")
    assert (second.attempts, second.attempt != first.attempt) == (2, True)
    contexts = {context.split(":", 2)[2] for context in read_data(data)}
    jobs = {f"{second.attempt}-0001/{job.id}" for job in second.jobs}
    assert contexts == {f"{second.attempt}-0001", f"{second.attempt}-0002"} | jobs
    aside = next((shop.data / "aside" / "ships").iterdir())
    assert {path.name for path in aside.iterdir()} >= {"ships.coverage", "ships.run.json"}


def test_two_playbacks_of_a_profile_at_once_do_not_take_each_others_lines(tmp_path: Path, shop: Shop) -> None:
    write_profile(tmp_path, "ferry", entry(path="/orders/1"))
    write_profile(tmp_path, "canoe", entry(path="/orders/1"))
    assert _play(tmp_path, shop, "ferry").exit_code == 0
    before = _record(shop, "ferry")
    with locked(shop.data / "aside" / "ferry", wait=0) as ours:  # as a playback does for as long as it runs
        assert ours
        refused = _play(tmp_path, shop, "canoe", "ferry")
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert f"another command is playing ferry into {shop.data}" in refused.stderr
        assert read_record(shop.data, "canoe") is None  # nothing was sent
        assert _play(tmp_path, shop, "canoe").exit_code == 0
    assert _record(shop, "ferry") == before
    assert _play(tmp_path, shop, "ferry").exit_code == 0


def test_what_a_job_does_is_in_the_data(tmp_path: Path, shop: Shop) -> None:
    write_profile(tmp_path, "lines", _order("ship"))
    assert _play(tmp_path, shop, "lines").exit_code == 0
    lines = {context: files[str(SHOP)] for context, files in read_data(shop.data / "lines.coverage").items()}
    text = SHOP.read_text().splitlines()
    of_job = next(found for context, found in lines.items() if "/" in context)
    assert {text[line - 1].strip() for line in of_job} >= {"time.sleep(0.3)", '_redis().set(f"shipped:{order}", 1)'}


def test_jobs_of_a_worker_that_does_not_trace_are_named(tmp_path: Path, redis_url: str) -> None:
    write_profile(tmp_path, "dark", _order("ship"))
    with _shop(tmp_path, f"{redis_url.rpartition('/')[0]}/13", worker=True, RQ_JOB_CLASS="rq.job.Job") as shop:
        result = _play(tmp_path, shop, "dark")
    assert result.exit_code == 0, result.stderr
    assert "dark: passed, 1 request answered as recorded, 1 job, " in result.stderr
    assert "\n  1 job ran without its trace: start the RQ worker with ENABLE_PROFILE_COVERAGE=1 and " in result.stderr


def test_a_difference_that_no_job_explains_is_not_waited_for(tmp_path: Path, shop: Shop) -> None:
    write_profile(tmp_path, "differs", _order("ship"), entry(path="/no"))
    started = time.monotonic()
    result = _play(tmp_path, shop, "differs", "--job-timeout", "200")
    assert result.exit_code == 1
    assert time.monotonic() - started < 100
    assert "session.har entry 2: GET /no answered 404, recorded 200" in result.stderr


def test_a_failed_job_fails_the_run_unless_it_is_expected(tmp_path: Path, shop: Shop) -> None:
    write_profile(tmp_path, "burns", _order("burn"))
    result = _play(tmp_path, shop, "burns")
    assert result.exit_code == 1
    assert re.search(r"\n  the job tests\.playback_shop\.burn \(.+\) failed\n", result.stderr)
    assert "1 job (1 not finished)" in result.stderr
    record = _record(shop, "burns")
    assert (record.status, record.jobs[0].status, record.jobs[0].expected) == ("failed", "failed", False)

    write_profile(tmp_path, "burns", _order("burn"), toml='expected_failed_jobs = ["tests.playback_shop.burn"]')
    assert _play(tmp_path, shop, "burns").exit_code == 0
    record = _record(shop, "burns")
    assert (record.status, record.jobs[0].expected) == ("passed", True)


def test_a_job_behind_a_failed_one_is_not_waited_for(tmp_path: Path, shop: Shop) -> None:
    write_profile(tmp_path, "stuck", _order("burn", "ship"), toml='expected_failed_jobs = ["playback_shop.burn"]')
    started = time.monotonic()
    result = _play(tmp_path, shop, "stuck", "--job-timeout", "200")
    assert result.exit_code == 0, result.stderr
    assert time.monotonic() - started < 100
    assert sorted(job.status for job in _record(shop, "stuck").jobs) == ["deferred", "failed"]


def test_a_job_that_does_not_end_fails_the_run(tmp_path: Path, shop: Shop) -> None:
    write_profile(tmp_path, "dawdles", _order("dawdle"))
    result = _play(tmp_path, shop, "dawdles", "--job-timeout", "1")
    assert result.exit_code == 1
    assert "after 1 s there are still 1 pending jobs (tests.playback_shop.dawdle)" in result.stderr
    assert _record(shop, "dawdles").status == "failed"
    # The job of that playback still runs: the next playback does not wait for it, and the one after it, during which
    # the job ends, does not take its lines.
    write_profile(tmp_path, "dawdles", _order())
    assert _play(tmp_path, shop, "dawdles", "--job-timeout", "20").exit_code == 0
    assert _record(shop, "dawdles").jobs == ()
    write_profile(tmp_path, "dawdles", entry(path="/release"), entry(path="/slow"))
    assert _play(tmp_path, shop, "dawdles").exit_code == 0
    attempt = _record(shop, "dawdles").attempt
    contexts = set(read_data(shop.data / "dawdles.coverage"))
    assert contexts == {f"profile:dawdles:{attempt}-0001", f"profile:dawdles:{attempt}-0002"}


def test_a_redis_that_is_away_for_a_moment_loses_no_job(tmp_path: Path, shop: Shop, redis_url: str) -> None:
    write_profile(tmp_path, "outage", _order("dawdle"))
    told: list[str] = []

    def outage() -> None:
        control = Control(shop.base_url, None)
        redis = Redis.from_url(redis_url)
        try:
            while not any(job.status == "started" and job.attempts for job in control.jobs("outage")):
                time.sleep(0.05)
            while redis.info("clients")["blocked_clients"] < 1:  # the job has its own connection
                time.sleep(0.05)
            redis.config_set("requirepass", "away")  # for new connections, so for all that the app opens
            try:
                told.append(control.status().jobs)
                time.sleep(2)
            finally:
                redis.config_set("requirepass", "")
                redis.rpush("released", 1)
        finally:
            redis.close()
            control.close()

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(outage)
        result = _play(tmp_path, shop, "outage", "--job-timeout", "60")
        done.result(60)
    assert told[0].startswith("unknown: Redis does not answer")
    assert result.exit_code == 0, result.stderr
    record = _record(shop, "outage")
    assert [(job.status, job.attempts) for job in record.jobs] == [("finished", 1)]
    assert f"profile:outage:{record.attempt}-0001/{record.jobs[0].id}" in read_data(shop.data / "outage.coverage")


def test_a_profile_that_runs_no_line_fails(tmp_path: Path, shop: Shop) -> None:
    write_profile(tmp_path, "nothing", entry(path="/no", status=404))
    result = _play(tmp_path, shop, "nothing")
    assert result.exit_code == 1
    assert f"no line was recorded in {shop.data}: does the server write to this directory" in result.stderr
    assert _record(shop, "nothing").status == "failed"


def test_a_difference_and_a_lost_connection_are_in_the_record_and_others_go_on(tmp_path: Path, shop: Shop) -> None:
    last = entry("POST", "/orders", body={}, status=201)
    write_profile(tmp_path, "a-lost", _order(), entry(path="/vanish"), entry(path="/no"), last)
    write_profile(tmp_path, "b-next", _order())
    result = _play(tmp_path, shop, "--all", "--job-timeout", "2")
    assert result.exit_code == 1
    record = _record(shop, "a-lost")
    assert [(run.status, run.ok) for run in record.requests] == [(201, True), (0, False), (404, False), (201, True)]
    assert len(record.problems) == 2 and record.status == "failed"
    assert "b-next: passed" in result.stderr
    assert "1 of 2 profiles failed: a-lost" in result.stderr


def test_a_server_that_dies_leaves_a_record_and_the_lines_before(tmp_path: Path, redis_url: str) -> None:
    write_profile(tmp_path / "p", "dies", _order(), entry(path="/die"), entry(path="/after"))
    write_profile(tmp_path / "p", "later", _order())
    with _shop(tmp_path, redis_url) as shop:
        result = _play(tmp_path / "p", shop, "dies", "later")
    assert result.exit_code == 1
    record = _record(shop, "dies")
    assert [run.status for run in record.requests] == [201, 0, 0]
    assert any("does not answer" in problem for problem in record.problems)
    assert f"profile:dies:{record.attempt}-0001" in read_data(shop.data / "dies.coverage")
    assert _record(shop, "later").status == "failed"


def test_ctrl_c_leaves_a_failed_record(tmp_path: Path, redis_url: str) -> None:
    write_profile(tmp_path / "p", "slow", _order(), entry(path="/slow"), entry(path="/slow"))
    with _shop(tmp_path, redis_url) as shop:
        command = [sys.executable, "-m", "sitegen.cli", "play", "slow", "--trace-code", "--base-url", shop.base_url]
        command += ["--profiles", str(tmp_path / "p"), "--coverage-dir", str(shop.data)]
        player = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        control = Control(shop.base_url, None)
        deadline = time.monotonic() + 60
        while not control.status().open.get("slow"):  # GET /slow takes three seconds
            assert time.monotonic() < deadline and player.poll() is None
            time.sleep(0.1)
        player.send_signal(signal.SIGINT)
        _, stderr = player.communicate(timeout=120)
    assert player.returncode == 1 and "Traceback" not in stderr
    assert _record(shop, "slow").problems == ("the playback was interrupted",)


def test_the_shared_token_is_sent_everywhere(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_profile(tmp_path / "p", "one", _order())
    with _shop(tmp_path, redis_url, PROFILE_COVERAGE_TOKEN="s3cret") as shop:
        result = _play(tmp_path / "p", shop, "one")
        _one_sentence(result, "the server does not trace: ")
        assert "PROFILE_COVERAGE_TOKEN" in result.stderr
        monkeypatch.setenv("PROFILE_COVERAGE_TOKEN", "s3cret")
        assert _play(tmp_path / "p", shop, "one").exit_code == 0
        monkeypatch.setenv("PROFILE_COVERAGE_TOKEN", "a\nb")
        _one_sentence(_play(tmp_path / "p", shop, "one"), "PROFILE_COVERAGE_TOKEN cannot be sent as a header")


def test_a_slug_outside_the_servers_allow_list(tmp_path: Path, redis_url: str) -> None:
    write_profile(tmp_path / "p", "one", _order())
    with _shop(tmp_path, redis_url, PROFILE_COVERAGE_ALLOW="two") as shop:
        result = _play(tmp_path / "p", shop, "one")
    assert result.exit_code == 1
    assert "the server refused to trace the profile; is its slug in PROFILE_COVERAGE_ALLOW?" in result.stderr


def test_a_dead_worker_costs_the_job_timeout_about_twice_however_often_the_session_polls(
    tmp_path: Path, redis_url: str
) -> None:
    write_profile(tmp_path / "p", "polls", _order("ship"), *(entry(path="/orders/1") for _ in range(30)))
    with _shop(tmp_path, redis_url.removesuffix("14") + "15") as shop:  # another database: nobody works on its queue
        started = time.monotonic()
        result = _play(tmp_path / "p", shop, "polls", "--job-timeout", "2")
    assert result.exit_code == 1
    assert 3.9 < time.monotonic() - started < 40  # waiting at each poll would take a minute
    problems = _record(shop, "polls").problems
    assert "GET /orders/" in problems[0] and "still 1 pending jobs" in problems[-1], problems


# ── refused before anything is sent or set aside ─────────────────────────────────────────────────────────────────


def test_a_server_with_the_flag_off(tmp_path: Path, redis_url: str) -> None:
    write_profile(tmp_path / "p", "one", _order())
    with _shop(tmp_path, redis_url, ENABLE_PROFILE_COVERAGE="0") as shop:
        _one_sentence(_play(tmp_path / "p", shop, "one"), "the server does not trace: ")
    assert not shop.data.exists()


def test_another_coverage_directory_than_the_servers(tmp_path: Path, shop: Shop) -> None:
    write_profile(tmp_path, "one", _order())
    elsewhere = Shop(shop.base_url, tmp_path / "elsewhere", shop.process)
    _one_sentence(_play(tmp_path, elsewhere, "one"), f"the server writes its data to {shop.data}, not to")
    assert not elsewhere.data.exists()


def _status(**changes: object) -> dict[str, object]:
    """Return the status of a server on another host, with changes."""
    return {
        "enabled": True, "engine": "ctrace", "pid": 1, "host": "elsewhere", "coverage_dir": "/data", "open": {},
        "pending": {}, "shards": {}, "refused": 0, "jobs": "none", "problem": None, "commit": "c0ffee",
    } | changes  # fmt: skip


NO_TRACING = {
    "not there": (Reply(404), "/__covatlas__/status answers 404; give the app ProfileCoverage(app)"),
    "a redirect": (Reply(302, headers=[("Location", "/login")]), "/__covatlas__/status answers 302"),
    "a page": (Reply(200, "<html>"), "/__covatlas__/status is not the answer of Covatlas"),
    "a list": (Reply(200, []), "/__covatlas__/status is not the answer of Covatlas"),
    "half": (Reply(200, {"enabled": True}), "/__covatlas__/status is not the answer of Covatlas"),
    "off": (Reply(200, {"enabled": False, "problem": "no engine"}), "the server does not trace: no engine"),
    "problem": (Reply(200, _status(problem="disk full")), "the server does not trace: disk full"),
    "forbidden": (Reply(403), "refuses the shared token (403)"),
    "cut": (Reply(cut=True), "/__covatlas__/status does not answer"),
}


@pytest.mark.parametrize("name", NO_TRACING)
def test_a_server_that_does_not_trace(tmp_path: Path, name: str) -> None:
    reply, sentence = NO_TRACING[name]
    write_profile(tmp_path / "p", "one", entry())
    with serving(lambda request: reply) as server:
        result = playback_support.play(
            tmp_path / "p", server.base_url, "one", "--trace-code", "--coverage-dir", str(tmp_path / "data")
        )
    _one_sentence(result, sentence)
    assert {request.path for request in server.seen} == {"/__covatlas__/status"}
    assert not (tmp_path / "data").exists()


def test_a_coverage_directory_that_cannot_be_written(tmp_path: Path) -> None:
    write_profile(tmp_path / "p", "one", entry())
    (tmp_path / "file").write_text("")
    with serving(lambda request: Reply(body=_status())) as server:
        result = playback_support.play(
            tmp_path / "p", server.base_url, "one", "--trace-code", "--coverage-dir", str(tmp_path / "file" / "data")
        )
    _one_sentence(result, f"the coverage directory {tmp_path / 'file' / 'data'} cannot be written")


def _one_sentence(result: Result, sentence: str) -> None:
    assert result.exit_code == 2, result.stderr
    assert sentence in result.stderr
    assert result.stderr.startswith("covatlas: ") and result.stderr.count("\n") == 1


# ── a control blueprint that goes wrong later: a problem in the record, never a traceback ────────────────────────


LATER = {
    "jobs": ("/jobs", Reply(500), "/__covatlas__/jobs answers 500"),
    "jobs unknown": (
        "/jobs",
        Reply(200, {"jobs": [], "pending": 0, "unknown": "no Redis"}),
        "nobody can tell whether the RQ jobs are done (unknown: no Redis)",
    ),
    "jobs odd": ("/jobs", Reply(200, {"jobs": [{"id": 1}]}), "/__covatlas__/jobs is not the answer of Covatlas"),
    "match": ("/match", Reply(200, {"routes": []}), "/__covatlas__/match is not the answer of Covatlas"),
    "routes": ("/routes", Reply(200, "x"), "/__covatlas__/routes is not the answer of Covatlas"),
    "flush": ("/flush", Reply(cut=True), "/__covatlas__/flush does not answer"),
    "stops": ("/status", Reply(200, _status(problem="disk full")), "the server stopped tracing: disk full"),
    "unknown": (
        "/status",
        Reply(200, _status(jobs="unknown: no Redis")),
        "nobody can tell whether the RQ jobs are done",
    ),
    "open": ("/status", Reply(200, _status(open={"one": 2})), "still 0 pending jobs and 2 open traces"),
}


@pytest.mark.parametrize("name", LATER)
def test_control_that_fails_later_is_a_problem_of_the_run(tmp_path: Path, name: str) -> None:
    path, reply, sentence = LATER[name]
    write_profile(tmp_path / "p", "one", entry(path="/app"))
    played: list[Seen] = []
    good = {
        "/status": _status(jobs="redis"), "/jobs": {"jobs": [], "pending": 0}, "/match": {"routes": ["/app"]},
        "/routes": {"routes": []}, "/flush": {"shards": 0},
    }  # fmt: skip

    def answer(request: Seen) -> Reply:
        if request.path == "/app":
            played.append(request)
            return Reply()
        asked = request.path.removeprefix("/__covatlas__").split("?")[0]
        return reply if asked == path and played else Reply(body=good[asked])

    with serving(answer) as server:
        result = playback_support.play(
            tmp_path / "p", server.base_url, "one", "--trace-code", "--coverage-dir", str(tmp_path / "data"),
            "--job-timeout", "1",
        )  # fmt: skip
    assert result.exit_code == 1
    assert sentence in result.stderr
    record = read_record(tmp_path / "data", "one")
    assert record is not None and record.status == "failed" and record.commit == "c0ffee"
    assert [run.status for run in record.requests] == [200]
    assert played[0].headers["x-profile-trace"] == "one"
    assert played[0].headers["x-profile-request"] == f"{record.attempt}-0001"
