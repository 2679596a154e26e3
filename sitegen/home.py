"""The home page: totals, how complete they are, the packages as a picture and as a list, and where to look first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from sitegen.address import package_of, package_path, symbol_path
from sitegen.changes import Changes
from sitegen.model import Gap, Gaps
from sitegen.render import Sheet
from sitegen.treemap import Box, Leaf, treemap
from sitegen.views import ModuleRow, ProfileRow, Tally
from sitegen.whole import Whole

TOP = 10  # gaps, and troubles that stand open
LISTED = 400  # modules; beyond it the list has packages only, and their pages have the modules
FEW = 5  # profiles with the most and the least of their own
WIDE, NARROW = (1000, 400, 40), (360, 400, 16)  # pictures: width, height, packages; the smallest are one


@dataclass(frozen=True, slots=True)
class PackageView:
    """The modules of one folder and their sum."""

    name: str
    executed: int
    statements: int
    symbols: int
    covered: int
    modules: tuple[ModuleRow, ...]


@dataclass(frozen=True, slots=True)
class HomeProfile:
    """What the home page shows of a profile."""

    slug: str
    title: str
    status: str
    stale: int  # 1 where any of its cells is
    trouble: str | None
    requests: int
    symbols: int
    unique: int
    lines: int


@dataclass(frozen=True, slots=True)
class HomeView:
    """Totals over the whole source, and where to go from there; pictures are (width, height, boxes).

    What the page does not show (a gap's line, how a module's other symbols stand) is left out: it would make it anew.
    """

    title: str
    tally: Tally
    executed: int
    statements: int
    touched: int  # modules with a covered body
    modules: int
    profiles: tuple[HomeProfile, ...]
    most_unique: tuple[HomeProfile, ...]
    least_unique: tuple[HomeProfile, ...]
    packages: tuple[PackageView, ...]
    gaps: tuple[Gap, ...]
    all_gaps: int
    pictures: tuple[tuple[int, int, tuple[Box, ...]], ...]
    changes: Changes | None

    @property
    def listed(self) -> bool:
        """Return whether the list of packages has their modules too."""
        return self.modules <= LISTED

    @property
    def troubled(self) -> tuple[HomeProfile, ...]:
        """Return the profiles whose cells must be read with care."""
        return tuple(profile for profile in self.profiles if profile.trouble)

    def count(self, status: str) -> int:
        """Return how many profiles' playbacks ended like this."""
        return sum(profile.status == status for profile in self.profiles)

    @property
    def stale(self) -> int:
        """Return how many profiles ran source that changed since."""
        return sum(profile.stale > 0 for profile in self.profiles)


def home_sheet(whole: Whole, rows: Sequence[ProfileRow]) -> Sheet:
    """Return the home page."""
    modules = sorted(((package_of(part.path), part.row) for part in whole.parts), key=lambda item: item[0])
    packages = tuple(
        _package_view(name, tuple(row for _, row in group)) for name, group in groupby(modules, lambda item: item[0])
    )
    tallies = [part.row.tally for part in whole.parts]
    profiles = tuple(map(_profile, rows))
    by_own = sorted((profile for profile in profiles if profile.symbols), key=lambda item: (-item.unique, item.slug))
    view = HomeView(
        title=whole.config.title,
        tally=Tally(*(sum(getattr(tally, name) for tally in tallies) for name in Tally.__match_args__)),
        executed=sum(package.executed for package in packages),
        statements=sum(package.statements for package in packages),
        touched=sum(row.profiles > 0 for _, row in modules),
        modules=len(modules),
        profiles=profiles,
        most_unique=tuple(by_own[:FEW]),
        least_unique=tuple(sorted(by_own[FEW:], key=lambda item: (item.unique, item.slug))[:FEW]),
        packages=packages,
        gaps=tuple(replace(gap, path="", line=0, branches=0) for gap in _largest(whole.gaps)),
        all_gaps=len(whole.gaps.modules) + len(whole.gaps.symbols),
        pictures=tuple((size[0], size[1], _picture(packages, *size)) for size in (WIDE, NARROW)),
        changes=whole.changes,
    )
    return Sheet("home.html", "index.html", "Map", f"{whole.config.title}: which profiles run which code", view)


def _largest(gaps: Gaps) -> list[Gap]:
    return sorted((*gaps.modules, *gaps.symbols), key=lambda gap: -gap.statements)[:TOP]


def _profile(row: ProfileRow) -> HomeProfile:
    head = row.head
    return HomeProfile(
        slug=head.slug,
        title=head.title,
        status=head.status,
        stale=min(row.stale, 1),
        trouble=row.trouble,
        requests=len(head.requests),
        symbols=row.symbols,
        unique=len(row.unique),
        lines=row.summary.lines_covered,
    )


def _package_view(name: str, rows: tuple[ModuleRow, ...]) -> PackageView:
    return PackageView(
        name=name,
        executed=sum(row.executed for row in rows),
        statements=sum(row.statements for row in rows),
        symbols=sum(row.tally.total for row in rows),
        covered=sum(row.tally.body for row in rows),
        modules=tuple(replace(row, tally=_covered_or_not(row.tally)) for row in rows),
    )


def _covered_or_not(tally: Tally) -> Tally:
    return Tally(tally.body, 0, 0, 0, tally.total - tally.body)


def _picture(packages: Sequence[PackageView], width: int, height: int, most: int) -> tuple[Box, ...]:
    """Return the boxes of a picture; a narrow one shows packages only, unless there is but one."""
    known = sorted(packages, key=lambda package: (-package.statements, package.name))
    few, rest = (known, []) if len(known) <= most else (known[: most - 1], known[most - 1 :])
    shown = [(_sum(package.name, package_path(package.name), [package]), _leaves([package])) for package in few]
    if rest:
        shown.append((_sum(f"{len(rest)} small packages", "#modules", rest), _leaves(rest)))
    return treemap(shown if width > 500 or len(shown) == 1 else [(leaf, ()) for leaf, _ in shown], width, height)


def _sum(name: str, page: str, packages: Sequence[PackageView]) -> Leaf:
    return Leaf(
        name, page, sum(package.statements for package in packages), sum(package.covered for package in packages),
        sum(package.symbols for package in packages),
    )  # fmt: skip


def _leaves(packages: Sequence[PackageView]) -> list[Leaf]:
    return [
        Leaf(row.module, symbol_path(row.module, "module"), row.statements, row.tally.body, row.tally.total)
        for package in packages
        for row in package.modules
    ]
