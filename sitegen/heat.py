"""The matrix's and the overlap's pages: heat maps that are tables of numbers, and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.address import package_of, symbol_path
from sitegen.fragments import MATRIX, MATRIX_LIST
from sitegen.matrix import covering_bounds, covering_set
from sitegen.model import Matrix, Overlap
from sitegen.render import Sheet, step
from sitegen.views import ProfileRow, hundredths
from sitegen.whole import Whole, above

MAP_CELLS = 40_000  # of the map that is in the page itself; beyond it shows packages instead of modules
PAIRS = 40  # of profiles, most alike first; all of them are in data/overlap.json


@dataclass(frozen=True, slots=True)
class MapRow:
    """A module, or a package without a page: symbols with lines to run, and of each profile (step, covered)."""

    name: str
    page: str | None
    symbols: int
    cells: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class MatrixView:
    """Profiles (slug, trouble) × modules or packages."""

    profiles: tuple[tuple[str, str | None], ...]
    rows: tuple[MapRow, ...]
    symbols: int
    by_package: bool


@dataclass(frozen=True, slots=True)
class OverlapRow:
    """A profile and, of each profile in turn, (step, how many hundredths of this one's symbols it covers too)."""

    slug: str
    symbols: int
    unique: int
    containers: tuple[str, ...]
    cells: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class OverlapView:
    """How alike profiles are, like beside like; `covering` has slug, symbols that it adds, symbols so far."""

    rows: tuple[OverlapRow, ...]
    pairs: tuple[tuple[Overlap, int], ...]  # with how alike in hundredths
    all_pairs: int
    covering: tuple[tuple[str, int, int], ...]
    covered: int
    at_least: int
    bound: float


# ── matrix ───────────────────────────────────────────────────────────────────────────────────────────────────────


def matrix_sheets(whole: Whole, profiles: Sequence[ProfileRow]) -> tuple[Sheet, Sheet]:
    """Return the matrix's page and that of its symbols as a list."""
    columns = tuple((row.head.slug, row.trouble) for row in profiles)
    rows, by_package = map_rows(whole)
    view = MatrixView(columns, rows, len(whole.matrix.symbols), by_package)
    lists = tuple(part.html.matrix for part in whole.parts if part.html.matrix)
    return (
        Sheet("matrix.html", MATRIX, "Matrix", "Which profiles run which modules and symbols", view),
        Sheet("matrix-list.html", MATRIX_LIST, "Matrix as a list", "Which profiles run each symbol", lists),
    )


def map_rows(whole: Whole) -> tuple[tuple[MapRow, ...], bool]:
    """Return the map's rows and whether they are packages: modules where they are not too many for one page."""
    slugs = whole.matrix.profiles
    limit = MAP_CELLS // max(1, len(slugs))
    by_package = len(whole.parts) > limit
    names = above((package_of(part.path) for part in whole.parts), limit) if by_package else {}
    counts: dict[tuple[str, str | None], dict[str, int]] = {}
    symbols: dict[str, int] = {}
    for part in whole.parts:
        name = names[package_of(part.path)] if by_package else part.row.module
        page = None if by_package else symbol_path(name, "module")
        symbols[name] = symbols.get(name, 0) + part.row.tally.total
        found = counts.setdefault((name, page), {})
        for slug, indexes in zip(part.matrix.profiles, part.matrix.covered, strict=True):
            found[slug] = found.get(slug, 0) + len(indexes)
    rows = tuple(
        MapRow(
            name,
            page,
            symbols[name],
            tuple((step(found.get(slug, 0), symbols[name]), found.get(slug, 0)) for slug in slugs),
        )
        for (name, page), found in counts.items()
    )
    return rows, by_package


# ── overlap ──────────────────────────────────────────────────────────────────────────────────────────────────────


def overlap_sheet(matrix: Matrix, profiles: Sequence[ProfileRow], pairs: Sequence[Overlap]) -> Sheet:
    """Return the overlap's page; `pairs` are the most alike first."""
    shared = {}
    containers: dict[str, list[str]] = {row.head.slug: [] for row in profiles}
    for item in pairs:
        shared[item.first, item.second] = shared[item.second, item.first] = item.shared
        if item.contained:
            containers[item.contained[0]].append(item.contained[1])
    covering, so_far = [], 0
    for slug, added in covering_set(matrix):
        so_far += added
        covering.append((slug, added, so_far))
    known = {row.head.slug: row for row in profiles}
    order = like_beside_like(tuple(known), {slug: row.symbols for slug, row in known.items()}, pairs)
    at_least, bound = covering_bounds(matrix)
    view = OverlapView(
        rows=tuple(_overlap_row(known[slug], order, shared, tuple(containers[slug])) for slug in order),
        pairs=tuple((pair, hundredths(pair.shared, either(pair))) for pair in pairs[:PAIRS]),
        all_pairs=len(pairs),
        covering=tuple(covering),
        covered=so_far,
        at_least=at_least,
        bound=round(bound, 1),
    )
    return Sheet("overlap.html", "overlap/index.html", "Overlap", "How alike profiles are", view)


def either(pair: Overlap) -> int:
    """Return how many symbols at least one of two profiles covers."""
    return pair.shared + pair.only_first + pair.only_second


def _overlap_row(
    row: ProfileRow, order: Sequence[str], shared: dict[tuple[str, str], int], containers: tuple[str, ...]
) -> OverlapRow:
    both = [row.symbols if slug == row.head.slug else shared.get((row.head.slug, slug), 0) for slug in order]
    cells = tuple((step(count, row.symbols), hundredths(count, row.symbols)) for count in both)
    return OverlapRow(row.head.slug, row.symbols, len(row.unique), containers, cells)


def like_beside_like(slugs: Sequence[str], sizes: dict[str, int], pairs: Sequence[Overlap]) -> tuple[str, ...]:
    """Return slugs in an order where each stands beside one that is like it, beginning with the largest.

    Chains are joined at their ends, the most alike pair first; what shares nothing follows, the largest chain first.
    """
    chains = {slug: [slug] for slug in slugs}
    for pair in pairs:
        first, second = chains[pair.first], chains[pair.second]
        if first is second or pair.first not in (first[0], first[-1]) or pair.second not in (second[0], second[-1]):
            continue
        if first[0] == pair.first:
            first.reverse()
        if second[-1] == pair.second:
            second.reverse()
        first += second
        chains.update(dict.fromkeys(second, first))
    found = {id(chain): chain for chain in chains.values()}.values()
    for chain in found:
        if sizes[chain[-1]] > sizes[chain[0]]:
            chain.reverse()
    order = sorted(found, key=lambda chain: (-sum(sizes[slug] for slug in chain), chain))
    return tuple(slug for chain in order for slug in chain)
