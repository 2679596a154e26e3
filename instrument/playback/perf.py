"""The road of `covatlas perf`: play profiles with and without tracing in turn, judge the times, keep a baseline."""

from __future__ import annotations

import itertools
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from instrument.errors import CovatlasError, Finding
from instrument.files import append_text, write_file
from instrument.playback.control import TOKEN_HEADER, Control
from instrument.playback.play import TOKEN
from instrument.playback.profile import Profile, choose, load_profile
from instrument.playback.sending import Pauses, Sending, send_all
from instrument.playback.session import Session, check_base_url, check_reachable
from instrument.playback.traced import new_attempt, now
from instrument.playback.verdict import Round, Spread, Verdict, judge, null_ratio, spread, traced_ratio
from instrument.shards import ASIDE, set_aside

SLUG = "covatlas-perf"  # what is recorded while we measure is nobody's profile
SCHEMA = 2
MAX_MACHINES = 20  # kinds of machine whose baselines are kept, the latest measured
_ORDERS = tuple(itertools.permutations(("off", "off_again", "traced")))


@dataclass(frozen=True, slots=True)
class PerfOptions:
    """What to measure; budgets are fractions: 0.05 for 5 %."""

    slugs: tuple[str, ...]
    every: bool
    base_url: str
    profiles: Path
    pairs: int
    output: Path
    summary: Path | None = None
    job_timeout: float = 60
    off_budget: float = 0.05
    traced_budget: float = 0.25
    accept: bool = False


