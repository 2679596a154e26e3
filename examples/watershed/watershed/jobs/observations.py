"""Fetches a station's observed rain; the station is always busy at first, so RQ tries again."""

from __future__ import annotations

from rq import Retry, get_current_job
from rq.job import Job

from watershed.climate.observed import total
from watershed.config import Config
from watershed.jobs.queue import queue
from watershed.storage.runs import RunStore

ANSWERS = {"moscow": "date,rain_mm\n2024-01-01,4.2\n2024-01-02,0.0\n", "tahoe": "date,rain_mm\n2024-01-01,31.5\n"}


class StationBusy(Exception):
    """The station does not answer now."""


def request_refresh(station: str) -> Job:
    """Enqueue `refresh` with up to two retries."""
    return queue().enqueue(refresh, station, retry=Retry(max=2))


def refresh(station: str) -> float:
    """Store the rain that a station observed, in mm; raises StationBusy at the first attempt."""
    store = RunStore(Config.from_environment().database)
    job = get_current_job()
    # Counted in the database: each attempt runs in a process of its own.
    if job is not None and store.count_attempt(job.id) == 1:
        raise StationBusy(f"{station} is busy")
    rain = total(ANSWERS.get(station, "date,rain_mm\n"))
    store.save_observation(station, rain)
    return rain
