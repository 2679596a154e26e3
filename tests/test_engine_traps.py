"""Known traps of tracing, one test each: a crash, a lost line or a hurt host that an engine once had or could have."""

from __future__ import annotations

import bdb
import gc
import logging
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import BuiltinFunctionType, MemberDescriptorType

import coverage
import pytest
from coverage.tracer import CTracer

from instrument import engine as engines
from instrument.engine import Engine, Lines
from instrument.engine.ctrace import MEMBERS, CTraceEngine
from tests import engine_cases
from tests.exact.proof import ENGINES

ROOT = Path(__file__).parent.parent
FILE = engine_cases.__file__
case = engine_cases.case_plain_loops
needs_monitoring = pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with CPython 3.12")


def decide(filename: str, frame: object) -> str | None:
    return filename if filename == FILE else None


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    made = engines.choose(request.param, decide)
    yield made
    shut(made)


def shut(engine: Engine) -> None:
    if engine.name == "sysmon":
        engine.shut()  # type: ignore[attr-defined]


def traced(engine: Engine, call=case) -> Lines:
    lines: Lines = {}
    engine.open(lines)
    token = engine.enter(lines)
    try:
        call()
    finally:
        engine.leave(token)
        engine.close(lines)
    return lines


def on_a_thread(call) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not errors, errors


def oracle() -> Lines:
    cov = coverage.Coverage(data_file=None, config_file=False, include=[FILE])
    cov.start()
    case()
    cov.stop()
    return {FILE: set(cov.get_data().lines(FILE) or ())}


def test_every_member_of_a_c_tracer_is_set() -> None:
    members = {name for name, kind in vars(CTracer).items() if isinstance(kind, MemberDescriptorType)}
    assert members == MEMBERS.keys(), (
        f"coverage.py {coverage.__version__} has other members of CTracer than we know: {members ^ MEMBERS.keys()}; "
        "an unset one is a crash: add it to instrument.engine.ctrace.MEMBERS with the value that coverage.py gives it"
    )
    made = CTraceEngine(decide)
    lines: Lines = {}
    tracer = made._tracer(lines)
    assert tracer.data is lines
    assert tracer.should_trace_cache is made._cache
    assert all(callable(getattr(tracer, name)) for name in ("should_trace", "check_include", "warn", "disable_plugin"))
    # A Python function here is called at each line, at half of the speed.
    assert all(isinstance(getattr(tracer, name), type | BuiltinFunctionType) for name in ("lock_data", "unlock_data"))


def test_a_member_that_a_newer_coverage_adds_is_not_left_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(MEMBERS, "concur_id_func")
    assert ("concur_id_func", None) in CTraceEngine(decide)._members


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt, RecursionError])
def test_an_error_in_the_scopes_decision_does_not_reach_the_app(raised: type[BaseException], caplog) -> None:
    def broken(filename: str, frame: object) -> str | None:
        if filename == FILE:
            raise raised("planted")
        return None

    for name in ENGINES:
        made = engines.choose(name, broken)
        try:
            if raised is KeyboardInterrupt:
                continue  # Ctrl-C is the user's, wherever it strikes
            traced(made)
            on_a_thread(case)
        finally:
            shut(made)


