"""Snapshot and frame → every generated file of the site: staged where it differs, known by its digest where not."""

from __future__ import annotations

from itertools import chain

from sitegen import data
from sitegen.address import package_path, profile_data_path, profile_path, symbol_path
from sitegen.cells import PATH as CELLS
from sitegen.fingerprint import Known
from sitegen.fragments import MATRIX_LIST
from sitegen.frame import page_set
from sitegen.highlight import highlighted
from sitegen.history import PATH as HISTORY
from sitegen.model import Atlas, Gaps, Matrix, SiteConfig
from sitegen.module_data import module_artifact, reached_of
from sitegen.package_pages import packages_of
from sitegen.pages import symbol_sheet
from sitegen.parallel import spread_stages
from sitegen.parts import file_part, file_text
from sitegen.pipeline import FilePlan, Plan, symbol_paths
from sitegen.press import Fate, Press
from sitegen.previous import GONE
from sitegen.redirects import GO
from sitegen.shelves import look_up, shelves_of
from sitegen.store import DiskStore, Store
from sitegen.symbol_pages import file_views
from sitegen.together import FileKnown, make_together


def make_site(plan: Plan, press: Press, store: Store, jobs: int = 1) -> tuple[dict[str, str], dict[str, Fate]]:
    """Make every generated file; return the digest of each and what happened to each page."""
    files, fates = _files(plan, press, store, jobs)
    made, told = make_together(plan, files, press, store, jobs)
    made.update(chain.from_iterable((*file.pages, file.twin) for file in files))
    return made, fates | told


def page_paths(plan: Plan, store: Store) -> list[str]:
    """Return the paths of all pages and twins that `make_site` will make, without making them."""
    return [*chain.from_iterable(known.value for known in _symbol_paths(plan, store)), *_other_paths(plan)]


def linked_paths(plan: Plan, words: frozenset[str], store: Store) -> tuple[str, ...]:
    """Return which of these paths hand-written pages may link to, sorted; `words` are the file names in them."""
    return store.call(named_so, tuple(sorted(words)), _symbol_paths(plan, store), tuple(_other_paths(plan))).value


def named_so(words: tuple[str, ...], paths: tuple[tuple[str, ...], ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths whose file names are among `words`."""
    wanted = frozenset(words)
    return tuple(sorted(path for path in chain(*paths, others) if path.rpartition("/")[2] in wanted))


def _symbol_paths(plan: Plan, store: Store) -> tuple[Known[tuple[str, ...]], ...]:
    return tuple(store.call(symbol_paths, file.inventory) for file in plan.files)


def _other_paths(plan: Plan) -> list[str]:
    own = [path for slug in plan.slugs for path in (profile_path(slug), profile_data_path(slug))]
    sections = [
        "index.html",
        *(f"{name}/index.html" for name in ("matrix", "gaps", "overlap", "routes", "trends")),
        MATRIX_LIST,
    ]
    return (
        own
        + [package_path(name) for name in packages_of(file.path for file in plan.files)]
        + sections
        + [CELLS, GO, GONE, HISTORY, *(symbol_path(item.id, item.kind) for item in plan.gone.value)]
        + [artifact.path for artifact in data.data_artifacts(_bare(plan), plan.commit)]
    )


def _bare(plan: Plan) -> Atlas:
    empty = Matrix((), (), (), (), ())
    return Atlas(plan.config, (), (), empty, Gaps((), ()))


# ── a file's own pages ───────────────────────────────────────────────────────────────────────────────────────────


def _files(plan: Plan, press: Press, store: Store, jobs: int) -> tuple[list[FileKnown], dict[str, Fate]]:
    config = Known(plan.config)  # so that its digest is made once
    shelves = shelves_of(plan.files)
    known = dict(chain.from_iterable(look_up(shelf, config, press, store) for shelf in shelves))
    todo = [file for file in plan.files if (found := known[file.path]) is None or not _is_there(found, press)]
    fates: dict[str, Fate] = {}
    if isinstance(store, DiskStore) and press.by_theme is None:
        for fate in spread_stages(lambda file: _make(file, config, press, store)[1], todo, store, jobs):
            fates.update(fate)
        made = {file.path for file in todo}
        for shelf in shelves:
            if not made.isdisjoint(file.path for file in shelf):
                known.update(look_up(shelf, config, press, store))
        todo = [file for file in todo if known[file.path] is None]  # the cache cannot be written
    for file in todo:
        known[file.path], fate = _make(file, config, press, store)
        fates.update(fate)
    return [found for found in known.values() if found is not None], fates


def _is_there(file: FileKnown, press: Press) -> bool:
    return press.has(file.pages) and press.has((file.twin,))


def _make(file: FilePlan, config: Known[SiteConfig], press: Press, store: Store) -> tuple[FileKnown, dict[str, Fate]]:
    coverage = file.coverage()
    views = file_views(coverage.value, highlighted(file.source.value), config.value)
    paths, fates = press.make(map(symbol_sheet, views), store)
    reached = store.call(reached_of, coverage, file.steps)
    twin = press.put(module_artifact(coverage.value, reached.value))
    store.note(module_artifact, (coverage, reached), twin[1])
    store.keep(paths, page_set, coverage, file.source, config, *press.look)
    part, text = store.call(file_part, coverage, reached), store.call(file_text, coverage)
    return FileKnown(part, text, paths, twin), fates
