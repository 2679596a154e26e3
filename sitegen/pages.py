"""Atlas + source texts → every generated page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from sitegen.address import profile_path
from sitegen.highlight import highlighted
from sitegen.matrix import covering_set, overlap
from sitegen.model import Atlas, Cell, FileCoverage, Gap, Gaps, Matrix, Overlap, Page, Symbol, SymbolCoverage
from sitegen.render import Renderer
from sitegen.store import Store
from sitegen.symbol_pages import file_pages
from sitegen.views import Lookup, ModuleRow, ProfileRow, Tally, module_row, profile_rows, tally, union

TOP_GAPS = 12


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
class ProfileModule:
    """What one profile runs of one module: its symbols with a cell, and executed of all statements."""

    module: str
    executed: int
    statements: int
    symbols: tuple[tuple[Symbol, Cell], ...]


@dataclass(frozen=True, slots=True)
class ProfileView:
    """What a profile's page shows."""

    row: ProfileRow
    modules: tuple[ProfileModule, ...]
    unique: tuple[Symbol, ...]
    all_modules: int


@dataclass(frozen=True, slots=True)
class MatrixModule:
    """One module's row of the matrix: covered symbols per profile, and its symbols with the slugs that run them."""

    module: str
    symbols: int
    covered: tuple[int, ...]
    rows: tuple[SymbolCoverage, ...]


@dataclass(frozen=True, slots=True)
class MatrixView:
    """Profiles × modules, each module with its symbols."""

    profiles: tuple[ProfileRow, ...]
    modules: tuple[MatrixModule, ...]
    symbols: int


@dataclass(frozen=True, slots=True)
class OverlapView:
    """How alike profiles are; `pairs` by slugs, both ways round."""

    profiles: tuple[ProfileRow, ...]
    pairs: Mapping[tuple[str, str], Overlap]
    contained: tuple[tuple[str, str], ...]
    covering: tuple[tuple[str, int, int], ...]  # slug, symbols that it adds, symbols so far
    covered: int


def site_pages(atlas: Atlas, sources: Mapping[str, bytes], renderer: Renderer, store: Store) -> Iterator[Page]:
    """Yield every generated page; `sources` maps each file's path to its bytes."""
    lookup = Lookup(atlas)
    rows = profile_rows(atlas)
    yield _home(atlas, rows, renderer)
    for row in rows:
        yield _profile(atlas, lookup, row, renderer)
    for file in atlas.files:
        lines = store.memo(highlighted, sources[file.inventory.path])
        yield from file_pages(file, lines, lookup, atlas.config, renderer)
    yield _matrix(atlas, rows, renderer)
    yield _gaps(atlas.gaps, renderer)
    yield _overlap(atlas.matrix, rows, renderer)


def _home(atlas: Atlas, profiles: tuple[ProfileRow, ...], renderer: Renderer) -> Page:
    modules = [(_package(file), module_row(file)) for file in atlas.files]
    view = HomeView(
        title=atlas.config.title,
        tally=tally(symbol for file in atlas.files for symbol in file.symbols),
        executed=sum(union(file).bit_count() for file in atlas.files),
        statements=sum(row.statements for _, row in modules),
        touched=sum(row.profiles > 0 for _, row in modules),
        modules=len(modules),
        profiles=profiles,
        packages=tuple(
            _package_view(name, tuple(row for _, row in group))
            for name, group in groupby(sorted(modules, key=lambda item: item[0]), key=lambda item: item[0])
        ),
        gaps=tuple(sorted(atlas.gaps.modules + atlas.gaps.symbols, key=lambda gap: -gap.statements))[:TOP_GAPS],
    )
    return renderer.page("home.html", "index.html", "Map", f"{atlas.config.title}: which profiles run which code", view)


def _package(file: FileCoverage) -> str:
    return file.inventory.path.rpartition("/")[0].replace("/", ".")


def _package_view(name: str, rows: tuple[ModuleRow, ...]) -> PackageView:
    return PackageView(
        name=name,
        executed=sum(row.executed for row in rows),
        statements=sum(row.statements for row in rows),
        symbols=sum(row.tally.total for row in rows),
        covered=sum(row.tally.body for row in rows),
        modules=rows,
    )


def _profile(atlas: Atlas, lookup: Lookup, row: ProfileRow, renderer: Renderer) -> Page:
    matrix, slug = atlas.matrix, row.head.slug
    modules = []
    for file in atlas.files:
        executed = next((mask for owner, mask in file.executed if owner == slug), 0)
        if not executed:
            continue
        cells = [(item.symbol, cell) for item in file.symbols for cell in item.cells if cell.slug == slug]
        statements = file.inventory.statements.bit_count()
        modules.append(ProfileModule(file.symbols[0].symbol.id, executed.bit_count(), statements, tuple(cells)))
    view = ProfileView(
        row=row,
        modules=tuple(modules),
        unique=tuple(lookup.symbols[matrix.symbols[index]].symbol for index in row.unique),
        all_modules=len(atlas.files),
    )
    toc = [("requests", "Requests"), ("modules", "Modules and symbols"), ("unique", "Only this profile")]
    if row.head.problems:
        toc.insert(0, ("problems", "Problems"))
    text = f"Profile {slug}: {row.head.title or 'its requests'} and the code that they run"
    return renderer.page("profile.html", profile_path(slug), slug, text, view, tuple(toc))


def _matrix(atlas: Atlas, profiles: tuple[ProfileRow, ...], renderer: Renderer) -> Page:
    slugs = [row.head.slug for row in profiles]
    modules = []
    for file in atlas.files:
        counts = dict.fromkeys(slugs, 0)
        for item in file.symbols:
            for cell in item.cells:
                counts[cell.slug] += cell.certainty == "body"
        total = tally(file.symbols).total
        modules.append(MatrixModule(file.symbols[0].symbol.id, total, tuple(counts.values()), file.symbols))
    view = MatrixView(profiles, tuple(modules), len(atlas.matrix.symbols))
    return renderer.page(
        "matrix.html", "matrix/index.html", "Matrix", "Which profiles run which modules and symbols", view
    )


def _gaps(gaps: Gaps, renderer: Renderer) -> Page:
    return renderer.page("gaps.html", "gaps/index.html", "Gaps", "Modules and symbols that no profile covers", gaps)


def _overlap(matrix: Matrix, profiles: tuple[ProfileRow, ...], renderer: Renderer) -> Page:
    pairs = overlap(matrix)
    covering, so_far = [], 0
    for slug, added in covering_set(matrix):
        so_far += added
        covering.append((slug, added, so_far))
    view = OverlapView(
        profiles=profiles,
        pairs={pair: item for item in pairs for pair in ((item.first, item.second), (item.second, item.first))},
        contained=tuple(item.contained for item in pairs if item.contained),
        covering=tuple(covering),
        covered=so_far,
    )
    return renderer.page("overlap.html", "overlap/index.html", "Overlap", "How alike profiles are", view)
