"""A file's rows on pages that show all files: made once per file, put together on profiles' pages and the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from sitegen.address import link, profile_path, symbol_path
from sitegen.model import FileCoverage, Symbol, SymbolCoverage
from sitegen.render import plural
from sitegen.steps import Reached, Step
from sitegen.views import WORDS

MATRIX = "matrix/index.html"
MATRIX_LIST = "matrix/list.html"
NAMED = 8  # profiles of a symbol on the list; its own page names all
_SOME_PROFILE = profile_path("a")  # every profile's page is as deep


@dataclass(frozen=True, slots=True)
class FileHtml:
    """The file's row on each profile's page, and its fold on the matrix's list ("" without symbols inside the module).

    `first` has per slug, for each step that was the first to reach functions of the file, their number and their links.
    A symbol's name and address are long: a profile's page has each once, where the profile reaches it; and those of
    `unique`, per slug the symbols that no other profile covers, once more.
    """

    profiles: tuple[tuple[str, str], ...]
    matrix: str
    first: tuple[tuple[str, tuple[tuple[Step, int, str], ...]], ...]
    unique: tuple[tuple[str, str], ...]


def file_html(coverage: FileCoverage, reached: tuple[Reached, ...]) -> FileHtml:
    """Return a file's rows."""
    counts = {slug: Counter[str]() for slug, _ in coverage.executed}
    for item in coverage.symbols:
        for cell in item.cells:
            counts[cell.slug][cell.certainty] += 1
    whole = coverage.inventory.statements.bit_count()
    return FileHtml(
        profiles=tuple(
            (slug, _profile_row(coverage, counts[slug], executed.bit_count(), whole))
            for slug, executed in coverage.executed
        ),
        matrix=_matrix_fold(coverage),
        first=tuple((item.slug, tuple(_first(item, coverage))) for item in reached if item.first),
        unique=_unique(coverage),
    )


def _unique(coverage: FileCoverage) -> tuple[tuple[str, str], ...]:
    found: dict[str, list[str]] = {}
    for item in coverage.symbols:
        covered = [cell.slug for cell in item.cells if cell.certainty == "body"]
        if len(covered) == 1:
            link = _link(item.symbol, _SOME_PROFILE, item.symbol.id)
            found.setdefault(covered[0], []).append(f"<li>{link}</li>\n")
    return tuple((slug, "".join(links)) for slug, links in found.items())


def _first(reached: Reached, coverage: FileCoverage) -> Iterator[tuple[Step, int, str]]:
    module = escape(coverage.symbols[0].symbol.id)
    for step, indexes in reached.first:
        symbols = [coverage.symbols[index].symbol for index in indexes]
        functions = [symbol for symbol in symbols if symbol.kind not in ("module", "class")]
        if functions:
            links = " ".join(
                f'<a href="{escape(_href(symbol, _SOME_PROFILE))}">{escape(_name(symbol, coverage))}</a>'
                for symbol in functions
            )
            yield step, len(functions), f"<li><b>{module}</b> {links}</li>\n"


def _name(symbol: Symbol, coverage: FileCoverage) -> str:
    module = coverage.symbols[0].symbol.id
    return symbol.id[len(module) + 1 :] or symbol.id


def _href(symbol: Symbol, page: str) -> str:
    return link(page, symbol_path(symbol.id, symbol.kind))


def _link(symbol: Symbol, page: str, name: str) -> str:
    return f'<a href="{escape(_href(symbol, page))}"><code>{escape(name)}</code></a>'


def _profile_row(coverage: FileCoverage, counts: Mapping[str, int], executed: int, whole: int) -> str:
    module = coverage.symbols[0].symbol
    chips = " ".join(
        f'<span class="cv-chip cv-{certainty}">{plural(counts[certainty], "symbol")} {word}</span>'
        for certainty, word in WORDS.items()
        if certainty != "body" and counts[certainty]
    )
    return (
        f'<tr><td>{_link(module, _SOME_PROFILE, module.id)}</td><td class="n">{counts["body"] or ""}</td>'
        f"<td>{chips}</td><td><small>{executed}/{whole}</small></td></tr>\n"
    )


def _matrix_fold(coverage: FileCoverage) -> str:
    if len(coverage.symbols) < 2:
        return ""
    rows = [
        f"<li>{_link(item.symbol, MATRIX_LIST, _name(item.symbol, coverage))} <span>{_runs(item)}</span></li>\n"
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
