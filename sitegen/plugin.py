"""The thin mkdocs adapter: mkdocs renders the hand-written pages, the generated ones are stamped into its shell."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from mkdocs.config import config_options
from mkdocs.config.base import Config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import BasePlugin, event_priority
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.nav import Navigation

from instrument.errors import CovatlasError
from sitegen import config as tool_config
from sitegen.generate import (
    SECTIONS,
    BuildOptions,
    Generated,
    asset_artifacts,
    generate,
    has_profile_data,
    options_from,
    with_repository,
)
from sitegen.publish import Published, publish
from sitegen.shell import Shells, Theme
from sitegen.watch import Watch

log = logging.getLogger("mkdocs.plugins.covatlas")
THEME = Path(__file__).parent / "templates" / "theme"
SITEMAP = "sitemap.xml"  # carries the day of the build: nothing changed, and yet every build would differ


class CovatlasConfig(Config):
    """Options in mkdocs.yml; one that is absent is taken from [tool.covatlas] beside it."""

    source = config_options.Type(list, default=[])
    coverage_dir = config_options.Type(str, default="")
    coverage_config = config_options.Type(str, default="")
    cache_dir = config_options.Type(str, default="")
    branch = config_options.Type(str, default="")
    source_prefix = config_options.Type(str, default="")


class _StampedFile(File):
    """A page or artifact that mkdocs knows, so that links to it are checked, and does not write."""

    def copy_file(self, dirty: bool = False) -> None:
        """Leave the writing to publish."""


class CovatlasPlugin(BasePlugin[CovatlasConfig]):
    """Adds the generated pages to a mkdocs site and publishes the whole."""

    def __init__(self) -> None:
        self.given: BuildOptions | None = None  # what `covatlas build` was called with
        self.say: Callable[[str], None] = log.info
        self.published: Published | None = None
        self._generated: Generated | None = None
        self._options: BuildOptions | None = None
        self._site_dir = ""
        self._staging: str | None = None
        self._nav: Navigation | None = None
        self._theme: Theme | None = None
        self._wake: Path | None = None
        self._watch: Watch | None = None

    def on_startup(self, *, command: str, dirty: bool) -> None:
        """Exist, so that mkdocs keeps this instance for as long as it serves."""

    def on_config(self, config: MkDocsConfig) -> MkDocsConfig:
        """Make the generated pages, and let mkdocs render into a staging folder."""
        if config.theme.name != "material":
            raise PluginError(f"covatlas: the theme is {config.theme.name!r}; set theme: name: material in mkdocs.yml")
        try:
            options = self._options = self._resolve(config)
            if self.given is not None or has_profile_data(options):
                self._generated = generate(options, self.say)
            else:
                self._generated = None
                log.info(f"no profile data in {options.coverage_dir}: only the hand-written pages are built")
        except CovatlasError as error:
            raise self._told(error) from None
        self._dress(config)
        self._site_dir, self._staging = config.site_dir, tempfile.mkdtemp(prefix="covatlas-staging-")
        config.site_dir = self._staging
        return config

    def on_files(self, files: Files, config: MkDocsConfig) -> Files:
        """Register generated pages outside the navigation, so that links to them are checked."""
        sitemap = files.get_file_from_path(SITEMAP)
        if sitemap is not None:
            files.remove(sitemap)  # no template any more, so mkdocs would copy it as it is
        for artifact in asset_artifacts():
            files.append(File.generated(config, artifact.path, content=artifact.data))
        if self._generated is not None:
            known = {file.dest_uri for file in files}
            paths = [*(page.path for page in self._generated.pages), *(item.path for item in self._generated.artifacts)]
            for path in paths:
                if path not in known:
                    files.append(_StampedFile(path, None, config.site_dir, True, inclusion=InclusionLevel.NOT_IN_NAV))
        return files

    def on_env(self, env: Any, config: MkDocsConfig, files: Files) -> Any:
        """Keep what the shells are rendered with."""
        assert self._nav is not None
        self._theme = Theme(env, self._nav, config)
        return env

    def on_nav(self, nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
        """Keep the navigation."""
        self._nav = nav
        return nav

    @event_priority(-100)
    def on_post_build(self, config: MkDocsConfig) -> None:
        """Stamp the generated pages and publish the whole site."""
        assert self._theme is not None and self._staging is not None
        staging = Path(self._staging)
        outputs: dict[str, Callable[[], bytes]] = {
            path.relative_to(staging).as_posix(): path.read_bytes for path in staging.rglob("*") if path.is_file()
        }
        config.site_dir = self._site_dir
        if self._generated is not None:
            shells = Shells(self._theme, log.warning)
            for page in self._generated.pages:
                outputs[page.path] = lambda page=page: shells.stamp(page)  # type: ignore[misc]
            for artifact in self._generated.artifacts:
                outputs[artifact.path] = lambda data=artifact.data: data  # type: ignore[misc]
        try:
            self.published = publish(Path(self._site_dir), outputs)
        except CovatlasError as error:
            raise self._told(error) from None
        finally:
            self._clean()
        published = self.published
        log.info(f"published {len(published.paths)} files, {len(published.written)} of them new: {self._site_dir}")

    def on_build_error(self, error: Exception) -> None:
        """Leave no staging folder behind; the published site is as it was."""
        self._clean()

    def on_serve(self, server: Any, config: MkDocsConfig, builder: Any) -> Any:
        """Watch sources, profile data and templates; one touched file wakes mkdocs' reloader."""
        assert self._options is not None
        wake = self._wake = Path(tempfile.mkdtemp(prefix="covatlas-wake-")) / "changed"
        wake.write_bytes(b"")
        changes = count()
        self._watch = Watch(self._options, lambda: wake.write_text(str(next(changes))))
        server.watch(str(wake))
        return server

    def on_shutdown(self) -> None:
        """Stop watching."""
        if self._watch is not None and self._wake is not None:
            self._watch.stop()
            shutil.rmtree(self._wake.parent, ignore_errors=True)

    def _resolve(self, config: MkDocsConfig) -> BuildOptions:
        if self.given is not None:
            return with_repository(self.given, config.repo_url or "")
        base = Path(config.config_file_path).parent if config.config_file_path else Path.cwd()
        values = tool_config.load(base)
        values.update({key.replace("_", "-"): value for key, value in self.config.items() if value})
        return with_repository(options_from(values, base), config.repo_url or "")

    def _dress(self, config: MkDocsConfig) -> None:
        """Put our page shell between the project's own overrides and the theme."""
        config.theme.dirs.insert(1 if config.theme.custom_dir else 0, str(THEME))
        config.theme.static_templates.discard(SITEMAP)
        config.extra["covatlas_sections"] = SECTIONS if self._generated is not None else ()
        config.extra_css.insert(0, "assets/covatlas.css")
        config.extra_javascript.append("assets/covatlas.js")  # type: ignore[arg-type]

    def _told(self, error: CovatlasError) -> Exception:
        """Return the error in mkdocs' own kind when mkdocs was called, so that no traceback is shown."""
        return error if self.given is not None else PluginError(f"covatlas: {error}")

    def _clean(self) -> None:
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging = None
