"""What is known of all files → the sheets of the pages that show them: all but those of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sitegen.address import profile_path
from sitegen.heat import either, matrix_sheets, overlap_sheet
from sitegen.home import home_sheet
from sitegen.matrix import overlap
from sitegen.model import Gap, Gaps, Overlap
from sitegen.package_pages import package_sheets
from sitegen.render import Sheet
from sitegen.steps import Step
from sitegen.symbol_pages import SymbolView
from sitegen.tables import RouteUse
from sitegen.views import ProfileRow, hundredths, profile_rows
from sitegen.whole import Whole

NEAREST = 3
TOP_GAPS = 500  # of modules and of symbols; all of them are in data/gaps.json, and in the matrix


@dataclass(frozen=True, slots=True)
class ProfileView:
    """What a profile's page shows; `rows` are the HTML of its modules' rows, `unique` that of its own symbols.

    `first` has for each request the functions that it, or a job of it, was the first to reach: the job's place or -1,
    their number, their links as HTML; `stray` is their number for traces that the run record does not name.
    """

    row: ProfileRow
    first: tuple[tuple[tuple[int, int, str], ...], ...]
    stray: int
    modules: int
    rows: str
    near: tuple[tuple[str, int, int], ...]  # the most alike profiles: slug, shared symbols, how alike in hundredths
    unique: str
    all_unique: int
    all_modules: int


@dataclass(frozen=True, slots=True)
class GapsView:
    """The largest gaps, and how many there are in all."""

    modules: tuple[Gap, ...]
    symbols: tuple[Gap, ...]
    all_modules: int
    all_symbols: int


@dataclass(frozen=True, slots=True)
class RoutesView:
    """The app's routes, those that nobody requests first; `unmatched` are (slug, requests without a route)."""

    never: tuple[RouteUse, ...]
    used: tuple[RouteUse, ...]
    unmatched: tuple[tuple[str, int], ...]


def symbol_sheet(view: SymbolView) -> Sheet:
    """Return the sheet of a module's or symbol's page."""
    text = f"{view.kind.capitalize()} {view.id}: which profiles run it"
    return Sheet("symbol.html", view.page, view.id, text, view)


def whole_sheets(whole: Whole) -> Iterator[Sheet]:
    """Yield the sheets of all pages that show more than one file."""
    rows = profile_rows(whole.heads, whole.matrix)
    yield home_sheet(whole, rows)
    folds: dict[str, list[str]] = {row.head.slug: [] for row in rows}
    first: dict[str, dict[Step, list[tuple[int, str]]]] = {row.head.slug: {} for row in rows}
    own: dict[str, list[str]] = {row.head.slug: [] for row in rows}
    for part in whole.parts:
        for slug, fold in part.html.profiles:
            folds[slug].append(fold)
        for slug, steps in part.html.first:
            for step, number, links in steps:
                first[slug].setdefault(step, []).append((number, links))
        for slug, links in part.html.unique:
            own[slug].append(links)
    pairs = overlap(whole.matrix)
    near = nearest(pairs)
    for row in rows:
        slug = row.head.slug
        yield _profile(row, first[slug], folds[slug], own[slug], tuple(near.get(slug, ())), len(whole.parts))
    yield from package_sheets(whole)
    yield from matrix_sheets(whole, rows)
    yield _gaps(whole.gaps)
    yield overlap_sheet(whole.matrix, rows, pairs)
    yield _routes(whole)


def _profile(
    row: ProfileRow,
    first: dict[Step, list[tuple[int, str]]],
    folds: Sequence[str],
    own: Sequence[str],
    near: tuple[tuple[str, int, int], ...],
    all_modules: int,
) -> Sheet:
    slug = row.head.slug
    by_request: list[list[tuple[int, int, str]]] = [[] for _ in row.head.requests]
    stray = 0
    for step, found in sorted(first.items()):
        number = sum(count for count, _ in found)
        if step.request < 0:
            stray += number
        else:
            by_request[step.request].append((step.job, number, "".join(links for _, links in found)))
    view = ProfileView(
        row=replace(row, unique=(), stale=min(row.stale, 1)),  # what it does not show must not make it anew
        first=tuple(map(tuple, by_request)),
        stray=stray,
        modules=len(folds),
        rows="".join(folds),
        near=near,
        unique="".join(own),
        all_unique=len(row.unique),
        all_modules=all_modules,
    )
    toc = [("requests", "Requests"), ("modules", "Modules"), ("unique", "Only this profile")]
    if row.head.problems:
        toc.insert(0, ("problems", "Problems"))
    text = f"Profile {slug}: {row.head.title or 'its requests'} and the code that they run"
    return Sheet("profile.html", profile_path(slug), slug, text, view, tuple(toc))


def nearest(pairs: Iterable[Overlap]) -> dict[str, list[tuple[str, int, int]]]:
    """Return, for each profile, the most alike: slug, shared symbols, hundredths; `pairs` are the most alike first."""
    found: dict[str, list[tuple[str, int, int]]] = {}
    for pair in pairs:
        for slug, other in ((pair.first, pair.second), (pair.second, pair.first)):
            near = found.setdefault(slug, [])
            if len(near) < NEAREST:
                near.append((other, pair.shared, hundredths(pair.shared, either(pair))))
    return found


def _gaps(gaps: Gaps) -> Sheet:
    view = GapsView(gaps.modules[:TOP_GAPS], gaps.symbols[:TOP_GAPS], len(gaps.modules), len(gaps.symbols))
    return Sheet("gaps.html", "gaps/index.html", "Gaps", "Modules and symbols that no profile covers", view)


def _routes(whole: Whole) -> Sheet:
    lost = ((head.slug, sum(request.route is None for request in head.requests)) for head in whole.heads)
    view = RoutesView(
        never=tuple(use for use in whole.routes if not use.requests),
        used=tuple(use for use in whole.routes if use.requests),
        unmatched=tuple(item for item in lost if item[1]),
    )
    return Sheet("routes.html", "routes/index.html", "Routes", "Which profiles request which routes of the app", view)
