"""Module and symbol pages: one file's coverage → a view per page, which holds what the page shows and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sitegen.address import link, symbol_path
from sitegen.listing import Fold, listing
from sitegen.model import FileCoverage, SiteConfig, Symbol, SymbolCoverage
from sitegen.views import Lookup, State, Tally, state, tally, union

Link = tuple[str, str]  # href, text
LONG = 300  # lines; a longer module folds its members, which have pages of their own


@dataclass(frozen=True, slots=True)
class RunRow:
    """A profile that runs the symbol: how many of its statements, and how sure that is."""

    slug: str
    executed: int
    certainty: State


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A symbol inside another: `depth` is 0 for a direct member."""

    href: str
    name: str
    kind: str
    depth: int
    executed: int
    statements: int
    state: State
    profiles: int


@dataclass(frozen=True, slots=True)
class SymbolView:
    """What a symbol's or module's page shows; `rows` is HTML."""

    page: str
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
    runs: tuple[RunRow, ...]
    lineage: tuple[Link, ...]
    before: Link | None
    after: Link | None
    members: tuple[MemberRow, ...]
    member_tally: Tally | None
    folded: bool
    rows: str
    source_link: str
    problem: str | None


def file_views(file: FileCoverage, fragments: Sequence[str], config: SiteConfig) -> Iterator[SymbolView]:
    """Yield the view of the module's page and of each symbol's of one file; `fragments` are its highlighted lines."""
    lookup = Lookup((file,))
    lines = listing(file, fragments)
    executed = union(file)
    for coverage in file.symbols:
        symbol = coverage.symbol
        module = symbol.kind == "module"
        page = symbol_path(symbol.id, symbol.kind)
        first = 1 if module else symbol.first
        last = len(lines.rows) if module else min(symbol.last, len(lines.rows))
        folds = _folds(symbol, page, lookup) if symbol.kind == "class" or (module and last > LONG) else []
        before, after = _neighbours(symbol, page, lookup)
        yield SymbolView(
            page=page,
            id=symbol.id,
            name=symbol.name,
            kind=symbol.kind,
            is_async=symbol.is_async,
            doc=symbol.doc,
            decorators=symbol.decorators,
            path=file.inventory.path,
            first=first,
            state=state(coverage),
            executed=(executed & symbol.statements).bit_count(),
            statements=symbol.statements.bit_count(),
            runs=tuple(RunRow(cell.slug, cell.executed.bit_count(), cell.certainty) for cell in coverage.cells),
            lineage=_lineage(symbol, page, lookup),
            before=before,
            after=after,
            members=tuple(_members(symbol, page, executed, lookup)),
            member_tally=tally(_inside(symbol, lookup)) if module else None,
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


def _members(symbol: Symbol, page: str, executed: int, lookup: Lookup, depth: int = 0) -> Iterator[MemberRow]:
    """Yield everything inside a symbol, in source order."""
    for member in lookup.members.get(symbol.id, ()):
        coverage = lookup.symbols[member.id]
        yield MemberRow(
            href=_href(page, member),
            name=member.name,
            kind=f"async {member.kind}" if member.is_async else member.kind,
            depth=min(depth, 5),
            executed=(executed & member.statements).bit_count(),
            statements=member.statements.bit_count(),
            state=state(coverage),
            profiles=sum(cell.certainty == "body" for cell in coverage.cells),
        )
        yield from _members(member, page, executed, lookup, depth + 1)


def _inside(symbol: Symbol, lookup: Lookup) -> Iterator[SymbolCoverage]:
    for member in lookup.members.get(symbol.id, ()):
        yield lookup.symbols[member.id]
        yield from _inside(member, lookup)
