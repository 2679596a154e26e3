"""What is known of all files → the pages, the twins and the history that show more than one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sitegen import data
from sitegen.address import profile_data_path
from sitegen.cells import cells_artifact
from sitegen.changes import Changes, whole_changes
from sitegen.fingerprint import Known, quick_digest
from sitegen.frame import Paths, page_set
from sitegen.history import history_artifact, nights_of
from sitegen.model import Atlas, Gaps, Matrix, ProfileHead
from sitegen.names import NAMES, PLACES
from sitegen.pages import whole_sheets
from sitegen.parallel import share_out
from sitegen.parts import FilePart, FileText, Sums, join_gaps, join_matrix, join_sums, sums_of
from sitegen.pipeline import Plan
from sitegen.press import Fate, Press
from sitegen.previous import gone_artifact
from sitegen.redirects import GO_SHEET, gone_sheets
from sitegen.store import Store
from sitegen.tables import RouteUse, route_uses
from sitegen.trends import trends_sheet
from sitegen.twins import Used, stage_twins
from sitegen.whole import Whole

MANY = 100  # files: with fewer, all is made before another process has started
SUMMED = 32  # files: of so many the shares are read where one has changed
Made = tuple[Paths, dict[str, Fate]]


@dataclass(frozen=True, slots=True)
class FileKnown:
    """What is known of one file: its share of what is made from all, and its pages."""

    part: Known[FilePart]
    text: Known[FileText]
    pages: Paths
    twin: tuple[str, str]  # of the module: path and digest


@dataclass(frozen=True, slots=True)
class Together:
    """What is known of all files, read once somebody asks."""

    plan: Plan
    heads: tuple[Known[ProfileHead], ...]  # as pages show them
    parts: tuple[Known[FilePart], ...]
    texts: tuple[Known[FileText], ...]
    sums: tuple[Known[Sums], ...]  # of all files, some at a time
    matrix: Known[Matrix]
    gaps: Known[Gaps]
    routes: Known[tuple[RouteUse, ...]]
    changes: Known[Changes | None]


# Who makes something, and all that it shows.
Task = tuple[Callable[[Together, Press, Store], Made], tuple[object, ...]]


def make_together(
    plan: Plan, files: Sequence[FileKnown], press: Press, store: Store, jobs: int
) -> tuple[dict[str, str], dict[str, Fate]]:
    """Make what shows more than one file; return the digest of each and what happened to each page."""
    known = _join(plan, files, store)
    made: dict[str, str] = {}
    fates: dict[str, Fate] = {}
    todo: list[Task] = []
    for make, args in _shown(known, press):
        kept = _kept(args, press, store) if press.by_theme is None else None
        if kept is None:
            todo.append((make, args))
        else:
            made.update(kept)

    def through(task: Task) -> Made:
        make, args = task
        paths, fate = make(known, press, store)
        return store.keep(paths, page_set, *args).value, fate

    lists = [item for item in todo if item[0] is _lists]  # the one that needs no `parts`, which take long to read
    others = [item for item in todo if item[0] is not _lists]
    for paths, fate in share_out(through, others, lists, store, jobs if len(files) >= MANY else 1):
        made.update(paths)
        fates.update(fate)
    return made, fates


def _kept(args: tuple[object, ...], press: Press, store: Store) -> Paths | None:
    """Return the files that were made of these arguments, if the site has them all."""
    kept = store.look(page_set, *args)
    return kept.value if kept is not None and kept.readable and press.has(kept.value) else None


def _join(plan: Plan, files: Sequence[FileKnown], store: Store) -> Together:
    parts = tuple(file.part for file in files)
    return Together(
        plan=plan,
        heads=tuple(store.call(shown_head, head) for head in plan.heads),
        parts=parts,
        texts=tuple(file.text for file in files),
        sums=tuple(store.call(sums_of, parts[start : start + SUMMED]) for start in range(0, len(parts), SUMMED)),
        matrix=Known(load=lambda: join_matrix(plan.slugs, [part.value for part in parts])),
        gaps=Known(load=lambda: join_gaps([part.value for part in parts])),
        routes=store.call(all_routes, plan.heads),
        changes=store.call(whole_changes, plan.previous, plan.heads, plan.slugs, parts),
    )


def _shown(known: Together, press: Press) -> tuple[Task, ...]:
    plan, parts = known.plan, known.parts
    return (
        (_pages, (plan.config, known.heads, parts, plan.gone, known.routes, known.changes, *press.look)),
        (_lists, (plan.heads, plan.slugs, known.sums, known.texts)),
        (_tables, (plan.config, plan.heads, plan.slugs, plan.commit, plan.gone, parts)),
        (_nights, (plan.previous, plan.heads, plan.slugs, parts, *press.look)),
    )


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pages(known: Together, press: Press, store: Store) -> Made:
    whole = Whole(
        config=known.plan.config,
        heads=tuple(head.value for head in known.heads),
        parts=tuple(part.value for part in known.parts),
        matrix=known.matrix.value,
        gaps=known.gaps.value,
        routes=known.routes.value,
        changes=known.changes.value,
    )
    return press.make(chain(whole_sheets(whole), gone_sheets(known.plan.gone.value), [GO_SHEET]), store)


def shown_head(head: ProfileHead) -> ProfileHead:
    """Return a head without what the pages leave to data/build.json: a re-recorded profile changes no page by it."""
    return replace(head, commit=None, recorded=None, duration_s=None, routes=())


def all_routes(heads: tuple[ProfileHead, ...]) -> tuple[RouteUse, ...]:
    """Return the routes of the app and who requests them."""
    return route_uses(heads)


# ── nights ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _nights(known: Together, press: Press, store: Store) -> Made:
    heads, parts = tuple(head.value for head in known.plan.heads), [part.value for part in known.parts]
    rows = tuple((part.row.module, part.row.executed, part.row.statements) for part in parts)
    nights = nights_of(known.plan.previous.value, heads, known.matrix.value, rows)
    paths, fates = press.make([trends_sheet(nights, dict(chain.from_iterable(part.symbols for part in parts)))], store)
    return (*paths, press.put(history_artifact(nights))), fates


# ── twins ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _tables(known: Together, press: Press, store: Store) -> Made:
    heads = tuple(head.value for head in known.plan.heads)
    atlas = Atlas(known.plan.config, (), heads, known.matrix.value, known.gaps.value)  # all but the files
    statuses = tuple((head.slug, head.status) for head in atlas.profiles)
    made = (
        *data.whole_artifacts(atlas, known.plan.commit),
        gone_artifact(known.plan.gone.value),
        cells_artifact(statuses, [part.value.cells for part in known.parts]),
    )
    return (*map(press.put, made), *_matrix_twins(known.matrix.value, statuses, press, store)), {}


def _matrix_twins(matrix: Matrix, statuses: tuple[tuple[str, str], ...], press: Press, store: Store) -> Paths:
    """Make the twins that show cells and no lines, unless a build before has: most edits change no cell."""
    key = statuses, Known(digest=quick_digest(replace(matrix, summaries=())))
    kept = _kept(key, press, store)
    if kept is None:
        kept = store.keep(tuple(map(press.put, data.matrix_artifacts(matrix, statuses))), page_set, *key).value
    return kept


def _lists(known: Together, press: Press, store: Store) -> Made:
    plan = known.plan
    used = {path: Used(path, known.texts) for path in (data.INVENTORY, NAMES, PLACES)}
    matrix = Matrix(plan.slugs, (), (), (), join_sums(plan.slugs, [sums.value for sums in known.sums]))
    atlas = Atlas(plan.config, (), tuple(head.value for head in plan.heads), matrix, Gaps((), ()))
    return stage_twins(data.file_artifacts(atlas), used | _ran(known), known.texts, press, store), {}


def _ran(known: Together) -> dict[str, Used]:
    """Return, for each profile's twin, the shares of files that it may list."""
    ran: dict[str, list[Known[FileText]]] = {slug: [] for slug in known.plan.slugs}
    for file, text in zip(known.plan.files, known.texts, strict=True):
        for slug, *_ in file.recorded:
            ran[slug].append(text)
    return {profile_data_path(slug): Used(slug, tuple(own)) for slug, own in ran.items()}
