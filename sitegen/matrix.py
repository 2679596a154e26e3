"""Profiles × symbols: what each profile covers, what none does, what only one does, which overlap, which suffice.

Sets of symbols are integers used as bit masks over the matrix's symbol indexes.
"""

from __future__ import annotations

import math
from functools import lru_cache

from sitegen.masks import lines_of, mask_of
from sitegen.model import Certainty, FileCoverage, Gap, Gaps, Matrix, Overlap, Summary, Symbol, SymbolCoverage


def build_matrix(profiles: tuple[str, ...], files: tuple[FileCoverage, ...]) -> Matrix:
    """Return the matrix of sorted slugs and of all symbols, in the order of the files and their source."""
    symbols = [symbol for file in files for symbol in file.symbols]
    covered: dict[str, list[int]] = {slug: [] for slug in profiles}
    uncertain: dict[str, list[tuple[int, Certainty]]] = {slug: [] for slug in profiles}
    for index, symbol in enumerate(symbols):
        for cell in symbol.cells:
            if cell.certainty == "body":
                covered[cell.slug].append(index)
            else:
                uncertain[cell.slug].append((index, cell.certainty))
    return Matrix(
        profiles=profiles,
        symbols=tuple(item.symbol.id for item in symbols),
        covered=tuple(tuple(covered[slug]) for slug in profiles),
        uncertain=tuple(tuple(uncertain[slug]) for slug in profiles),
        summaries=_summaries(profiles, files, [item.symbol for item in symbols], covered),
    )


def _summaries(
    profiles: tuple[str, ...], files: tuple[FileCoverage, ...], symbols: list[Symbol], covered: dict[str, list[int]]
) -> tuple[Summary, ...]:
    total = sum(file.inventory.statements.bit_count() for file in files)
    lines = dict.fromkeys(profiles, 0)
    for file in files:
        for slug, executed in file.executed:
            lines[slug] += executed.bit_count()
    summaries = []
    for slug in profiles:
        kinds = [symbols[index].kind for index in covered[slug]]
        modules, classes = kinds.count("module"), kinds.count("class")
        summaries.append(
            Summary(
                file_count=modules,  # a file is its module: both count when a body line ran
                module_count=modules,
                class_count=classes,
                function_count=len(kinds) - modules - classes,
                lines_covered=lines[slug],
                lines_total=total,
                coverage_percent=round(100 * lines[slug] / total, 1) if total else 0.0,
            )
        )
    return tuple(summaries)


def find_gaps(files: tuple[FileCoverage, ...]) -> Gaps:
    """Return the modules and the other symbols that no profile covers though they have lines to run.

    A function on one line that no trace shows called is a gap, though its line ran at import. A module or class of
    constants can never be covered: it is one only when no profile runs any of it. Most statements first, then most
    branches, then by id.
    """
    modules, symbols = [], []
    for file in files:
        for item in file.symbols:
            if _is_gap(item):
                symbol = item.symbol
                size = symbol.statements.bit_count()
                gap = Gap(symbol.id, symbol.kind, file.inventory.path, symbol.first, size, symbol.branches)
                (modules if symbol.kind == "module" else symbols).append(gap)
    return sort_gaps(modules, symbols)


def sort_gaps(modules: list[Gap], symbols: list[Gap]) -> Gaps:
    """Return gaps in their order, which needs nothing but themselves."""
    return Gaps(tuple(sorted(modules, key=_largest_first)), tuple(sorted(symbols, key=_largest_first)))


def _is_gap(item: SymbolCoverage) -> bool:
    symbol = item.symbol
    if symbol.body or (symbol.statements and symbol.kind not in ("module", "class")):
        return not any(cell.certainty == "body" for cell in item.cells)
    return bool(symbol.statements) and not item.cells


def _largest_first(gap: Gap) -> tuple[int, int, str]:
    return -gap.statements, -gap.branches, gap.id


# ── questions to a matrix ────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1)  # several pages and twins ask the same questions of one matrix
def _masks(matrix: Matrix) -> tuple[int, ...]:
    return tuple(mask_of(indexes) for indexes in matrix.covered)


@lru_cache(maxsize=1)
def unique(matrix: Matrix) -> dict[str, tuple[int, ...]]:
    """Return, for each slug, the indexes of the symbols that only this profile covers."""
    masks = _masks(matrix)
    once = twice = 0
    for mask in masks:
        twice |= once & mask
        once |= mask
    return {slug: tuple(lines_of(mask & ~twice)) for slug, mask in zip(matrix.profiles, masks, strict=True)}


@lru_cache(maxsize=1)
def overlap(matrix: Matrix) -> tuple[Overlap, ...]:
    """Return how much every two profiles share, most alike first; profiles that cover nothing are left out."""
    masks = [(slug, mask) for slug, mask in zip(matrix.profiles, _masks(matrix), strict=True) if mask]
    found = []
    for position, (first, mask) in enumerate(masks):
        for second, other in masks[position + 1 :]:
            shared = (mask & other).bit_count()
            if shared:
                found.append(Overlap(first, second, shared, mask.bit_count() - shared, other.bit_count() - shared))
    return tuple(sorted(found, key=lambda pair: (-pair.jaccard, pair.first, pair.second)))


@lru_cache(maxsize=1)
def covering_set(matrix: Matrix) -> tuple[tuple[str, int], ...]:
    """Return few profiles that together cover all that any profile covers, with how many symbols each adds.

    Greedy: the profile that adds most comes next, ties by slug. `covering_bounds` says how far from the smallest.
    """
    left = dict(zip(matrix.profiles, _masks(matrix), strict=True))
    chosen = []
    while left:
        slug = min(left, key=lambda slug: (-left[slug].bit_count(), slug))
        mask = left.pop(slug)
        if not mask:
            break
        chosen.append((slug, mask.bit_count()))
        left = {other: rest & ~mask for other, rest in left.items()}
    return tuple(chosen)


def covering_bounds(matrix: Matrix) -> tuple[int, float]:
    """Return (how many profiles every covering set needs at least, how many times the smallest the greedy one may be).

    At least each profile that covers something alone. At most H(n), which is at most 1 + ln n, n being the most symbols
    that one profile covers: the classic bound of the greedy set cover.
    """
    most = max((len(indexes) for indexes in matrix.covered), default=0)
    return sum(1 for own in unique(matrix).values() if own), 1 + math.log(most) if most else 1.0
