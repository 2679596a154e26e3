"""The cache never lies: after any edits an incremental build's site equals a clean one, byte for byte, and is minimal.

Hypothesis edits a small project (source, profile data, templates, options, mkdocs' configuration, hand-written pages,
the published files and the cache itself) and compares after every edit; `edits_support` has the edits and the
comparison. Faults that are planted into the build must be caught by the same edits and the same comparison.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from instrument.errors import CovatlasError
from sitegen import pipeline, statcache
from sitegen.fingerprint import Known, fingerprint
from sitegen.model import FileCoverage, FileInventory
from sitegen.publish import read_token
from tests.edits_support import MKDOCS, Edits, drive

WHOLE = os.environ.get("COVATLAS_WHOLE") == "1"
EXAMPLES = 400 if WHOLE else 100
STEPS = 12 if WHOLE else 6
CAUGHT = (AssertionError, LookupError, ValueError, CovatlasError, OSError)


def run(examples: int, steps: int, **more: object) -> None:
    run_state_machine_as_test(
        Edits,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            suppress_health_check=list(HealthCheck), database=None, **more,
        ),
    )  # fmt: skip


@pytest.mark.timeout(3600)
def test_incremental_equals_clean_after_any_edits(capsys: pytest.CaptureFixture[str]) -> None:
    before = (Edits.tally.builds, Edits.tally.counted)
    run(EXAMPLES, STEPS)
    builds, counted = Edits.tally.builds - before[0], Edits.tally.counted - before[1]
    with capsys.disabled():
        print(f"\n{EXAMPLES} examples: {builds} edits built and compared, pages counted after {counted} of them, "
              f"{len(MKDOCS.frames)} frames by mkdocs")  # fmt: skip
    assert builds > 3 * EXAMPLES and counted > EXAMPLES  # or the proof has stopped looking


def test_edits_that_once_made_a_page_for_nothing() -> None:
    state = Edits()
    state.start()
    try:
        state.incremental_equals_clean()
        state.edit_source(above="", body="def f(x):\n    if x:\n        return 1\n    return 2\n", name="a")
        state.incremental_equals_clean()
        state.rename_source(new="deep/d", old="__init__")  # symbols get other numbers, the profile's page shows none
        state.incremental_equals_clean()
        state.edit_source(above="", body="def g():\n    return 2\n", name="b")
        state.incremental_equals_clean()
        state.edit_source(above="# moved\n", body="def g():\n    return 2\n", name="b")  # home shows no gap's line
        state.incremental_equals_clean()
    finally:
        state.teardown()


# ── planted faults ───────────────────────────────────────────────────────────────────────────────────────────────

Args = tuple[object, ...]


def _keyed(change: Callable[[str, Args], Args]) -> ExitStack:
    """Plant keys that see less than the arguments of a stage; `change` gets the stage's name and its arguments."""

    def faulty(toolchain: str, stage: Callable[..., object], args: Args) -> str:
        return fingerprint(toolchain, stage, change(stage.__name__, args))

    stack = ExitStack()
    stack.enter_context(patch("sitegen.store.fingerprint", faulty))
    return stack


def _forget(name: str, *positions: int) -> ExitStack:
    """Plant a key that forgets some arguments of a stage."""
    return _keyed(
        lambda stage, args: tuple(arg for at, arg in enumerate(args) if at not in positions) if stage == name else args
    )


def _forget_templates() -> ExitStack:
    """Plant keys without the templates, wherever a page's or a set of pages' key holds them."""

    def is_templates(item: object) -> bool:
        value = item.value if isinstance(item, Known) and item._load is None else item
        return isinstance(value, tuple) and any(isinstance(pair, tuple) and pair[0] == "symbol.html" for pair in value)

    def without(item: object) -> object:
        if isinstance(item, tuple) and not is_templates(item):
            return tuple(map(without, item))
        return None if is_templates(item) else item

    return _keyed(lambda stage, args: tuple(map(without, args)) if stage.startswith("page") else args)


def _joined(value: object) -> str:
    """Return a value's texts run together, as a careless key would."""
    if isinstance(value, Known):
        return value.digest
    if isinstance(value, tuple):
        return "".join(map(_joined, value))
    fields = getattr(type(value), "__match_args__", None)
    return "".join(_joined(getattr(value, name)) for name in fields) if fields else str(value)


def _patched(**targets: object) -> ExitStack:
    stack = ExitStack()
    for target, value in targets.items():
        stack.enter_context(patch("sitegen." + target.replace("__", "."), value))
    return stack


def _only_mtime(site: Path) -> dict[str, statcache.Stat]:
    return {path: stat[:16] + bytes(16) for path, stat in STATS(site).items()}  # size and modification time


