"""Build options → a prepared build → the published site: everything that needs no mkdocs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from instrument.errors import CovatlasError
from instrument.settings import coverage_dir
from sitegen.fingerprint import Known, digest
from sitegen.frame import Frame, Shell, page_set
from sitegen.model import Artifact, Page, SiteConfig, Snapshot
from sitegen.publish import TOKEN, Published, alone, left_over, publish, read_token
from sitegen.snapshot import SnapshotOptions, read_snapshot
from sitegen.statcache import Present, look_at, memory_of, save, stats_after
from sitegen.store import DiskStore, NullStore, Store, toolchain

if TYPE_CHECKING:
    from sitegen.pipeline import Plan
    from sitegen.press import Fate, Press

COVERAGE_CONFIG = "coverage.profile-playback.ini"
ASSETS = (
    "covatlas.css",
    "covatlas.js",
    "finder.css",
    "finder.js",
    "go.js",
    "lines.css",
    "lines.js",
    "names.js",
    "trends.js",
    "vendor/regular-table.js",
    "vendor/regular-table.LICENSE.txt",
    "vendor/sha256.js",
    "vendor/sha256.LICENSE.txt",
    "matrix/main.js",
    "matrix/matrix.css",
    "matrix/model.js",
    "matrix/overlap.js",
    "matrix/state.js",
    "matrix/table.js",
)

Say = Callable[[str], None]
_NO_MARKUP = str.maketrans({"<": "‹", ">": "›", '"': "”"})


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Where everything is; without `coverage_config` its defaults hold, without `title` the packages' names."""

    sources: tuple[Path, ...]
    coverage_dir: Path
    site_dir: Path
    cache_dir: Path
    coverage_config: Path | None = None
    title: str = ""
    repo_url: str = ""
    branch: str = "main"
    source_prefix: str = ""
    clean: bool = False
    jobs: int = 0  # processes, 0: one per core
    previous: Path | None = None  # an earlier site, to say what changed since


def options_from(values: dict[str, Any], base: Path) -> BuildOptions:
    """Return options from keys as [tool.covatlas] has them (absent: the default); paths are relative to `base`."""
    config = values.get("coverage-config")
    if config is None and (base / COVERAGE_CONFIG).is_file():
        config = COVERAGE_CONFIG
    data = values.get("coverage-dir")
    return BuildOptions(
        sources=tuple(base / source for source in values.get("source") or ()),
        coverage_dir=base / data if data else coverage_dir(),
        site_dir=base / (values.get("site-dir") or "site"),
        cache_dir=base / (values.get("cache-dir") or "cache"),
        coverage_config=base / config if config else None,
        title=values.get("title") or "",
        repo_url=checked_url(values.get("repo-url") or ""),
        branch=values.get("branch") or "main",
        source_prefix=_prefix(values.get("source-prefix") or ""),
        jobs=values.get("jobs") or 0,
        previous=base / values["previous"] if values.get("previous") else None,
    )


def checked_url(url: str) -> str:
    """Return a repository's web address; raise CovatlasError for anything that is not http or https."""
    try:
        parts = urlsplit(url)
        fits = not url or (parts.scheme in ("http", "https") and bool(parts.netloc))
    except ValueError:  # an IPv6 address that is none
        fits = False
    if not fits:
        raise CovatlasError(f"repo-url {url!r} is not a web address; name one as https://host/org/repo, or none")
    return url.rstrip("/")


def _prefix(prefix: str) -> str:
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def has_profile_data(options: BuildOptions) -> bool:
    """Return whether the coverage directory holds data of any profile."""
    return options.coverage_dir.is_dir() and any(options.coverage_dir.glob("*.coverage*"))


def site_name(options: BuildOptions, own: bool) -> str:
    """Return the name that the options give the site, "" where the project's own mkdocs.yml names it.

    Material writes it into its pages as HTML: what would be markup there is shown by signs that are alike.
    """
    name = options.title or ("" if own else ", ".join(source.name for source in options.sources))
    return name.translate(_NO_MARKUP)


def asset_artifacts() -> tuple[Artifact, ...]:
    """Return the style sheet and the script, which the hand-written pages need too."""
    folder = resources.files("sitegen") / "assets"
    return tuple(Artifact(f"assets/{name}", (folder / name).read_bytes()) for name in ASSETS)


# ── a build ──────────────────────────────────────────────────────────────────────────────────────────────────────


