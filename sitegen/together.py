"""What is known of all files → the pages, the twins and the history that show more than one file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sitegen import data
from sitegen.address import profile_data_path
from sitegen.cells import cells_artifact
from sitegen.changes import Changes, whole_changes
from sitegen.fingerprint import Known
from sitegen.fragments import FileHtml
from sitegen.frame import Paths, page_set
from sitegen.history import history_artifact, nights_of
from sitegen.model import Artifact, Atlas, Gaps, Matrix, ProfileHead
from sitegen.names import NAMES, PLACES
from sitegen.pages import whole_sheets
from sitegen.parallel import spread_stages
from sitegen.parts import FilePart, FileText, join_document, join_gaps, join_matrix
from sitegen.pipeline import Plan
from sitegen.press import Fate, Press
from sitegen.previous import gone_artifact
from sitegen.redirects import GO_SHEET, gone_sheets
from sitegen.store import Store
from sitegen.tables import RouteUse, route_uses
from sitegen.trends import trends_sheet
from sitegen.whole import Whole

MANY = 100  # files: with fewer, all is made before another process has started
Shares = tuple[tuple[Known[FileText], ...], str]  # of files, and whose they are: a path or a slug
Made = tuple[Paths, dict[str, Fate]]


@dataclass(frozen=True, slots=True)
class FileKnown:
    """What is known of one file: its share of what is made from all, and its pages."""

    part: Known[FilePart]
    html: Known[FileHtml]
    text: Known[FileText]
    pages: Known[Paths]
    lines: Known[Paths]  # of the module's twin


@dataclass(frozen=True, slots=True)
class Together:
    """What is known of all files, read once somebody asks."""

    plan: Plan
    heads: tuple[Known[ProfileHead], ...]  # as pages show them
    parts: tuple[Known[FilePart], ...]
    html: tuple[Known[FileHtml], ...]
    texts: tuple[Known[FileText], ...]
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
        kept = store.look(page_set, *args) if press.by_theme is None else None
        if kept is not None and kept.readable and press.has(kept.value):
            made.update(kept.value)
        else:
            todo.append((make, args))
    if todo:
        _ = known.matrix.value, known.gaps.value  # before there are more processes, so that each has them

    def through(task: Task) -> Made:
        make, args = task
        paths, fate = make(known, press, store)
        return store.keep(paths, page_set, *args).value, fate

    for paths, fate in spread_stages(through, todo, store, jobs if len(files) >= MANY else 1, fewest=1):
        made.update(paths)
        fates.update(fate)
    return made, fates


def _join(plan: Plan, files: Sequence[FileKnown], store: Store) -> Together:
    parts = tuple(file.part for file in files)
    return Together(
        plan=plan,
        heads=tuple(store.call(shown_head, head) for head in plan.heads),
        parts=parts,
        html=tuple(file.html for file in files),
        texts=tuple(file.text for file in files),
        matrix=Known(load=lambda: join_matrix(plan.slugs, [part.value for part in parts])),
        gaps=Known(load=lambda: join_gaps([part.value for part in parts])),
        routes=store.call(all_routes, plan.heads),
        changes=store.call(whole_changes, plan.previous, plan.heads, plan.slugs, parts),
    )


def _shown(known: Together, press: Press) -> tuple[Task, ...]:
    plan, parts = known.plan, known.parts
    return (
        (_pages, (plan.config, known.heads, parts, known.html, plan.gone, known.routes, known.changes, *press.look)),
        (_twins, (plan.config, plan.heads, plan.slugs, plan.commit, plan.gone, parts, known.texts)),
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
    sheets = whole_sheets(whole, [item.value for item in known.html])
    return press.make(chain(sheets, gone_sheets(known.plan.gone.value), [GO_SHEET]), store)


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


def _twins(known: Together, press: Press, store: Store) -> Made:
    plan = known.plan
    heads = tuple(head.value for head in plan.heads)
    atlas = Atlas(plan.config, (), heads, known.matrix.value, known.gaps.value)
    frames = list(data.data_artifacts(atlas, plan.commit))
    frames.append(gone_artifact(plan.gone.value))
    frames.append(cells_artifact([(head.slug, head.status) for head in heads], [p.value.cells for p in known.parts]))
    ran = _texts_of(plan, known.texts)
    return tuple(_twin(frame, ran.get(frame.path), press, store) for frame in frames), {}


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
