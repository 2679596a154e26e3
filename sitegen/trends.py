"""The page of trends: what each night covered, lost and gained, in all and by profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.history import totals_of
from sitegen.model import Kind, Night
from sitegen.render import Sheet

TRENDS = "trends/index.html"
SHOWN = 60  # nights in the table
_CURVE = 720, 120
_SMALL = 120, 16  # of one profile


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
class ProfileRow:
    """A profile of this map over the last nights: symbols now and at most, points of its curve, nights it failed."""

    slug: str
    symbols: int
    top: int
    line: str
    failed: int


@dataclass(frozen=True, slots=True)
class TrendsView:
    """The last nights, newest first; `line` are the points of the curve of covered symbols from `bottom` to `top`.

    `lost` and `gained` are (id, kind) of the last night's symbols; the kind of one that is gone is "".
    """

    nights: tuple[NightRow, ...]
    total: int
    first: str
    line: str
    top: int
    bottom: int
    profiles: tuple[ProfileRow, ...]
    lost: tuple[tuple[str, Kind | str], ...]
    gained: tuple[tuple[str, Kind | str], ...]
    modules: tuple[tuple[str, int, int, int, int], ...]  # module, executed and statements then and now


def trends_sheet(nights: tuple[Night, ...], kinds: dict[str, Kind]) -> Sheet:
    """Return the page of trends; `kinds` are the kinds of the symbols that have a page."""
    last = nights[-1]
    covered = [night.covered for night in nights]
    top = max(1, *covered)
    bottom = max(0, 2 * min(covered) - top) % top  # the curve fills the upper half; a flat one begins at nothing
    view = TrendsView(
        nights=tuple(map(_row, reversed(nights[-SHOWN:]))),
        total=len(nights),
        first=nights[0].night[:10],
        line=_points(list(enumerate(covered)), len(nights), (bottom, top), _CURVE),
        top=top,
        bottom=bottom,
        profiles=_profiles(nights[-SHOWN:]),
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


def _points(
    values: Sequence[tuple[int, int]], nights: int, between: tuple[int, int], size: tuple[int, int]
) -> str:  # fmt: skip
    """Return the points of a curve of (night, value) in a picture of this width and height."""
    (bottom, top), (width, height) = between, size
    step = width / max(1, nights - 1)
    share = [(at, (value - bottom) / (top - bottom)) for at, value in values]
    return " ".join(f"{at * step:.0f},{height - height * part:.1f}" for at, part in share)


def _profiles(nights: Sequence[Night]) -> tuple[ProfileRow, ...]:
    """Return how many symbols each profile of the last night covered, night by night, where it was there."""
    found: dict[str, list[tuple[int, int]]] = {slug: [] for slug, *_ in nights[-1].profiles}
    failed = dict.fromkeys(found, 0)
    for at, night in enumerate(nights):
        for slug, status, symbols, _ in night.profiles:
            if slug in found:
                found[slug].append((at, symbols))
                failed[slug] += status == "failed"
    rows = []
    for slug, values in found.items():
        top = max(symbols for _, symbols in values)
        line = _points(values, len(nights), (0, max(1, top)), _SMALL)
        rows.append(ProfileRow(slug, values[-1][1], top, line, failed[slug]))
    return tuple(rows)


def _moved(nights: tuple[Night, ...], kinds: dict[str, Kind]) -> tuple[tuple[str, int, int, int, int], ...]:
    """Return the modules whose totals the last night changed, the largest change first."""
    before = totals_of(nights[:-1])
    rows = []
    for module, executed, statements in nights[-1].modules if len(nights) > 1 else ():
        if module in kinds:
            rows.append((module, *before.get(module, (0, 0)), executed, statements))
    return tuple(sorted(rows, key=lambda row: (-abs(row[3] - row[1]), row[0]))[:50])
