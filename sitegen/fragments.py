"""A file's rows on pages that show all files: made once per file, put together on profiles' pages and the list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from sitegen.address import link, profile_path, symbol_path
from sitegen.model import Cell, FileCoverage, Symbol, SymbolCoverage
from sitegen.render import plural
from sitegen.steps import Reached, Step
from sitegen.views import WORDS

MATRIX = "matrix/index.html"
MATRIX_LIST = "matrix/list.html"
NAMED = 8  # profiles of a symbol on the list; its own page names all
_SOME_PROFILE = profile_path("a")  # every profile's page is as deep


@dataclass(frozen=True, slots=True)
class FileHtml:
    """The file's fold on each profile's page, and on the matrix's list ("" without symbols inside the module).

    `first` has per slug, for each step that was the first to reach functions of the file, their number and their links.
    """

    profiles: tuple[tuple[str, str], ...]
    matrix: str
    first: tuple[tuple[str, tuple[tuple[Step, int, str], ...]], ...]


def file_html(coverage: FileCoverage, reached: tuple[Reached, ...]) -> FileHtml:
    """Return a file's rows."""
    cells: dict[str, list[tuple[Symbol, Cell]]] = {slug: [] for slug, _ in coverage.executed}
    for item in coverage.symbols:
        for cell in item.cells:
            cells[cell.slug].append((item.symbol, cell))
    links = {item.symbol.id: _link(item.symbol, coverage, _SOME_PROFILE) for item in coverage.symbols}
    whole = coverage.inventory.statements.bit_count()
    return FileHtml(
        profiles=tuple(
            (slug, _profile_fold(coverage, cells[slug], links, executed.bit_count(), whole))
            for slug, executed in coverage.executed
        ),
        matrix=_matrix_fold(coverage),
        first=tuple((item.slug, tuple(_first(item, coverage))) for item in reached if item.first),
    )


def _first(reached: Reached, coverage: FileCoverage) -> Iterator[tuple[Step, int, str]]:
    for step, indexes in reached.first:
        symbols = [coverage.symbols[index].symbol for index in indexes]
        functions = [symbol for symbol in symbols if symbol.kind not in ("module", "class")]
        if functions:
            links = (_link(symbol, coverage, _SOME_PROFILE, whole=True) for symbol in functions)
            yield step, len(functions), "".join(f"<li>{link}</li>" for link in links)


def _name(symbol: Symbol, coverage: FileCoverage) -> str:
    module = coverage.symbols[0].symbol.id
    return symbol.id[len(module) + 1 :] or symbol.id


def _link(symbol: Symbol, coverage: FileCoverage, page: str, whole: bool = False) -> str:
    href = link(page, symbol_path(symbol.id, symbol.kind))
    return f'<a href="{escape(href)}"><code>{escape(symbol.id if whole else _name(symbol, coverage))}</code></a>'


def _chip(certainty: str) -> str:
    return f'<span class="cv-chip cv-{certainty}">{WORDS[certainty]}</span>'


def _profile_fold(
    coverage: FileCoverage, cells: list[tuple[Symbol, Cell]], links: dict[str, str], executed: int, whole: int
) -> str:
    rows = [
        f"<tr><td>{links[symbol.id]}</td><td>{symbol.kind}</td><td>{_chip(cell.certainty)}</td>"
        f"<td><small>{cell.executed.bit_count()}/{symbol.statements.bit_count()}</small></td></tr>\n"
        for symbol, cell in cells
    ]
    return (
        f'<details class="cv-fold"><summary><code>{escape(coverage.symbols[0].symbol.id)}</code>'
        f'<span class="cv-side">{plural(len(cells), "symbol")} <small>{executed}/{whole}</small></span></summary>\n'
        '<div class="cv-scroll"><table class="cv-table"><thead><tr><th>Symbol</th><th>Kind</th><th>Certainty</th>'
        f"<th>Lines</th></tr></thead><tbody>\n{''.join(rows)}</tbody></table></div></details>"
    )


def _matrix_fold(coverage: FileCoverage) -> str:
    if len(coverage.symbols) < 2:
        return ""
    rows = [
        f"<li>{_link(item.symbol, coverage, MATRIX_LIST)} <span>{_runs(item)}</span></li>\n"
        for item in coverage.symbols[1:]
    ]
    return (
        f'<details class="cv-fold"><summary><code>{escape(coverage.symbols[0].symbol.id)}</code>'
        f'<span class="cv-side">{plural(len(rows), "symbol")}</span></summary><ul class="cv-pairs">\n'
        f"{''.join(rows)}</ul></details>"
    )


def _runs(item: SymbolCoverage) -> str:
    shown = [
        cell.slug + ("" if cell.certainty == "body" else f" <em>({WORDS[cell.certainty]})</em>")
        for cell in item.cells[:NAMED]
    ]
    if len(item.cells) > NAMED:
        shown.append(f"and {len(item.cells) - NAMED} more")
    return ", ".join(shown) or "<em>no profile</em>"
