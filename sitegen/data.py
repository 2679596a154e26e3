"""Atlas → the machine-readable twins under `data/`: UTF-8 JSON with sorted keys and a schema version, and CSV."""

from __future__ import annotations

import re
from bisect import bisect_left
from operator import attrgetter
from typing import Any

import orjson

from sitegen.attribution import percent_covered
from sitegen.model import (
    Artifact,
    Atlas,
    Cell,
    FileCoverage,
    FileInventory,
    Gap,
    Inventory,
    Matrix,
    ProfileHead,
    Summary,
    Symbol,
    SymbolCoverage,
    lines_of,
)
from sitegen.names import names_artifact, places_artifact
from sitegen.tables import gaps_table, matrix_tables, overlap_value, routes_table, routes_value

SCHEMA = 1
INVENTORY = "data/inventory.json"
_SPECIAL = re.compile(r'[,"\r\n]')


def data_artifacts(atlas: Atlas, commit: str | None) -> tuple[Artifact, ...]:
    """Return every artifact under `data/`, sorted by path; `commit` is that of the source the site is built from."""
    matrix = matrix_artifacts(atlas.matrix, tuple((head.slug, head.status) for head in atlas.profiles))
    made = (*matrix, *whole_artifacts(atlas, commit), *file_artifacts(atlas))
    return tuple(sorted(made, key=lambda artifact: artifact.path))


def matrix_artifacts(matrix: Matrix, statuses: tuple[tuple[str, str], ...]) -> tuple[Artifact, ...]:
    """Return the artifacts that tell who covers what; of the matrix's summaries they show nothing."""
    return (
        matrix_artifact(matrix, statuses),
        matrix_csv_artifact(matrix),
        _json("data/overlap.json", overlap_value(matrix)),
        *(Artifact(f"data/{name}.csv", table) for name, table in matrix_tables(matrix).items()),
    )


def whole_artifacts(atlas: Atlas, commit: str | None) -> tuple[Artifact, ...]:
    """Return the artifacts that the gaps and the profiles' heads make."""
    return (
        gaps_artifact(atlas),
        _json("data/routes.json", routes_value(atlas.profiles)),
        Artifact("data/gaps.csv", gaps_table(atlas.gaps)),
        Artifact("data/routes.csv", routes_table(atlas.profiles)),
        build_artifact(atlas.profiles, commit, atlas.config.branch),
    )


def file_artifacts(atlas: Atlas) -> tuple[Artifact, ...]:
    """Return the artifacts that list what is in the files; of an atlas without files, their frames."""
    inventory = Inventory(tuple(file.inventory for file in atlas.files))
    return (
        inventory_artifact(inventory),
        names_artifact(inventory.files, [head.slug for head in atlas.profiles]),
        places_artifact(inventory.files),
        *(
            profile_artifact(head, summary, atlas.files)
            for head, summary in zip(atlas.profiles, atlas.matrix.summaries, strict=True)
        ),
    )


