"""The kill matrix: whatever is killed, each completely answered request and finished job has exactly its lines.

A request counts as completely answered if the client has read its sized body whole, or the end of its chunked one.
"""

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
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

from examples.ports import listening_socket
from instrument import journal, shards
from instrument.rq import TracedJob
from tests.exact.proof import ROOT, Requests, environment, oracle

SLUGS = ("alps", "coast")
CLIENTS = 6
BOTH = [signal.SIGKILL, signal.SIGTERM]


class Load:
    """Client threads that send traced requests, and an untraced one now and then, until they are told to stop."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.paths = sorted(oracle())
        self.sent: dict[str, str] = {}  # context → path
        self.complete: set[str] = set()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=(number,), daemon=True) for number in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def until(self, complete: int) -> None:
        """Wait until so many requests are completely answered."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if len(self.complete) >= complete:
                return
            time.sleep(0.01)
        raise AssertionError(f"only {len(self.complete)} of {len(self.sent)} requests were answered")

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _client(self, number: int) -> None:
        chance = random.Random(number)
        count = 0
        while not self._stop.is_set():
            count += 1
            path, slug = chance.choice(self.paths), chance.choice(SLUGS)
            context = f"profile:{slug}:t{number}-{count}"
            headers = {"X-Profile-Trace": slug, "X-Profile-Request": f"t{number}-{count}"} if count % 5 else {}
            if headers:
                self.sent[context] = path
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.request("GET", path, headers=headers)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)
                continue
            finally:
                connection.close()
            if headers:
                self.complete.add(context)


def read_all(directory: Path) -> Requests:
    found: Requests = {}
    for slug in shards.known_slugs(directory):
        done = shards.combine(directory, slug)
        assert done.damaged == ()
        if done.path:
            for context, files in shards.read_data(done.path).items():
                found[context] = {name: sorted(lines) for name, lines in files.items()}
    return found


def check(directory: Path, load: Load) -> None:
    got = read_all(directory)
    wrong = {
        f"{load.sent[context]} {context}": "nothing" if context not in got else "other lines"
        for context in load.complete
        if got.get(context, {}) != oracle()[load.sent[context]]
    }
    assert not wrong, f"{len(wrong)} of {len(load.complete)} complete requests: {sorted(wrong.items())[:5]}"
    for context in got.keys() - load.complete:  # cut off in the middle: what is there is theirs
        for name, lines in got[context].items():
            assert set(lines) <= set(oracle()[load.sent[context]][name]), load.sent[context]
    wait_for(lambda: nothing_left(directory))  # what was killed last may take a moment to let go of its journal


def nothing_left(directory: Path) -> bool:
    """Return whether combine leaves nothing behind, as it does once everybody is gone."""
    read_all(directory)
    return not list((directory / journal.FOLDER).iterdir())


@contextlib.contextmanager
def started(
    command: list[str], env: dict[str, str], log: Path, fds: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process group of its own, which is killed at the end."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=env, stdout=file, stderr=file, pass_fds=fds,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    """Return whether a process runs; an orphan that nobody has waited for yet is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: Callable[[], object], seconds: float = 100.0) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def first_line(path: Path) -> int:
    return int(wait_for(lambda: path.read_text().split("\n")[0] if path.stat().st_size else "") or 0)


def kill_werkzeug(number: int, tmp_path: Path, command: list[str]) -> Load:
    with started(command, environment(tmp_path / "data", "auto"), tmp_path / "server.log") as server:
        load = Load(first_line(tmp_path / "server.log"))
        load.until(150)
        server.send_signal(number)
        server.wait(60)
        load.stop()
    return load


@pytest.mark.parametrize("number", BOTH)
def test_threaded_werkzeug_is_killed(number: int, tmp_path: Path) -> None:
    load = kill_werkzeug(number, tmp_path, ["-m", "tests.exact.serve", "tests.exact.app"])
    check(tmp_path / "data", load)


