"""The inventory artifact on disk: written in one rename, read back, and compared with the source symbol by symbol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from instrument.errors import CovatlasError
from instrument.files import replace_file

SCHEMA = 1
_MAKE = "write it anew with covatlas inventory --output"


def write_artifact(path: Path, data: bytes) -> None:
    """Write the artifact; whoever reads the path meanwhile sees the old or the new one, whole."""
    try:
        replace_file(path, data)
    except OSError as error:
        raise CovatlasError(f"{path}: cannot be written ({error.strerror}); name another file with --output") from None


def read_artifact(path: Path) -> dict[str, Any]:
    """Return the `files` of an artifact by path; raise CovatlasError naming what is no inventory."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CovatlasError(f"{path}: cannot be read ({error.strerror}); {_MAKE}") from None
    return parse_artifact(data, str(path))


def parse_artifact(data: bytes, where: str) -> dict[str, Any]:
    """Return the `files` of an artifact's bytes by path; raise CovatlasError naming what is no inventory."""
    try:
        value = json.loads(data)
        if value["schema"] != SCHEMA:
            raise CovatlasError(f"{where}: this inventory has another schema than {SCHEMA}; {_MAKE}")
        files = {file["path"]: file for file in value["files"]}
        for file in files.values():
            for symbol in file["symbols"]:
                _ = symbol["id"], symbol["digest"], symbol["kind"], symbol["line_span"][0]
        return files
    except CovatlasError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise CovatlasError(f"{where}: not an inventory ({type(error).__name__}: {error}); {_MAKE}") from None


def drift(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each symbol and file in which two inventories differ, in the order of the files.

    `+` is new, `-` is gone, `~` says something else now, `>` says the same on other lines, `!` is a file whose problem
    or lines differ though its symbols do not.
    """
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, {}), after.get(path, {})
        if old == new:
            continue
        rows = list(_symbols(old.get("symbols", ()), new.get("symbols", ()), path))
        if old.get("problem") != new.get("problem"):
            rows.append(f"! {new.get('problem') or f'{path}: can be read as Python again'}")
        elif not rows:
            rows.append(f"! {path}: comments, layout or excluded lines")
        yield from rows


def _symbols(before: list[dict[str, Any]], after: list[dict[str, Any]], path: str) -> Iterator[str]:
    old, new = {symbol["id"]: symbol for symbol in before}, {symbol["id"]: symbol for symbol in after}
    for name in [*new, *(name for name in old if name not in new)]:
        was, now = old.get(name), new.get(name)
        where = f"{name}  {path}:{(now or was or {})['line_span'][0]}"
        if was is None:
            yield f"+ {where}"
        elif now is None:
            yield f"- {where}"
        elif (was["digest"], was["kind"]) != (now["digest"], now["kind"]):
            yield f"~ {where}"
        elif was != now:
            yield f"> {where}"
