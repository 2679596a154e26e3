"""The thin mkdocs adapter: mkdocs renders the hand-written pages, the generated ones are stamped into its shell."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
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
from sitegen.engine import linked_paths, page_paths
from sitegen.explain import troubles
from sitegen.fingerprint import Known
from sitegen.frame import Frame
from sitegen.frames import SECTIONS, FrameInputs, MkdocsFacts, inputs_of, mkdocs_facts, mkdocs_frame, repeatable
from sitegen.generate import (
    BuildOptions,
    Outcome,
    Prepared,
    asset_artifacts,
    finish,
    has_profile_data,
    in_repository,
    new_staging,
    options_from,
    prepare,
    present_in,
    press_of,
    publish_and_remember,
    remember_whole,
    site_name,
)
from sitegen.pipeline import Plan, plan_of
from sitegen.policy import policy_tag
from sitegen.shell import Theme, cut_shells
from sitegen.statcache import Present
from sitegen.watch import Watch

log = logging.getLogger("mkdocs.plugins.covatlas")
THEME = Path(__file__).parent / "templates" / "theme"
SITEMAP = "sitemap.xml"  # carries the day of the build: nothing changed, and yet every build would differ


class CovatlasConfig(Config):
    """Options in mkdocs.yml; one that is absent is taken from [tool.covatlas] beside it."""

    source = config_options.ListOfItems(config_options.Type(str), default=[])
    coverage_dir = config_options.Type(str, default="")
    coverage_config = config_options.Type(str, default="")
    cache_dir = config_options.Type(str, default="")
    branch = config_options.Type(str, default="")
    source_prefix = config_options.Type(str, default="")
    content_security_policy = config_options.Type(bool, default=True)


class _StampedFile(File):
    """A page or artifact that mkdocs knows, so that links to it are checked, and does not write."""

    def copy_file(self, dirty: bool = False) -> None:
        """Leave the writing to publish."""


class CovatlasPlugin(BasePlugin[CovatlasConfig]):
    """Adds the generated pages to a mkdocs site and publishes the whole."""

    def __init__(self) -> None:
        self.given: Prepared | None = None  # what `covatlas build` has read
        self.say: Callable[[str], None] = log.info
        self.outcome: Outcome | None = None
        self._prepared: Prepared | None = None
        self._plan: Plan | None = None
        self._options: BuildOptions | None = None
        self._inputs: Known[FrameInputs] | None = None
        self._mentioned: tuple[str, ...] = ()
        self._made: frozenset[str] = frozenset()
        self._site_dir = ""
        self._staging: Path | None = None
        self._nav: Navigation | None = None
        self._theme: Theme | None = None
        self._wake: Path | None = None
        self._watch: Watch | None = None
        self._keys = Path("pyproject.toml")
        self._serving = False

    def on_startup(self, *, command: str, dirty: bool) -> None:
        """Exist, so that mkdocs keeps this instance for as long as it serves, and note whether it does."""
        self._serving = command == "serve"

    def on_config(self, config: MkDocsConfig) -> MkDocsConfig:
        """Read the inputs, and let mkdocs render into a staging folder."""
        if config.theme.name != "material":
            raise PluginError(f"covatlas: the theme is {config.theme.name!r}; set theme: name: material in mkdocs.yml")
        try:
            self._prepared = self._plan = self._inputs = None
            self._mentioned, self._made = (), frozenset()
            options = self._options = self._resolve(config)
            if self._watch is not None:
                self._watch.renew(options, [self._keys])
            if self.given is not None:
                self._prepared = self.given
            elif has_profile_data(options):
                self._prepared = prepare(options, self.say)
            else:
                log.info(f"no profile data in {options.coverage_dir}: only the hand-written pages are built")
            if self._prepared is not None:
                self._prepared = in_repository(self._prepared, config.repo_url or "")
                self._plan = plan_of(self._prepared.snapshot, self._prepared.store, options.jobs)
        except CovatlasError as error:
            raise self._told(error) from None
        if self._prepared is not None:
            self._inputs = _frame_inputs(config, self._prepared)
        self._dress(config)
        self._site_dir, self._staging = config.site_dir, new_staging(options.cache_dir)
        config.site_dir = str(self._staging)
        return config

    def on_files(self, files: Files, config: MkDocsConfig) -> Files:
        """Register the generated pages that hand-written ones may link to, so that their links are checked."""
        sitemap = files.get_file_from_path(SITEMAP)
        if sitemap is not None:
            files.remove(sitemap)  # no template any more, so mkdocs would copy it as it is
        for artifact in asset_artifacts():
            files.append(File.generated(config, artifact.path, content=artifact.data))
        files.append(File.generated(config, "assets/palette.js", content=_colours(config)))
        if self._prepared is not None and self._plan is not None and self._inputs is not None:
            known = {file.dest_uri for file in files}
            self._made = frozenset(page_paths(self._plan, self._prepared.store))
            self._mentioned = linked_paths(self._plan, self._inputs.value.words, self._prepared.store)
            for path in self._mentioned:
                if path not in known:
                    files.append(_StampedFile(path, None, config.site_dir, True, inclusion=InclusionLevel.NOT_IN_NAV))
        return files

    def on_page_markdown(self, markdown: str, *, page: Any, config: MkDocsConfig, files: Files) -> str:
        """Leave a page out of the search whose address a generated page takes."""
        if page.file.dest_uri in self._made:
            page.meta["search"] = {"exclude": True}
        return markdown

    def on_env(self, env: Any, config: MkDocsConfig, files: Files) -> Any:
        """Keep what the shells are rendered with."""
        assert self._nav is not None
        env.globals["covatlas_styles"] = _styles(config)
        # While it serves, mkdocs puts a script of its own into every page.
        wanted = self.config.content_security_policy and not self._serving
        env.globals["covatlas_policy"] = policy_tag if wanted else lambda *_: ""
        self._theme = Theme(env, self._nav, config)
        return env

    def on_nav(self, nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
        """Keep the navigation."""
        self._nav = nav
        return nav

    @event_priority(-100)
    def on_post_build(self, config: MkDocsConfig) -> None:
        """Make the generated pages and publish the whole site."""
        assert self._theme is not None and self._staging is not None and self._options is not None
        config.site_dir = self._site_dir
        options = replace(self._options, site_dir=Path(self._site_dir))
        try:
            files = _digests(self._staging)
            present = present_in(options)
            if self._prepared is None:
                self.outcome = Outcome(
                    publish_and_remember(options, dict(files), present, self._staging), {}, dict(files)
                )
            else:
                prepared = replace(self._prepared, options=options)
                self.outcome = self._finish(prepared, config, files, present)
        except CovatlasError as error:
            raise self._told(error) from None
        finally:
            self._clean()
        for sentence in troubles(options.site_dir) if self.given is None else ():  # else `covatlas build` says it
            log.info(sentence)
        files, new = len(self.outcome.manifest), len(self.outcome.published.written)
        log.info(f"published {files} files, {new} of them new: {self._site_dir}")

    def _finish(
        self, prepared: Prepared, config: MkDocsConfig, files: tuple[tuple[str, str], ...], present: Present
    ) -> Outcome:
        assert self._theme is not None and self._staging is not None and self._inputs is not None
        shells = cut_shells(self._theme, log.warning)
        if self._plan is not None:  # a generated page stands before a hand-written one of the same address
            files = tuple(item for item in files if item[0] not in self._made)
        whole = [(*key, shell) for key, shell in shells.items() if shell is not None]
        frame = Known(Frame(files, tuple(whole)))
        data = Path(config.config_file_path).read_bytes() if config.config_file_path else b""
        again = len(whole) == len(shells) and repeatable(config, data)
        if again and not self._serving:  # what is served has no policy: no build could use it
            facts = MkdocsFacts(_folders(config), config.repo_url or "")
            prepared.store.keep(facts, mkdocs_facts, data)
            prepared.store.keep(frame.value, mkdocs_frame, self._inputs.value.digest, self._mentioned)
        by_theme = None if again else self._theme.render_bytes
        press = press_of(prepared, frame, shells, present.digests, self._staging, by_theme)
        outcome = finish(prepared, self._plan, press, present)
        if press.by_theme is None and not self._serving:
            remember_whole(prepared, prepared.made_from(self._inputs), outcome)
        return outcome

    def on_build_error(self, error: Exception) -> None:
        """Leave no staging folder behind; the published site is as it was."""
        self._clean()

    def on_serve(self, server: Any, config: MkDocsConfig, builder: Any) -> Any:
        """Watch sources, profile data and templates; one touched file wakes mkdocs' reloader."""
        assert self._options is not None
        wake = self._wake = Path(tempfile.mkdtemp(prefix="covatlas-wake-")) / "changed"
        wake.write_bytes(b"")
        changes = count()
        self._watch = Watch(self._options, lambda: wake.write_text(str(next(changes))), [self._keys])
        server.watch(str(wake))
        return server

    def on_shutdown(self) -> None:
        """Stop watching."""
        if self._watch is not None and self._wake is not None:
            self._watch.stop()
            shutil.rmtree(self._wake.parent, ignore_errors=True)

    def _resolve(self, config: MkDocsConfig) -> BuildOptions:
        if self.given is not None:
            return self.given.options
        base = Path(config.config_file_path).parent if config.config_file_path else Path.cwd()
        self._keys = base / "pyproject.toml"
        values = tool_config.load(base)
        values.update({key.replace("_", "-"): value for key, value in self.config.items() if value})
        return options_from(values, base)

    def _dress(self, config: MkDocsConfig) -> None:
        """Put our page shell between the project's own overrides and the theme."""
        config.theme.dirs.insert(1 if config.theme.custom_dir else 0, str(THEME))
        config.theme.static_templates.discard(SITEMAP)
        config.extra["covatlas_sections"] = SECTIONS if self._prepared is not None else ()
        config.extra_css.insert(0, "assets/covatlas.css")
        config.extra_javascript.append("assets/covatlas.js")  # type: ignore[arg-type]

    def _told(self, error: CovatlasError) -> Exception:
        """Return the error in mkdocs' own kind when mkdocs was called, so that no traceback is shown."""
        return error if self.given is not None else PluginError(f"covatlas: {error}")

    def _clean(self) -> None:
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging = None


