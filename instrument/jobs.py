"""The index of traced RQ jobs in Redis, so that any process of the app can tell what is pending."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job

log = logging.getLogger("covatlas")
FIELD = "profile_trace"  # of a job's own hash: who enqueued it, beside RQ's fields
_KEY = "covatlas:jobs:"
_OWNER = "covatlas:job:"
_SLUGS = "covatlas:slugs"
_TTL = 7 * 24 * 3600
_DONE = frozenset({"finished", "failed", "stopped", "canceled"})
_RAN = frozenset({"finished", "failed"})
_UNKNOWN = {"request": "", "function": "", "attempts": 0, "outcome": ""}


class JobIndex:
    """The traced jobs of each slug.

    A set of the slugs, so that nobody looks through all keys of a Redis that others fill, and one hash per slug:
    job id → JSON `{"request", "function", "attempts", "outcome", "traced"}`. RQ's own status decides while the job
    exists; the recorded outcome counts after RQ has deleted it. No error of Redis reaches a request or a job; `jobs`,
    `pending` and `untraced`, for the control blueprint, raise it.
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

    def add(self, slug: str, request: str, job: str, function: str, *, traced: bool = True) -> None:
        """Note a job that is about to be enqueued; `traced` tells whether its worker can trace it."""
        known = self._get(slug, job)
        if known is None or known["request"] != request:  # unique=True: a refused one must not hide the one that runs
            entry = {"request": request, "function": function, "attempts": 0, "outcome": "", "traced": traced}
            self._put(slug, job, entry)

    def lose(self, slug: str, job: str) -> None:
        """Note that the job has run without its trace."""
        self._put(slug, job, {**(self._get(slug, job) or _UNKNOWN), "traced": False})

    def owner(self, job: str) -> str | None:
        """Return the slug whose request enqueued the job, None if no traced request did."""
        try:
            value = self._redis.get(_OWNER + job)
        except RedisError as error:
            log.warning("covatlas: the job index cannot be read: %s", error)
            return None
        return value.decode() if isinstance(value, bytes) else value  # type: ignore[return-value]

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
        """Return the slug's jobs, sorted by request and id: RQ's status, attempts, whether it is done, and traced."""
        entries = {
            (key.decode() if isinstance(key, bytes) else key): json.loads(value)
            for key, value in self._redis.hgetall(_KEY + slug).items()  # type: ignore[union-attr]
        }
        ids = sorted(entries)
        pipeline = self._redis.pipeline(transaction=False)
        for job in ids:
            pipeline.hmget(Job.key_for(job), "status", FIELD)
        found = []
        for job, raw in zip(ids, pipeline.execute(), strict=True):
            entry = entries[job]
            status, tag = (value.decode() if isinstance(value, bytes) else value for value in raw)
            owner = _read_tag(tag)
            if owner and owner != (slug, entry["request"]):  # unique=True: another's job has this id, ours was refused
                if owner[0] != slug:
                    continue
                entry = {**entry, "request": owner[1], "attempts": max(1, entry["attempts"])}
            if status is None:  # deleted or expired: what the worker noted is all there is
                cut = "failed" if entry["attempts"] else "canceled"  # begun, but its process never said how it ended
                status = entry["outcome"] or cut
            found.append(
                {
                    "id": job,
                    "request": entry["request"],
                    "function": entry["function"],
                    "attempts": entry["attempts"],
                    "status": status,
                    "done": status in _DONE,
                    # A worker without TracedJob says nothing; its job ends without an attempt.
                    "traced": entry.get("traced", True) and (entry["attempts"] > 0 or status not in _RAN),
                }
            )
        return sorted(found, key=lambda item: (item["request"], item["id"]))

    def pending(self) -> dict[str, int]:
        """Return the number of jobs that are not done, per slug that has any."""
        return self._counts(lambda job: not job["done"])

    def untraced(self) -> dict[str, int]:
        """Return the number of jobs that run without their trace, per slug that has any."""
        return self._counts(lambda job: not job["traced"])

    def _counts(self, what: Callable[[dict[str, Any]], bool]) -> dict[str, int]:
        counts = {}
        for member in self._redis.smembers(_SLUGS):  # type: ignore[union-attr]
            slug = member.decode() if isinstance(member, bytes) else member
            count = sum(map(what, self.jobs(slug)))
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
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hset(_KEY + slug, job, json.dumps(entry))
                pipeline.expire(_KEY + slug, _TTL)
                pipeline.sadd(_SLUGS, slug)
                pipeline.expire(_SLUGS, _TTL)
                pipeline.set(_OWNER + job, slug, ex=_TTL)
                pipeline.execute()
        except RedisError as error:
            log.warning("covatlas: the job index cannot be written: %s", error)


def _read_tag(tag: str | None) -> tuple[str, str] | None:
    try:
        value = json.loads(tag or "null")
        return (value["slug"], value["request"])
    except (ValueError, KeyError, TypeError):
        return None
