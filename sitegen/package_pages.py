"""Packages: a page per folder of source, with its modules, the packages in it, and which profiles run it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sitegen.address import package_of, package_path
from sitegen.parts import FilePart
from sitegen.render import Sheet
from sitegen.views import ModuleRow
from sitegen.whole import Whole


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A package: what everything below it sums up to."""

    name: str
    modules: int
    executed: int
    statements: int
    covered: int
    symbols: int


@dataclass(frozen=True, slots=True)
class PackageView:
    """What a package's page shows.

    `modules` are (module, profiles, symbols covered, symbols, lines executed, statements); `profiles` are (slug,
    symbols of the package that it covers), most first.
    """

    total: PackageRow
    above: tuple[str, ...]
    packages: tuple[PackageRow, ...]
    modules: tuple[tuple[str, int, int, int, int, int], ...]
    profiles: tuple[tuple[str, int], ...]


def packages_of(paths: Iterable[str]) -> list[str]:
    """Return every package of the source paths, those that hold nothing but packages too, sorted."""
    found: set[str] = set()
    for name in {package_of(path) for path in paths}:
        found.update(_with_above(name))
    return sorted(found)


def package_sheets(whole: Whole) -> Iterator[Sheet]:
    """Yield the sheet of each package's page."""
    own: dict[str, list[FilePart]] = {name: [] for name in packages_of(part.path for part in whole.parts)}
    below: dict[str, list[FilePart]] = {name: [] for name in own}
    for part in whole.parts:
        name = package_of(part.path)
        for package in _with_above(name):
            below[package].append(part)
        if name:
            own[name].append(part)
    rows = {name: _row(name, parts) for name, parts in below.items()}
    inside: dict[str, list[PackageRow]] = {name: [] for name in own}
    for name, row in rows.items():
        if "." in name:
            inside[name.rpartition(".")[0]].append(row)
    for name in own:
        view = PackageView(
            total=rows[name],
            above=tuple(_with_above(name))[:-1],
            packages=tuple(inside[name]),
            modules=tuple(_line(part.row) for part in own[name]),
            profiles=_profiles(below[name]),
        )
        title = f"Package {name}"
        yield Sheet("package.html", package_path(name), title, f"{title}: which profiles run it", view)


def _line(row: ModuleRow) -> tuple[str, int, int, int, int, int]:
    return row.module, row.profiles, row.tally.body, row.tally.total, row.executed, row.statements


def _with_above(name: str) -> Iterator[str]:
    """Yield `a`, `a.b` and `a.b.c` of `a.b.c`."""
    parts = name.split(".") if name else []
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def _row(name: str, parts: Sequence[FilePart]) -> PackageRow:
    rows = [part.row for part in parts]
    return PackageRow(
        name=name,
        modules=len(rows),
        executed=sum(row.executed for row in rows),
        statements=sum(row.statements for row in rows),
        covered=sum(row.tally.body for row in rows),
        symbols=sum(row.tally.total for row in rows),
    )


def _profiles(parts: Sequence[FilePart]) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for part in parts:
        for slug, indexes in zip(part.matrix.profiles, part.matrix.covered, strict=True):
            if indexes:
                counts[slug] = counts.get(slug, 0) + len(indexes)
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
