"""Jobs of the RQ proofs: nested, failing then retried, failing for good, with threads and a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from redis import Redis
from rq import Queue, Retry

from instrument.rq import TracedJob

Queue.job_class = TracedJob


def queue() -> Queue:
    return Queue("proof", connection=Redis.from_url(os.environ["REDIS_URL"]))


def start(kind: str) -> str:
    if kind == "nested":
        return queue().enqueue(outer).id
    if kind == "retry":
        return queue().enqueue(flaky, os.environ["FLAKY_FILE"], retry=Retry(max=2)).id
    if kind == "fails":
        return queue().enqueue(fails).id
    if kind == "many":
        prepared = [Queue.prepare_data(plain, (number,)) for number in range(3)]
        return queue().enqueue_many(prepared)[0].id
    if kind == "inline":
        return Queue("proof", connection=queue().connection, is_async=False).enqueue(plain, 2).id
    return queue().enqueue(child).id


def plain(number: int) -> int:
    return number + 1


def outer() -> str:
    return queue().enqueue(inner).id


def inner() -> list[int]:
    found: list[int] = []
    thread = threading.Thread(target=found.append, args=(in_thread(),))
    thread.start()
    thread.join()
    return found


def in_thread() -> int:
    return 1


def flaky(path: str) -> str:
    file = Path(path)
    if not file.exists():
        file.touch()
        raise RuntimeError("first attempt")
    return second_attempt()


def second_attempt() -> str:
    return "done"


def fails() -> None:
    raise ValueError("always")


def child() -> int:
    return subprocess.run([sys.executable, "-m", "tests.exact.child"], check=True).returncode


def untouched() -> str:
    return "nobody calls this"