def _folders(config: MkDocsConfig) -> tuple[str, ...]:
    """Return the folders that the configuration names, relative to it."""
    base = Path(config.config_file_path).parent.absolute()
    named = [config.docs_dir, *([config.theme.custom_dir] if config.theme.custom_dir else [])]
    return tuple(Path(os.path.relpath(folder, base)).as_posix() for folder in named)


def _frame_inputs(config: MkDocsConfig, prepared: Prepared) -> Known[FrameInputs]:
    path = Path(config.config_file_path) if config.config_file_path else Path("mkdocs.yml")
    own = path.name == "mkdocs.yml" and path.parent.absolute() == Path().absolute()
    return inputs_of(path, _folders(config), site_name(prepared.options, own), prepared.snapshot.templates)


def _digests(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return path and sha256 of every file below a folder, sorted."""
    return tuple(
        sorted(
            (path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in folder.rglob("*")
            if path.is_file()
        )
    )


def _styles(config: MkDocsConfig) -> list[str]:
    """Return the addresses of the theme's style sheets, whose names hold their digests."""
    found = []
    for name in ("main", "palette"):
        sheets = [
            sheet for folder in config.theme.dirs for sheet in Path(folder).glob(f"assets/stylesheets/{name}.*.css")
        ]
        found += [f"assets/stylesheets/{sheet.name}" for sheet in sheets[:1]]
    return found


def _colours(config: MkDocsConfig) -> str:
    """Return the script that sets a generated page's colours before it is painted: once a site, not in each page."""
    base = 'new URL("..",document.currentScript.src).href'
    return f"var cvBase={base},cvPalettes={_palettes(config)};{(THEME / 'palette.html').read_text('utf-8')}"


def _palettes(config: MkDocsConfig) -> str:
    """Return the theme's palettes as JSON for a script: the colours of each, and what its switch says."""
    palettes = config.theme.get("palette") or []
    made = [
        {
            "media": item.get("media", ""),
            "scheme": item.get("scheme", "default"),
            "primary": item.get("primary", "indigo"),
            "accent": item.get("accent", "indigo"),
            "title": (item.get("toggle") or {}).get("name", ""),
        }
        for item in (palettes if isinstance(palettes, list) else [])
    ]
    return json.dumps(made, separators=(",", ":")).replace("<", "\\u003c")
