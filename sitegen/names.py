"""The compact files that the finder and `go/` read: every symbol's name, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from sitegen.model import Artifact, FileInventory

NAMES = "data/names.json"
PLACES = "data/places.json"
SCHEMA = 1
_LETTERS = {"class": "c", "function": "f", "method": "m", "property": "p"}


def names_artifact(files: Sequence[FileInventory], slugs: Sequence[str]) -> Artifact:
    """Return `data/names.json`: per file [path, module, symbols], symbols in source order, and all profiles.

    `symbols` is a line per symbol: a space per symbol around it, the first letter of its kind, and what its id adds to
    the id of the one around it. Moved lines do not change it.

        ["pkg/climate.py", "pkg.climate", "c.Climate\\n m.build\\n  f.<locals>.row\\nf.never"]
    """
    return _json(NAMES, {"files": [_names(file) for file in files], "profiles": list(slugs)})


def places_artifact(files: Sequence[FileInventory]) -> Artifact:
    """Return `data/places.json`: per file [path, lines, spans], in the order of `data/names.json`.

    `spans` has two numbers per symbol: its first line less that of the symbol before, and its last line less its first.
    """
    return _json(PLACES, {"files": [_places(file) for file in files]})


def _json(path: str, value: dict[str, Any]) -> Artifact:
    return Artifact(path, orjson.dumps({"schema": SCHEMA, **value}, option=orjson.OPT_SORT_KEYS) + b"\n")


def _names(file: FileInventory) -> list[str]:
    module = file.symbols[0]
    depths = {module.id: -1}
    lines = []
    for symbol in file.symbols[1:]:
        parent = symbol.parent or module.id
        depth = depths[symbol.id] = depths[parent] + 1
        lines.append(f"{' ' * depth}{_LETTERS[symbol.kind]}{symbol.id.removeprefix(parent)}")
    return [file.path, module.id, "\n".join(lines)]


def _places(file: FileInventory) -> list[Any]:
    spans, before = [], 1
    for symbol in file.symbols[1:]:
        spans += [symbol.first - before, symbol.last - symbol.first]
        before = symbol.first
    return [file.path, file.symbols[0].last, spans]
