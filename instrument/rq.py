"""RQ: one Job class that carries the trace from the enqueue side to the worker side.

The app sets `Queue.job_class = TracedJob`, the worker runs with `RQ_JOB_CLASS=instrument.rq.TracedJob`. With the flag
off a TracedJob is a Job.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rq.exceptions import DeserializationError
from rq.job import Job
from rq.timeouts import BaseTimeoutException

from instrument.errors import CovatlasError
from instrument.jobs import FIELD, JobIndex
from instrument.settings import is_enabled

if TYPE_CHECKING:
    from instrument.runtime import Runtime
    from instrument.trace import Trace

__all__ = ["JobIndex", "TracedJob", "UntracedJob", "watch"]
log = logging.getLogger("covatlas")
_WAITING = frozenset({"queued", "scheduled", "deferred", "rate_limited"})
_watching = False
_said = False


class UntracedJob(CovatlasError):
    """Fail an enqueue or a job, in strict mode, that would run without its trace."""


class TracedJob(Job):
    """A Job that remembers the slug and request which enqueued it, and traces itself when it is performed."""

    _tag: str | None = None  # JSON of slug and request; "" if an untraced caller enqueued it, None if nobody said
    _seen: tuple[str, Any] | None = None  # where it was when it was last loaded or saved; None for a new job

    def to_dict(self, include_meta: bool = True, include_result: bool = True) -> dict[str, Any]:
        """Serialise the job; every way to enqueue comes by here, so this is where the trace is written down."""
        runtime = _runtime()
        if runtime is None:
            return super().to_dict(include_meta=include_meta, include_result=include_result)
        self._note()
        found = super().to_dict(include_meta=include_meta, include_result=include_result)
        if self._tag is not None:
            found[FIELD] = self._tag
        return found

    def restore(self, raw_data: Any) -> Any:
        """Load the job; a worker does this before it forks, so tracing is set up once and not in every work-horse."""
        runtime = _runtime()
        result = super().restore(raw_data)
        if runtime is not None:
            runtime.job_loaded()
            raw = raw_data.get(FIELD.encode(), raw_data.get(FIELD))
            self._tag = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
            self._seen = _place(self)
        return result

    def perform(self) -> Any:
        """Run the job inside its trace; its lines are on disk when this returns or raises."""
        runtime = _runtime()
        if runtime is None or self._tag == "":
            return super().perform()
        trace = self._open(runtime)
        if trace is None:
            self._without(runtime)
            return super().perform()
        index = JobIndex(self.connection)
        outcome = "failed"
        try:
            self._import()
            index.attempt(trace.slug, self.id)
            with runtime.tracer.section(trace):
                result = super().perform()
            outcome = "finished"
            return result
        finally:
            runtime.tracer.end(trace)
            index.outcome(trace.slug, self.id, outcome)

    @property
    def success_callback(self) -> Any:
        """Return RQ's callback; it runs as a part of the job's trace."""
        return self._followed(super().success_callback)

    @property
    def failure_callback(self) -> Any:
        """Return RQ's callback; it runs as a part of the job's trace."""
        return self._followed(super().failure_callback)

    @property
    def stopped_callback(self) -> Any:
        """Return RQ's callback; it runs as a part of the job's trace."""
        return self._followed(super().stopped_callback)

    def _note(self) -> None:
        """Write down who enqueues the job; a mere save changes nothing, and a dependent stays its maker's."""
        from instrument.trace import current

        trace = current()
        place = _place(self)
        if not _is_enqueued(self._seen, place):
            return
        waited = self._seen is not None and self._seen[0] == "deferred"
        new = self._seen is None
        self._seen = place
        if waited and self._tag:
            return
        if trace is None:
            if new and not self._tag:
                self._tag = ""  # over what an earlier job of this id has left in its hash
            return
        tag = json.dumps({"request": trace.request, "slug": trace.slug})
        if tag != self._tag:
            self._tag = tag
            JobIndex(self.connection).add(trace.slug, trace.request, self.id, _function(self))

    def _open(self, runtime: Runtime) -> Trace | None:
        if not self._tag:
            return None
        try:
            tag = json.loads(self._tag)
            slug, request = str(tag["slug"]), str(tag["request"])
        except (ValueError, KeyError, TypeError):
            return None
        return runtime.open_job(slug, request, self.id)

    def _without(self, runtime: Runtime) -> None:
        """Count a job that a traced request has enqueued and that has no tag; in strict mode it fails."""
        if runtime.problem is not None:
            return
        index = JobIndex(self.connection)
        slug = index.owner(self.id)
        if slug is not None and not self._tag:
            index.lose(slug, self.id)
            _complain(runtime, f"job {self.id} of profile {slug} has no tag in Redis, so it is not traced: set "
                      "Queue.job_class = TracedJob where it is enqueued (in a job, too); whoever rewrites its hash "
                      f"must keep the field {FIELD!r}")  # fmt: skip

    def _followed(self, callback: Callable[..., Any] | None) -> Callable[..., Any] | None:
        runtime = _runtime()
        if callback is None or runtime is None or not self._tag:
            return callback

        @functools.wraps(callback)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._again(runtime):
                return callback(*args, **kwargs)

        return call

    @contextmanager
    def _again(self, runtime: Runtime) -> Iterator[None]:
        trace = self._open(runtime)
        if trace is None:
            yield
            return
        try:
            with runtime.tracer.section(trace):
                yield
        finally:
            runtime.tracer.end(trace)

    def _import(self) -> None:
        """Import the job's module outside the trace: every work-horse imports anew, whatever profile it serves."""
        try:
            self.func  # noqa: B018
        except BaseTimeoutException:  # the job's time is up: nobody will say so twice
            raise
        except Exception:  # perform meets the same error, in RQ's hands
            pass


