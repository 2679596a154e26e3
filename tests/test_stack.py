"""The stack starts real processes and leaves none behind, whatever happens to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
import requests

from examples import stack as stack_module
from examples.ports import free_port
from examples.stack import ROOT, Stack, redis_binary
from instrument.errors import CovatlasError

SCRIPT = """
import sys, time
from pathlib import Path
from examples.stack import Stack

with Stack("watershed", work_dir=Path(sys.argv[1])) as stack:
    if sys.argv[2] == "busy":
        import redis
        from rq import Queue
        job = Queue("watershed", connection=redis.Redis.from_url(stack.redis_url)).enqueue(time.sleep, 60)
        while job.get_status(refresh=True) != "started":
            time.sleep(0.05)
    print("up", flush=True)
    time.sleep(60)
"""


def living(home: Path) -> list[str]:
    """Return the command lines of all living processes that a stack with this work directory started, at any depth."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                # The children run there; Redis rewrites its environment, so a mark in there would not do.
                if os.readlink(process / "cwd").removesuffix(" (deleted)") == str(home):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue  # it ended meanwhile
    return found


def left(home: Path) -> list[str]:
    """Return the same of those that stay: what was killed takes a moment to be gone."""
    end = time.monotonic() + 20
    while (found := living(home)) and time.monotonic() < end:
        time.sleep(0.02)
    return found


@pytest.fixture(autouse=True)
def no_redis_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "stack"


@pytest.mark.parametrize("server", ["werkzeug", "gunicorn"])
def test_body_that_raises_leaves_no_process(home: Path, server: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), Stack("watershed", server=server, workers=2, work_dir=home) as stack:
        assert requests.get(f"{stack.base_url}/health", timeout=60).json() == {"status": "ok"}
        assert redis.Redis.from_url(stack.redis_url).ping()
        assert len(living(home)) >= 3  # Redis, server, worker
        1 / 0  # noqa: B018
    assert left(home) == []
    assert "end of server.log" in capfd.readouterr().err


@pytest.mark.parametrize(("number", "state"), [(signal.SIGINT, "busy"), (signal.SIGTERM, "idle")])
def test_signal_leaves_no_process(home: Path, number: signal.Signals, state: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home), state], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    # Server, worker, Redis, and RQ's work-horse, which leads a process group of its own.
    assert len(living(home)) == (4 if state == "busy" else 3)
    child.send_signal(number)
    child.communicate(timeout=120)
    assert child.returncode == (-signal.SIGINT if number == signal.SIGINT else 128 + number)
    assert left(home) == []


def test_children_see_no_tracing_variable_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_PROFILE_COVERAGE", "1")
    with Stack("httpbin") as stack:
        assert requests.get(f"{stack.base_url}/__covatlas__/status", timeout=60).status_code == 404
    with Stack("httpbin", coverage_dir=tmp_path, trace=True) as stack:
        status = requests.get(f"{stack.base_url}/__covatlas__/status", timeout=60).json()
    assert status["enabled"] and status["coverage_dir"] == str(tmp_path)


def test_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(CovatlasError, match=f"port {port} of 127.0.0.1 cannot be used"),
            Stack("httpbin", port=port),
        ):
            pass


def test_chosen_port_is_used() -> None:
    port = free_port()
    with Stack("httpbin", port=port) as stack:
        assert stack.base_url == f"http://127.0.0.1:{port}"
        logs = stack.logs
    assert not logs.exists()  # a work directory of its own goes with it


def test_app_that_does_not_start_shows_its_log(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    env = {"WATERSHED_DATA": os.devnull}
    with (
        pytest.raises(CovatlasError, match="the server ended with exit code 1 while starting"),
        Stack(env=env, work_dir=home),
    ):
        pass
    assert "FileExistsError" in capfd.readouterr().err
    assert left(home) == []


def test_redis_of_the_environment_is_used_and_left_running(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stack("watershed") as owner:
        monkeypatch.setenv("REDIS_URL", owner.redis_url)
        with Stack("watershed", work_dir=home) as guest:
            assert guest.redis_url == owner.redis_url
            assert len(living(home)) == 2  # no Redis of its own
        assert redis.Redis.from_url(owner.redis_url).ping()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "nonsense"])
def test_redis_of_the_environment_that_does_not_answer_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(CovatlasError, match=f"REDIS_URL={url!r}") as caught, Stack("watershed"):
        pass
    assert "\n" not in str(caught.value)


def test_redis_of_a_wheel_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    binary = Path(redis_binary())
    assert binary.parts[-3] in stack_module.REDIS_WHEELS
    with Stack("watershed") as stack:
        version = redis.Redis.from_url(stack.redis_url).info()["redis_version"]
        assert Path(f"/proc/{stack.processes['redis'].pid}/exe").resolve() == binary.resolve()
    assert int(version.split(".")[0]) >= 6


def test_redis_missing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(stack_module, "REDIS_WHEELS", ("no_such_wheel",))
    with pytest.raises(CovatlasError, match="no Redis found: set REDIS_URL"):
        redis_binary()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(CovatlasError, match="no sample app is called 'nope'; the apps are watershed, httpbin"):
        Stack("nope")
    with pytest.raises(CovatlasError, match="no server is called 'nope'"):
        Stack("httpbin", server="nope")


def test_second_signal_does_not_interrupt_the_stopping(home: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home), "busy"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdout.readline() == b"up\n"
    for _ in range(3):
        child.send_signal(signal.SIGINT)
        time.sleep(0.5)
    child.communicate(timeout=120)
    assert left(home) == []
