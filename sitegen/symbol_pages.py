"""Module and symbol pages: one file's coverage → a view per page, which holds what the page shows and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from urllib.parse import quote

from sitegen.address import link, module_data_path, package_of, profile_path, symbol_path
from sitegen.listing import Fold, listing
from sitegen.model import FileCoverage, SiteConfig, Symbol, SymbolCoverage
from sitegen.views import WORDS, Lookup, State, state, tally, union

Link = tuple[str, str]  # href, text
LONG = 300  # lines; a longer module folds its members, which have pages of their own


@dataclass(frozen=True, slots=True)
class SymbolView:
    """What a symbol's or module's page shows; `runs`, `members` and `rows` are HTML, the hot rows of a page."""

    page: str
    twin: str
    package: str  # of a module
    id: str
    name: str
    kind: str
    is_async: bool
    doc: str
    decorators: tuple[str, ...]
    path: str
    first: int
    state: State
    executed: int
    statements: int
    slugs: str
    runs: str
    only: str  # the one profile that covers it
    lineage: tuple[Link, ...]
    before: Link | None
    after: Link | None
    members: str
    covered: tuple[int, int]  # symbols of a module, itself among them, and how many have lines to run
    folded: bool
    rows: str
    source_link: str
    problem: str | None


def file_views(file: FileCoverage, fragments: Sequence[str], config: SiteConfig) -> Iterator[SymbolView]:
    """Yield the view of the module's page and of each symbol's of one file; `fragments` are its highlighted lines."""
    lookup = Lookup((file,))
    lines = listing(file, fragments)
    executed = union(file)
    twin = module_data_path(file.symbols[0].symbol.id)
    rows = {item.symbol.id: _Row(item, executed) for item in file.symbols}
    for coverage in file.symbols:
        symbol = coverage.symbol
        row = rows[symbol.id]
        module = symbol.kind == "module"
        first = 1 if module else symbol.first
        last = len(lines.rows) if module else min(symbol.last, len(lines.rows))
        folds = _folds(symbol, row.path, lookup) if symbol.kind == "class" or (module and last > LONG) else []
        before, after = _neighbours(symbol, row.path, lookup)
        inside = tally(file.symbols) if module else None
        yield SymbolView(
            page=row.path,
            twin=twin,
            package=package_of(file.inventory.path) if module else "",
            id=symbol.id,
            name=symbol.name,
            kind=symbol.kind,
            is_async=symbol.is_async,
            doc=symbol.doc,
            decorators=symbol.decorators,
            path=file.inventory.path,
            first=first,
            state=row.state,
            executed=row.executed,
            statements=row.statements,
            slugs=" ".join([cell.slug for cell in coverage.cells]),
            runs=_runs(coverage, row.statements),
            only=row.only,
            lineage=_lineage(symbol, row.path, lookup),
            before=before,
            after=after,
            members="".join(_members(symbol, row.path, rows, lookup)),
            covered=(inside.body, inside.total) if inside else (0, 0),
            folded=bool(folds),
            rows=lines.folded(first, last, folds),
            source_link=source_link(config, file.inventory.path, first, last),
            problem=file.inventory.problem if module else None,
        )


def source_link(config: SiteConfig, path: str, first: int, last: int) -> str:
    """Return the link to lines of a file in the repository's branch, "" without a repository."""
    if not config.repo_url:
        return ""
    blob = "-/blob" if "gitlab" in config.repo_url.split("/")[2] else "blob"
    where = quote(f"{config.source_prefix}{path}")
    return f"{config.repo_url.rstrip('/')}/{blob}/{quote(config.branch)}/{where}#L{first}-L{last}"


def _href(page: str, symbol: Symbol) -> str:
    return link(page, symbol_path(symbol.id, symbol.kind))


def _lineage(symbol: Symbol, page: str, lookup: Lookup) -> tuple[Link, ...]:
    above = lookup.lineage(symbol)
    return tuple((_href(page, item), item.name if item.parent else item.id) for item in above)


def _folds(symbol: Symbol, page: str, lookup: Lookup) -> list[Fold]:
    members = sorted(lookup.members.get(symbol.id, ()), key=lambda member: member.first)
    return [
        Fold(member.first, member.last, member.name, _href(page, member))
        for member in members
        if member.last > member.first
    ]


def _neighbours(symbol: Symbol, page: str, lookup: Lookup) -> tuple[Link | None, Link | None]:
    if symbol.parent is None:
        return None, None
    siblings = lookup.members[symbol.parent]
    at = lookup.position[symbol.id]
    before = siblings[at - 1] if at else None
    after = siblings[at + 1] if at + 1 < len(siblings) else None
    return (before and (_href(page, before), before.name)), (after and (_href(page, after), after.name))


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Row:
    """What the row of a symbol says wherever it is a member, counted once."""

    __slots__ = ("executed", "only", "path", "state", "statements", "text")

    def __init__(self, item: SymbolCoverage, executed: int) -> None:
        symbol = item.symbol
        self.path = symbol_path(symbol.id, symbol.kind)
        self.executed = (executed & symbol.statements).bit_count()
        self.statements = symbol.statements.bit_count()
        self.state = state(item)
        covering = [cell.slug for cell in item.cells if cell.certainty == "body"]
        self.only = covering[0] if len(covering) == 1 else ""
        kind = f"async {symbol.kind}" if symbol.is_async else symbol.kind
        self.text = (
            f"<code>{escape(symbol.name)}</code></a></td><td>{kind}</td><td>"
            f'{_chip(self.state)}</td><td class="n">{len(covering)}</td>'
            f"<td><small>{self.executed}/{self.statements}</small></td></tr>\n"
        )


@cache
def _chip(state: State) -> str:
    return f'<span class="cv-chip cv-{state}">{WORDS[state]}</span>'


def _runs(coverage: SymbolCoverage, statements: int) -> str:
    """Return a row per profile that runs the symbol: how many of its statements, and how sure that is."""
    return "".join([
        f"{_profile(cell.slug)}{_chip(cell.certainty)}</td><td><small>{cell.executed.bit_count()}/{statements}"
        "</small></td></tr>\n"
        for cell in coverage.cells
    ])  # fmt: skip


@lru_cache(maxsize=1024)
def _profile(slug: str) -> str:
    href = link(symbol_path("any", "function"), profile_path(slug))  # every symbol's page is as deep
    return f'<tr><td><a href="{escape(href)}"><code>{escape(slug)}</code></a></td><td>'


def _members(symbol: Symbol, page: str, rows: dict[str, _Row], lookup: Lookup, depth: int = 0) -> Iterator[str]:
    """Yield a row for everything inside a symbol, in source order; `depth` is 0 for a direct member."""
    for member in lookup.members.get(symbol.id, ()):
        row = rows[member.id]
        href = escape(link(page, row.path))
        yield f'<tr><td class="cv-d{min(depth, 5)}"><a class="cv-sym" href="{href}">{row.text}'
        yield from _members(member, page, rows, lookup, depth + 1)
