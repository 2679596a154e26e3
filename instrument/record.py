"""The run record `<slug>.run.json`: what one playback of a profile did, beside its data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from instrument.errors import CovatlasError
from instrument.files import replace_file
from instrument.slug import parse_slug

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class RequestRun:
    """One replayed request: `recorded` and `status` are HTTP status codes, 0 where the server did not answer."""

    id: str
    method: str
    path: str
    route: str | None  # the app's rule, as `/api/runs/<id>`
    recorded: int
    status: int
    ok: bool
    duration_ms: float


@dataclass(frozen=True, slots=True)
class JobRun:
    """One RQ job of a replayed request: `status` is RQ's word, `expected` whether its failure was declared."""

    id: str
    request: str
    function: str
    status: str
    attempts: int
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One rule of the app's URL map."""

    rule: str
    methods: tuple[str, ...]
    endpoint: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One playback: times are UTC ISO 8601 ending in Z; `sources` maps an absolute source path to its sha256."""

    slug: str
    status: str  # "passed" or "failed"
    attempt: str  # prefix of every request id of this playback
    attempts: int  # how many playbacks of this slug this directory has seen
    started: str
    finished: str
    duration_s: float
    base_url: str
    commit: str | None = None
    title: str = ""
    description: str = ""
    requests: tuple[RequestRun, ...] = ()
    jobs: tuple[JobRun, ...] = ()
    routes: tuple[Route, ...] = ()
    problems: tuple[str, ...] = ()
    sources: dict[str, str] | None = None


def record_path(directory: Path, slug: str) -> Path:
    """Return where the run record of `slug` lives."""
    return directory / f"{slug}.run.json"


def encode_record(record: RunRecord) -> bytes:
    """Return the record as UTF-8 JSON with sorted keys."""
    value = {"schema": SCHEMA, **asdict(record)}
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def decode_record(data: bytes, where: str) -> RunRecord:
    """Read a record from its bytes; raise CovatlasError naming `where` if it is not one."""
    try:
        value = json.loads(data)
        if value.pop("schema") != SCHEMA:
            raise CovatlasError(f"{where}: this run record has another schema than {SCHEMA}; play the profile again")
        known = {field.name for field in fields(RunRecord)}
        kept: dict[str, Any] = {key: item for key, item in value.items() if key in known}
        kept["requests"] = tuple(RequestRun(**item) for item in kept.get("requests", ()))
        kept["jobs"] = tuple(JobRun(**item) for item in kept.get("jobs", ()))
        kept["routes"] = tuple(
            Route(item["rule"], tuple(item["methods"]), item["endpoint"]) for item in kept.get("routes", ())
        )
        if not isinstance(kept.get("problems", ()), list | tuple):
            raise TypeError("its problems are no list")
        kept["problems"] = tuple(kept.get("problems", ()))
        parse_slug(kept["slug"])
        return RunRecord(**kept)
    except CovatlasError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CovatlasError(f"{where}: not a run record ({error}); play the profile again") from None


def read_record(directory: Path, slug: str) -> RunRecord | None:
    """Return the run record of `slug`, None where there is none."""
    path = record_path(directory, slug)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return decode_record(data, str(path))


def write_record(directory: Path, record: RunRecord) -> Path:
    """Write the record beside its data in one rename and return its path."""
    path = record_path(directory, record.slug)
    replace_file(path, encode_record(record))
    return path
