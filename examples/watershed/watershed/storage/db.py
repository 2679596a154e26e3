"""Connections to the database file and its schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, station TEXT NOT NULL,
    soil TEXT NOT NULL, cover TEXT NOT NULL, years INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS hillslope (
    run TEXT NOT NULL, number INTEGER NOT NULL, runoff_mm REAL NOT NULL, soil_loss_t REAL NOT NULL,
    PRIMARY KEY (run, number));
CREATE TABLE IF NOT EXISTS observation (station TEXT PRIMARY KEY, rain_mm REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attempt (job TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for one transaction: committed at the end of the block, rolled back on an error."""
    connection = sqlite3.connect(path, timeout=20)
    connection.row_factory = sqlite3.Row
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def init_schema(path: Path) -> None:
    """Create the tables that are missing."""
    with connect(path) as connection:
        connection.executescript(SCHEMA)
