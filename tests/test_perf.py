"""`covatlas perf`: what timings say and when they say nothing; against real servers, one of them slow on purpose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.ports import listening_socket
from examples.processes import stop
from examples.stack import ROOT, Stack
from instrument.playback import perf
from instrument.playback.perf import MAX_MACHINES, PerfOptions, judged, machine, read_baselines, table
from instrument.playback.verdict import Round, Spread, judge, null_ratio, spread, traced_ratio
from tests.playback_support import entry, write_profile

APP = """
import os, time
from flask import Flask, request
from instrument import ProfileCoverage

app = Flask(__name__)

@app.get("/")
def home():
    time.sleep(float(os.environ["DELAY"]))
    if "X-Profile-Trace" in request.headers:
        time.sleep(float(os.environ["EXTRA"]))
    return "well"

ProfileCoverage(app)
"""


# ── pure statistics ──────────────────────────────────────────────────────────────────────────────────────────────


def rounds(off: float = 100, again: float = 100, traced: float = 110, jitter: float = 0) -> list[Round]:
    signs = (1, -1, 0, 1, -1, 0, -1, 1, 0)
    return [Round(off + jitter * s, again - jitter * s, traced + jitter * s) for s in signs]


def test_ratios() -> None:
    assert traced_ratio(rounds()).median == pytest.approx(1.1) and null_ratio(rounds()).median == 1
    wide = null_ratio(rounds(jitter=30))
    assert wide.low < 0.8 and wide.high > 1.2
    assert spread([1, 2, 3]) == spread([1, 2, 3])  # the same numbers, the same interval


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (rounds(traced=110), "within"),
        (rounds(traced=124.9), "within"),
        (rounds(traced=126), "over"),
        (rounds(traced=200, jitter=2), "over"),
        (rounds(traced=125, jitter=5), "undecided"),  # the interval holds the limit
        (rounds(traced=300, jitter=60), "undecided"),  # noise: even this says nothing
        (rounds(again=140, traced=300), "undecided"),  # the null control strays, though it is quiet
    ],
)
def test_verdicts(made: list[Round], verdict: str) -> None:
    assert judge(traced_ratio(made), null_ratio(made), 0.25) == verdict


def test_noise_of_the_baseline_counts_too() -> None:
    quiet = Spread(1, 1, 1)
    assert judge(Spread(1.06, 1.055, 1.065), quiet, 0.05) == "over"
    assert judge(Spread(1.06, 1.055, 1.065), quiet, 0.05, noise=0.02) == "undecided"


def options(**changes: object) -> PerfOptions:
    given: dict[str, object] = {"slugs": ("a",), "every": False, "base_url": "", "profiles": Path(), "pairs": 3,
                                "output": Path()}  # fmt: skip
    return PerfOptions(**(given | changes))  # type: ignore[arg-type]


def measured(before: dict[str, Any] | None = None, off: float = 100, **changes: object) -> dict[str, Any]:
    """Judge a measurement after an earlier record."""
    made = {"a": rounds(off=off, again=off, traced=off + 10)}
    return judged(made, before["baselines"] if before else {}, options(**changes))


def test_the_baseline_stays_until_it_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf, "calibration_ms", lambda: 10.0)
    first = measured()
    assert first["baselines"] == {machine(): first["latest"]} and first["verdicts"]["off"] == "undecided"
    slow = measured(first, 110)
    assert slow["verdicts"]["off"] == "over" and slow["baselines"] == first["baselines"]
    assert "**over its budget**" in table(slow)
    again = measured(slow, 110)
    assert again["verdicts"]["off"] == "over"  # no creeping: it is still measured against the first
    taken = measured(slow, 110, accept=True)
    assert taken["baselines"] == {machine(): taken["latest"]}


def test_each_kind_of_machine_has_its_own_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf, "calibration_ms", lambda: 10.0)
    first, ours = measured(), machine()
    monkeypatch.setattr(perf, "machine", lambda: "another")
    other = measured(first, 300)
    assert other["verdicts"]["off"] == "undecided" and set(other["baselines"]) == {ours, "another"}
    monkeypatch.setattr(perf, "machine", lambda: ours)
    back = measured(other, 110)
    assert back["verdicts"]["off"] == "over" and back["baselines"][ours] == first["latest"]
    for number in range(MAX_MACHINES + 5):
        monkeypatch.setattr(perf, "now", lambda number=number: f"2999-01-{number + 1:02}")
        monkeypatch.setattr(perf, "machine", lambda number=number: f"machine {number}")
        back = measured(back)
    assert len(back["baselines"]) == MAX_MACHINES and f"machine {MAX_MACHINES + 4}" in back["baselines"]
    monkeypatch.setattr(perf, "now", lambda: "1999")
    monkeypatch.setattr(perf, "machine", lambda: "a clock that is wrong")
    assert "a clock that is wrong" in measured(back)["baselines"]


@pytest.mark.parametrize(
    ("speed_ms", "off", "verdict"),
    [
        (10.0, 110, "over"),  # the same machine, as fast as then
        (11.0, 110, "undecided"),  # a machine that is 10 % slower just now may be all there is to it
        (14.0, 110, "undecided"),
        (6.0, 100, "undecided"),  # an app that waits took as long as ever; it is our clock that ran faster
        (11.0, 130, "over"),  # slower than any reading of the machine explains
        (9.9, 102, "within"),
    ],
)
def test_a_machine_of_another_speed_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, speed_ms: float, off: float, verdict: str
) -> None:
    monkeypatch.setattr(perf, "calibration_ms", lambda: 10.0)
    base = measured()
    monkeypatch.setattr(perf, "calibration_ms", lambda: speed_ms)
    assert measured(base, off)["verdicts"]["off"] == verdict


def test_a_damaged_record_is_named_and_starts_anew(tmp_path: Path) -> None:
    path, said = tmp_path / "b.json", []
    assert read_baselines(path, said.append) == {} and not said
    for text in ("", "{}", '{"schema": 1}', '{"schema": 2, "baselines": {"m": {"machine": 3}}}', "[" * 9999):
        path.write_text(text)
        assert read_baselines(path, said.append) == {}
        assert "b.json: not a record of earlier measurements" in said[-1]
    assert len(said) == 5 and "cores" in machine()


# ── real servers ─────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def app(root: Path, delay: float, extra: float, **environ: str) -> Iterator[str]:
    (root / "slow_app.py").write_text(APP)
    listener = listening_socket(0)
    env = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{ROOT}", "DELAY": str(delay), "EXTRA": str(extra),
           "ENABLE_PROFILE_COVERAGE": "1", "PROFILE_COVERAGE_DIR": str(root / "data"), **environ}  # fmt: skip
    (root / "coverage.ini").write_text("[run]\nsource_pkgs = slow_app\n")
    env["PROFILE_COVERAGE_CONFIG"] = str(root / "coverage.ini")
    command = [sys.executable, "-m", "examples.server", "slow_app:app", str(listener.fileno())]
    with listener:
        process = subprocess.Popen(command, env=env, cwd=root, pass_fds=(listener.fileno(),), start_new_session=True)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop(process)


def run(root: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    write_profile(root / "profiles", "a", entry(answer="well"))
    command = [sys.executable, "-m", "sitegen.cli", "perf", "a", "--base-url", url, "--pairs", "3"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([*command, *arguments], cwd=root, env=environ, capture_output=True, text=True)


def decided(root: Path, url: str, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Measure until the noise of this machine lets the command decide; whatever it decides then must be right."""
    for _ in range(8):
        done = run(root, url, *arguments)
        assert done.returncode in (0, 1), done.stderr
        record = json.loads((root / "artifacts/perf-baseline.json").read_text())
        if record["verdicts"][name] != "undecided":
            return done
    pytest.skip("this machine is too noisy for any verdict")