def _json(path: str, value: dict[str, Any]) -> Artifact:
    data = orjson.dumps({"schema": SCHEMA, **value}, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    return Artifact(path, data)


# ── inventory ────────────────────────────────────────────────────────────────────────────────────────────────────


def inventory_artifact(inventory: Inventory) -> Artifact:
    """Return `data/inventory.json`: `files` by path, each with its statements, excluded lines and symbols."""
    return _json(INVENTORY, {"files": [file_value(file) for file in inventory.files]})


def file_value(file: FileInventory) -> dict[str, Any]:
    """Return what the inventory says of a file."""
    return {
        "path": file.path,
        "module": file.symbols[0].id,
        "digest": file.digest,
        "problem": file.problem,
        "statements": lines_of(file.statements),
        "excluded_lines": lines_of(file.excluded),
        "symbols": [_symbol(symbol) for symbol in file.symbols],
    }


def _symbol(symbol: Symbol) -> dict[str, Any]:
    return {
        "id": symbol.id,
        "name": symbol.name,
        "kind": symbol.kind,
        "parent": symbol.parent,
        "line_span": [symbol.first, symbol.last],
        "doc": symbol.doc,
        "decorators": symbol.decorators,
        "async": symbol.is_async,
        "statements": lines_of(symbol.statements),
        "body": lines_of(symbol.body),
        "branches": symbol.branches,
        "digest": symbol.digest,
    }


def inventory_text(inventory: Inventory) -> str:
    """Return the inventory for people: a line per symbol with kind, statements, span and id."""
    rows = []
    for file in inventory.files:
        for symbol in file.symbols:
            span = f"{file.path}:{symbol.first}-{symbol.last}"
            rows.append(f"{symbol.kind:8} {symbol.statements.bit_count():6}  {symbol.id}  {span}\n")
    return "".join(rows)


# ── profiles ─────────────────────────────────────────────────────────────────────────────────────────────────────


def profile_artifact(head: ProfileHead, summary: Summary, files: tuple[FileCoverage, ...]) -> Artifact:
    """Return `data/profiles/<slug>.json`: what one profile ran, with the files that have an executed line."""
    reached: dict[str, Any] = {}
    symbols: list[dict[str, Any]] = []
    for file in files:
        executed = dict(file.executed).get(head.slug)
        if executed:
            reached[file.inventory.path] = reached_value(file.inventory, executed)
            symbols += [symbol_value(item, _cell(item, head.slug), file.inventory.path) for item in file.symbols]
    covered = {kind: [item["id"] for item in symbols if item["covered"] and item["kind"] == kind]
               for kind in ("module", "class")}  # fmt: skip
    return _json(
        f"data/profiles/{head.slug}.json",
        {
            "profile": head.slug,
            "status": head.status,
            "commit": head.commit,
            "recorded": head.recorded,
            "summary": _summary(summary),
            "modules": covered["module"],
            "classes": covered["class"],
            "files": reached,
            "symbols": symbols,
        },
    )


def _summary(summary: Summary) -> dict[str, int | float]:
    return {
        "file_count": summary.file_count,
        "module_count": summary.module_count,
        "class_count": summary.class_count,
        "function_count": summary.function_count,
        "lines_covered": summary.lines_covered,
        "lines_total": summary.lines_total,
        "coverage_percent": summary.coverage_percent,
    }


def reached_value(file: FileInventory, executed: int) -> dict[str, Any]:
    """Return what a profile's twin says of a file that it reached."""
    return {
        "executed_lines": lines_of(executed),
        "missing_lines": lines_of(file.statements & ~executed),
        "percent_covered": percent_covered(executed, file.statements),
        "excluded_lines": lines_of(file.excluded),
    }


def symbol_value(item: SymbolCoverage, cell: Cell | None, path: str) -> dict[str, Any]:
    """Return what a profile's twin says of a symbol of a file that it reached; `cell` is the profile's."""
    symbol = item.symbol
    executed = cell.executed if cell else 0
    return {
        "id": symbol.id,
        "kind": symbol.kind,
        "file": path,
        "line_span": [symbol.first, symbol.last],
        "executed_lines": lines_of(executed),
        "missing_lines": lines_of(symbol.statements & ~executed),
        "percent_covered": percent_covered(executed, symbol.statements),
        "covered": cell is not None and cell.certainty == "body",
        "certainty": cell.certainty if cell else "none",
    }


def _cell(item: SymbolCoverage, slug: str) -> Cell | None:
    """Return the cell of a slug; cells are sorted by it."""
    position = bisect_left(item.cells, slug, key=attrgetter("slug"))
    found = item.cells[position : position + 1]
    return found[0] if found and found[0].slug == slug else None


# ── matrix, gaps, build ──────────────────────────────────────────────────────────────────────────────────────────


def matrix_artifact(matrix: Matrix, statuses: tuple[tuple[str, str], ...]) -> Artifact:
    """Return `data/matrix.json`: profile → symbol indexes and symbol → slugs; `covered` means certainty `body`."""
    covered_by: dict[str, list[str]] = {symbol: [] for symbol in matrix.symbols}
    for slug, indexes in zip(matrix.profiles, matrix.covered, strict=True):
        for index in indexes:
            covered_by[matrix.symbols[index]].append(slug)
    return _json(
        "data/matrix.json",
        {
            "profiles": matrix.profiles,
            "symbols": matrix.symbols,
            "status": dict(statuses),
            "covered": dict(zip(matrix.profiles, matrix.covered, strict=True)),
            "covered_by": covered_by,
            "certainty": {
                slug: {str(index): certainty for index, certainty in uncertain}
                for slug, uncertain in zip(matrix.profiles, matrix.uncertain, strict=True)
            },
        },
    )


def matrix_csv_artifact(matrix: Matrix) -> Artifact:
    """Return `data/matrix.csv`: a row per symbol, a column per profile, each cell a certainty, empty for none."""
    cells: list[list[tuple[int, str]]] = [[] for _ in matrix.symbols]
    for column, (covered, uncertain) in enumerate(zip(matrix.covered, matrix.uncertain, strict=True), 1):
        cell = (column, "body")
        for index in covered:
            cells[index].append(cell)
        for index, certainty in uncertain:
            cells[index].append((column, certainty))
    rows = [",".join(map(_field, ("symbol", *matrix.profiles))) + "\n"]
    width = len(matrix.profiles)
    for symbol, own in zip(matrix.symbols, cells, strict=True):
        rows.append(_field(symbol))
        last = 0
        for column, certainty in own:  # most of a row is empty
            rows.append("," * (column - last) + certainty)
            last = column
        rows.append("," * (width - last) + "\n")
    return Artifact("data/matrix.csv", "".join(rows).encode())


def _field(text: str) -> str:
    """Return a field of a CSV file, in quotes where it needs them."""
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def gaps_artifact(atlas: Atlas) -> Artifact:
    """Return `data/gaps.json`: modules and symbols that no profile covers, largest first."""
    return _json(
        "data/gaps.json",
        {"modules": [_gap(gap) for gap in atlas.gaps.modules], "symbols": [_gap(gap) for gap in atlas.gaps.symbols]},
    )


def _gap(gap: Gap) -> dict[str, Any]:
    return {"id": gap.id, "kind": gap.kind, "file": gap.path, "line": gap.line,
            "statements": gap.statements, "branches": gap.branches}  # fmt: skip


def build_artifact(profiles: tuple[ProfileHead, ...], commit: str | None, branch: str) -> Artifact:
    """Return `data/build.json`: what varies from build to build without changing the map.

    `branch` is what links to the source name, for a script to put the commit there.
    """
    return _json(
        "data/build.json",
        {
            "commit": commit,
            "branch": branch,
            "profiles": {
                head.slug: {
                    "status": head.status,
                    "commit": head.commit,
                    "recorded": head.recorded,
                    "duration_s": head.duration_s,
                    "attempts": head.attempts,
                    "problems": head.problems,
                }
                for head in profiles
            },
        },
    )
