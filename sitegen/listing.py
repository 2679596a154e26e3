"""Source lines as they are shown: number, mark, how many profiles run the line and which, then the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from sitegen.model import FileCoverage, lines_of

NAMES_SHOWN = 4  # slugs named in a line's title


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

    def folded(self, first: int, last: int, folds: Iterable[Fold]) -> str:
        """Return the rows of lines `first` to `last`, each fold in one row; folds are sorted and apart."""
        parts, line = [], first
        for fold in folds:
            if fold.first < line:
                continue  # two definitions on one line
            parts.append(self.part(line, fold.first - 1))
            href, title = escape(fold.href), escape(fold.title)
            parts.append(
                f'<span class="lf"><a href="{href}" tabindex="-1">⋯</a><a href="{href}">{title}</a> '
                f"lines {fold.first}–{fold.last}\n</span>"
            )
            line = fold.last + 1
        parts.append(self.part(line, last))
        return "".join(parts)


def listing(coverage: FileCoverage, fragments: Sequence[str]) -> Listing:
    """Return the shown lines of a file; `fragments` are its highlighted lines (sitegen.highlight)."""
    inventory = coverage.inventory
    slugs: dict[int, list[str]] = {}
    for slug, executed in coverage.executed:
        for line in lines_of(executed):
            slugs.setdefault(line, []).append(slug)
    marks = dict.fromkeys(lines_of(inventory.statements), ("lm", "✗", "missing: no profile runs this line"))
    at_import = inventory.statements & ~inventory.symbols[0].body  # of no function: runs when the module is imported
    marks.update((line, ("li", "✗", "missing: runs at import, which no profile did")) for line in lines_of(at_import))
    titles: dict[tuple[str, ...], str] = {}
    for line, found in slugs.items():
        key = tuple(found)
        marks[line] = "lx", f"✓{len(found)}", titles.get(key) or titles.setdefault(key, escape(_who(found)))
    for line, first in inventory.multiline:  # the statement's first line carries the mark
        css = marks[first][0] if first in marks else ""
        marks[line] = ("" if css == "li" else css), "", ""
    marks.update((line, ("le", "–", "excluded from coverage")) for line in lines_of(inventory.excluded))
    plain = ("", "", "")
    return Listing(tuple(_row(line, text, *marks.get(line, plain)) for line, text in enumerate(fragments, 1)))


def _row(line: int, fragment: str, css: str, mark: str, title: str) -> str:
    if not mark:
        css = f' class="{css}"' if css else ""
        return f'<span id="L{line}"{css}><a href="#L{line}">{line}</a>{fragment}\n</span>'
    link = f'<a href="#L{line}" title="{title}"><i>{mark}</i>{line}</a>'
    return f'<span id="L{line}" class="{css}">{link}{fragment}\n</span>'


def _who(slugs: list[str]) -> str:
    named = ", ".join(slugs[:NAMES_SHOWN])
    rest = len(slugs) - NAMES_SHOWN
    return f"executed by {named}" + (f" and {rest} more" if rest > 0 else "")
