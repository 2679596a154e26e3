"""What is known of the files of a plan, looked up for many files at once: most builds change few of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from sitegen.address import module_data_path
from sitegen.fingerprint import Known
from sitegen.frame import Paths, page_set
from sitegen.model import SiteConfig
from sitegen.module_data import module_artifact, reached_of
from sitegen.parts import file_part, file_text
from sitegen.pipeline import FilePlan
from sitegen.press import Press
from sitegen.store import DiskStore, Store
from sitegen.together import FileKnown

SHELF = 32  # files; where one of them is new, so many are looked up one by one
Shelf = tuple[FilePlan, ...]
Labels = tuple[str, str, str, Paths, str]  # of a file: digests of what it reached, its part and text; pages; its twin


def shelves_of(files: Sequence[FilePlan]) -> list[Shelf]:
    """Return the files, some at a time."""
    return [tuple(files[start : start + SHELF]) for start in range(0, len(files), SHELF)]


def look_up(
    shelf: Shelf, config: Known[SiteConfig], press: Press, store: Store
) -> Iterator[tuple[str, FileKnown | None]]:
    """Yield each file's path and what is known of it; None where anything is missing."""
    for file, labels in zip(shelf, _labels_of(shelf, config, press, store), strict=True):
        yield file.path, None if labels is None else _known(file, labels, store)


def labels_of(*args: object) -> tuple[Labels, ...]:
    """Stand for the labels of a shelf in the cache: they are looked up, not made."""
    raise NotImplementedError


def _labels_of(shelf: Shelf, config: Known[SiteConfig], press: Press, store: Store) -> Sequence[Labels | None]:
    if press.by_theme is not None:
        return [None] * len(shelf)

    def look() -> tuple[Labels | None, ...]:
        return tuple(_labels(file, config, press, store) for file in shelf)

    if not isinstance(store, DiskStore):
        return look()
    coverages, sources = tuple(file.coverage() for file in shelf), tuple(file.source for file in shelf)
    steps = dict(chain.from_iterable(file.steps for file in shelf))
    return store.shelve(look, labels_of, coverages, sources, tuple(steps.items()), config, *press.look)


def _labels(file: FilePlan, config: Known[SiteConfig], press: Press, store: Store) -> Labels | None:
    coverage = file.coverage()
    reached = store.look(reached_of, coverage, file.steps)
    if reached is None:
        return None
    part = store.look(file_part, coverage, reached)
    text = store.look(file_text, coverage)
    pages = store.look(page_set, coverage, file.source, config, *press.look)
    twin = store.note(module_artifact, (coverage, reached))
    if part is None or text is None or pages is None or twin is None or not pages.readable:
        return None
    return reached.digest, part.digest, text.digest, pages.value, twin


def _known(file: FilePlan, labels: Labels, store: Store) -> FileKnown:
    coverage = file.coverage()
    reached = store.at(labels[0], reached_of, coverage, file.steps)
    return FileKnown(
        part=store.at(labels[1], file_part, coverage, reached),
        text=store.at(labels[2], file_text, coverage),
        pages=labels[3],
        twin=(module_data_path(file.module), labels[4]),
    )