def watch(runtime: Runtime) -> None:
    """Notice plain jobs that a traced request enqueues, from now on: their worker could not trace them."""
    global _watching
    if _watching:
        return
    _watching = True
    to_dict, restore = Job.to_dict, Job.restore

    @functools.wraps(restore)
    def noted_restore(self: Job, raw_data: Any) -> Any:
        result = restore(self, raw_data)
        self.__dict__["_covatlas_seen"] = _place(self)
        return result

    @functools.wraps(to_dict)
    def noted_to_dict(self: Job, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, TracedJob):
            _notice(runtime, self)
        return to_dict(self, *args, **kwargs)

    Job.restore, Job.to_dict = noted_restore, noted_to_dict  # type: ignore[method-assign]


def _notice(runtime: Runtime, job: Job) -> None:
    from instrument.trace import current

    trace = current()
    if trace is None or runtime.problem is not None:
        return
    place = _place(job)
    if _is_enqueued(job.__dict__.get("_covatlas_seen"), place):
        job.__dict__["_covatlas_seen"] = place
        if not runtime.settings.strict:
            JobIndex(job.connection).add(trace.slug, trace.request, job.id, _function(job), traced=False)
        _complain(runtime, f"{_function(job)} was enqueued by profile {trace.slug} as a plain RQ job, so it is not "
                  "traced: set Queue.job_class = TracedJob, from instrument.rq")  # fmt: skip


def _complain(runtime: Runtime, sentence: str) -> None:
    global _said
    if runtime.settings.strict:
        raise UntracedJob(sentence)
    if not _said:
        _said = True
        log.warning("covatlas: %s (PROFILE_COVERAGE_STRICT=1 makes this an error)", sentence)


def _place(job: Job) -> tuple[str, Any]:
    status = job._status
    return (str(getattr(status, "value", status)), job.enqueued_at)


def _is_enqueued(seen: tuple[str, Any] | None, place: tuple[str, Any]) -> bool:
    return seen is None or (place != seen and place[0] in _WAITING)


def _function(job: Job) -> str:
    try:
        return str(job.func_name)
    except DeserializationError:
        return ""


def _runtime() -> Runtime | None:
    try:
        if not is_enabled():
            return None
    except CovatlasError:
        return None  # the worker's log has the sentence from the first `ensure`, the app's from the extension
    from instrument.runtime import ensure

    runtime = ensure()
    if runtime is not None:
        watch(runtime)
    return runtime
