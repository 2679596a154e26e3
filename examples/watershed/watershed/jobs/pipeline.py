"""A run as jobs: `start` enqueues a job per hillslope and one that waits for all of them."""

from __future__ import annotations

from rq import Queue

from watershed.config import Config
from watershed.jobs.queue import queue, signal_end
from watershed.model.simulation import Setup, catchment
from watershed.storage.runs import Run, RunStore


def _store() -> RunStore:
    return RunStore(Config.from_environment().database)


def start(run_id: str) -> int:
    """Split a run into hillslopes; return how many jobs that made."""
    store = _store()
    run = store.get(run_id)
    slopes = catchment(run.name)
    jobs = queue().enqueue_many(
        [Queue.prepare_data(simulate_hillslope, args=(run_id, slope.number)) for slope in slopes],
    )
    queue().enqueue(finish, run_id, depends_on=jobs)
    store.set_state(run_id, "running")
    return len(jobs)


def simulate_hillslope(run_id: str, number: int) -> float:
    """Simulate one hillslope of a run; return its soil loss in t."""
    store = _store()
    run = store.get(run_id)
    slope = next(slope for slope in catchment(run.name) if slope.number == number)
    result = setup_of(run).run(slope)
    store.save_hillslope(run_id, number, result.runoff_mm, result.soil_loss_t)
    return result.soil_loss_t


def finish(run_id: str) -> None:
    """Mark a run as done."""
    _store().set_state(run_id, "done")
    signal_end(run_id)


def setup_of(run: Run) -> Setup:
    """Return what a run asks for."""
    return Setup.of(run.station, run.soil, run.cover, run.years)
