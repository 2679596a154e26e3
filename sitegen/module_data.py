"""`data/modules/<module>.json`: which profiles run each line of a file, and through which requests and jobs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import orjson

from sitegen.address import module_data_path
from sitegen.model import Artifact, FileCoverage, lines_of
from sitegen.steps import FileSteps, Reached, reached

SCHEMA = 1
Steps = tuple[tuple[str, tuple[FileSteps, ...]], ...]  # slug, what the profile ran


def module_artifact(coverage: FileCoverage, found: Sequence[Reached]) -> Artifact:
    """Return the twin of a module's page.

    `executed` has per slug the executed statements as ranges [first, last]; `ways` has the requests of one method and
    route (or the jobs of one function that they caused) with the indexes of the `symbols` that they reached.
    """
    inventory = coverage.inventory
    value = {
        "schema": SCHEMA,
        "module": inventory.symbols[0].id,
        "path": inventory.path,
        "symbols": [symbol.id for symbol in inventory.symbols],
        "executed": {slug: ranges(lines_of(executed)) for slug, executed in coverage.executed},
        "ways": [
            {
                "profile": item.slug,
                "request": way.first + 1,
                "method": way.method,
                "target": way.target,
                "job": way.job,
                "count": way.count,
                "symbols": symbols,
            }
            for item in found
            for way, symbols in item.ways
        ],
    }
    data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    return Artifact(module_data_path(inventory.symbols[0].id), data)


def reached_of(coverage: FileCoverage, steps: Steps) -> tuple[Reached, ...]:
    """Return what each profile reached of a file; `steps` has all that the profiles ran, sorted by path."""
    path, own = coverage.inventory.path, []
    for slug, files in steps:
        at = bisect_left(files, path, key=attrgetter("path"))
        if at < len(files) and files[at].path == path:
            own.append((slug, files[at]))
    return reached(coverage.inventory, tuple(own))


def ranges(lines: Sequence[int]) -> list[list[int]]:
    """Return sorted numbers as ranges: 1, 2, 3, 7 are [1, 3], [7, 7]."""
    runs: list[list[int]] = []
    for _, group in groupby(enumerate(lines), lambda item: item[1] - item[0]):
        items = [number for _, number in group]
        runs.append([items[0], items[-1]])
    return runs
