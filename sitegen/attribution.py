"""FileInventory × raw executed lines → FileCoverage: which profile runs which statements of which symbol."""

from __future__ import annotations

from dataclasses import dataclass

from sitegen.model import Cell, Certainty, FileCoverage, FileInventory, Symbol, SymbolCoverage


@dataclass(frozen=True, slots=True)
class RawLines:
    """The lines of one file that one profile ran, as recorded; `stale`: the source differs from what ran."""

    slug: str
    lines: int
    failed: bool
    stale: bool


class Translator:
    """Translates recorded lines of one file to statements, exactly as coverage.py does."""

    def __init__(self, file: FileInventory) -> None:
        self._statements = file.statements
        groups: dict[int, int] = {}
        for line, first in file.multiline:
            groups[first] = groups.get(first, 0) | 1 << line
        self._groups = tuple((1 << first, lines) for first, lines in groups.items())
        self._continued = 0
        for lines in groups.values():
            self._continued |= lines

    def first_lines(self, raw: int) -> int:
        """Return the mask with each line of a multi-line statement replaced by the statement's first line."""
        if not raw & self._continued:
            return raw
        lines = raw & ~self._continued
        for first, rest in self._groups:
            if raw & rest:
                lines |= first
        return lines

    def executed(self, raw: int) -> int:
        """Return the executed statements among the recorded lines."""
        return self.first_lines(raw) & self._statements


def strangers(file: FileInventory, raw: int) -> int:
    """Return the recorded lines that no run of this source can have executed: evidence that it changed since."""
    if file.problem is not None:
        return 0
    known = file.statements | file.excluded | file.docstrings | 0b11  # an empty module runs its line 0 or 1
    return Translator(file).first_lines(raw) & ~known


def attribute(file: FileInventory, recorded: tuple[RawLines, ...]) -> FileCoverage:
    """Return the executed statements of a file and of each of its symbols, per slug.

    A slug without an executed statement has no entry; neither has a symbol's cell.
    """
    translator = Translator(file)
    runs = []
    for raw in sorted(recorded, key=lambda raw: raw.slug):
        executed = translator.executed(raw.lines)
        if executed:
            runs.append((raw, executed))
    return FileCoverage(
        inventory=file,
        executed=tuple((raw.slug, executed) for raw, executed in runs),
        symbols=tuple(_symbol_coverage(symbol, runs) for symbol in file.symbols),
    )


def _symbol_coverage(symbol: Symbol, runs: list[tuple[RawLines, int]]) -> SymbolCoverage:
    cells = []
    for raw, executed in runs:
        own = executed & symbol.statements
        if own:
            cells.append(Cell(raw.slug, own, _certainty(symbol, raw, own)))
    return SymbolCoverage(symbol, tuple(cells))


def _certainty(symbol: Symbol, raw: RawLines, own: int) -> Certainty:
    if raw.stale:
        return "stale"
    if raw.failed:
        return "failed"
    return "body" if own & symbol.body else "import-only"
