"""One traced playback of a profile: set aside, send, wait for the jobs, combine, write the run record."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import socket
import string
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from coverage import CoverageData

from instrument.errors import CovatlasError
from instrument.playback.control import TOKEN_HEADER, Control, ControlError, JobsUnknown, ServerStatus
from instrument.playback.profile import Profile
from instrument.playback.sending import Pauses, Sending, Sent, send_all
from instrument.playback.session import Session
from instrument.record import JobRun, RunRecord, read_record, write_record
from instrument.shards import Combined, combine, set_aside

_DONE = frozenset(("finished", "failed", "stopped", "canceled"))
_FAILED = frozenset(("failed", "stopped"))
_NEVER_RUN_S = 1.0  # how long jobs may be deferred behind a failed one before we believe that they will not run
_REDIS_BACK_S = 10.0  # how long an app that has read its jobs from Redis may say that it cannot


@dataclass(frozen=True, slots=True)
class Target:
    """The traced app and where its data lie."""

    base_url: str
    coverage_dir: Path
    control: Control
    server: ServerStatus
    commit: str | None
    token: str | None
    job_timeout: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one playback did: the run record as written and the combined data, None where combining failed."""

    record: RunRecord
    combined: Combined | None


def new_attempt() -> str:
    """Return a fresh id of one playback: ten of [a-z0-9]."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(10))


def now() -> str:
    """Return the time in UTC as ISO 8601, ending in Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def play_traced(profile: Profile, target: Target, tick: Callable[[], None]) -> Outcome:
    """Play the profile with tracing; whatever goes wrong on the way is a problem in its run record."""
    attempts = _attempts_before(target.coverage_dir, profile.slug) + 1
    set_aside(target.coverage_dir, profile.slug)
    attempt = new_attempt()
    started, clock = now(), time.monotonic()
    record = RunRecord(
        slug=profile.slug,
        status="failed",
        attempt=attempt,
        attempts=attempts,
        started=started,
        finished=started,
        duration_s=0.0,
        base_url=target.base_url,
        commit=target.commit,
        title=profile.title,
        description=profile.description,
    )
    try:
        record, combined = _played(profile, target, record, tick)
    except KeyboardInterrupt:
        write_record(target.coverage_dir, replace(record, finished=now(), problems=("the playback was interrupted",)))
        raise
    status = "failed" if record.problems else "passed"
    record = replace(record, status=status, finished=now(), duration_s=round(time.monotonic() - clock, 3))
    write_record(target.coverage_dir, record)
    return Outcome(record, combined)


def _played(
    profile: Profile, target: Target, record: RunRecord, tick: Callable[[], None]
) -> tuple[RunRecord, Combined | None]:
    wait = _Wait(target, profile.slug, record.attempt)
    sent = _send(profile, target, record.attempt, wait, tick)
    problems = list(sent.problems)
    jobs: tuple[JobRun, ...] = ()
    try:
        problems += wait.until_done()
        with contextlib.suppress(JobsUnknown):  # what they were a moment ago is known
            wait.jobs()
        jobs = tuple(
            replace(job, expected=job.status in _FAILED and profile.expects_failure(job.function)) for job in wait.mine
        )
        problems += [
            f"the job {job.function} ({job.id}) {job.status}"
            for job in jobs
            if job.status in _FAILED and not job.expected
        ]
        rules = target.control.match([(r.method, p) for r, p in zip(sent.runs, _inside(sent, target), strict=True)])
        runs = tuple(replace(run, route=rule) for run, rule in zip(sent.runs, rules, strict=True))
        record = replace(record, requests=runs, jobs=jobs, routes=target.control.routes())
        target.control.flush()
    except ControlError as error:
        problems.append(str(error))
        record = replace(record, requests=record.requests or sent.runs, jobs=jobs)
    combined = _combined(target, profile.slug, record.attempt, problems)
    if combined and not combined.lines:
        problems.append(_no_lines(target, wait.refused))
    return replace(record, problems=tuple(problems), sources=_sources(combined, target)), combined


def _send(profile: Profile, target: Target, attempt: str, wait: _Wait, tick: Callable[[], None]) -> Sent:
    def headers(request: str) -> dict[str, str]:
        token = {TOKEN_HEADER: target.token} if target.token else {}
        return {"X-Profile-Trace": profile.slug, "X-Profile-Request": request, **token}

    settle = wait.settle if target.server.jobs == "redis" else None
    session = Session(target.base_url)
    try:
        return send_all(profile, session, Sending(attempt, target.job_timeout, headers, settle), tick)
    finally:
        session.close()


def _inside(sent: Sent, target: Target) -> list[str]:
    """Return the paths as the app's URL map sees them: without the base URL's own path."""
    prefix = target.base_url.split("://", 1)[1].partition("/")[2]
    return [path.removeprefix(f"/{prefix}") if prefix else path for path in sent.paths]


