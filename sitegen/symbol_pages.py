"""Module and symbol pages: one file's coverage → its pages. A view holds what its page shows and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from sitegen.address import link, symbol_path
from sitegen.listing import Fold, listing
from sitegen.model import FileCoverage, Page, SiteConfig, Symbol, SymbolCoverage
from sitegen.render import Renderer
from sitegen.views import Lookup, State, Tally, state, tally, union


@dataclass(frozen=True, slots=True)
class RunRow:
    """A profile that runs the symbol: how many of its statements, and how sure that is."""

    slug: str
    executed: int
    certainty: State


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A symbol inside another: `depth` is 0 for a direct member."""

    symbol: Symbol
    depth: int
    executed: int
    statements: int
    state: State
    profiles: int


@dataclass(frozen=True, slots=True)
class SymbolView:
    """What a symbol's or module's page shows."""

    symbol: Symbol
    path: str
    state: State
    executed: int
    statements: int
    runs: tuple[RunRow, ...]
    lineage: tuple[Symbol, ...]
    before: Symbol | None
    after: Symbol | None
    members: tuple[MemberRow, ...]
    member_tally: Tally
    rows: Markup
    source_link: str
    problem: str | None


def file_pages(
    file: FileCoverage, fragments: Sequence[str], lookup: Lookup, config: SiteConfig, renderer: Renderer
) -> Iterator[Page]:
    """Yield the module's page and a page per symbol of one file; `fragments` are its highlighted lines."""
    lines = listing(file, fragments)
    executed = union(file)
    for coverage in file.symbols:
        symbol = coverage.symbol
        path = symbol_path(symbol.id, symbol.kind)
        last = min(symbol.last, len(lines.rows)) if symbol.kind != "module" else len(lines.rows)
        first = symbol.first if symbol.kind != "module" else 1
        folds = _folds(symbol, path, lookup) if symbol.kind == "class" else []
        before, after = _neighbours(symbol, lookup)
        members = tuple(_members(symbol, executed, lookup))
        view = SymbolView(
            symbol=symbol,
            path=file.inventory.path,
            state=state(coverage),
            executed=(executed & symbol.statements).bit_count(),
            statements=symbol.statements.bit_count(),
            runs=tuple(RunRow(cell.slug, cell.executed.bit_count(), cell.certainty) for cell in coverage.cells),
            lineage=tuple(lookup.lineage(symbol)),
            before=before,
            after=after,
            members=members,
            member_tally=tally(_inside(symbol, lookup)),
            rows=lines.folded(first, last, folds),
            source_link=source_link(config, file.inventory.path, first, last),
            problem=file.inventory.problem,
        )
        kind = "Module" if symbol.kind == "module" else symbol.kind.capitalize()
        template = "module.html" if symbol.kind == "module" else "symbol.html"
        yield renderer.page(template, path, symbol.id, f"{kind} {symbol.id}: which profiles run it", view)


def source_link(config: SiteConfig, path: str, first: int, last: int) -> str:
    """Return the link to lines of a file in the repository's branch, "" without a repository."""
    if not config.repo_url:
        return ""
    blob = "-/blob" if "gitlab" in config.repo_url.split("/")[2] else "blob"
    where = quote(f"{config.source_prefix}{path}")
    return f"{config.repo_url.rstrip('/')}/{blob}/{quote(config.branch)}/{where}#L{first}-L{last}"


def _folds(symbol: Symbol, path: str, lookup: Lookup) -> list[Fold]:
    members = sorted(lookup.members.get(symbol.id, ()), key=lambda member: member.first)
    return [
        Fold(member.first, member.last, member.name, link(path, symbol_path(member.id, member.kind)))
        for member in members
        if member.last > member.first
    ]


def _neighbours(symbol: Symbol, lookup: Lookup) -> tuple[Symbol | None, Symbol | None]:
    if symbol.parent is None:
        return None, None
    siblings = lookup.members[symbol.parent]
    at = siblings.index(symbol)
    return (siblings[at - 1] if at else None), (siblings[at + 1] if at + 1 < len(siblings) else None)


def _members(symbol: Symbol, executed: int, lookup: Lookup, depth: int = 0) -> Iterator[MemberRow]:
    """Yield everything inside a symbol, in source order."""
    for member in lookup.members.get(symbol.id, ()):
        coverage = lookup.symbols[member.id]
        yield MemberRow(
            symbol=member,
            depth=depth,
            executed=(executed & member.statements).bit_count(),
            statements=member.statements.bit_count(),
            state=state(coverage),
            profiles=sum(cell.certainty == "body" for cell in coverage.cells),
        )
        yield from _members(member, executed, lookup, depth + 1)


def _inside(symbol: Symbol, lookup: Lookup) -> Iterator[SymbolCoverage]:
    for member in lookup.members.get(symbol.id, ()):
        yield lookup.symbols[member.id]
        yield from _inside(member, lookup)
