"""Build options → every generated page and artifact: the part of a build that needs no mkdocs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from instrument.errors import CovatlasError
from instrument.settings import coverage_dir
from sitegen.data import data_artifacts
from sitegen.model import Artifact, Page, SiteConfig
from sitegen.pages import site_pages
from sitegen.pipeline import build_atlas
from sitegen.render import Renderer
from sitegen.snapshot import SnapshotOptions, read_snapshot
from sitegen.store import DiskStore, NullStore, Store, toolchain

COVERAGE_CONFIG = "coverage.profile-playback.ini"
ASSETS = ("covatlas.css", "covatlas.js")
# Key, title and path of each generated section, in the order of the header.
SECTIONS = (
    ("home", "Map", "."),
    ("matrix", "Matrix", "matrix/"),
    ("gaps", "Gaps", "gaps/"),
    ("overlap", "Overlap", "overlap/"),
)

Say = Callable[[str], None]


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


@dataclass(frozen=True, slots=True)
class Generated:
    """What the data makes of the site: pages to be stamped and finished artifacts."""

    pages: tuple[Page, ...]
    artifacts: tuple[Artifact, ...]


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
    )


def checked_url(url: str) -> str:
    """Return a repository's web address; raise CovatlasError for anything that is not http or https."""
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise CovatlasError(f"repo-url {url!r} is not a web address; name one as https://host/org/repo, or none")
    return url.rstrip("/")


def _prefix(prefix: str) -> str:
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def has_profile_data(options: BuildOptions) -> bool:
    """Return whether the coverage directory holds data of any profile."""
    return options.coverage_dir.is_dir() and any(options.coverage_dir.glob("*.coverage*"))


def generate(options: BuildOptions, say: Say) -> Generated:
    """Read every input once and make all pages and artifacts; raise CovatlasError where an input is bad."""
    title = options.title or ", ".join(source.name for source in options.sources)
    config = SiteConfig(title, options.repo_url, options.branch, options.source_prefix)
    snapshot = read_snapshot(
        SnapshotOptions(options.sources, options.coverage_dir, config, options.coverage_config), say
    )
    store: Store = NullStore() if options.clean else DiskStore(options.cache_dir / "stages", toolchain(), say)
    atlas = build_atlas(snapshot, store)
    renderer = Renderer(dict(snapshot.templates))
    sources = {source.path: source.data for source in snapshot.sources}
    return Generated(tuple(site_pages(atlas, sources, renderer, store)), data_artifacts(atlas, snapshot.commit))


def asset_artifacts() -> tuple[Artifact, ...]:
    """Return the style sheet and the script, which the hand-written pages need too."""
    folder = resources.files("sitegen") / "assets"
    return tuple(Artifact(f"assets/{name}", (folder / name).read_bytes()) for name in ASSETS)


def with_repository(options: BuildOptions, repo_url: str) -> BuildOptions:
    """Return the options with a repository from elsewhere where they name none."""
    return replace(options, repo_url=options.repo_url or checked_url(repo_url))
