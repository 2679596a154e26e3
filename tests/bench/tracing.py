"""`python -m tests.bench.tracing`: what tracing costs, as ratios measured side by side in one run, with their noise.

Two live servers answer alternating short blocks of requests, client and servers on one core, so that the machine's
drift meets both sides of a pair alike. A ratio is the median over the pairs, of the worker's CPU time (waiting is no
cost, and a busy neighbour does not count); the null control compares two equal servers and shows what the noise makes.
"""

from __future__ import annotations

import argparse
import http.client
import platform
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import coverage

from tests.bench.measure import Ratio, Server, Side, compare, pin, ratio_of, verdict

ROUTES = ("/json", "/template", "/app")
TRACED = {"X-Profile-Trace": "bench", "X-Profile-Request": "r-1"}
BOTH = "both"  # one server answers both sides
PROCESSES = 8  # two processes of the same code differ by a percent or two: rows about a percent take so many
SYSMON = sys.version_info >= (3, 12)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: two kinds of servers, what is sent to each, and the target of the ratio if it has one."""

    name: str
    first: str
    second: str
    targets: dict[str, float | None]
    first_headers: dict[str, str]
    second_headers: dict[str, str]
    stream: bool = False
    rounds: int = 1
    pairs: int = 1


def cases(pairs: int) -> list[Case]:
    """Return the rows for this interpreter."""
    every = dict.fromkeys(ROUTES)
    small = dict.fromkeys(ROUTES, 1.02)
    wrapped = {"X-Bench-Wsgi": "wrapped"}
    header = {"/json": 1.25, "/template": 1.10, "/app": 1.10} if sys.version_info >= (3, 13) else every
    found = [
        Case("flag off", "bare", "off", small, {}, {}, rounds=PROCESSES, pairs=pairs),
        Case("flag on, no header", "bare", "on", small, {}, {}, rounds=PROCESSES, pairs=pairs),
        Case(
            "flag on, no header, in one process", BOTH, BOTH, small, {"X-Bench-Wsgi": "without"}, wrapped, pairs=pairs
        ),
        Case("traced", "bare", "on", header, {}, TRACED, pairs=pairs),
        Case("untraced while a trace is open", "bare", "on", every, {}, {}, stream=True, pairs=pairs),
    ]
    if not SYSMON:
        same = dict.fromkeys(ROUTES, 1.02)  # no slower, as far as one can tell
        found.append(Case("traced, to coverage.py's C tracer", "coverage", "on", same, {}, TRACED, pairs=pairs))
        found.append(Case("coverage.py's C tracer itself", "bare", "coverage", every, {}, {}, pairs=pairs))
    found.append(
        Case("peer: one Coverage object a request", "bare", "peer", every, {}, TRACED, pairs=max(4, pairs // 10))
    )
    return found


def null_control(case: Case, pairs: int) -> Case:
    """Return the row that compares the first side of a case with its like."""
    name = f"null control: {case.first}"
    headers = case.first_headers
    rounds = 1 if case.first == BOTH else PROCESSES
    return Case(name, case.first, case.first, dict.fromkeys(ROUTES), headers, headers, rounds=rounds, pairs=pairs)


def start(kind: str, folder: Path, config: Path) -> Server:
    """Start a server of a kind: bare, off, on, both, coverage or peer."""
    factories = {"off": "covatlas", "on": "covatlas", "coverage": "plain_coverage", "peer": "per_request", BOTH: BOTH}
    factory = factories.get(kind, "bare")
    return Server(
        factory,
        folder,
        ENABLE_PROFILE_COVERAGE="1" if kind in ("on", BOTH) else "0",
        PROFILE_COVERAGE_DIR=str(folder),
        PROFILE_COVERAGE_CONFIG=str(config),
    )


@contextmanager
def open_stream(server: Server) -> Iterator[None]:
    """Hold a traced response open on another connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/slow-stream?seconds=3600", headers={**TRACED, "X-Profile-Trace": "stream"})
    answer = connection.getresponse()
    if answer.readline() != b"open\n":
        raise SystemExit("the slow stream did not begin")
    try:
        yield
    finally:
        connection.close()