def measure(options: PerfOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure, write the record and the summary; return the record; raise Finding where a budget is exceeded."""
    base_url = check_base_url(options.base_url)
    slugs = choose(options.profiles, options.slugs, options.every)
    profiles = [load_profile(options.profiles, slug) for slug in slugs]
    check_reachable(base_url)
    before = read_baselines(options.output, say)
    control = Control(base_url, os.environ.get(TOKEN) or None)
    try:
        player = _Player(base_url, control, options.job_timeout)
        rounds = {profile.slug: _rounds(profile, player, options.pairs, say) for profile in profiles}
        player.check_traced()
    finally:
        control.close()
    result = judged(rounds, before, options)
    write_file(options.output, (json.dumps(result, indent=1, sort_keys=True) + "\n").encode(), "name another --output")
    text = table(result)
    say(text)
    if options.summary is not None:
        append_text(options.summary, text + "\n", "name another --summary")
    over = [name for name in ("traced", "off") if result["verdicts"][name] == "over"]
    if over:
        raise Finding(
            f"{' and '.join(over)} beyond the budget; look for what changed, or accept it with --accept "
            f"({options.output} says the numbers)"
        )
    return result


# ── playing ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Player:
    """Plays profiles against one server and takes the time of their requests."""

    def __init__(self, base_url: str, control: Control, patience_s: float) -> None:
        self.base_url, self.control, self.patience_s = base_url, control, patience_s
        self.server = control.status()
        if self.server.problem:
            raise CovatlasError(f"the server does not trace: {self.server.problem}")

    def play(self, profile: Profile, traced: bool) -> float:
        """Return the milliseconds that all requests took; raise CovatlasError where one is not as recorded."""
        token = os.environ.get(TOKEN)

        def headers(request: str) -> dict[str, str]:
            if not traced:
                return {}
            return {"X-Profile-Trace": SLUG, "X-Profile-Request": request, **({TOKEN_HEADER: token} if token else {})}

        session = Session(self.base_url)
        try:
            sent = send_all(profile, session, Sending(new_attempt(), self.patience_s, headers), lambda: None)
        finally:
            session.close()
        if sent.problems:
            raise CovatlasError(f"{profile.slug} cannot be measured, its playback failed: {sent.problems[0]}")
        self._settle()
        return sum(run.duration_ms for run in sent.runs)

    def _settle(self) -> None:
        """Wait until nothing of a traced playback runs any more: it would slow down the next one."""
        pauses = Pauses(self.patience_s)
        while any(self.control.status().busy(SLUG)) and pauses.sleep():
            pass

    def check_traced(self) -> None:
        """Raise CovatlasError where the traced playbacks were refused; throw away what they recorded, if it is here."""
        if self.control.status().refused > self.server.refused:
            raise CovatlasError(f"the server refused to trace; add {SLUG} to PROFILE_COVERAGE_ALLOW")
        self.control.flush()
        directory = Path(self.server.coverage_dir)
        if self.server.host != platform.node() or not directory.is_dir():
            return  # the app runs elsewhere
        if set_aside(directory, SLUG) is None:
            raise CovatlasError(f"no line was recorded in {directory} while we measured: nothing was traced")
        shutil.rmtree(directory / ASIDE / SLUG, ignore_errors=True)


def _rounds(profile: Profile, player: _Player, count: int, say: Callable[[str], None]) -> list[Round]:
    for traced in (False, True):  # what is imported or cached at first must not count
        player.play(profile, traced)
    made = []
    for number in range(count):
        times = {name: player.play(profile, name == "traced") for name in _ORDERS[number % len(_ORDERS)]}
        made.append(Round(**times))
    say(f"{profile.slug}: {count} rounds, {median(each.off for each in made):.1f} ms without tracing")
    return made


# ── judging ──────────────────────────────────────────────────────────────────────────────────────────────────────


def judged(rounds: Mapping[str, Sequence[Round]], before: Mapping[str, Any], options: PerfOptions) -> dict[str, Any]:
    """Return the record of a measurement: ratios with their spread, verdicts, and each kind of machine's baseline.

    A fleet lends a machine of another kind each night: one that was measured before finds its own baseline again.
    """
    every = [each for own in rounds.values() for each in own]
    null, traced = null_ratio(every), traced_ratio(every)
    speed = calibration_ms()
    latest = {
        "measured": now(),
        "machine": machine(),
        "calibration_ms": speed,
        "null": asdict(null),
        "traced": asdict(traced),
        "profiles": {
            slug: {
                "off_ms": round(median([*(r.off for r in own), *(r.off_again for r in own)]), 3),
                "traced_ms": round(median(r.traced for r in own), 3),
                "rounds": len(own),
            }
            for slug, own in rounds.items()
        },
    }
    base = before.get(latest["machine"])
    off = _against(base, latest)
    verdicts: dict[str, Verdict] = {"traced": judge(traced, null, options.traced_budget), "off": "undecided"}
    if off is not None:
        verdicts["off"] = judge(off, null, options.off_budget, noise=null.half)
    kept = {**before, latest["machine"]: latest if base is None or options.accept else base}
    newest = sorted(kept, key=lambda name: kept[name]["measured"])[-MAX_MACHINES:]
    return {
        "schema": SCHEMA,
        "latest": latest,
        "baselines": {name: kept[name] for name in {*newest, latest["machine"]}},
        "off": asdict(off) if off is not None else None,
        "verdicts": verdicts,
        "budgets": {"off": options.off_budget, "traced": options.traced_budget},
    }


def _against(base: dict[str, Any] | None, latest: dict[str, Any]) -> Spread | None:
    """Return today's times without tracing against the baseline's, in units of the machine's own speed.

    A machine that is slower today slows an app that computes, not one that waits: the interval holds both readings.
    """
    if base is None:
        return None
    ratios = [
        own["off_ms"] / base["profiles"][slug]["off_ms"]
        for slug, own in latest["profiles"].items()
        if slug in base["profiles"]
    ]
    if not ratios:
        return None
    scale = base["calibration_ms"] / latest["calibration_ms"]
    plain, scaled = spread(ratios), spread([each * scale for each in ratios])
    return Spread(scaled.median, min(plain.low, scaled.low), max(plain.high, scaled.high))


def machine() -> str:
    """Return what kind of machine this is: times of another kind are not compared."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}"


def calibration_ms() -> float:
    """Return the milliseconds of a fixed piece of work: the machine's speed just now."""
    times = []
    for _ in range(9):
        started = time.perf_counter()
        total = 0
        for number in range(200_000):
            total += number * number % 7
        times.append((time.perf_counter() - started) * 1000)
    return round(min(times), 3)


# ── the record and its table ─────────────────────────────────────────────────────────────────────────────────────


def read_baselines(path: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return each kind of machine's baseline of an earlier record, nothing where there is none.

    A damaged record is said and measured anew: a cache that brings it each night must not stop all of them.
    """
    try:
        value = json.loads(path.read_bytes())
        if value["schema"] != SCHEMA:
            raise ValueError(f"schema {value['schema']!r:.20}, not {SCHEMA}")
        for base in value["baselines"].values():
            _ = base["machine"] + base["measured"], base["calibration_ms"] / 1
            _ = [1 / own["off_ms"] for own in base["profiles"].values()]
        return value["baselines"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        say(f"{path}: not a record of earlier measurements ({error}), so this one starts a baseline")
        return {}


_WORDS = {"within": "within its budget", "over": "**over its budget**", "undecided": "no verdict"}


def table(result: dict[str, Any]) -> str:
    """Return the record as a Markdown table."""
    latest, verdicts, budgets = result["latest"], result["verdicts"], result["budgets"]
    off = result["off"]
    lines = [
        "### What tracing costs",
        "",
        "| | ratio | 95 % interval | budget | verdict |",
        "| --- | --: | --: | --: | --- |",
    ]
    lines.append(_row("null control: twice without", latest["null"], None, "the noise of this run"))
    lines.append(_row("traced against untraced", latest["traced"], budgets["traced"], _WORDS[verdicts["traced"]]))
    if off is None:
        lines.append(
            f"| untraced against the baseline | | | ≤ {1 + budgets['off']:.2f} | no baseline of this machine |"
        )
    else:
        lines.append(_row("untraced against the baseline", off, budgets["off"], _WORDS[verdicts["off"]]))
    lines += ["", "| profile | rounds | untraced, ms | traced, ms |", "| --- | --: | --: | --: |"]
    lines += [f"| `{slug}` | {own['rounds']} | {own['off_ms']:.1f} | {own['traced_ms']:.1f} |"
              for slug, own in latest["profiles"].items()]  # fmt: skip
    return "\n".join([*lines, "", f"Medians, on {latest['machine']}.", ""])


def _row(name: str, ratio: dict[str, float], budget: float | None, word: str) -> str:
    limit = "" if budget is None else f"≤ {1 + budget:.2f}"
    return f"| {name} | {ratio['median']:.3f} | {ratio['low']:.3f} to {ratio['high']:.3f} | {limit} | {word} |"