def cover_by_the_hour(file: FileInventory, recorded: tuple[pipeline.Recorded, ...]) -> FileCoverage:
    """Cover as always, but by something that is no argument and may change between two builds."""
    return COVER(file, () if Edits.now.commit == "decade" else recorded)


COVER = pipeline.cover
STATS = statcache.stats_below
FAULTS: dict[str, Callable[[], ExitStack]] = {
    "coverage without the recorded lines": lambda: _forget("cover", 1),
    "coverage without the slugs": lambda: _keyed(
        lambda stage, args: (args[0], tuple(item[1:] for item in args[1])) if stage == "cover" else args  # type: ignore
    ),
    "pages of a file without its coverage": lambda: _forget("page_set", 0),
    "files that are looked up together without their coverage": lambda: _forget("labels_of", 0),
    "a page without what it shows": lambda: _forget("page_bytes", 0),
    "pages without their templates": _forget_templates,
    "keys run together": lambda: _keyed(lambda stage, args: (_joined(args),)),
    "a page without the shell, so without navigation": lambda: _patched(
        press___shell_digest=lambda shell: "", generate__digest=lambda shells: ""
    ),
    "a frame without the hand-written pages": lambda: _forget("mkdocs_frame", 0),
    "a site without what mkdocs reads": lambda: _keyed(
        lambda stage, args: args[:1] if stage == "page_set" and len(args) == 2 else args
    ),
    "inventories without the exclude list": lambda: _forget("read_inventory", 3),
    "profiles without their bytes": lambda: _keyed(
        lambda stage, args: (args[0].slug, *args[1:]) if stage == "read_profile" else args  # type: ignore[attr-defined]
    ),
    "a twin without its files": lambda: _forget("join_document", 0),
    "a stage that sees what is no argument": lambda: _patched(pipeline__cover=cover_by_the_hour),
    "deleted pages stay": lambda: _patched(publish___delete=lambda site, path: True),
    "published files are believed": lambda: _patched(
        generate__look_at=lambda site, *_: statcache.Present(read_token(site) or {}, 0, STATS(site))
    ),
    "modification times are believed": lambda: _patched(statcache__stats_below=_only_mtime),
    "cache entries are not checked": lambda: _patched(entries___check=lambda digest, payload: b"0" * 32),
}


def test_the_script_passes_without_a_fault() -> None:
    drive()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str) -> None:
    with FAULTS[fault](), pytest.raises(CAUGHT):
        drive()


# ── every key of every stage ─────────────────────────────────────────────────────────────────────────────────────

# What a key may forget without harm, since another of its arguments says it too.
SAID_TWICE = {
    ("rules_of", 2, 0): "the same bytes mean something else in a .toml file only, as `test_snapshot` shows",
    ("labels_of", 6, 1): "a file's coverage holds the digest of its bytes",
    ("module_artifact", 2, 1): "the labels of a shelf hold its twins, and their key has the steps",
    ("page_set", 4, 1): "heads have their slugs",
    ("page_set", 4, 2): "a file's part is made from its coverage, as its text is",
    ("mkdocs_facts", 1, 0): "the frame's inputs hold the configuration itself",
    ("page_set", 5, 0): "a file's pages are made with its data, which another coverage changes",
    ("page_set", 5, 1): "a file's coverage holds the digest of its bytes",
    ("page_set", 6, 2): "heads have their slugs",
    ("page_set", 8, 0): "pages of the whole show the title only, and the shells hold it",
    ("read_inventory", 4, 1): "a module's name is made from its path",
    ("whole_changes", 4, 2): "heads have their slugs",
}


@pytest.mark.skipif(not WHOLE, reason="COVATLAS_WHOLE=1: a script per argument")
@pytest.mark.timeout(3600)
def test_a_key_that_forgets_any_argument_of_any_stage_is_caught() -> None:
    stages: set[tuple[str, int]] = set()

    def note(stage: str, args: Args) -> Args:
        stages.add((stage, len(args)))
        return args

    with _keyed(note):
        drive()
    missed = set()
    for name, count in sorted(stages):
        for position in range(count):

            def change(stage: str, args: Args, where: tuple[str, int, int] = (name, count, position)) -> Args:
                return args[: where[2]] + args[where[2] + 1 :] if (stage, len(args)) == where[:2] else args

            try:
                with _keyed(change):
                    drive()
                missed.add((name, count, position))
            except CAUGHT:
                continue
    assert len(stages) > 15 and missed <= SAID_TWICE.keys(), missed - SAID_TWICE.keys()


@pytest.mark.skipif(not WHOLE, reason="COVATLAS_WHOLE=1: the machine finds on its own what the script was written for")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"keys run together"}))
def test_random_edits_find_the_planted_faults(fault: str) -> None:
    with FAULTS[fault](), pytest.raises((*CAUGHT, ExceptionGroup)):
        run(400, 10, phases=(Phase.generate,))
