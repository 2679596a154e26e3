"""A build in which mkdocs renders the frame: the first one, and whenever something that mkdocs reads has changed."""

from __future__ import annotations

import logging
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, MkDocsException

from instrument.errors import CovatlasError
from sitegen.frames import config_file
from sitegen.generate import Outcome, Prepared, Say, site_name
from sitegen.plugin import CovatlasPlugin


def build_with_mkdocs(prepared: Prepared, say: Say) -> Outcome:
    """Build and publish through mkdocs; raise CovatlasError where it cannot."""
    options = prepared.options
    handler = _Teller(say)
    logger = logging.getLogger("mkdocs")
    logger.addHandler(handler)
    logger.propagate = False
    path, own = config_file(Path())
    try:
        config = load_config(str(path), site_dir=str(options.site_dir.absolute()))
        plugin = config.plugins.get("covatlas")
        if not isinstance(plugin, CovatlasPlugin):
            raise CovatlasError(f"{path}: does not use the covatlas plugin; add `- covatlas` to its plugins")
        config.site_name = site_name(options, own) or config.site_name
        plugin.given, plugin.say = prepared, say
        build(config)
    except (Abort, MkDocsException, UnicodeDecodeError) as error:
        raise CovatlasError(f"mkdocs cannot build the site: {' '.join(str(error).split())}") from None
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    assert plugin.outcome is not None
    return plugin.outcome


class _Teller(logging.Handler):
    """Passes mkdocs' warnings on as messages."""

    def __init__(self, say: Say) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say one warning."""
        self._say(f"mkdocs: {record.getMessage()}")