def run_case(
    case: Case, routes: tuple[str, ...], config: Path, chance: random.Random
) -> dict[str, list[tuple[float, float]]]:
    """Return the pairs' ratios per route; each round has servers of its own, for a process's layout has a speed too."""
    found: dict[str, list[tuple[float, float]]] = {route: [] for route in routes}
    for _ in range(case.rounds):
        with ExitStack() as stack:
            folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))) for _ in "12"]
            servers = []
            for kind, folder in zip((case.first, case.second), folders, strict=True):
                if kind == BOTH and servers:
                    servers.append(servers[0])
                    continue
                servers.append(start(kind, folder, config))
                stack.callback(servers[-1].stop)
            if case.stream:
                stack.enter_context(open_stream(servers[1]))
            for route in routes:
                first = Side(servers[0], route, case.first_headers)
                second = Side(servers[1], route, case.second_headers)
                found[route] += compare(first, second, max(3, case.pairs // case.rounds), chance)
    return found


def memory(config: Path, requests: int) -> tuple[int, int]:
    """Return the worker's kB after 1,000 traced requests and after so many more."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        server = start("on", Path(folder), config)
        try:
            side = Side(server, "/app", {**TRACED})
            side.block(1000)
            before = server.memory()
            side.block(requests)
            return before, server.memory()
        finally:
            server.stop()


def cell(ratio: Ratio) -> str:
    """Return a ratio and its interval as text."""
    digits = 3 if ratio.median < 3 else 1
    return f"{ratio.median:.{digits}f}× ({ratio.low:.{digits}f}–{ratio.high:.{digits}f})"


def rows(
    case: Case, found: dict[str, list[tuple[float, float]]], null: dict[str, Ratio], chance: random.Random
) -> list[str]:
    """Return the table's lines of a case."""
    lines = []
    medians = []
    for route, pairs in found.items():
        cpu = ratio_of([pair[0] for pair in pairs], chance)
        wall = ratio_of([pair[1] for pair in pairs], chance)
        medians.append(cpu)
        target = case.targets[route]
        says = f"≤ {target:.2f}×: {verdict(cpu, null[route], target)}" if target else ""
        lines.append(
            f"| {case.name} | `{route}` | {cell(cpu)} | {wall.median:.3f}× | {null[route].median:.3f}× | {says} |"
        )
    if case.stream and len(medians) > 2:
        middle = sorted(medians, key=lambda ratio: ratio.median)[len(medians) // 2]
        says = f"≤ 1.15×: {verdict(middle, max(null.values(), key=lambda ratio: ratio.bias), 1.15)}"
        lines.append(f"| {case.name} | median of the routes | {cell(middle)} | | | {says} |")
    return lines


def main(say: Callable[[str], None] = print) -> None:
    """Measure what the command line asks for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tracing", description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=90, help="pairs of blocks per row (default 90)")
    parser.add_argument("--only", default="", help="rows whose name contains this text")
    parser.add_argument("--route", action="append", choices=ROUTES, help="one route; may be repeated")
    parser.add_argument("--memory", type=int, default=10_000, help="traced requests of the memory row; 0 leaves it out")
    options = parser.parse_args()
    pin()
    chance = random.Random(1)
    routes = tuple(options.route or ROUTES)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = Path(folder) / "coverage.ini"
        config.write_text("[run]\nsource_pkgs = tests.bench.app\n")
        say(f"CPython {platform.python_version()}, coverage.py {coverage.__version__}, {platform.machine()}, one core")
        say("\n| case | route | CPU ratio (95 % interval) | wall | null | target |")
        say("| --- | --- | --- | --- | --- | --- |")
        nulls: dict[str, dict[str, Ratio]] = {}
        for case in cases(options.pairs):
            if options.only not in case.name:
                continue
            if case.first not in nulls:  # of one process or of two: these differ in their noise
                null = null_control(case, options.pairs)
                pairs = run_case(null, routes, config, chance)
                nulls[case.first] = {
                    route: ratio_of([pair[0] for pair in found], chance) for route, found in pairs.items()
                }
                for line in rows(null, pairs, nulls[case.first], chance):
                    say(line)
            for line in rows(case, run_case(case, routes, config, chance), nulls[case.first], chance):
                say(line)
        if options.memory:
            before, after = memory(config, options.memory)
            say(f"\nMemory of the worker after {options.memory:,} more traced requests: {before:,} → {after:,} kB")


if __name__ == "__main__":
    main(lambda text: print(text, flush=True))