class _Wait:
    """Waits until no trace is open and no job is pending of one playback."""

    def __init__(self, target: Target, slug: str, attempt: str) -> None:
        self.target = target
        self.slug = slug
        self.attempt = attempt
        self.refused = 0  # traced requests that the server refused, as far as its answering process knows
        self.mine: tuple[JobRun, ...] = ()  # this playback's jobs when they could last be read
        self._stuck_since: float | None = None
        self._unknown_since: float | None = None

    def settle(self, seconds: float) -> bool:
        """Wait for the jobs of the requests so far; return whether they are all done."""
        try:
            pauses = Pauses(seconds)
            while self._unfinished():
                if not pauses.sleep():
                    return False
            return True
        except ControlError:
            return False  # the end of the playback asks again, and reports it

    def until_done(self) -> list[str]:
        """Wait for jobs and open traces, `job_timeout` seconds at most; return the problems."""
        pauses = Pauses(self.target.job_timeout)
        while True:
            status = self.target.control.status()
            self.refused = max(0, status.refused - self.target.server.refused)
            if status.problem:
                return [f"the server stopped tracing: {status.problem}"]
            try:
                if status.jobs.startswith("unknown"):
                    raise JobsUnknown(status.jobs)
                pending, running = self._pending() if status.jobs == "redis" else ([], 0)
            except JobsUnknown as error:
                if self._is_lost() or not pauses.sleep():
                    return [str(error)]
                continue
            opened = max(0, status.open.get(self.slug, 0) - running)
            if not opened and not pending:
                return []
            if not pauses.sleep():
                waiting = f" ({', '.join(sorted({job.function for job in pending}))})" if pending else ""
                return [
                    f"after {self.target.job_timeout:g} s there are still {len(pending)} pending jobs{waiting} and "
                    f"{opened} open traces; is a worker running, and is --job-timeout long enough?"
                ]

    def jobs(self) -> tuple[tuple[JobRun, ...], int]:
        """Return the jobs of this playback, and how many of earlier playbacks still run (each has an open trace)."""
        jobs = self.target.control.jobs(self.slug)
        self._unknown_since = None
        mine = self.mine = tuple(job for job in jobs if job.request.startswith(f"{self.attempt}-"))
        return mine, sum(job.status == "started" for job in jobs) - sum(job.status == "started" for job in mine)

    def _unfinished(self) -> bool:
        try:
            return bool(self._pending()[0])
        except JobsUnknown:
            if self._is_lost():
                raise
            return True

    def _is_lost(self) -> bool:
        """Return whether the app cannot read its jobs for so long, or never could, that waiting helps nothing."""
        self._unknown_since = self._unknown_since or time.monotonic()
        return self.target.server.jobs != "redis" or time.monotonic() - self._unknown_since >= _REDIS_BACK_S

    def _pending(self) -> tuple[list[JobRun], int]:
        """Return the same for unfinished jobs, without those that wait for a failed one and will never run."""
        jobs, others = self.jobs()
        pending = [job for job in jobs if job.status not in _DONE]
        stuck = bool(pending) and all(job.status == "deferred" for job in pending)
        if not stuck or not any(job.status in _FAILED for job in jobs):
            self._stuck_since = None
            return pending, others
        self._stuck_since = self._stuck_since or time.monotonic()
        return ([] if time.monotonic() - self._stuck_since >= _NEVER_RUN_S else pending), others


def _attempts_before(directory: Path, slug: str) -> int:
    try:
        previous = read_record(directory, slug)
    except CovatlasError:
        return 0  # a damaged record is set aside with the rest
    return previous.attempts if previous else 0


def _combined(target: Target, slug: str, attempt: str, problems: list[str]) -> Combined | None:
    try:
        done = combine(target.coverage_dir, slug, attempt=attempt)
    except CovatlasError as error:
        problems.append(str(error))
        return None
    problems += done.damaged
    return done


def _no_lines(target: Target, refused: int) -> str:
    if refused:
        return "no line was recorded: the server refused to trace the profile; is its slug in PROFILE_COVERAGE_ALLOW?"
    return (
        f"no line was recorded in {target.coverage_dir}: does the server write to this directory (it says "
        f"{target.server.coverage_dir}), and does its coverage configuration name the app's packages?"
    )


def _sources(combined: Combined | None, target: Target) -> dict[str, str]:
    """Return the sha256 of each measured source file that can be read where the app runs."""
    if combined is None or combined.path is None:
        return {}
    data = CoverageData(basename=str(combined.path))
    data.read()
    names = sorted(data.measured_files())
    data.close()
    if target.server.host != socket.gethostname():  # in a container perhaps: only the app itself can read its files
        with contextlib.suppress(ControlError):
            return target.control.digests(names)
    digests = {}
    for name in names:
        with contextlib.suppress(OSError):
            digests[name] = hashlib.sha256(Path(name).read_bytes()).hexdigest()
    return digests
