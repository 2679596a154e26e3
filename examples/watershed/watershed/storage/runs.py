"""Runs, their hillslopes and the attempts of jobs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from watershed.storage.db import connect

INSERT_RUN = "INSERT INTO run VALUES (:id, :owner, :name, :station, :soil, :cover, :years, :state)"


@dataclass
class Run:
    """One simulation that a user asked for."""

    id: str
    owner: str
    name: str
    station: str
    soil: str
    cover: str
    years: int
    state: str = "new"

    @property
    def is_done(self) -> bool:
        return self.state == "done"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class RunStore:
    """All that is kept of runs, in one database file."""

    def __init__(self, database: Path) -> None:
        self.database = database

    def create(self, **values: Any) -> Run:
        """Keep a new run under a random id."""
        run = Run(id=str(uuid.uuid4()), **values)
        with connect(self.database) as db:
            db.execute(
                "INSERT INTO run VALUES (:id, :owner, :name, :station, :soil, :cover, :years, :state)", asdict(run)
            )
        return run

    def get(self, run_id: str) -> Run:
        """Return a run; raises KeyError."""
        with connect(self.database) as db:
            row = db.execute("SELECT * FROM run WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise KeyError(run_id)
        return Run(**row)

    def of_owner(self, owner: str) -> Iterator[Run]:
        """Yield a user's runs by name."""
        with connect(self.database) as db:
            for row in db.execute("SELECT * FROM run WHERE owner = ? ORDER BY name, id", (owner,)):
                yield Run(**row)

    def set_state(self, run_id: str, state: str) -> None:
        with connect(self.database) as db:
            db.execute("UPDATE run SET state = ? WHERE id = ?", (state, run_id))

    def delete(self, run_id: str) -> None:
        """Forget a run and its results."""
        with connect(self.database) as db:
            db.execute("DELETE FROM hillslope WHERE run = ?", (run_id,))
            db.execute("DELETE FROM run WHERE id = ?", (run_id,))

    def save_hillslope(self, run_id: str, number: int, runoff_mm: float, soil_loss_t: float) -> None:
        with connect(self.database) as db:
            db.execute("REPLACE INTO hillslope VALUES (?, ?, ?, ?)", (run_id, number, runoff_mm, soil_loss_t))

    def hillslopes(self, run_id: str) -> list[dict[str, Any]]:
        """Return the results of a run's hillslopes by number."""
        with connect(self.database) as db:
            rows = db.execute(
                "SELECT number, runoff_mm, soil_loss_t FROM hillslope WHERE run = ? ORDER BY 1", (run_id,)
            )
            return [dict(row) for row in rows]

    def count_attempt(self, job_id: str) -> int:
        """Count one more attempt of a job and return how many there were."""
        with connect(self.database) as db:
            db.execute("INSERT INTO attempt VALUES (?, 1) ON CONFLICT (job) DO UPDATE SET count = count + 1", (job_id,))
            return db.execute("SELECT count FROM attempt WHERE job = ?", (job_id,)).fetchone()[0]

    def save_observation(self, station: str, rain_mm: float) -> None:
        with connect(self.database) as db:
            db.execute("REPLACE INTO observation VALUES (?, ?)", (station, rain_mm))
