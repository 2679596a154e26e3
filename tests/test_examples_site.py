"""`make site`: exit codes, where things go, and nothing left behind when it is interrupted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from examples import site
from examples.stack import ROOT
from tests.test_stack import left, living


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `python -m examples.site` as a terminal would, with all it writes under `tmp_path`."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    env = {key: value for key, value in os.environ.items() if key not in ("PROFILE_COVERAGE_DIR", "REDIS_URL")}
    return subprocess.Popen(
        [sys.executable, "-m", "examples.site", *arguments, "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**env, "XDG_DATA_HOME": str(tmp_path / "data"), "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_httpbin_is_played_and_published(tmp_path: Path) -> None:
    process = start(tmp_path, "httpbin")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert out == f"{tmp_path / 'site' / 'index.html'}\n"
    pages = sorted(path.stem for path in (tmp_path / "site" / "profiles").glob("*.html"))
    assert {"cookies", "formats", "methods", "order-pizza", "statuses", "streams"} <= set(pages)
    assert "httpbin.core" in (tmp_path / "site" / "profiles" / "streams.html").read_text("utf-8")
    (directory,) = (tmp_path / "data" / "covatlas" / "profiles").glob("covatlas-example-httpbin-*")
    assert (directory / "streams.coverage").is_file()


def test_another_clone_has_data_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = site.coverage_dir("watershed")
    assert site.coverage_dir("watershed") == mine
    monkeypatch.setattr(site, "ROOT", ROOT / "another-clone")
    assert site.coverage_dir("watershed") != mine


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_playing_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, "watershed")
    assert process.stderr is not None
    assert "api-tour: passed" in process.stderr.readline()
    (home,) = (tmp_path / "tmp").glob("covatlas-stack-*")
    assert len(living(home)) >= 3  # Redis, server, worker, and whatever the next profile has begun
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # Ctrl-C reaches every process of the terminal's group
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert ("interrupted; everything it had started is stopped" in err) is (number == signal.SIGINT)
    assert "Traceback" not in err
    assert left(home) == [] and not home.exists()
    assert not (tmp_path / "site").exists()


def test_app_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(tmp_path, "httpbin", "--app-port", str(port))
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert err == (
        f"make site: port {port} of 127.0.0.1 cannot be used (Address already in use); "
        "stop what listens there or choose another port\n"
    )


def test_serve_without_data_says_so(tmp_path: Path) -> None:
    process = start(tmp_path, "httpbin", "--serve", "--port", "0")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert err.startswith("covatlas: ") and err.count("\n") == 1