@needs_monitoring
def test_an_error_in_a_line_callback_does_not_reach_the_app(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(dict):
        def __contains__(self, key: object) -> bool:
            raise RuntimeError("planted")

    made = engines.choose("sysmon", decide)
    broken = Broken()
    try:
        made.open(broken)
        with caplog.at_level(logging.ERROR, "covatlas"):
            case()  # an untraced call
            on_a_thread(case)
            token = made.enter(broken)
            case()
            made.leave(token)
        made.close(broken)
        assert [record.message for record in caplog.records] == [
            "covatlas: the sysmon engine failed (RuntimeError: planted); lines are lost"
        ]
        assert traced(made) == oracle(), "the next trace is whole again"
    finally:
        shut(made)


@needs_monitoring
def test_code_that_first_starts_at_the_interpreters_end_is_no_failure(tmp_path: Path) -> None:
    script = tmp_path / "late.py"
    script.write_text(
        "from instrument.engine.sysmon import SysmonEngine\n"
        "from instrument.scope import Scope\n"
        "class Late:\n"
        "    def __del__(self): print('late')\n"
        "engine, kept = SysmonEngine(Scope(None)), Late()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "late\n", "")


@needs_monitoring
def test_another_tool_may_restart_events(engine: Engine) -> None:
    expected = oracle()
    idle: Lines = {}
    for _ in range(3):
        assert traced(engine) == expected
        sys.monitoring.restart_events()
        case()
        engine.open(idle)
        for _ in range(40):
            case()
        sys.monitoring.restart_events()
        case()
        assert traced(engine, lambda: (sys.monitoring.restart_events(), case())) == expected
        engine.close(idle)
        assert idle == {}


@needs_monitoring
def test_taken_tool_ids(caplog: pytest.LogCaptureFixture) -> None:
    taken = [3, 4, 5]
    for tool in taken:
        sys.monitoring.use_tool_id(tool, "somebody else")
    try:
        assert engines.choose("auto", decide).name == "ctrace"
        assert "every tool id of sys.monitoring is taken" in caplog.text
        sys.monitoring.free_tool_id(taken.pop())
        made = engines.choose("auto", decide)  # with a single id nothing is parked
        assert made.name == "sysmon"
        idle: Lines = {}
        made.open(idle)
        for _ in range(40):
            case()
        assert traced(made) == oracle()
        made.close(idle)
        shut(made)
    finally:
        for tool in taken:
            sys.monitoring.free_tool_id(tool)
    assert [sys.monitoring.get_tool(tool) for tool in (3, 4, 5)] == [None] * 3


@needs_monitoring
def test_without_a_gil_another_engine_takes_over(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert engines.choose("auto", decide).name == "ctrace"
    assert "no GIL" in caplog.text


@needs_monitoring
def test_ordinary_traffic_beside_an_open_trace_reports_no_lines() -> None:
    made = engines.choose("sysmon", decide)
    parking, code, lines = made._parking, case.__code__, sys.monitoring.events.LINE  # type: ignore[attr-defined]
    idle: Lines = {}
    try:
        case()
        made.open(idle)
        assert sys.monitoring.get_local_events(made.tool, code) == lines  # type: ignore[attr-defined]
        case()
        assert sys.monitoring.get_local_events(made.tool, code) == 0, "parked"  # type: ignore[attr-defined]
        # A trace that has the code on its stack, a new one, and the idle one itself all get their lines.
        assert traced(made) == oracle()
        for _ in range(20):
            case()
        token = made.enter(idle)
        case()
        made.leave(token)
        assert idle == oracle()
        for _ in range(20):
            case()
        made.close(idle)
        assert not parking.parked
        assert sys.monitoring.get_local_events(parking._guard, code) == 0, "nothing open, no events"
    finally:
        shut(made)


@needs_monitoring
def test_code_on_a_traced_stack_is_not_parked() -> None:
    made = engines.choose("sysmon", decide)
    lines: Lines = {}
    inside, go = threading.Event(), threading.Event()

    class Number(int):
        def __mod__(self, other: int) -> int:
            if not inside.is_set():
                inside.set()
                go.wait(60)
            return int(self) % other

    def blocked() -> None:
        token = made.enter(lines)
        engine_cases.loop_over([Number(1), Number(3), Number(0)])
        made.leave(token)

    try:
        made.open(lines)
        thread = threading.Thread(target=blocked)
        thread.start()
        inside.wait(60)
        for _ in range(50):
            engine_cases.loop_over([1, 3, 0])
        go.set()
        thread.join()
        made.close(lines)
        first = engine_cases.loop_over.__code__.co_firstlineno
        assert lines == {FILE: {first + number for number in (1, 2, 3, 4, 6, 7)}}
    finally:
        shut(made)


@needs_monitoring
def test_looking_at_the_threads_keeps_nothing_of_theirs() -> None:
    """What a thread has in its locals dies with its call, not when the garbage collector comes by."""
    made = engines.choose("sysmon", decide)
    idle: Lines = {}
    inside, go = threading.Event(), threading.Event()
    kept = []

    class Local:
        pass

    def bystander() -> None:
        mine = Local()
        kept.append(weakref.ref(mine))
        inside.set()
        go.wait(60)

    gc.disable()
    try:
        thread = threading.Thread(target=bystander)
        thread.start()
        inside.wait(60)
        made.open(idle)
        for _ in range(40):
            case()
        assert made._parking.parked, "so it looked"  # type: ignore[attr-defined]
        go.set()
        thread.join()
        assert kept[0]() is None
    finally:
        gc.enable()
        made.close(idle)
        shut(made)


def test_a_debugger_survives_a_trace_inside(engine: Engine) -> None:
    class Debugger(bdb.Bdb):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []

        def user_line(self, frame) -> None:
            if frame.f_code.co_filename == FILE:
                self.seen.append(frame.f_lineno)
            self.set_step()

    found: list[Lines] = []

    def program() -> None:
        case()
        found.append(traced(engine))
        case()

    def watch(call) -> list[int]:
        debugger, before = Debugger(), sys.gettrace()
        try:
            debugger.runcall(call)
        finally:
            sys.settrace(before)
        return debugger.seen

    alone, around = watch(case), watch(program)
    assert found == [oracle()]
    assert len(alone) > 100
    assert around[: len(alone)] == alone, "before the trace"
    assert around[-len(alone) :] == alone, "after it"


def test_frames_of_a_stopped_tracer_do_not_end_the_next_trace(engine: Engine) -> None:
    first, second = {}, {}
    tokens: list[object] = []

    def enter(lines: Lines) -> None:
        engine.open(lines)
        tokens.append(engine.enter(lines))

    def leave(lines: Lines) -> None:
        engine.leave(tokens.pop())
        engine.close(lines)

    engine_cases.two_traces(lambda: enter(first), lambda: leave(first), lambda: enter(second), lambda: leave(second))
    start = engine_cases.two_traces.__code__.co_firstlineno
    inner = engine_cases.inner.__code__.co_firstlineno + 1
    # Lines of the frame itself are those after the entry; pure and ctrace begin with calls, as settrace does.
    assert first[FILE] & {inner} == second[FILE] & {inner} == {inner}
    assert start + 5 not in first[FILE]
    assert start + 2 not in second[FILE]
    assert traced(engine) == oracle()


def test_a_trace_function_set_inside_a_trace_stays(engine: Engine) -> None:
    def mine(frame, event, arg):
        return None

    before = sys.gettrace()
    try:
        traced(engine, lambda: sys.settrace(mine))
        assert sys.gettrace() is mine
    finally:
        sys.settrace(before)
    assert traced(engine) == oracle()


GREEN = """
import threading
import gevent.monkey
early = __import__("sys").argv[1] == "early"
if early:
    gevent.monkey.patch_all()
import flask
from instrument import ProfileCoverage

app = flask.Flask("green")
app.add_url_rule("/", "index", lambda: "hello")
ProfileCoverage(app)
if not early:  # as in a gunicorn worker with preload_app
    gevent.monkey.patch_all()
client = app.test_client()
answer = client.get("/", headers={"X-Profile-Trace": "alps"})
print(answer.status_code, answer.text, client.get("/__covatlas__/status").json["problem"], flush=True)
__import__("os")._exit(0)
"""


@pytest.mark.parametrize("when", ["early", "late"])
def test_greenlets_are_refused_for_their_switches_are_not_followed(when: str, tmp_path: Path) -> None:
    env = {"ENABLE_PROFILE_COVERAGE": "1", "PROFILE_COVERAGE_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", GREEN, when], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.stdout.startswith("200 hello gevent.thread has taken the place of threads"), done.stdout + done.stderr
    assert "tracing is off" in done.stderr
    assert not list((tmp_path / "data").glob("alps*"))
