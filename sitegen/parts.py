"""One file's share of what is made from all files: numbers, rows and JSON, made per file and joined in file order.

So one changed file makes its own share anew and the rest is only put together. Joined parts equal what `matrix` and
`data` make of the whole, as the tests prove.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from sitegen import data
from sitegen.cells import FileCells, file_cells
from sitegen.fragments import FileHtml, file_html
from sitegen.matrix import build_matrix, find_gaps, sort_gaps
from sitegen.model import Cell, FileCoverage, Gap, Gaps, Kind, Matrix, Summary
from sitegen.names import names_artifact, places_artifact
from sitegen.steps import Reached
from sitegen.views import ModuleRow, module_row

Sums = tuple[int, tuple[tuple[str, Summary], ...]]  # statements of some files; what each profile ran of them
Members = tuple[tuple[str, bytes], ...]  # key of a JSON object → what stands between the brackets of its value


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file's numbers and rows: `matrix` has only the slugs with a cell; `symbols` are (id, kind) in its order."""

    path: str
    row: ModuleRow
    symbols: tuple[tuple[str, Kind], ...]
    matrix: Matrix
    gaps: Gaps
    cells: FileCells
    html: FileHtml


@dataclass(frozen=True, slots=True)
class FileText:
    """A file's share of the machine-readable twins: (path, members) of those with all files, (slug, members)."""

    whole: tuple[tuple[str, Members], ...]
    profiles: tuple[tuple[str, Members], ...]


def file_part(coverage: FileCoverage, reached: tuple[Reached, ...]) -> FilePart:
    """Return a file's numbers and rows."""
    slugs = tuple(slug for slug, _ in coverage.executed)
    return FilePart(
        path=coverage.inventory.path,
        row=module_row(coverage),
        symbols=tuple((item.symbol.id, item.symbol.kind) for item in coverage.symbols),
        matrix=build_matrix(slugs, (coverage,)),
        gaps=find_gaps((coverage,)),
        cells=file_cells(coverage),
        html=file_html(coverage, reached),
    )


def file_text(coverage: FileCoverage) -> FileText:
    """Return a file's share of the twins."""
    path = coverage.inventory.path
    untouched = [_dumps(data.symbol_value(item, None, path)) for item in coverage.symbols]
    cells: dict[str, dict[int, Cell]] = {slug: {} for slug, _ in coverage.executed}
    for index, item in enumerate(coverage.symbols):
        for cell in item.cells:
            cells[cell.slug][index] = cell
    profiles = []
    for slug, executed in coverage.executed:
        symbols = untouched.copy()
        covered: dict[str, list[bytes]] = {"module": [], "class": []}
        for index, cell in cells[slug].items():
            item = coverage.symbols[index]
            symbols[index] = _dumps(data.symbol_value(item, cell, path))
            if cell.certainty == "body" and item.symbol.kind in covered:
                covered[item.symbol.kind].append(_dumps(item.symbol.id))
        reached = _dumps(path) + b":" + _dumps(data.reached_value(coverage.inventory, executed))
        members = (("classes", covered["class"]), ("files", [reached]), ("modules", covered["module"]),
                   ("symbols", symbols))  # fmt: skip
        profiles.append((slug, tuple((key, b",".join(values)) for key, values in members if values)))
    own = (coverage.inventory,)
    whole = [(twin.path, _members(twin.data)) for twin in (names_artifact(own, ()), places_artifact(own))]
    whole.append((data.INVENTORY, (("files", _dumps(data.file_value(coverage.inventory))),)))
    return FileText(tuple(whole), tuple(profiles))


def _members(document: bytes) -> Members:
    """Return what stands between the brackets of each list in a JSON object."""
    return tuple((key, _dumps(value)[1:-1]) for key, value in orjson.loads(document).items() if type(value) is list)


def _dumps(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _is_joined(key: str, value: object) -> bool:
    return isinstance(value, list) or (key == "files" and isinstance(value, dict))


def join_document(frame: bytes, parts: Sequence[Members]) -> bytes:
    """Return `frame`, a JSON object with sorted keys, with the members of all parts in its lists and its `files`."""
    joined: dict[str, list[bytes]] = {}
    for part in parts:
        for key, inner in part:
            if inner:
                joined.setdefault(key, []).extend((b",", inner))
    found = orjson.loads(frame)
    pieces = []  # put together once: a twin has megabytes
    for key in sorted(found):
        value = _dumps(found[key])
        pieces.append((b"," if pieces else b"{") + orjson.dumps(key) + b":")
        if _is_joined(key, found[key]) and not found[key]:
            pieces += (value[:1], *joined.get(key, ())[1:], value[-1:])
        else:
            pieces.append(value)
    return b"".join((*pieces, b"}\n"))


def join_matrix(slugs: tuple[str, ...], parts: Sequence[FilePart]) -> Matrix:
    """Return the matrix of all files, equal to `build_matrix` of them."""
    symbols: list[str] = []
    covered: dict[str, list[int]] = {slug: [] for slug in slugs}
    uncertain: dict[str, list[tuple[int, str]]] = {slug: [] for slug in slugs}
    for part in parts:
        start, own = len(symbols), part.matrix
        symbols += own.symbols
        for slug, mine, unsure in zip(own.profiles, own.covered, own.uncertain, strict=True):
            covered[slug] += [start + index for index in mine]
            uncertain[slug] += [(start + index, certainty) for index, certainty in unsure]
    return Matrix(
        profiles=slugs,
        symbols=tuple(symbols),
        covered=tuple(tuple(covered[slug]) for slug in slugs),
        uncertain=tuple(tuple(uncertain[slug]) for slug in slugs),  # type: ignore[misc]
        summaries=join_sums(slugs, [sums_of(tuple(parts))]),
    )


def sums_of(parts: tuple[FilePart, ...]) -> Sums:
    """Return what profiles ran of some files together."""
    found: dict[str, list[Summary]] = {}
    for part in parts:
        for slug, summary in zip(part.matrix.profiles, part.matrix.summaries, strict=True):
            found.setdefault(slug, []).append(summary)
    total = sum(part.row.statements for part in parts)
    return total, tuple((slug, _sum(own, total)) for slug, own in found.items())


def join_sums(slugs: tuple[str, ...], sums: Sequence[Sums]) -> tuple[Summary, ...]:
    """Return what each profile ran of all files."""
    found: dict[str, list[Summary]] = {slug: [] for slug in slugs}
    for _, own in sums:
        for slug, summary in own:
            found[slug].append(summary)
    total = sum(statements for statements, _ in sums)
    return tuple(_sum(found[slug], total) for slug in slugs)


def _sum(parts: list[Summary], total: int) -> Summary:
    lines = sum(part.lines_covered for part in parts)
    return Summary(
        file_count=sum(part.file_count for part in parts),
        module_count=sum(part.module_count for part in parts),
        class_count=sum(part.class_count for part in parts),
        function_count=sum(part.function_count for part in parts),
        lines_covered=lines,
        lines_total=total,
        coverage_percent=round(100 * lines / total, 1) if total else 0.0,
    )


def join_gaps(parts: Iterable[FilePart]) -> Gaps:
    """Return the gaps of all files, equal to `find_gaps` of them."""
    modules: list[Gap] = []
    symbols: list[Gap] = []
    for part in parts:
        modules += part.gaps.modules
        symbols += part.gaps.symbols
    return sort_gaps(modules, symbols)
