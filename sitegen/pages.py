"""What is known of all files → the sheets of the pages that show them: home, profiles, matrix, gaps, overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sitegen.address import profile_path
from sitegen.fragments import MATRIX, FileHtml
from sitegen.matrix import covering_set, overlap
from sitegen.model import Gap, Gaps, Kind, Matrix, ProfileHead, SiteConfig
from sitegen.parts import FilePart
from sitegen.render import Sheet
from sitegen.symbol_pages import SymbolView
from sitegen.views import ModuleRow, ProfileRow, Tally, profile_rows

TOP_GAPS = 12


@dataclass(frozen=True, slots=True)
class Whole:
    """What is known of all files, in their order, and of all profiles, in the matrix's."""

    config: SiteConfig
    heads: tuple[ProfileHead, ...]
    parts: tuple[FilePart, ...]
    matrix: Matrix
    gaps: Gaps


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
class HomeView:
    """Totals over the whole source, and where to go from there."""

    title: str
    tally: Tally
    executed: int
    statements: int
    touched: int  # modules with a covered body
    modules: int
    profiles: tuple[ProfileRow, ...]
    packages: tuple[PackageView, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class ProfileView:
    """What a profile's page shows; `modules` are the HTML of each module's fold, `unique` (id, kind)."""

    row: ProfileRow
    modules: tuple[str, ...]
    unique: tuple[tuple[str, Kind], ...]
    all_modules: int


@dataclass(frozen=True, slots=True)
class MatrixView:
    """Profiles (slug, trouble) × modules (module, symbols, covered per profile), and the HTML of each's symbols."""

    profiles: tuple[tuple[str, str | None], ...]
    modules: tuple[tuple[str, int, tuple[int, ...]], ...]
    folds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OverlapRow:
    """A profile and, for each profile in turn, (shared symbols, how alike in thousandths), None where nothing is."""

    slug: str
    symbols: int
    unique: int
    containers: tuple[str, ...]
    pairs: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class OverlapView:
    """How alike profiles are; `covering` has slug, symbols that it adds, symbols so far."""

    rows: tuple[OverlapRow, ...]
    covering: tuple[tuple[str, int, int], ...]
    covered: int


def symbol_sheet(view: SymbolView) -> Sheet:
    """Return the sheet of a module's or symbol's page."""
    text = f"{view.kind.capitalize()} {view.id}: which profiles run it"
    return Sheet("symbol.html", view.page, view.id, text, view)


def whole_sheets(whole: Whole, html: Sequence[FileHtml]) -> Iterator[Sheet]:
    """Yield the sheets of all pages that show more than one file."""
    rows = profile_rows(whole.heads, whole.matrix)
    yield _home(whole, rows)
    folds: dict[str, list[str]] = {row.head.slug: [] for row in rows}
    for file in html:
        for slug, fold in file.profiles:
            folds[slug].append(fold)
    symbols = [symbol for part in whole.parts for symbol in part.symbols]
    for row in rows:
        yield _profile(row, tuple(folds[row.head.slug]), symbols, len(whole.parts))
    yield _matrix(whole, rows, html)
    yield Sheet("gaps.html", "gaps/index.html", "Gaps", "Modules and symbols that no profile covers", whole.gaps)
    yield _overlap(whole.matrix, rows)


def _home(whole: Whole, profiles: tuple[ProfileRow, ...]) -> Sheet:
    modules = sorted(((_package(part.path), part.row) for part in whole.parts), key=lambda item: item[0])
    tallies = [part.row.tally for part in whole.parts]
    view = HomeView(
        title=whole.config.title,
        tally=Tally(*(sum(getattr(tally, name) for tally in tallies) for name in Tally.__match_args__)),
        executed=sum(row.executed for _, row in modules),
        statements=sum(row.statements for _, row in modules),
        touched=sum(row.profiles > 0 for _, row in modules),
        modules=len(modules),
        profiles=profiles,
        packages=tuple(
            _package_view(name, tuple(row for _, row in group))
            for name, group in groupby(modules, key=lambda item: item[0])
        ),
        gaps=tuple(sorted(whole.gaps.modules + whole.gaps.symbols, key=lambda gap: -gap.statements))[:TOP_GAPS],
    )
    return Sheet("home.html", "index.html", "Map", f"{whole.config.title}: which profiles run which code", view)


def _package(path: str) -> str:
    return path.rpartition("/")[0].replace("/", ".")


def _package_view(name: str, rows: tuple[ModuleRow, ...]) -> PackageView:
    return PackageView(
        name=name,
        executed=sum(row.executed for row in rows),
        statements=sum(row.statements for row in rows),
        symbols=sum(row.tally.total for row in rows),
        covered=sum(row.tally.body for row in rows),
        modules=rows,
    )


def _profile(row: ProfileRow, folds: tuple[str, ...], symbols: Sequence[tuple[str, Kind]], all_modules: int) -> Sheet:
    slug = row.head.slug
    view = ProfileView(row, folds, tuple(symbols[index] for index in row.unique), all_modules)
    toc = [("requests", "Requests"), ("modules", "Modules and symbols"), ("unique", "Only this profile")]
    if row.head.problems:
        toc.insert(0, ("problems", "Problems"))
    text = f"Profile {slug}: {row.head.title or 'its requests'} and the code that they run"
    return Sheet("profile.html", profile_path(slug), slug, text, view, tuple(toc))


def _matrix(whole: Whole, profiles: tuple[ProfileRow, ...], html: Sequence[FileHtml]) -> Sheet:
    modules = []
    for part in whole.parts:
        covered = {slug: len(indexes) for slug, indexes in zip(part.matrix.profiles, part.matrix.covered, strict=True)}
        counts = tuple(covered.get(slug, 0) for slug in whole.matrix.profiles)
        modules.append((part.row.module, part.row.tally.total, counts))
    columns = tuple((row.head.slug, row.trouble) for row in profiles)
    view = MatrixView(columns, tuple(modules), tuple(file.matrix for file in html if file.matrix))
    return Sheet("matrix.html", MATRIX, "Matrix", "Which profiles run which modules and symbols", view)


def _overlap(matrix: Matrix, profiles: tuple[ProfileRow, ...]) -> Sheet:
    pairs = overlap(matrix)
    alike = {}
    containers: dict[str, list[str]] = {row.head.slug: [] for row in profiles}
    for item in pairs:
        alike[item.first, item.second] = alike[item.second, item.first] = item.shared, round(1000 * item.jaccard)
        if item.contained:
            containers[item.contained[0]].append(item.contained[1])
    covering, so_far = [], 0
    for slug, added in covering_set(matrix):
        so_far += added
        covering.append((slug, added, so_far))
    slugs = [row.head.slug for row in profiles]
    rows = tuple(
        OverlapRow(
            slug=row.head.slug,
            symbols=row.symbols,
            unique=len(row.unique),
            containers=tuple(containers[row.head.slug]),
            pairs=tuple(alike.get((row.head.slug, slug)) for slug in slugs),
        )
        for row in profiles
    )
    view = OverlapView(rows, tuple(covering), so_far)
    return Sheet("overlap.html", "overlap/index.html", "Overlap", "How alike profiles are", view)