MadeFrom = tuple[Known[Snapshot], Known[Any]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Inputs that were read once, and where results are kept."""

    options: BuildOptions
    snapshot: Snapshot
    store: Store

    @property
    def templates(self) -> Known[tuple[tuple[str, str], ...]]:
        """Return the templates by their digest."""
        return Known(self.snapshot.templates)

    def made_from(self, inputs: Known[Any]) -> MadeFrom:
        """Return all that the site is made from, to be hashed once; `inputs` is what mkdocs reads."""
        return Known(self.snapshot), inputs


def prepare(options: BuildOptions, say: Say) -> Prepared:
    """Read every input once; raise CovatlasError where one is bad."""
    title = options.title or ", ".join(source.name for source in options.sources)
    config = SiteConfig(title, options.repo_url, options.branch, options.source_prefix)
    store: Store = NullStore() if options.clean else DiskStore(options.cache_dir / "stages", toolchain(), say)
    snapshot = read_snapshot(
        SnapshotOptions(
            *(options.sources, options.coverage_dir, config, options.coverage_config),
            previous=options.previous,
            site_dir=options.site_dir,
        ),
        say,
        store,
    )
    return Prepared(options, snapshot, store)


def in_repository(prepared: Prepared, repo_url: str) -> Prepared:
    """Return the build with a repository from mkdocs.yml where its options name none."""
    if prepared.options.repo_url or not repo_url:
        return prepared
    snapshot = prepared.snapshot
    config = replace(snapshot.config, repo_url=checked_url(repo_url))
    return replace(prepared, snapshot=replace(snapshot, config=config))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A published site: what was written, what happened to each page, and the manifest."""

    published: Published
    fates: Mapping[str, Fate]
    manifest: Mapping[str, str]


def press_of(
    prepared: Prepared,
    frame: Known[Frame],
    shells: Mapping[tuple[str, int], Shell | None],
    present: Mapping[str, str],
    staging: Path,
    by_theme: Callable[[Page], bytes] | None = None,
) -> Press:
    """Return what pages are made with."""
    from sitegen.press import Press
    from sitegen.render import Renderer

    renderer = Renderer(dict(prepared.snapshot.templates))
    digests = digest(frame.value.shells)
    return Press(renderer, prepared.templates, frame, digests, shells, present, staging, by_theme)


def finish(prepared: Prepared, plan: Plan | None, press: Press, present: Present) -> Outcome:
    """Make the generated files, publish them beside the frame's, and remember the site's files."""
    from sitegen.engine import make_site

    manifest = dict(press.frame.value.files)
    fates: dict[str, Fate] = {}
    if plan is not None:
        made, fates = make_site(plan, press, prepared.store, prepared.options.jobs)
        manifest.update(made)
    if isinstance(prepared.store, DiskStore):
        prepared.store.flush()  # before the site is touched: a build that is killed now need not start again
    return Outcome(publish_and_remember(prepared.options, manifest, present, press.staging), fates, manifest)


def remember_whole(prepared: Prepared, whole: MadeFrom, outcome: Outcome) -> None:
    """Note the token of the site that was made from `whole`, and what the build used."""
    prepared.store.note(page_set, whole, outcome.published.token)
    if isinstance(prepared.store, DiskStore):
        prepared.store.note_use()


def as_it_was(prepared: Prepared, whole: MadeFrom, look: Callable[[], Present]) -> Outcome | None:
    """Return the site as it stands where neither an input nor any of its files changed since it was built."""
    known = prepared.store.note(page_set, whole)
    if known is None:
        return None
    present = look()
    if present.token != known or left_over(present.digests):
        return None
    return Outcome(Published((), (), present.token), {}, read_token(prepared.options.site_dir) or {})


def publish_and_remember(
    options: BuildOptions, manifest: Mapping[str, str], present: Present, staging: Path
) -> Published:
    """Publish a manifest and save the digests of the site's files for the next build."""
    site, memory = options.site_dir, memory_of(options.cache_dir, options.site_dir)
    with alone(site, present.digests):
        published = publish(site, manifest, present.digests, staging)
        if published.written or published.deleted or not present.token:
            save(site, TOKEN, memory, manifest, stats_after(site, present.stats, published.written))
    return published


def present_in(options: BuildOptions) -> Present:
    """Return the files that are in the site directory."""
    return look_at(options.site_dir, TOKEN, memory_of(options.cache_dir, options.site_dir))


def new_staging(cache_dir: Path) -> Path:
    """Return a new folder for what is to be published, beside the cache so that it need only be renamed."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        return _own_folder(cache_dir.absolute(), "staging-")
    except OSError:
        return _own_folder(Path(tempfile.gettempdir()), "covatlas-staging-")


def _own_folder(parent: Path, prefix: str) -> Path:
    """Return a new folder of this process; those of processes that are gone are removed."""
    for left in parent.glob(f"{prefix}*"):
        if not _is_alive(left.name.removeprefix(prefix).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=parent))


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
