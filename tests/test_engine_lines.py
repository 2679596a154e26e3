"""Exact lines of every engine, with plain coverage.py as the oracle, whatever ran the code before or runs it beside."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import coverage
import pytest

from instrument import engine as engines
from instrument.engine import Engine, Lines
from tests import engine_cases
from tests.exact.proof import ENGINES

CASES = {name: case for name, case in vars(engine_cases).items() if name.startswith("case_")}
FILE = engine_cases.__file__


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = engines.choose(request.param, lambda filename, frame: filename if filename == FILE else None)
    assert made.name == request.param
    yield made
    if made.name == "sysmon":
        made.shut()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def oracle() -> dict[str, Lines]:
    found = {}
    for name, case in CASES.items():
        case()  # so that what only a first call runs is no part of it
        cov = coverage.Coverage(data_file=None, config_file=False, include=[FILE])
        cov.start()
        case()
        cov.stop()
        found[name] = {FILE: set(cov.get_data().lines(FILE) or ())}
        assert len(found[name][FILE]) > 3
    return found


def traced(engine: Engine, call: Callable[[], object]) -> Lines:
    lines: Lines = {}
    engine.open(lines)
    token = engine.enter(lines)
    try:
        call()
    finally:
        engine.leave(token)
        engine.close(lines)
    return lines


def on_a_thread(call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@pytest.mark.parametrize("name", CASES)
def test_lines_are_those_of_coverage(engine: Engine, oracle: dict[str, Lines], name: str) -> None:
    case = CASES[name]
    for _ in range(2):
        assert traced(engine, case) == oracle[name]
        on_a_thread(case)  # first seen, or seen again, by a thread that nobody traces
        assert traced(engine, case) == oracle[name]


@pytest.mark.parametrize("name", CASES)
def test_lines_are_exact_beside_an_open_trace_and_ordinary_traffic(
    engine: Engine, oracle: dict[str, Lines], name: str
) -> None:
    case = CASES[name]
    idle: Lines = {}
    engine.open(idle)
    for _ in range(40):  # often enough for code to be parked
        case()
    on_a_thread(case)
    assert traced(engine, case) == oracle[name]
    for _ in range(3):
        case()
        found: list[Lines] = []
        on_a_thread(lambda found=found: found.append(traced(engine, case)))
        assert found == [oracle[name]]
    token = engine.enter(idle)
    case()
    engine.leave(token)
    engine.close(idle)
    assert idle == oracle[name]
    assert traced(engine, case) == oracle[name]


def test_all_of_it_at_once(engine: Engine, oracle: dict[str, Lines]) -> None:
    wrong: list[str] = []
    over = time.monotonic() + 3

    def work(number: int) -> None:
        names = sorted(CASES)[number:] + sorted(CASES)[:number]
        while time.monotonic() < over:
            for name in names:
                if number % 3 == 2:
                    CASES[name]()
                elif traced(engine, CASES[name]) != oracle[name]:
                    wrong.append(name)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_a_function_that_runs_already_when_a_trace_opens(engine: Engine, oracle: dict[str, Lines]) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            engine_cases.case_plain_loops()

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            assert traced(engine, engine_cases.case_plain_loops) == oracle["case_plain_loops"]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
