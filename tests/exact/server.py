"""The exactness app under threaded werkzeug in its own process, for tests that talk to it over real HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from instrument import shards

ROOT = Path(__file__).parent.parent.parent


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    """Ask a process to end, wait for it, and leave none that does not listen."""
    process.send_signal(number)
    try:
        process.wait(60)
    finally:
        process.kill()


class Server:
    """The exactness app under threaded werkzeug in its own process."""

    def __init__(self, tmp_path: Path, **env: str) -> None:
        self.directory = tmp_path / "data"
        config = tmp_path / "coverage.ini"
        config.write_text("[run]\nsource_pkgs = tests.exact\n")
        self.log = tmp_path / "server.log"
        settings = {
            "ENABLE_PROFILE_COVERAGE": "1",
            "PROFILE_COVERAGE_DIR": str(self.directory),
            "PROFILE_COVERAGE_CONFIG": str(config),
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.exact.serve", "tests.exact.app"],
                cwd=ROOT, env={**os.environ, **settings, **env}, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert self.process.stdout is not None
        self.base = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def get(self, path: str, **headers: str) -> requests.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.base + path, headers=names, timeout=60)

    def status(self, **headers: str) -> dict:
        return self.get("/__covatlas__/status", **headers).json()

    def settled(self) -> dict:
        """The status once no trace is open: an answer is complete before its trace has ended."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            status = self.status()
            if not status["open"]:
                return status
            time.sleep(0.02)
        raise AssertionError(f"traces stay open: {status['open']}")

    def contexts(self, slug: str) -> set[str]:
        path = shards.combine(self.directory, slug).path
        return set(shards.read_data(path)) if path else set()

    def kill(self, number: int = signal.SIGKILL) -> None:
        end(self.process, number)
