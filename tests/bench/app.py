"""The app of the benchmarks: a CPU-bound JSON route, a template route, a typical app route and a slow stream."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, jsonify, render_template, request

_store = threading.local()


def encode(value: Any) -> str:
    """Return JSON text, written by hand in Python so that the route's time is spent in traced lines."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return '"' + escaped(value) + '"'
    if isinstance(value, dict):
        parts = []
        for key, item in value.items():
            parts.append(encode(str(key)) + ":" + encode(item))
        return "{" + ",".join(parts) + "}"
    return "[" + ",".join(encode(item) for item in value) + "]"


def escaped(text: str) -> str:
    for char in text:
        if char in '"\\' or char < " ":
            return "".join(f"\\u{ord(c):04x}" if c in '"\\' or c < " " else c for c in text)
    return text


def series(count: int, seed: int) -> list[float]:
    values = []
    state = seed
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2147483648
        if state % 7 == 0:
            values.append(-state / 2147483648)
        else:
            values.append(state / 2147483648)
    return values


def summary(values: list[float]) -> dict[str, float]:
    low = high = values[0]
    total = 0.0
    rising = 0
    previous = None
    for value in values:
        if value < low:
            low = value
        if value > high:
            high = value
        total += value
        if previous is not None and value > previous:
            rising += 1
        previous = value
    mean = total / len(values)
    spread = sum((value - mean) ** 2 for value in values) / len(values)
    return {"low": low, "high": high, "mean": mean, "spread": spread, "rising": rising}


class Station:
    """A row of the typical route."""

    def __init__(self, row: tuple[int, str, float]) -> None:
        self.number, self.name, self.height = row

    @property
    def band(self) -> str:
        if self.height < 200:
            return "valley"
        if self.height < 1200:
            return "hill"
        return "alpine"

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.number, "name": self.name, "height": self.height, "band": self.band}


def database() -> sqlite3.Connection:
    connection = getattr(_store, "connection", None)
    if connection is None:
        connection = _store.connection = sqlite3.connect(":memory:")
        connection.execute("create table station (id integer primary key, name text, height real)")
        rows = [(n, f"station {n}", (n * 37) % 2400) for n in range(5000)]
        connection.executemany("insert into station values (?, ?, ?)", rows)
    return connection


def stations(lowest: float, limit: int) -> list[Station]:
    query = "select id, name, height from station where height >= ? order by id limit ?"
    return [Station(row) for row in database().execute(query, (lowest, limit))]


def totals(name: str) -> dict[str, float]:
    query = "select count(*), avg(height) from station where name like ?"
    count, height = database().execute(query, (f"%{name}%",)).fetchone()
    return {"count": count, "height": round(height or 0, 1)}


def wanted(name: str, default: int, most: int) -> int:
    try:
        value = int(request.args.get(name, default))
    except ValueError:
        return default
    return max(0, min(value, most))


def ticks(seconds: float) -> Iterator[str]:
    yield "open\n"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)
    yield "closed\n"


def create_app(covatlas: bool) -> Flask:
    """Return the app, with or without the one line that Covatlas asks for."""
    app = Flask(__name__)

    @app.get("/json")
    def cpu_bound() -> Response:
        values = series(1500, wanted("seed", 7, 1000))
        body = encode({"summary": summary(values), "values": values[:250], "names": [f"v{n}" for n in range(60)]})
        return Response(body, mimetype="application/json")

    @app.get("/template")
    def template() -> str:
        return render_template("table.html", stations=stations(0, 120), title="Stations <all>")

    @app.get("/app")
    def typical() -> Response:
        found = stations(wanted("height", 300, 3000), wanted("limit", 25, 100))
        bands: dict[str, int] = {}
        for station in found:
            bands[station.band] = bands.get(station.band, 0) + 1
        answer = {"bands": bands, "totals": totals(request.args.get("name", "7"))}
        return jsonify(stations=[station.as_dict() for station in found], **answer)

    @app.get("/slow-stream")
    def slow_stream() -> Response:
        return Response(ticks(float(request.args["seconds"])), mimetype="text/plain")

    @app.get("/pid")
    def pid() -> Response:
        return jsonify(pid=os.getpid())

    if covatlas:
        from instrument import ProfileCoverage

        ProfileCoverage(app)
    return app
