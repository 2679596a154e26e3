"""The bundle of a night: one archive with every profile's last good data and what the next night compares with."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instrument.errors import CovatlasError
from instrument.files import write_file
from instrument.slug import parse_slug
from sitegen.collect_read import Arrival, read_files
from sitegen.profiles import check_data, check_record

NAME = "covatlas-night.zip"
SCHEMA = 1
BUDGET = 250_000_000
# Of the published site: what `--previous` reads the night after.
SITE_PARTS = tuple(f"data/{name}.json" for name in ("build", "inventory", "matrix", "gone", "history"))
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal nights make equal bundles


@dataclass(frozen=True, slots=True)
class LastNight:
    """What the last bundle says: its night record, each profile's last good data, the parts of its site."""

    night: Mapping[str, Any] = field(default_factory=dict)
    good: Mapping[str, Arrival] = field(default_factory=dict)
    site: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundled:
    """A written bundle: its bytes, and (packed bytes, name) of its parts, the largest first."""

    path: Path
    size: int
    parts: tuple[tuple[int, str], ...]

    @property
    def too_large(self) -> bool:
        """Return whether it is beyond its budget."""
        return self.size > BUDGET


def write_bundle(path: Path, files: Mapping[str, bytes]) -> Bundled:
    """Write the files as one compressed archive, in one rename."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED, 9)
        parts = tuple(sorted(((info.compress_size, info.filename) for info in archive.infolist()), reverse=True))
    data = buffer.getvalue()
    write_file(path, data, "name another file with --bundle")
    return Bundled(path, len(data), parts)


def read_last(path: Path | None) -> tuple[LastNight, tuple[str, ...]]:
    """Return the last bundle (a file, or the folder that it was downloaded to) and sentences about what is left out.

    Nothing in it stops the night: without a bundle, or with a damaged one, the night starts from nothing.
    """
    if path is not None and path.is_dir():
        path = path / NAME
    if path is None or not path.exists():
        return LastNight(), ()
    try:
        files = {name: data for name, data in read_files(path, lambda _: True).items() if data is not None}
        night = _night(files.get("night.json"))
    except CovatlasError as error:
        return LastNight(), (f"the last bundle {path} is left out: {error}",)
    good, said = {}, []
    for slug in sorted(name[5:-9] for name in files if name.startswith("data/") and name.endswith(".run.json")):
        try:
            good[slug] = _good(slug, files)
        except CovatlasError as error:
            said.append(f"the last bundle's data of {slug!r:.80} is left out: {error}")
    site = {name: files[f"site/{name}"] for name in SITE_PARTS if f"site/{name}" in files}
    return LastNight(night, good, site), tuple(said)


def _good(slug: str, files: Mapping[str, bytes]) -> Arrival:
    parse_slug(slug)
    data, record = files.get(f"data/{slug}.coverage"), files[f"data/{slug}.run.json"]
    if data is None:
        raise CovatlasError("it has no data")
    check_data(slug, data)
    return Arrival(slug, slug, data, record, check_record(slug, record))


def _night(data: bytes | None) -> dict[str, Any]:
    try:
        value = json.loads(data or b"")
        if value["schema"] != SCHEMA:
            raise CovatlasError(f"its night record has another schema than {SCHEMA}")
        _ = value["collected"] + "", {slug: item["state"] + "" for slug, item in value["profiles"].items()}
        if not all(isinstance(name, str) for name in value["covered"]):
            raise TypeError("a covered symbol is no text")
        return value
    except CovatlasError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CovatlasError(f"it holds no night record ({type(error).__name__})") from None
