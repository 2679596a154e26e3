"""The queue, and how a request waits for a run to be done."""

from __future__ import annotations

from redis import Redis
from rq import Queue

from instrument.rq import TracedJob
from watershed.config import Config

Queue.job_class = TracedJob


def connection() -> Redis:
    """Return a connection to Redis."""
    return Redis.from_url(Config.from_environment().redis_url)


def queue() -> Queue:
    """Return the queue of the app."""
    return Queue("watershed", connection=connection())


def signal_end(run_id: str) -> None:
    """Let whoever waits for a run go on."""
    redis = connection()
    redis.rpush(f"watershed:end:{run_id}", "end")
    redis.expire(f"watershed:end:{run_id}", 3600)


def wait_for_end(run_id: str, timeout_s: float = 50.0) -> bool:
    """Wait until a run has ended; return False when it takes too long."""
    key = f"watershed:end:{run_id}"
    # Takes the sign and puts it back in one step, so that everybody who asks later sees it too.
    return connection().blmove(key, key, timeout_s, "LEFT", "RIGHT") is not None
