"""Source lines as they are shown: number, mark, how many profiles run the line and which, then the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from sitegen.model import FileCoverage, lines_of

NAMES_SHOWN = 4  # slugs named in a line's title
MOST_LINES = 3000  # that a page shows of one symbol: longer ones are data


@dataclass(frozen=True, slots=True)
class Fold:
    """A span of lines that has a page of its own and is shown as one line that links to it."""

    first: int
    last: int
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The shown lines of one file: `rows[n - 1]` is the HTML of line n."""

    rows: tuple[str, ...]

    def part(self, first: int, last: int) -> str:
        """Return the rows of lines `first` to `last`."""
        return "".join(self.rows[first - 1 : last])

    def folded(self, first: int, last: int, folds: Iterable[Fold], most: int = MOST_LINES) -> str:
        """Return the rows of lines `first` to `last`, each fold in one row; folds are sorted and apart.

        Of lines outside folds the first `most` are shown; a row says which others are not.
        """
        parts, line = [], first
        for fold in (*folds, None):
            until = fold.first if fold else last + 1
            if until < line:
                continue  # two definitions on one line
            shown = min(until, line + most)
            parts.append(self.part(line, shown - 1))
            most -= shown - line
            if shown < until:
                parts.append(f'<span class="lf">⋯ lines {shown}–{until - 1}: too many to be shown here\n</span>')
            if fold:
                href, title = escape(fold.href), escape(fold.title)
                parts.append(
                    f'<span class="lf"><a href="{href}" tabindex="-1">⋯</a><a href="{href}">{title}</a> '
                    f"lines {fold.first}–{fold.last}\n</span>"
                )
                line = fold.last + 1
        return "".join(parts)


def listing(coverage: FileCoverage, fragments: Sequence[str]) -> Listing:
    """Return the shown lines of a file; `fragments` are its highlighted lines (sitegen.highlight).

    A line's title names the profiles that run it where they are others than those of the executed line above; the
    first executed line of each symbol has one always.
    """
    inventory = coverage.inventory
    slugs: dict[int, list[str]] = {}
    ran = 0
    for slug, executed in coverage.executed:
        ran |= executed
        for line in lines_of(executed):
            slugs.setdefault(line, []).append(slug)
    marks = dict.fromkeys(lines_of(inventory.statements), ("lm", "✗", ""))
    at_import = inventory.statements & ~inventory.symbols[0].body  # of no function: runs when the module is imported
    marks.update(dict.fromkeys(lines_of(at_import), ("li", "✗", "")))
    starts = {_first(ran >> symbol.first) + symbol.first for symbol in inventory.symbols if ran >> symbol.first}
    above: list[str] = []
    for line in sorted(slugs):
        found = slugs[line]
        named = found != above or line in starts
        marks[line] = "lx", f"✓{len(found)}", f' title="{escape(_who(found))}"' if named else ""
        above = found
    for line, first in inventory.multiline:  # the statement's first line carries the mark
        css = marks[first][0] if first in marks else ""
        marks[line] = ("" if css == "li" else css), "", ""
    marks.update(dict.fromkeys(lines_of(inventory.excluded), ("le", "–", "")))
    plain = ("", "", "")
    return Listing(tuple(_row(line, text, *marks.get(line, plain)) for line, text in enumerate(fragments, 1)))


def _first(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _row(line: int, fragment: str, css: str, mark: str, title: str) -> str:
    mark = mark and f"<i>{mark}</i>"
    css = css and f' class="{css}"'
    return f'<span id="L{line}"{css}><a href="#L{line}"{title}>{mark}{line}</a>{fragment}\n</span>'


def _who(slugs: list[str]) -> str:
    named = ", ".join(slugs[:NAMES_SHOWN])
    rest = len(slugs) - NAMES_SHOWN
    return f"executed by {named}" + (f" and {rest} more" if rest > 0 else "")
