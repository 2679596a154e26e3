"""Profiles × symbols, small enough to be loaded whole: `data/cells.json`, what the matrix page shows and filters.

Cells are text, not compressed: the bytes of gzip depend on the version of zlib, and servers compress text on the way.
A column holds the runs of equal cells of one profile in the order of the symbols: `.12b3i` are twelve without a cell,
three covered, one import-only. Runs end with their file, so that a file's share depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import orjson

from sitegen.matrix import find_gaps
from sitegen.model import Artifact, FileCoverage, SymbolCoverage
from sitegen.views import state

PATH = "data/cells.json"
SCHEMA = 1
LETTERS = {"body": "b", "import-only": "i", "failed": "f", "stale": "s"}


@dataclass(frozen=True, slots=True)
class FileCells:
    """A file's share: a letter and a number of statements per symbol; `columns` are the runs of each slug, sorted."""

    states: str
    lines: tuple[int, ...]
    columns: tuple[tuple[str, str], ...]


def file_cells(coverage: FileCoverage) -> FileCells:
    """Return a file's share of the cells."""
    found = find_gaps((coverage,))
    gaps = {gap.id for gap in (*found.modules, *found.symbols)}
    rows = {slug: ["."] * len(coverage.symbols) for slug, _ in coverage.executed}
    for index, item in enumerate(coverage.symbols):
        for cell in item.cells:
            rows[cell.slug][index] = LETTERS[cell.certainty]
    return FileCells(
        states="".join(_state(item, gaps) for item in coverage.symbols),
        lines=tuple(item.symbol.statements.bit_count() for item in coverage.symbols),
        columns=tuple((slug, _runs(row)) for slug, row in rows.items()),
    )


def _runs(row: Iterable[str]) -> str:
    return "".join(_run(letter, sum(1 for _ in same)) for letter, same in groupby(row))


def _run(letter: str, length: int) -> str:
    return f"{letter}{length}" if length > 1 else letter


def _state(item: SymbolCoverage, gaps: set[str]) -> str:
    if any(cell.certainty == "body" for cell in item.cells):
        return "c"
    if item.symbol.id in gaps:
        return "g"
    return "e" if state(item) == "empty" else "o"


def cells_artifact(statuses: Sequence[tuple[str, str]], files: Sequence[FileCells]) -> Artifact:
    """Return `data/cells.json` of the profiles, (slug, status of its playback) in the matrix's order, and of all files.

    Symbols stand as in `data/names.json`: `states` has a letter of each, c(overed), g(ap), e(mpty) or o(ther), `lines`
    its number of statements. `cells` has a column a profile.
    """
    columns: dict[str, list[str]] = {slug: [] for slug, _ in statuses}
    reached = dict.fromkeys(columns, 0)  # how many symbols the column's runs cover so far
    passed = 0
    for file in files:
        for slug, runs in file.columns:
            column = columns[slug]
            if passed > reached[slug]:
                column.append(_run(".", passed - reached[slug]))
            column.append(runs)
            reached[slug] = passed + len(file.states)
        passed += len(file.states)
    value = {
        "schema": SCHEMA,
        "profiles": list(columns),
        "status": dict(statuses),
        "states": "".join(file.states for file in files),
        "lines": [number for file in files for number in file.lines],
        "cells": ["".join(column) for column in columns.values()],
    }
    return Artifact(PATH, orjson.dumps(value) + b"\n")
