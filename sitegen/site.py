"""What `covatlas build` calls: options in, published site and a report out."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, MkDocsException

from instrument.errors import CovatlasError
from sitegen.generate import BuildOptions, Say
from sitegen.plugin import CovatlasPlugin


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did: pages of the site, files whose bytes changed, seconds, and where the site is."""

    pages: int
    changed: int
    seconds: float
    site_dir: Path

    def __str__(self) -> str:
        """Return the closing line."""
        return f"{self.pages} pages, {self.changed} files changed, {self.seconds:.1f} s: {self.site_dir}"


def build_site(options: BuildOptions, say: Say) -> BuildReport:
    """Build and publish the site; raise CovatlasError where an input is bad, with the old site left whole.

    The working directory's mkdocs.yml says how the hand-written pages look; without one a default one is used.
    """
    start = time.monotonic()
    _refuse_dangerous(options)
    own = Path("mkdocs.yml")
    handler = _Teller(say)
    logger = logging.getLogger("mkdocs")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with resources.as_file(resources.files("sitegen") / "scaffold") as scaffold:
            config_file = own if own.is_file() else scaffold / "mkdocs.yml"
            config = load_config(str(config_file), site_dir=str(options.site_dir.absolute()))
            plugin = config.plugins.get("covatlas")
            if not isinstance(plugin, CovatlasPlugin):
                raise CovatlasError(f"{config_file}: does not use the covatlas plugin; add `- covatlas` to its plugins")
            if options.title or config_file != own:
                config.site_name = options.title or ", ".join(source.name for source in options.sources)
            plugin.given, plugin.say = options, say
            build(config)
    except (Abort, MkDocsException) as error:
        raise CovatlasError(f"mkdocs cannot build the site: {' '.join(str(error).split())}") from None
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    published = plugin.published
    assert published is not None
    pages = sum(path.endswith(".html") for path in published.paths)
    changed = len(published.written) + len(published.deleted)
    return BuildReport(pages, changed, time.monotonic() - start, options.site_dir)


def _refuse_dangerous(options: BuildOptions) -> None:
    """Refuse a site directory that would mix the site with what it is made from."""
    site = options.site_dir.resolve()
    for folder in (*options.sources, options.coverage_dir):
        inside = folder != options.coverage_dir and folder.resolve() in site.parents
        if site == folder.resolve() or inside:
            raise CovatlasError(
                f"{options.site_dir}: the site would mix with its input {folder}; choose another --site-dir"
            )


class _Teller(logging.Handler):
    """Passes mkdocs' warnings on as messages."""

    def __init__(self, say: Say) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say one warning."""
        self._say(f"mkdocs: {record.getMessage()}")
