"""RQ: one Job class that carries the trace from the enqueue side to the worker side, and the index of traced jobs.

The app sets `Queue.job_class = TracedJob`, the worker runs with `RQ_JOB_CLASS=instrument.rq.TracedJob`. With the flag
off a TracedJob is a Job.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import DeserializationError
from rq.job import Job
from rq.timeouts import BaseTimeoutException

from instrument.errors import CovatlasError
from instrument.settings import is_enabled

if TYPE_CHECKING:
    from instrument.runtime import Runtime

log = logging.getLogger("covatlas")
META = "profile_trace"
_KEY = "covatlas:jobs:"
_TTL = 7 * 24 * 3600
_DONE = frozenset({"finished", "failed", "stopped", "canceled"})


class TracedJob(Job):
    """A Job that remembers the slug and request which enqueued it, and traces itself when it is performed."""

    def to_dict(self, include_meta: bool = True, include_result: bool = True) -> dict[str, Any]:
        """Serialise the job; every way to enqueue comes by here, so this is where the trace is written down."""
        if _runtime() is not None:
            from instrument.trace import current

            trace = current()
            if trace is not None:
                tag = {"slug": trace.slug, "request": trace.request}
                if self.meta.get(META) != tag:
                    self.meta[META] = tag
                    JobIndex(self.connection).add(trace.slug, trace.request, self.id, self._function())
        return super().to_dict(include_meta=include_meta, include_result=include_result)

    def restore(self, raw_data: Any) -> Any:
        """Load the job; a worker does this before it forks, so tracing is set up once and not in every work-horse."""
        runtime = _runtime()
        if runtime is not None:
            runtime.job_loaded()
        return super().restore(raw_data)

    def perform(self) -> Any:
        """Run the job inside its trace; its lines are on disk when this returns or raises."""
        runtime = _runtime()
        tag = self.meta.get(META)
        trace = None
        if runtime is not None and isinstance(tag, dict):
            trace = runtime.open_job(str(tag.get("slug")), str(tag.get("request")), self.id)
        if runtime is None or trace is None:
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

    def _import(self) -> None:
        """Import the job's module outside the trace: every work-horse imports anew, whatever profile it serves."""
        try:
            self.func  # noqa: B018
        except BaseTimeoutException:  # the job's time is up: nobody will say so twice
            raise
        except Exception:  # perform meets the same error, in RQ's hands
            pass

    def _function(self) -> str:
        try:
            return str(self.func_name)
        except DeserializationError:
            return ""


class JobIndex:
    """The traced jobs of each slug in Redis, so that any process of the app can tell what is pending.

    One hash per slug: job id → JSON `{"request", "function", "attempts", "outcome"}`. RQ's own status decides while
    the job exists; the recorded outcome counts after RQ has deleted it. No error of Redis leaves this class.
    """

    def __init__(self, connection: Redis) -> None:
        self._redis = connection

    @classmethod
    def connect(cls, url: str | None) -> JobIndex | str:
        """Return the index at `url`, or a sentence why it cannot be read."""
        if not url:
            return "no Redis is named: set PROFILE_COVERAGE_REDIS_URL, or REDIS_URL in the app's config"
        try:
            connection = Redis.from_url(url, socket_connect_timeout=2, socket_timeout=5)
            connection.ping()
        except (RedisError, ValueError) as error:
            return f"Redis does not answer ({error})"
        return cls(connection)

    def add(self, slug: str, request: str, job: str, function: str) -> None:
        """Note a job that is about to be enqueued."""
        self._put(slug, job, {"request": request, "function": function, "attempts": 0, "outcome": ""})

    def attempt(self, slug: str, job: str) -> None:
        """Note that a worker begins to perform the job."""
        entry = self._get(slug, job)
        if entry:
            self._put(slug, job, {**entry, "attempts": int(entry.get("attempts") or 0) + 1, "outcome": ""})

    def outcome(self, slug: str, job: str, outcome: str) -> None:
        """Note how the attempt ended: "finished" or "failed"."""
        entry = self._get(slug, job)
        if entry:
            self._put(slug, job, {**entry, "outcome": outcome})

    def jobs(self, slug: str) -> list[dict[str, Any]]:
        """Return the slug's jobs, sorted by request and id, each with RQ's status, attempts and whether it is done."""
        entries = {
            (key.decode() if isinstance(key, bytes) else key): json.loads(value)
            for key, value in self._redis.hgetall(_KEY + slug).items()  # type: ignore[union-attr]
        }
        ids = sorted(entries)
        pipeline = self._redis.pipeline(transaction=False)
        for job in ids:
            pipeline.hget(Job.key_for(job), "status")
        found = []
        for job, raw in zip(ids, pipeline.execute(), strict=True):
            entry = entries[job]
            status = raw.decode() if isinstance(raw, bytes) else raw
            if status is None:  # deleted or expired: what the worker noted is all there is
                status = entry["outcome"] or "canceled"
            found.append(
                {
                    "id": job,
                    "request": entry["request"],
                    "function": entry["function"],
                    "attempts": entry["attempts"],
                    "status": status,
                    "done": status in _DONE,
                }
            )
        return sorted(found, key=lambda item: (item["request"], item["id"]))

    def pending(self) -> dict[str, int]:
        """Return the number of jobs that are not done, per slug that has any."""
        counts = {}
        for key in self._redis.scan_iter(match=_KEY + "*"):
            slug = (key.decode() if isinstance(key, bytes) else key).removeprefix(_KEY)
            count = sum(not job["done"] for job in self.jobs(slug))
            if count:
                counts[slug] = count
        return dict(sorted(counts.items()))

    def _get(self, slug: str, job: str) -> dict[str, Any] | None:
        try:
            value = self._redis.hget(_KEY + slug, job)
            entry = json.loads(value) if value else None  # type: ignore[arg-type]
            return entry if isinstance(entry, dict) else None
        except (RedisError, ValueError) as error:
            log.warning("covatlas: the job index cannot be read: %s", error)
            return None

    def _put(self, slug: str, job: str, entry: dict[str, Any]) -> None:
        try:
            self._redis.hset(_KEY + slug, job, json.dumps(entry))
            self._redis.expire(_KEY + slug, _TTL)
        except RedisError as error:
            log.warning("covatlas: the job index cannot be written: %s", error)


def _runtime() -> Runtime | None:
    try:
        if not is_enabled():
            return None
    except CovatlasError:
        return None  # the worker's log has the sentence from the first `ensure`, the app's from the extension
    from instrument.runtime import ensure

    return ensure()
