"""Profiles × symbols, small enough to be loaded whole: `data/cells.json`, what the matrix page shows and filters.

Cells are text, not compressed: the bytes of gzip depend on the version of zlib, and servers compress text on the way.
A column holds the runs of equal cells of one profile in the order of the symbols: `.12b3i` are twelve without a cell,
three covered, one import-only. Runs end with their file, so that a file's share depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

from sitegen.address import file_stem
from sitegen.matrix import find_gaps
from sitegen.model import Artifact, FileCoverage, Symbol, SymbolCoverage
from sitegen.views import state

PATH = "data/cells.json"
SCHEMA = 1
LETTERS = {"body": "b", "import-only": "i", "failed": "f", "stale": "s"}
_KINDS = {"module": "m", "class": "c", "function": "f", "method": "e", "property": "p"}


@dataclass(frozen=True, slots=True)
class FileCells:
    """A file's share: `module` is JSON, `columns` are the runs of each slug that has a cell, sorted."""

    symbols: int
    module: bytes
    columns: tuple[tuple[str, str], ...]


def file_cells(coverage: FileCoverage) -> FileCells:
    """Return a file's share of the cells."""
    count = len(coverage.symbols)
    rows = {slug: ["."] * count for slug, _ in coverage.executed}
    for index, item in enumerate(coverage.symbols):
        for cell in item.cells:
            rows[cell.slug][index] = LETTERS[cell.certainty]
    return FileCells(count, orjson.dumps(_module(coverage)), tuple((slug, _runs(row)) for slug, row in rows.items()))


def _runs(row: Iterable[str]) -> str:
    return "".join(_run(letter, sum(1 for _ in same)) for letter, same in groupby(row))


def _run(letter: str, length: int) -> str:
    return f"{letter}{length}" if length > 1 else letter


def _module(coverage: FileCoverage) -> dict[str, Any]:
    """Return what the page needs of a file's symbols; `states` are c(overed), g(ap), e(mpty) and o(ther)."""
    symbols = [item.symbol for item in coverage.symbols]
    found = find_gaps((coverage,))
    gaps = {gap.id for gap in (*found.modules, *found.symbols)}
    module = symbols[0].id
    return {
        "name": module,
        "package": package_of(coverage.inventory.path),
        "kinds": "".join(_KINDS[symbol.kind] for symbol in symbols),
        "names": [_name(symbol, module) for symbol in symbols],
        "stems": [_stem(symbol) for symbol in symbols],
        "lines": [symbol.statements.bit_count() for symbol in symbols],
        "states": "".join(_state(item, gaps) for item in coverage.symbols),
    }


def package_of(path: str) -> str:
    """Return the package of a source path: the dotted name of its folder."""
    return path.rpartition("/")[0].replace("/", ".")


def _name(symbol: Symbol, module: str) -> str:
    """Return a symbol's id as short as its module allows: "" for the module, a whole id after `=`."""
    if symbol.id == module:
        return ""
    return symbol.id[len(module) + 1 :] if symbol.id.startswith(module + ".") else "=" + symbol.id


def _stem(symbol: Symbol) -> str:
    """Return what the file name of a symbol's page has beyond its id: "" nothing, 8 digits, or all of it."""
    stem = file_stem(symbol.id)
    if stem == symbol.id:
        return ""
    return stem[-8:] if stem[:-9] == symbol.id else stem


def _state(item: SymbolCoverage, gaps: set[str]) -> str:
    if any(cell.certainty == "body" for cell in item.cells):
        return "c"
    if item.symbol.id in gaps:
        return "g"
    return "e" if state(item) == "empty" else "o"


def cells_artifact(statuses: Sequence[tuple[str, str]], files: Sequence[FileCells]) -> Artifact:
    """Return `data/cells.json` of the profiles, (slug, status of its playback) in the matrix's order, and of all files.

    `modules` have `name`, `package` and, for each symbol, a letter of `kinds` and `states` and an item of `names`
    (below the module), `stems` (of the file name of its page) and `lines` (statements); `cells` has a column a profile.
    """
    columns: dict[str, list[str]] = {slug: [] for slug, _ in statuses}
    waiting = dict.fromkeys(columns, 0)  # symbols without a cell since the last run
    passed = 0
    for file in files:
        for slug, runs in file.columns:
            column = columns[slug]
            if passed > waiting[slug]:
                column.append(_run(".", passed - waiting[slug]))
            column.append(runs)
            waiting[slug] = passed + file.symbols
        passed += file.symbols
    head = orjson.dumps({"schema": SCHEMA, "profiles": list(columns), "status": dict(statuses)})[:-1]
    cells = orjson.dumps(["".join(column) for column in columns.values()])
    modules = b",".join(file.module for file in files)
    return Artifact(PATH, b"".join((head, b',"modules":[', modules, b'],"cells":', cells, b"}\n")))
