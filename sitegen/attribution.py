"""FileInventory × raw executed lines → FileCoverage: which profile runs which statements of which symbol."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from sitegen.model import (
    Cell,
    Certainty,
    FileCoverage,
    FileInventory,
    Symbol,
    SymbolCoverage,
    lines_of,
    mask_of,
)


@dataclass(frozen=True, slots=True)
class RawLines:
    """The lines of one file that one profile ran, as recorded; `stale`: the source differs from what ran."""

    slug: str
    lines: int
    failed: bool
    stale: bool
    called: int = 0  # `def` lines of functions on one line that were called, as `called_lines` finds them


class Translator:
    """Translates recorded lines of one file to statements, exactly as coverage.py does."""

    def __init__(self, file: FileInventory) -> None:
        self._statements = file.statements
        self._spans = file.spans
        continued = bytearray((file.spans[-1][1] if file.spans else 0) // 8 + 1)
        for first, last in file.spans:
            for line in range(first + 1, last + 1):
                continued[line >> 3] |= 1 << (line & 7)
        self._continued = int.from_bytes(continued, "little")

    def first_lines(self, raw: int) -> int:
        """Return the mask with each line of a multi-line statement replaced by the statement's first line."""
        if not raw & self._continued:
            return raw
        later = lines_of(raw & self._continued)
        # The span of a line is the last that begins before it.
        firsts = {self._spans[bisect_left(self._spans, (line,)) - 1][0] for line in later}
        return raw & ~self._continued | mask_of(firsts)

    def executed(self, raw: int) -> int:
        """Return the executed statements among the recorded lines."""
        return self.first_lines(raw) & self._statements


def strangers(file: FileInventory, raw: int) -> int:
    """Return the recorded lines that no run of this source can have executed: evidence that it changed since."""
    if file.problem is not None:
        return 0
    known = file.statements | file.excluded | file.docstrings | 0b11  # an empty module runs its line 0 or 1
    return Translator(file).first_lines(raw) & ~known


def called_lines(file: FileInventory, traces: Iterable[int]) -> int:
    """Return the `def` lines of the functions on one line that one of the traces called, for sure.

    `traces` are the raw lines of the file that each trace (context) ran. Their line ran in a trace that ran not all of
    the lines that come before whenever the function is defined: so it was not defined there, but called.
    """
    if not file.one_liners:
        return 0
    found = 0
    rules = [(1 << head, mask_of(witnesses)) for head, witnesses in file.one_liners if witnesses]
    translator = Translator(file)
    for lines in {translator.first_lines(raw) for raw in traces}:
        for head, witnesses in rules:
            if lines & head and lines & witnesses != witnesses:
                found |= head
    return found


def percent_covered(executed: int, statements: int) -> float:
    """Return how many percent of the statements are executed, as `coverage json` does: 100.0 of none."""
    if not statements:
        return 100.0
    return 100.0 * (executed & statements).bit_count() / statements.bit_count()


def attribute(file: FileInventory, recorded: tuple[RawLines, ...]) -> FileCoverage:
    """Return the executed statements of a file and of each of its symbols, per slug.

    A slug without an executed statement has no entry; neither has a symbol's cell.
    """
    translator = Translator(file)
    runs = []
    for raw in sorted(recorded, key=lambda raw: raw.slug):
        executed = translator.executed(raw.lines)
        if executed:
            runs.append((raw, executed, raw.called & executed))
    return FileCoverage(
        inventory=file,
        executed=tuple((raw.slug, executed) for raw, executed, _ in runs),
        symbols=tuple(_symbol_coverage(symbol, runs) for symbol in file.symbols),
    )


def _symbol_coverage(symbol: Symbol, runs: list[tuple[RawLines, int, int]]) -> SymbolCoverage:
    cells = []
    for raw, executed, called in runs:
        own = executed & symbol.statements
        if own:
            cells.append(Cell(raw.slug, own, _certainty(symbol, raw, own, called)))
    return SymbolCoverage(symbol, tuple(cells))


def _certainty(symbol: Symbol, raw: RawLines, own: int, called: int) -> Certainty:
    if raw.stale:
        return "stale"
    if raw.failed:
        return "failed"
    return "body" if own & (symbol.body | called) else "import-only"
