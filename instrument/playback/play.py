"""The road of `covatlas play`: check everything, play each profile, say what happened."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from instrument.errors import CovatlasError, Finding, counted
from instrument.playback.control import Control
from instrument.playback.profile import Profile, choose, load_profile
from instrument.playback.sending import Sending, Sent, send_all
from instrument.playback.session import Session, check_base_url, check_reachable
from instrument.playback.traced import Outcome, Target, new_attempt, play_traced
from instrument.record import RequestRun
from instrument.recovery import locked
from instrument.shards import ASIDE

TOKEN = "PROFILE_COVERAGE_TOKEN"
SHOWN_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """What the command line asks for; `job_timeout` is in seconds."""

    slugs: tuple[str, ...]
    every: bool
    base_url: str
    trace_code: bool
    coverage_dir: Path
    profiles: Path
    job_timeout: float = 60


def play_profiles(options: PlayOptions, say: Callable[[str], None]) -> None:
    """Play the profiles, one line each to `say`; raise Finding naming those that failed.

    Nothing is sent and nothing set aside before every profile is read, the app answers and, with `trace_code`, says
    that it traces into `coverage_dir`; each failure of that kind is a CovatlasError.
    """
    base_url = check_base_url(options.base_url)
    slugs = choose(options.profiles, options.slugs, options.every)
    profiles = [load_profile(options.profiles, slug) for slug in slugs]
    check_reachable(base_url)
    target = _target(options, base_url) if options.trace_code else None
    failed = []
    with ExitStack() as held:
        if target:
            held.callback(target.control.close)
            held.enter_context(_alone(target.coverage_dir, slugs))
        for profile in profiles:
            with _progress(profile) as tick:
                if target:
                    outcome = play_traced(profile, target, tick)
                    problems, line = outcome.record.problems, _traced_line(profile, outcome)
                    line += _untraced_note(outcome)
                else:
                    sent = _play_untraced(profile, base_url, options, tick)
                    problems, line = sent.problems, _line(profile, sent.runs, sent.problems)
            say(line)
            for problem in problems[:SHOWN_PROBLEMS]:
                say(f"  {problem}")
            if len(problems) > SHOWN_PROBLEMS:
                say(f"  and {len(problems) - SHOWN_PROBLEMS} more")
            if problems:
                failed.append(profile.slug)
    if failed:
        raise Finding(f"{len(failed)} of {len(profiles)} profiles failed: {', '.join(failed)}")


@contextmanager
def _alone(directory: Path, slugs: Sequence[str]) -> Iterator[None]:
    """Lock the folder of each profile's earlier data: two playbacks at once would set each other's lines aside."""
    with ExitStack() as held:
        for slug in slugs:
            folder = directory / ASIDE / slug
            folder.mkdir(parents=True, exist_ok=True)
            if not held.enter_context(locked(folder, wait=0)):
                raise CovatlasError(
                    f"another command is playing {slug} into {directory}; wait until it is done, or give this playback "
                    "a server with another PROFILE_COVERAGE_DIR"
                )
        yield


def _target(options: PlayOptions, base_url: str) -> Target:
    """Return the traced app; raise CovatlasError "the server does not trace: …" where it is none."""
    token = os.environ.get(TOKEN) or None
    if token and (not token.isascii() or not token.isprintable()):
        raise CovatlasError(f"{TOKEN} cannot be sent as a header; use printable ASCII characters only")
    directory = options.coverage_dir.absolute()
    control = Control(base_url, token)
    server = control.status()
    if server.problem:
        raise CovatlasError(f"the server does not trace: {server.problem}")
    if server.host == socket.gethostname() and os.path.realpath(server.coverage_dir) != os.path.realpath(directory):
        raise CovatlasError(
            f"the server writes its data to {server.coverage_dir}, not to {directory}; "
            "name the same directory with --coverage-dir or start the server with PROFILE_COVERAGE_DIR"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        writable = os.access(directory, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise CovatlasError(f"the coverage directory {directory} cannot be written; name another with --coverage-dir")
    commit = server.commit or _git_commit()
    return Target(base_url, directory, control, server, commit, token, options.job_timeout)


def _git_commit() -> str | None:
    """Return the commit of the working directory, None outside of a git repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _play_untraced(profile: Profile, base_url: str, options: PlayOptions, tick: Callable[[], None]) -> Sent:
    session = Session(base_url)
    try:
        return send_all(profile, session, Sending(new_attempt(), options.job_timeout, lambda request: {}), tick)
    finally:
        session.close()


def _line(profile: Profile, runs: tuple[RequestRun, ...], problems: tuple[str, ...]) -> str:
    same = sum(run.ok for run in runs)
    answered = counted(len(runs), "request") if same == len(runs) else f"{same} of {counted(len(runs), 'request')}"
    left_out = [f"{profile.foreign} of other origins"] if profile.foreign else []
    left_out += [f"{profile.unsent} that the app never got"] if profile.unsent else []
    line = f"{profile.slug}: {'failed' if problems else 'passed'}, {answered} answered as recorded"
    return line + (f", left out: {' and '.join(left_out)}" if left_out else "")


def _traced_line(profile: Profile, outcome: Outcome) -> str:
    record, done = outcome.record, outcome.combined
    line = _line(profile, record.requests, record.problems)
    expected = sum(job.expected for job in record.jobs)
    unwell = sum(job.status != "finished" for job in record.jobs) - expected
    notes = [f"{expected} failed as expected"] if expected else []
    notes += [f"{unwell} not finished"] if unwell else []
    line += f", {counted(len(record.jobs), 'job')}" + (f" ({', '.join(notes)})" if notes else "")
    if done and done.path:
        line += f", {counted(done.files, 'file')}, {counted(done.lines, 'line')} → {done.path}"
    return line


def _untraced_note(outcome: Outcome) -> str:
    """Return a line about jobs that have run without a traced attempt: what they ran would look like a gap."""
    count = sum(job.status in ("finished", "failed") and not job.attempts for job in outcome.record.jobs)
    if not count:
        return ""
    return (
        f"\n  {counted(count, 'job')} ran without its trace: start the RQ worker with ENABLE_PROFILE_COVERAGE=1 and "
        "RQ_JOB_CLASS=instrument.rq.TracedJob, and set Queue.job_class = TracedJob in the app"
    )


@contextmanager
def _progress(profile: Profile) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal; be quiet where stderr is none."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(profile.slug, total=len(profile.requests))
        yield lambda: progress.advance(task)
