"""What `covatlas build` calls: options in, published site and a report out."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from instrument.errors import CovatlasError
from sitegen.explain import causes_of, troubles
from sitegen.frames import config_file, inputs_of, known_frame, read_facts
from sitegen.generate import (
    BuildOptions,
    Outcome,
    Prepared,
    Say,
    as_it_was,
    finish,
    in_repository,
    new_staging,
    prepare,
    present_in,
    press_of,
    remember_whole,
    site_name,
)
from sitegen.parallel import beside
from sitegen.publish import SiteChanged

if TYPE_CHECKING:
    from sitegen.press import Fate
    from sitegen.statcache import Present

TRIES = 4  # to publish before another build does


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did: pages of the site, files whose bytes changed, seconds, where the site is, each page's fate.

    A page without a fate is as it was: nothing that could reach it changed.
    """

    pages: int
    changed: int
    seconds: float
    site_dir: Path
    fates: Mapping[str, Fate]
    written: tuple[str, ...]
    deleted: tuple[str, ...]
    paths: Collection[str]
    causes: tuple[str, ...]  # inputs that changed since the last build, in words

    @property
    def made(self) -> int:
        """Return how many pages were rendered because what they show changed."""
        return sum(fate == "made" for fate in self.fates.values())

    def __str__(self) -> str:
        """Return the closing line."""
        return f"{self.pages} pages, {self.changed} files changed, {self.seconds:.1f} s: {self.site_dir}"


def build_site(options: BuildOptions, say: Say) -> BuildReport:
    """Build and publish the site; raise CovatlasError where an input is bad, with the old site left whole.

    The working directory's mkdocs.yml says how the hand-written pages look; without one a default one is used.
    """
    start = time.monotonic()
    _refuse_dangerous(options)
    for _ in range(TRIES - 1):
        try:
            return _build(options, say, start)
        except SiteChanged:
            say(f"Another build published {options.site_dir} meanwhile; building again")
    return _build(options, say, start)


def _build(options: BuildOptions, say: Say, start: float) -> BuildReport:
    collecting = gc.isenabled()
    gc.disable()  # a build makes millions of small values and hardly a cycle: to look for some is a tenth of its time
    try:
        with beside(partial(present_in, options), options.jobs) as look:
            prepared = prepare(options, say)
            outcome = _without_mkdocs(prepared, look)
        if outcome is None:
            from sitegen.with_mkdocs import build_with_mkdocs

            outcome = build_with_mkdocs(prepared, say)
    finally:
        if collecting:
            gc.enable()
    for sentence in troubles(options.site_dir):
        say(sentence)
    pages = sum(path.endswith(".html") for path in outcome.manifest)
    changed = len(outcome.published.written) + len(outcome.published.deleted)
    return BuildReport(
        pages, changed, time.monotonic() - start, options.site_dir, outcome.fates,
        outcome.published.written, outcome.published.deleted, outcome.manifest,
        causes_of(prepared) if outcome.fates or changed else (),
    )  # fmt: skip


def _without_mkdocs(prepared: Prepared, look: Callable[[], Present]) -> Outcome | None:
    """Build in the frame of an earlier build; None where mkdocs must render it. `look` returns what the site has."""
    options, store = prepared.options, prepared.store
    config, own = config_file(Path())
    facts = read_facts(config, store)
    if facts is None:
        return None
    prepared = in_repository(prepared, facts.value.repo_url)
    inputs = inputs_of(config, facts.value.folders, site_name(options, own), prepared.snapshot.templates)
    whole = prepared.made_from(inputs)
    if (outcome := as_it_was(prepared, whole, look)) is not None:
        return outcome
    from sitegen.engine import (
        linked_paths,  # what renders pages costs 0.1 s to import, and here nothing may have changed
    )
    from sitegen.pipeline import plan_of

    plan = plan_of(prepared.snapshot, store, options.jobs)
    frame = known_frame(inputs.value, linked_paths(plan, inputs.value.words, store), store)
    present = look()
    if frame is None or any(present.digests.get(path) != found for path, found in frame.value.files):
        return None
    staging = new_staging(options.cache_dir)
    try:
        shells = {(section, entries): shell for section, entries, shell in frame.value.shells}
        press = press_of(prepared, frame, shells, present.digests, staging)
        outcome = finish(prepared, plan, press, present)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    remember_whole(prepared, whole, outcome)
    return outcome


def _refuse_dangerous(options: BuildOptions) -> None:
    """Refuse a site directory that would mix the site with what it is made from."""
    site = options.site_dir.resolve()
    for folder in (*options.sources, options.coverage_dir):
        inside = folder != options.coverage_dir and folder.resolve() in site.parents
        if site == folder.resolve() or inside:
            raise CovatlasError(
                f"{options.site_dir}: the site would mix with its input {folder}; choose another --site-dir"
            )
