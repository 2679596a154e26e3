"""Jobs of the RQ proofs: nested, failing then retried, failing for good, with threads and a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from uuid import uuid4

from redis import Redis
from rq import Callback, Queue, Repeat, Retry, get_current_job
from rq.exceptions import DuplicateJobError
from rq.job import Job

from instrument.rq import TracedJob

Queue.job_class = TracedJob


def queue() -> Queue:
    return Queue("proof", connection=Redis.from_url(os.environ["REDIS_URL"]))


def start(kind: str) -> str:
    return STARTS[kind]().id


def starts_nested() -> Job:
    return queue().enqueue(outer)


def starts_retry() -> Job:
    return queue().enqueue(flaky, os.environ["FLAKY_FILE"], retry=Retry(max=2))


def starts_fails() -> Job:
    return queue().enqueue(fails)


def starts_cut() -> Job:
    return queue().enqueue(cut_off, failure_ttl=0)


def starts_many() -> Job:
    prepared = [Queue.prepare_data(plain, (number,)) for number in range(3)]
    return queue().enqueue_many(prepared)[0]


def starts_inline() -> Job:
    return Queue("proof", connection=queue().connection, is_async=False).enqueue(plain, 2)


def starts_child() -> Job:
    return queue().enqueue(child)


def starts_repeat() -> Job:
    return queue().enqueue(repeated, repeat=Repeat(times=2, interval=1))


def starts_at() -> Job:
    return queue().enqueue_at(datetime.now(UTC) + timedelta(seconds=1), scheduled_at)


def starts_in() -> Job:
    return queue().enqueue_in(timedelta(seconds=1), scheduled_in)


def starts_unique() -> Job:
    job = queue().enqueue(alone, job_id=f"unique-{uuid4().hex}", unique=True)
    try:
        queue().enqueue(alone, job_id=job.id, unique=True)
        raise AssertionError("enqueued twice")
    except DuplicateJobError:
        return job


def starts_dependent() -> Job:
    first = queue().enqueue(parent)
    return queue().enqueue(dependent, depends_on=first)


def starts_premade() -> Job:
    return queue().enqueue_job(premade.pop())


def starts_saved() -> Job:
    return queue().enqueue_job(TracedJob.fetch(saved.pop(), connection=queue().connection))


def starts_prepared() -> Job:
    return queue().enqueue_many([prepared.pop()])[0]


def starts_callbacks() -> Job:
    return queue().enqueue(plain, 1, on_success=Callback(succeeded))


def starts_failure() -> Job:
    return queue().enqueue(fails, on_failure=Callback(failed))


def starts_meta() -> Job:
    return queue().enqueue(rewrites_meta, os.environ["FLAKY_FILE"], retry=Retry(max=1))


def starts_saver() -> Job:
    job = TracedJob.fetch(queue().scheduled_job_registry.get_job_ids()[0], connection=queue().connection)
    job.save()
    return job


def starts_later() -> Job:
    return queue().enqueue_in(timedelta(seconds=2), scheduled_in)


def starts_spread() -> Job:
    return queue().enqueue(spreads)


def starts_bare() -> Job:
    return Queue("proof", connection=queue().connection, job_class=Job).enqueue(plain, 3)


STARTS = {name.removeprefix("starts_"): made for name, made in list(globals().items()) if name.startswith("starts_")}
premade: list[Job] = []
saved: list[str] = []
prepared: list = []


def prepare() -> None:
    """Make jobs outside every trace: one in memory, one in Redis, one that is only prepared."""
    prepared.append(Queue.prepare_data(plain, (5,)))
    premade.append(queue().create_job(premade_job))
    job = TracedJob.create(saved_job, connection=queue().connection)
    job.save()
    saved.append(job.id)


def premade_job() -> int:
    return 1


def saved_job() -> int:
    return 2


def repeated() -> int:
    return 3


def scheduled_at() -> int:
    return 4


def scheduled_in() -> int:
    return 5


def alone() -> int:
    return 6


def parent() -> int:
    return 7


def dependent() -> int:
    return 8


def succeeded(job: Job, connection: Redis, result: object) -> str:
    return "noted"


def failed(job: Job, connection: Redis, *error: object) -> str:
    return "noted"


def rewrites_meta(path: str) -> str:
    job = get_current_job()
    job.meta = {"mine": 1}
    job.save_meta()
    return flaky(path)


def cut_off() -> None:
    os._exit(3)


def spreads() -> list[int]:
    with ThreadPoolExecutor(1) as threads, ProcessPoolExecutor(1, mp_context=get_context("fork")) as processes:
        return [threads.submit(in_pool).result(), processes.submit(in_process).result()]


def in_pool() -> int:
    return 9


def in_process() -> int:
    return 10


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
    file = Path(f"{path}-{get_current_job().id}")
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
