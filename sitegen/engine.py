"""Snapshot and frame → every generated file of the site: staged where it differs, known by its digest where not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sitegen import data
from sitegen.address import package_path, profile_data_path, profile_path, symbol_path
from sitegen.cells import PATH as CELLS
from sitegen.cells import cells_artifact
from sitegen.changes import whole_changes
from sitegen.fingerprint import Known
from sitegen.fragments import MATRIX_LIST, FileHtml, file_html
from sitegen.frame import Paths, page_set
from sitegen.highlight import highlighted
from sitegen.history import PATH as HISTORY
from sitegen.history import history_artifact, nights_of
from sitegen.model import Artifact, Atlas, FileCoverage, Gaps, Matrix, ProfileHead, SiteConfig
from sitegen.module_data import module_artifact, reached_of
from sitegen.names import NAMES, PLACES
from sitegen.package_pages import packages_of
from sitegen.pages import symbol_sheet, whole_sheets
from sitegen.parallel import spread_stages
from sitegen.parts import FilePart, FileText, file_part, file_text, join_document, join_gaps, join_matrix
from sitegen.pipeline import FilePlan, Plan, symbol_paths
from sitegen.press import Fate, Press
from sitegen.previous import GONE, gone_artifact
from sitegen.redirects import GO, GO_SHEET, gone_sheets
from sitegen.steps import Reached
from sitegen.store import DiskStore, Store
from sitegen.symbol_pages import file_views
from sitegen.tables import RouteUse, route_uses
from sitegen.trends import trends_sheet
from sitegen.whole import Whole

MANY = 100  # files: with fewer, what shows all of them is made before another process has started
Shares = tuple[tuple[Known[FileText], ...], str]  # of files, and whose they are: a path or a slug


@dataclass(frozen=True, slots=True)
class FileKnown:
    """What is known of one file: its share of what is made from all, and its pages."""

    part: Known[FilePart]
    html: Known[FileHtml]
    text: Known[FileText]
    pages: Known[Paths]
    lines: Known[Paths]  # of the module's twin


@dataclass(frozen=True, slots=True)
class Everything:
    """What is known of all files, for what shows more than one of them; read once somebody asks."""

    plan: Plan
    files: Sequence[FileKnown]
    matrix: Known[Matrix]
    gaps: Known[Gaps]


def make_site(plan: Plan, press: Press, store: Store, jobs: int = 1) -> tuple[dict[str, str], dict[str, Fate]]:
    """Make every generated file; return the digest of each and what happened to each page."""
    files, fates = _files(plan, press, store, jobs)
    parts = [file.part for file in files]
    matrix = Known(load=lambda: join_matrix(plan.slugs, [part.value for part in parts]))
    gaps = Known(load=lambda: join_gaps([part.value for part in parts]))
    everything = Everything(plan, files, matrix, gaps)
    made = dict(chain.from_iterable((*file.pages.value, *file.lines.value) for file in files))
    few = len(files) < MANY
    rest = (_pages, _twins, _nights)
    for paths, fate in spread_stages(lambda make: make(everything, press, store), rest, store, 1 if few else jobs, 1):
        made.update(paths)
        fates.update(fate)
    return made, fates


def page_paths(plan: Plan, store: Store) -> list[str]:
    """Return the paths of all pages and twins that `make_site` will make, without making them."""
    symbols = [symbol for file in plan.files for symbol in store.call(symbol_paths, file.inventory).value]
    own = [path for slug in plan.slugs for path in (profile_path(slug), profile_data_path(slug))]
    sections = [
        "index.html",
        *(f"{name}/index.html" for name in ("matrix", "gaps", "overlap", "routes", "trends")),
        MATRIX_LIST,
    ]
    return (
        symbols
        + own
        + [package_path(name) for name in packages_of(file.path for file in plan.files)]
        + sections
        + [CELLS, GO, GONE, HISTORY, *(symbol_path(item.id, item.kind) for item in plan.gone.value)]
        + [artifact.path for artifact in data.data_artifacts(_bare(plan), plan.commit)]
    )


# ── a file's own pages ───────────────────────────────────────────────────────────────────────────────────────────


def _files(plan: Plan, press: Press, store: Store, jobs: int) -> tuple[list[FileKnown], dict[str, Fate]]:
    known = {file.path: _known(file, plan.config, press, store) for file in plan.files}
    todo = [file for file in plan.files if (found := known[file.path]) is None or not _is_there(found, press)]
    fates: dict[str, Fate] = {}
    if isinstance(store, DiskStore) and press.by_theme is None:
        for fate in spread_stages(lambda file: _make(file, plan.config, press, store)[1], todo, store, jobs):
            fates.update(fate)
        known.update((file.path, _known(file, plan.config, press, store)) for file in todo)
        todo = [file for file in todo if known[file.path] is None]  # the cache cannot be written
    for file in todo:
        known[file.path], fate = _make(file, plan.config, press, store)
        fates.update(fate)
    return [found for found in known.values() if found is not None], fates


def _known(file: FilePlan, config: SiteConfig, press: Press, store: Store) -> FileKnown | None:
    if press.by_theme is not None:
        return None
    coverage = file.coverage()
    part = store.look(file_part, coverage)
    reached = store.look(reached_of, coverage, file.steps)
    if reached is None:
        return None
    html = store.look(file_html, coverage, reached)
    text = store.look(file_text, coverage)
    pages = store.look(page_set, coverage, file.source, config, *press.look)
    lines = store.look(page_set, coverage, reached)
    if part is None or html is None or text is None or pages is None or lines is None:
        return None
    return FileKnown(part, html, text, pages, lines) if pages.readable and lines.readable else None


def _is_there(file: FileKnown, press: Press) -> bool:
    return press.has(file.pages.value) and press.has(file.lines.value)


def _make(file: FilePlan, config: SiteConfig, press: Press, store: Store) -> tuple[FileKnown, dict[str, Fate]]:
    coverage = file.coverage()
    views = file_views(coverage.value, highlighted(file.source.value), config)
    paths, fates = press.make(map(symbol_sheet, views), store)
    reached = store.call(reached_of, coverage, file.steps)
    return FileKnown(
        part=store.call(file_part, coverage),
        html=store.call(file_html, coverage, reached),
        text=store.call(file_text, coverage),
        pages=store.keep(paths, page_set, coverage, file.source, config, *press.look),
        lines=_lines(coverage, reached, press, store),
    ), fates


def _lines(
    coverage: Known[FileCoverage], reached: Known[tuple[Reached, ...]], press: Press, store: Store
) -> Known[Paths]:
    twin = press.put(module_artifact(coverage.value, reached.value))
    return store.keep((twin,), page_set, coverage, reached)


# ── what is made from all files ──────────────────────────────────────────────────────────────────────────────────


def _pages(everything: Everything, press: Press, store: Store) -> tuple[Paths, dict[str, Fate]]:
    plan, files = everything.plan, everything.files
    parts, html = tuple(file.part for file in files), tuple(file.html for file in files)
    shown = tuple(store.call(shown_head, head) for head in plan.heads)
    routes = store.call(all_routes, plan.heads)
    changes = store.call(whole_changes, plan.previous, plan.heads, plan.slugs, parts)
    args = (plan.config, shown, parts, html, plan.gone, routes, changes, *press.look)
    kept = store.look(page_set, *args) if press.by_theme is None else None
    if kept is not None and kept.readable and press.has(kept.value):
        return kept.value, {}
    heads, known = tuple(head.value for head in shown), tuple(part.value for part in parts)
    matrix, gaps = everything.matrix.value, everything.gaps.value
    whole = Whole(plan.config, heads, known, matrix, gaps, routes.value, changes.value)
    sheets = chain(whole_sheets(whole, [item.value for item in html]), gone_sheets(plan.gone.value), [GO_SHEET])
    paths, fates = press.make(sheets, store)
    return store.keep(paths, page_set, *args).value, fates


def shown_head(head: ProfileHead) -> ProfileHead:
    """Return a head without what the pages leave to data/build.json: a re-recorded profile changes no page by it."""
    return replace(head, commit=None, recorded=None, duration_s=None, routes=())


def all_routes(heads: tuple[ProfileHead, ...]) -> tuple[RouteUse, ...]:
    """Return the routes of the app and who requests them."""
    return route_uses(heads)


def _nights(everything: Everything, press: Press, store: Store) -> tuple[Paths, dict[str, Fate]]:
    plan, parts = everything.plan, tuple(file.part for file in everything.files)
    args = (plan.previous, plan.heads, plan.slugs, parts, *press.look)
    kept = store.look(page_set, *args) if press.by_theme is None else None
    if kept is not None and kept.readable and press.has(kept.value):
        return kept.value, {}
    heads = tuple(head.value for head in plan.heads)
    rows = tuple((part.value.row.module, part.value.row.executed, part.value.row.statements) for part in parts)
    nights = nights_of(plan.previous.value, heads, everything.matrix.value, rows)
    paths, fates = press.make([trends_sheet(nights, dict(chain.from_iterable(p.value.symbols for p in parts)))], store)
    return store.keep((*paths, press.put(history_artifact(nights))), page_set, *args).value, fates


def _twins(everything: Everything, press: Press, store: Store) -> tuple[Paths, dict[str, Fate]]:
    plan, files = everything.plan, everything.files
    parts, texts = tuple(file.part for file in files), tuple(file.text for file in files)
    args = (plan.config, plan.heads, plan.slugs, plan.commit, plan.gone, parts, texts)
    kept = store.look(page_set, *args)
    if kept is not None and kept.readable and press.has(kept.value):
        return kept.value, {}
    heads = tuple(head.value for head in plan.heads)
    matrix, gaps = everything.matrix.value, everything.gaps.value
    frames = list(data.data_artifacts(Atlas(plan.config, (), heads, matrix, gaps), plan.commit))
    frames.append(gone_artifact(plan.gone.value))
    frames.append(cells_artifact([(head.slug, head.status) for head in heads], [part.value.cells for part in parts]))
    ran = _texts_of(plan, texts)
    paths = tuple(_twin(frame, ran.get(frame.path), press, store) for frame in frames)
    return store.keep(paths, page_set, *args).value, {}


def _twin(frame: Artifact, used: Shares | None, press: Press, store: Store) -> tuple[str, str]:
    found = store.note(joined, (frame, used)) if used is not None else None
    if found is None or press.present.get(frame.path) != found:
        content = frame.data if used is None else joined(frame, used)
        found = hashlib.sha256(content).hexdigest()
        if used is not None:
            store.note(joined, (frame, used), found)
        press.stage(frame.path, content, found)
    return frame.path, found


def _texts_of(plan: Plan, texts: Sequence[Known[FileText]]) -> dict[str, Shares]:
    """Return, for each twin that lists files, the shares of files that it may list, and whose they are (path, slug)."""
    ran: dict[str, list[Known[FileText]]] = {slug: [] for slug in plan.slugs}
    for file, text in zip(plan.files, texts, strict=True):
        for slug, *_ in file.recorded:
            ran[slug].append(text)
    found = {profile_data_path(slug): (tuple(own), slug) for slug, own in ran.items()}
    return {path: (tuple(texts), path) for path in (data.INVENTORY, NAMES, PLACES)} | found


def joined(frame: Artifact, used: Shares) -> bytes:
    """Return a twin's bytes: its frame with the shares of files."""
    texts, wanted = used
    shares = [
        members for text in texts for owner, members in (*text.value.whole, *text.value.profiles) if owner == wanted
    ]
    return join_document(frame.data, shares)


def _bare(plan: Plan) -> Atlas:
    empty = Matrix((), (), (), (), ())
    return Atlas(plan.config, (), (), empty, Gaps((), ()))