def test_an_app_that_tracing_slows_down_is_beyond_the_budget(tmp_path: Path) -> None:
    with app(tmp_path, 0.1, 0.3) as url:
        done = decided(tmp_path, url, "traced", "--summary", "summary.md", "--traced-budget", "50")
    assert done.returncode == 1 and "traced beyond the budget" in done.stderr, done.stderr
    assert "**over its budget**" in (tmp_path / "summary.md").read_text("utf-8")
    record = json.loads((tmp_path / "artifacts/perf-baseline.json").read_text())
    assert record["latest"]["profiles"]["a"]["traced_ms"] > 399 and record["latest"]["profiles"]["a"]["off_ms"] > 99
    assert not list((tmp_path / "data").glob("*.coverage*")) and not list((tmp_path / "data/aside").iterdir())


def test_an_app_that_became_slow_is_beyond_the_budget(tmp_path: Path) -> None:
    loose = ("--off-budget", "100", "--traced-budget", "100")  # a busy machine may slow all of a run by some tenths
    with app(tmp_path, 0.05, 0) as url:
        assert "off beyond" not in run(tmp_path, url, *loose).stderr
    with app(tmp_path, 0.4, 0) as url:
        done = decided(tmp_path, url, "off", *loose)
        assert done.returncode == 1 and "off beyond the budget" in done.stderr, done.stderr
        run(tmp_path, url, *loose, "--accept")
        assert "off beyond" not in decided(tmp_path, url, "off", *loose).stderr


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    with app(tmp_path, 0, 0, PROFILE_COVERAGE_ALLOW="others") as url:
        done = run(tmp_path, url)
        assert done.returncode == 2 and "add covatlas-perf to PROFILE_COVERAGE_ALLOW" in done.stderr
        write_profile(tmp_path / "profiles", "b", entry(path="/none", status=200))
        done = run(tmp_path, url, "b")
        assert done.returncode == 2 and "b cannot be measured, its playback failed" in done.stderr
    with app(tmp_path, 0, 0, ENABLE_PROFILE_COVERAGE="0") as url:
        done = run(tmp_path, url)
        assert done.returncode == 2 and "the server does not trace" in done.stderr


def test_the_sample_app(tmp_path: Path) -> None:
    with Stack("watershed", coverage_dir=tmp_path / "data", trace=True) as stack:
        command = [sys.executable, "-m", "sitegen.cli", "perf", "sign-in", "--base-url", stack.base_url, "--pairs", "3",
                   "--traced-budget", "1000", "--output", str(tmp_path / "perf.json")]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| `sign-in` | 3 |" in done.stderr and json.loads((tmp_path / "perf.json").read_text())["schema"] == 2