# Mistakes that a tracer could make, which the matrix must see: records kept for a later batch, and lines that are
# written after the answer (with a pause, so that one kill is enough to show it).
MISTAKES = {
    "later": "from instrument.journal import Journal; Journal.write = lambda *a: None",
    "after": """
import time
from instrument.flask import Sending
from instrument.trace import Tracer
Sending.before = lambda *a: None
flush = Tracer.flush
Tracer.flush = lambda *a: (time.sleep(0.05), flush(*a))
""",
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_the_matrix_sees_a_planted_mistake(mistake: str, tmp_path: Path) -> None:
    serve = (
        "import runpy, sys; sys.argv = ['', 'tests.exact.app']; runpy.run_module('tests.exact.serve', None, '__main__')"
    )
    load = kill_werkzeug(signal.SIGKILL, tmp_path, ["-c", f"{MISTAKES[mistake]}\n{serve}"])
    with pytest.raises(AssertionError, match="complete requests"):
        check(tmp_path / "data", load)


@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("victim", ["worker", "master"])
@pytest.mark.parametrize("kind", [["sync"], ["gthread", "--threads", "4"]], ids=lambda kind: kind[0])
def test_gunicorn_is_killed(kind: list[str], victim: str, number: int, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    listener = listening_socket(0)
    port, fd = listener.getsockname()[1], listener.fileno()
    command = ["-m", "gunicorn", "-w", "2", "-b", f"fd://{fd}", "-k", *kind, "--no-control-socket"]
    command += ["tests.exact.app:create_app()"]
    with started(command, environment(directory, "auto"), tmp_path / "server.log", (fd,)) as master:
        listener.close()  # or it would still take connections when they are gone
        load = Load(port)
        load.until(120)
        if victim == "worker":
            os.kill(children(master.pid)[0], number)
            load.until(len(load.complete) + 120)  # the other worker goes on, and a new one recovers
        else:
            master.send_signal(number)
            time.sleep(0.2)
        load.stop()
    check(directory, load)


@functools.cache
def work_oracle(number: int) -> dict[str, list[int]]:
    """Return the lines of one job under plain coverage.py in a process of its own."""
    code = (
        "import coverage, json, sys; from tests.exact.work import work\n"
        "cov = coverage.Coverage(data_file=None, config_file=False, source_pkgs=['tests.exact.work'])\n"
        "cov.start(); work(int(sys.argv[1]), 0.001 if sys.argv[2] == 'slow' else 0.0); cov.stop()\n"
        "data = cov.get_data(); print(json.dumps({n: sorted(data.lines(n)) for n in data.measured_files()}))"
    )
    kind = "slow" if number == SLOW else "quick"
    done = subprocess.run([sys.executable, "-c", code, str(number), kind], cwd=ROOT, capture_output=True, text=True)
    return json.loads(done.stdout)


SLOW = 97


ENQUEUE = """
import json, sys
from redis import Redis
from rq import Queue
from instrument.rq import TracedJob
from instrument.runtime import ensure
runtime, (first, jobs) = ensure(), json.loads(sys.argv[3])
queue = Queue(sys.argv[1], connection=Redis.from_url(sys.argv[2]), job_class=TracedJob)
for count, (number, pause) in enumerate(jobs):
    trace = runtime.admit("alps", f"r-{first + count}", None)
    with runtime.tracer.section(trace):
        print(trace.context, queue.enqueue("tests.exact.work.work", number, pause).id)
    runtime.tracer.end(trace)
"""


class Jobs:
    """Traced jobs on a queue of their own, enqueued by another process."""

    def __init__(self, redis_url: str, name: str, directory: Path) -> None:
        self.url = redis_url
        self.env = environment(directory, "auto") | {"RQ_JOB_CLASS": "instrument.rq.TracedJob", "PYTHONPATH": str(ROOT)}
        Path(self.env["PROFILE_COVERAGE_CONFIG"]).write_text("[run]\nsource_pkgs = tests.exact.work\n")
        self.queue = Queue(name, connection=Redis.from_url(redis_url), job_class=TracedJob)
        self.numbers: dict[str, int] = {}  # context → argument

    def enqueue(self, *jobs: tuple[int, float]) -> list[TracedJob]:
        command = [sys.executable, "-c", ENQUEUE, self.queue.name, self.url, json.dumps([len(self.numbers), jobs])]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        ids = []
        for line, (number, _) in zip(done.stdout.splitlines(), jobs, strict=True):
            context, job = line.split()
            self.numbers[f"{context}/{job}"] = number
            ids.append(job)
        return [TracedJob.fetch(job, connection=self.queue.connection) for job in ids]

    def check(self, directory: Path) -> None:
        got = read_all(directory)
        finished = 0
        for context, number in self.numbers.items():
            job = TracedJob.fetch(context.rpartition("/")[2], connection=self.queue.connection)
            if job.get_status() == "finished":
                finished += 1
                assert got[context] == work_oracle(number), context
            for name, lines in got.get(context, {}).items():
                assert set(lines) <= set(work_oracle(number)[name])
        assert finished >= len(self.numbers) - 1


@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("victim", ["horse", "worker"])
def test_an_rq_worker_or_its_work_horse_is_killed(victim: str, number: int, redis_url: str, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    jobs = Jobs(redis_url, f"kill-{victim}-{number}", directory)
    # A horse that is killed never finishes; one whose worker is killed does, and is orphaned then or waited for.
    quick = [(3, 0.0), (7, 0.0), (27, 0.0), (2, 0.0), (9, 0.0)]
    *done, slow = jobs.enqueue(*quick, (SLOW, 60.0 if victim == "horse" else 3.0))
    command = ["-m", "rq.cli", "worker", jobs.queue.name, "--url", redis_url]
    with started(command, jobs.env, tmp_path / "worker.log") as worker:
        wait_for(lambda: slow.get_status() == "started" and children(worker.pid))
        assert all(job.get_status() == "finished" for job in done)
        (horse,) = children(worker.pid)
        time.sleep(0.1)
        os.kill(horse if victim == "horse" else worker.pid, number)
        wait_for(lambda: slow.get_status() == ("failed" if victim == "horse" else "finished"))
        if victim == "horse":
            (later,) = jobs.enqueue((5, 0.0))
            wait_for(lambda: later.get_status() == "finished")
            worker.kill()
        wait_for(lambda: not alive(horse))
    jobs.check(directory)


@pytest.mark.parametrize("number", BOTH)
def test_a_child_process_of_a_request_is_killed(number: int, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    env = environment(directory, "auto")
    Path(env["PROFILE_COVERAGE_CONFIG"]).write_text("[run]\nsource_pkgs = tests.exact.kill_app, tests.exact.work\n")
    command = ["-m", "tests.exact.serve", "tests.exact.kill_app"]
    with started(command, env, tmp_path / "server.log") as server:
        connection = http.client.HTTPConnection("127.0.0.1", first_line(tmp_path / "server.log"), timeout=60)
        headers = {"X-Profile-Trace": "alps", "X-Profile-Request": "r-1"}
        connection.request("GET", f"/child/{int(number)}", headers=headers)
        assert json.loads(connection.getresponse().read()) == {"code": -number}
        connection.close()
        server.kill()
        server.wait(60)
    files = {Path(name).name: lines for name, lines in read_all(directory)["profile:alps:r-1"].items()}
    assert len(files["kill_app.py"]) == 7, "the request has all lines of its view"
    if number == signal.SIGTERM:  # a killed child has its lines in memory: they are not promised
        assert set(*work_oracle(27).values()) <= set(files["work.py"])


def test_an_unsized_stream_keeps_what_ran_before_the_chunk_that_the_client_has(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    command = ["-m", "tests.exact.serve", "tests.exact.app"]
    with started(command, environment(directory, "auto"), tmp_path / "server.log") as server:
        connection = http.client.HTTPConnection("127.0.0.1", first_line(tmp_path / "server.log"), timeout=60)
        connection.request("GET", "/slow-stream", headers={"X-Profile-Trace": "alps", "X-Profile-Request": "r-1"})
        answer = connection.getresponse()
        assert answer.read(5) == b"first"
        server.kill()
        server.wait(60)
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer.read()
    (lines,) = read_all(directory)["profile:alps:r-1"].values()
    source = (ROOT / "tests" / "exact" / "app.py").read_text().split("\n")
    ran = [source[line - 1].strip() for line in lines]
    assert 'yield "first"' in ran
    assert not any(line.startswith("yield") for line in ran if line != 'yield "first"')
