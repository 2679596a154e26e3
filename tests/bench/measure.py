"""Measuring: live servers pinned to one core, alternating short blocks, ratios with a confidence interval."""

from __future__ import annotations

import http.client
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class Server:
    """One gunicorn worker with threads, pinned to our core, and a client on a kept-alive connection."""

    def __init__(self, factory: str, folder: Path, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # One hash seed and no write-back of bytecode: two servers differ in what they run, and in nothing else.
        env = {**os.environ, "PYTHONHASHSEED": "0", **environment}
        command = ["-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "4", "--keep-alive", "600", "-t", "600"]
        command += ["--graceful-timeout", "1", "--no-control-socket"]
        with (folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command, "-b", f"127.0.0.1:{self.port}", f"tests.bench.variants:{factory}()"],
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=log,
            )
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        self.pid = 0
        for _ in range(400):
            try:
                self.pid = int(self.get("/pid").split(b":")[1].strip(b" }\n"))
                break
            except (OSError, http.client.HTTPException):
                self.connection.close()
                time.sleep(0.05)
        if not self.pid:
            raise SystemExit(f"the server did not start: read {folder}/server.log")

    def get(self, path: str, **headers: str) -> bytes:
        """Return the body of a GET that must succeed; `_` in a header's name stands for `-`."""
        self.connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {body[:200]!r}")
        return body

    def cpu(self) -> float:
        """Return the CPU seconds of the worker so far, over all of its threads, to the nanosecond."""
        return time.clock_gettime(
            (~self.pid << 3) | 2
        )  # CPUCLOCK_SCHED of that process, as clock_getcpuclockid makes it

    def memory(self) -> int:
        """Return the worker's resident memory in kB."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0])

    def stop(self) -> None:
        """End the server."""
        self.connection.close()
        self.process.terminate()
        self.process.wait(60)


@dataclass(frozen=True, slots=True)
class Side:
    """One of two things that are compared: a server and the request to send it."""

    server: Server
    path: str
    headers: dict[str, str] = field(default_factory=dict)

    def block(self, requests: int) -> tuple[float, float]:
        """Send the requests; return the worker's CPU seconds and our wall seconds."""
        server, path, headers = self.server, self.path, self.headers
        started, cpu = time.perf_counter(), server.cpu()
        for _ in range(requests):
            server.get(path, **headers)
        return server.cpu() - cpu, time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of paired ratios with its 95 % confidence interval."""

    median: float
    low: float
    high: float

    @property
    def bias(self) -> float:
        """How far from 1 a null control lies."""
        return abs(self.median - 1)


def ratio_of(values: Sequence[float], chance: random.Random) -> Ratio:
    """Return the median of the values and the interval of 2,000 resampled medians."""
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(2000))
    return Ratio(statistics.median(values), medians[50], medians[1949])


def verdict(ratio: Ratio, null: Ratio, target: float) -> str:
    """Say whether a target holds; the null control's own deviation widens the interval."""
    if ratio.high + null.bias <= target:
        return "reached"
    if ratio.low - null.bias > target:
        return "missed"
    return "no verdict: too noisy"


def block_size(side: Side, seconds: float) -> int:
    """Return how many requests take about so many seconds, after a warm-up."""
    side.block(40)
    cpu, wall = side.block(20)
    return max(2, round(seconds / (max(cpu, wall) / 20)))


def compare(
    first: Side, second: Side, pairs: int, chance: random.Random, seconds: float = 0.04
) -> list[tuple[float, float]]:
    """Return the ratios (CPU, wall) second/first of so many pairs of short blocks, in an order drawn for each pair."""
    second.block(40)
    requests = block_size(first, seconds)
    found = []
    for _ in range(pairs):
        if chance.random() < 0.5:
            one = first.block(requests)
            two = second.block(requests)
        else:
            two = second.block(requests)
            one = first.block(requests)
        found.append((two[0] / one[0], two[1] / one[1]))
    return found


def pin() -> None:
    """Pin this process, and the servers that it starts, to one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
