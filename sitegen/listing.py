"""Source lines as they are shown: number, mark, how many profiles run the line and which, then the code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

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

    rows: tuple[Markup, ...]

    def part(self, first: int, last: int) -> Markup:
        """Return the rows of lines `first` to `last`."""
        return Markup("").join(self.rows[first - 1 : last])

    def folded(self, first: int, last: int, folds: Sequence[Fold]) -> Markup:
        """Return the rows of lines `first` to `last`, each fold in one row; folds are sorted and apart."""
        parts, line = [], first
        for fold in folds:
            if fold.first < line:
                continue  # two definitions on one line
            parts.append(self.part(line, fold.first - 1))
            parts.append(
                Markup(
                    '<span class="lf"><a href="{}" tabindex="-1">⋯</a><a href="{}">{}</a> lines {}–{}\n</span>'
                ).format(fold.href, fold.href, fold.title, fold.first, fold.last)
            )
            line = fold.last + 1
        parts.append(self.part(line, last))
        return Markup("").join(parts)


def listing(coverage: FileCoverage, fragments: Sequence[str]) -> Listing:
    """Return the shown lines of a file; `fragments` are its highlighted lines (sitegen.highlight)."""
    inventory = coverage.inventory
    slugs: dict[int, list[str]] = {}
    for slug, executed in coverage.executed:
        for line in lines_of(executed):
            slugs.setdefault(line, []).append(slug)
    statements = set(lines_of(inventory.statements))
    inside = set(lines_of(inventory.symbols[0].body))  # of any function; the rest runs when the module is imported
    excluded = set(lines_of(inventory.excluded))
    heads = dict(inventory.multiline)
    rows = []
    for line, fragment in enumerate(fragments, 1):
        head = heads.get(line, line)
        if line in excluded:
            row = _row(line, fragment, "le", "–", "excluded from coverage")
        elif head not in statements:
            row = _row(line, fragment, "", "", "")
        elif head != line:  # the statement's first line carries the mark
            row = _row(line, fragment, "lx" if head in slugs else "lm" if head in inside else "", "", "")
        elif line in slugs:
            row = _row(line, fragment, "lx", f"✓{len(slugs[line])}", _who(slugs[line]))
        elif line not in inside:
            row = _row(line, fragment, "li", "✗", "missing: runs at import, which no profile did")
        else:
            row = _row(line, fragment, "lm", "✗", "missing: no profile runs this line")
        rows.append(row)
    return Listing(tuple(rows))


def _row(line: int, fragment: str, css: str, mark: str, title: str) -> Markup:
    css = f' class="{css}"' if css else ""
    title = f' title="{escape(title)}"' if title else ""
    mark = f"<i>{mark}</i>" if mark else ""
    return Markup(f'<span id="L{line}"{css}><a href="#L{line}"{title}>{mark}{line}</a>{fragment}\n</span>')


def _who(slugs: list[str]) -> str:
    named = ", ".join(slugs[:NAMES_SHOWN])
    rest = len(slugs) - NAMES_SHOWN
    return f"executed by {named}" + (f" and {rest} more" if rest > 0 else "")
