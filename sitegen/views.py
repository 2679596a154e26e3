"""What several kinds of page show: totals, rows of profiles and modules, and the lookup that they are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sitegen.matrix import unique
from sitegen.model import Cell, Certainty, FileCoverage, Matrix, ProfileHead, Summary, Symbol, SymbolCoverage

# The surest first: a symbol with cells of several certainties is shown with the first of these.
CERTAINTIES: tuple[Certainty, ...] = ("body", "stale", "failed", "import-only")
State = Literal["body", "stale", "failed", "import-only", "none", "empty"]
# A state is always a word; its colour only helps.
WORDS = {
    "body": "covered",
    "import-only": "import only",
    "failed": "failed playback",
    "stale": "stale",
    "none": "not covered",
    "empty": "nothing to run",
    "passed": "passed",
    "unknown": "unknown",
}
WHY = {
    "body": "a body line ran",
    "import-only": "only lines that run at import, no body line",
    "failed": "its lines ran, but the playback failed",
    "stale": "its lines ran, but the source changed since",
    "none": "no profile runs it",
    "empty": "it has no body line",
    "passed": "the playback answered as recorded",
    "unknown": "there is no run record",
}


def hundredths(part: int, whole: int) -> int:
    """Return `part` of `whole` in hundredths: never 100 of something unfinished, never 0 of something begun."""
    if part in (0, whole):
        return 100 if part else 0
    return min(99, max(1, (200 * part + whole) // (2 * whole)))  # as assets/matrix/overlap.js rounds


def best(cells: Iterable[Cell]) -> Certainty | None:
    """Return the surest certainty among cells, None without any."""
    found = {cell.certainty for cell in cells}
    return next((certainty for certainty in CERTAINTIES if certainty in found), None)


def state(coverage: SymbolCoverage) -> State:
    """Return how a symbol stands over all profiles; `empty` has nothing to run beyond what runs at import.

    A function on one line has no body line of its own, and yet a trace may show that it was called.
    """
    symbol, sure = coverage.symbol, best(coverage.cells)
    if not symbol.statements:
        return "empty"
    if not symbol.body and sure not in (None, "body") and symbol.kind in ("module", "class"):
        return "empty"
    return sure or "none"


def union(coverage: FileCoverage) -> int:
    """Return the mask of a file's statements that any profile executed."""
    mask = 0
    for _, executed in coverage.executed:
        mask |= executed
    return mask


@dataclass(frozen=True, slots=True)
class Tally:
    """How many symbols with lines to run stand how; the five numbers add up to `total`."""

    body: int
    stale: int
    failed: int
    import_only: int
    none: int

    @property
    def total(self) -> int:
        """Return the number of symbols that have lines to run."""
        return self.body + self.stale + self.failed + self.import_only + self.none


def tally(symbols: Iterable[SymbolCoverage]) -> Tally:
    """Count symbols by state, without the empty ones."""
    found = Counter(state(coverage) for coverage in symbols)
    return Tally(found["body"], found["stale"], found["failed"], found["import-only"], found["none"])


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """One module over all profiles: executed lines, statements, its symbols' states, profiles that run its bodies."""

    module: str
    executed: int
    statements: int
    tally: Tally
    profiles: int
    problem: str | None


def module_row(coverage: FileCoverage) -> ModuleRow:
    """Return the row of one file."""
    covered_by = {cell.slug for item in coverage.symbols for cell in item.cells if cell.certainty == "body"}
    return ModuleRow(
        module=coverage.symbols[0].symbol.id,
        executed=union(coverage).bit_count(),
        statements=coverage.inventory.statements.bit_count(),
        tally=tally(coverage.symbols),
        profiles=len(covered_by),
        problem=coverage.inventory.problem,
    )


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One profile: its playback, its numbers over the whole source, and what only it covers."""

    head: ProfileHead
    summary: Summary
    symbols: int
    unique: tuple[int, ...]  # indexes into matrix.symbols
    stale: int  # symbols whose source changed since

    @property
    def trouble(self) -> str | None:
        """Return why this profile's cells must be read with care, None if they need not."""
        if self.head.status == "failed":
            # Damaged data makes a profile failed too, whatever became of its playback.
            return f"failed, {self.head.problems[0]}" if self.head.problems else "its playback failed"
        if self.head.problems:
            return self.head.problems[0]
        if self.stale:
            return "the source changed since it was recorded"
        return None


def profile_rows(profiles: Iterable[ProfileHead], matrix: Matrix) -> tuple[ProfileRow, ...]:
    """Return one row per profile, in the matrix's order."""
    heads = {head.slug: head for head in profiles}
    only = unique(matrix)
    return tuple(
        ProfileRow(
            head=heads[slug],
            summary=summary,
            symbols=len(covered),
            unique=only[slug],
            stale=sum(certainty == "stale" for _, certainty in uncertain),
        )
        for slug, summary, covered, uncertain in zip(
            matrix.profiles, matrix.summaries, matrix.covered, matrix.uncertain, strict=True
        )
    )


class Lookup:
    """Finds symbols of files by id."""

    def __init__(self, files: Iterable[FileCoverage]) -> None:
        self.symbols: dict[str, SymbolCoverage] = {}
        self.members: dict[str, list[Symbol]] = {}
        self.position: dict[str, int] = {}  # among the members of the parent
        for file in files:
            for coverage in file.symbols:
                symbol = coverage.symbol
                self.symbols[symbol.id] = coverage
                if symbol.parent is not None:
                    siblings = self.members.setdefault(symbol.parent, [])
                    self.position[symbol.id] = len(siblings)
                    siblings.append(symbol)

    def lineage(self, symbol: Symbol) -> list[Symbol]:
        """Return the enclosing symbols, the module first."""
        found: list[Symbol] = []
        while symbol.parent is not None:
            symbol = self.symbols[symbol.parent].symbol
            found.insert(0, symbol)
        return found
