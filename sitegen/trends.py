"""The page of trends: what each night covered, lost and gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.history import totals_of
from sitegen.model import Kind, Night
from sitegen.render import Sheet

TRENDS = "trends/index.html"
SHOWN = 60  # nights in the table
_WIDTH, _HEIGHT = 720, 120


@dataclass(frozen=True, slots=True)
class NightRow:
    """What the table shows of one night, and no more: what is not shown must not make the page anew."""

    night: str
    commit: str
    covered: int
    symbols: int
    lost: int
    gained: int
    profiles: int
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrendsView:
    """The last nights, newest first; `line` are the points of the curve of covered symbols, `top` its highest value.

    `lost` and `gained` are (id, kind) of the last night's symbols; the kind of one that is gone is "".
    """

    nights: tuple[NightRow, ...]
    total: int
    line: str
    top: int
    lost: tuple[tuple[str, Kind | str], ...]
    gained: tuple[tuple[str, Kind | str], ...]
    modules: tuple[tuple[str, int, int, int, int], ...]  # module, executed and statements then and now


def trends_sheet(nights: tuple[Night, ...], kinds: dict[str, Kind]) -> Sheet:
    """Return the page of trends; `kinds` are the kinds of the symbols that have a page."""
    last = nights[-1]
    top = max(1, *(night.covered for night in nights))
    view = TrendsView(
        nights=tuple(map(_row, reversed(nights[-SHOWN:]))),
        total=len(nights),
        line=_points([night.covered for night in nights], top),
        top=top,
        lost=tuple((name, kinds.get(name, "")) for name in last.lost),
        gained=tuple((name, kinds.get(name, "")) for name in last.gained),
        modules=_moved(nights, kinds),
    )  # fmt: skip
    return Sheet("trends.html", TRENDS, "Trends", "What each night covered, lost and gained", view)


def _row(night: Night) -> NightRow:
    lost, gained = night.changes
    failed = tuple(slug for slug, status, *_ in night.profiles if status == "failed")
    commit = (night.commit or "")[:12]
    return NightRow(night.night, commit, night.covered, night.symbols, lost, gained, len(night.profiles), failed)


def _points(values: Sequence[int], top: int) -> str:
    step = _WIDTH / max(1, len(values) - 1)
    return " ".join(f"{number * step:.1f},{_HEIGHT - _HEIGHT * value / top:.1f}" for number, value in enumerate(values))


def _moved(nights: tuple[Night, ...], kinds: dict[str, Kind]) -> tuple[tuple[str, int, int, int, int], ...]:
    """Return the modules whose totals the last night changed, the largest change first."""
    before = totals_of(nights[:-1])
    rows = []
    for module, executed, statements in nights[-1].modules if len(nights) > 1 else ():
        if module in kinds:
            rows.append((module, *before.get(module, (0, 0)), executed, statements))
    return tuple(sorted(rows, key=lambda row: (-abs(row[3] - row[1]), row[0]))[:50])
