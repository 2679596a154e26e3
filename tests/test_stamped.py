"""Published pages equal, byte for byte, what mkdocs' own build step makes of them, under the theme's features."""

from __future__ import annotations

from html import escape
from pathlib import Path
from unittest.mock import patch

import pytest
from mkdocs.commands.build import _build_page, build
from mkdocs.config import load_config
from mkdocs.structure.files import File, InclusionLevel
from mkdocs.structure.pages import Page as MkdocsPage
from mkdocs.structure.toc import AnchorLink, TableOfContents

from sitegen.frame import Shell, section_of
from sitegen.generate import prepare
from sitegen.model import Page
from sitegen.plugin import CovatlasPlugin
from sitegen.shell import KINDS, Theme, _probe
from tests.atlas_support import write
from tests.site_support import project

PROBE = _probe("matrix", 1, 0).title  # of the pages that cutting the shells compares
HEAD = "site_name: Own <&> map\nplugins: [search, covatlas]\n"
FEATURES = {
    "default": "theme: {name: material}\n",
    "tabs, instant, integrated contents": """\
site_url: https://map.example/base/
repo_url: https://github.com/o/r
theme:
  name: material
  features: [navigation.tabs, navigation.tabs.sticky, navigation.instant, navigation.indexes, toc.integrate, toc.follow]
""",
    "autohide, dark, social, own logo": """\
theme:
  name: material
  language: de
  custom_dir: overrides
  palette: {scheme: slate, primary: red}
  features: [header.autohide, announce.dismiss, navigation.footer, content.code.copy]
  icon: {logo: material/map}
extra:
  social: [{icon: fontawesome/brands/github, link: "https://github.com/o"}]
  analytics: {provider: google, property: G-0}
extra_css: [own.css]
copyright: We &copy;
""",
}
# Material's own page for everything: it unescapes titles, so no shell fits, and pages are rendered one by one.
OWN_PAGE = b'{% extends "base.html" %}{% block announce %}New!{% endblock %}'


def _site(root: Path, features: str) -> tuple[Theme, dict[str, Page], set[str]]:
    """Build a site; return what mkdocs rendered it with, the pages before they got their shell, and those stamped."""
    write(root / "mkdocs.yml", (HEAD + features).encode())
    write(root / "docs" / "index.md", b"# Start\n")
    write(root / "docs" / "more" / "how.md", b"# How\n")
    write(root / "docs" / "own.css", b"p { color: red }\n")
    write(root / "overrides" / "partials" / "logo.html", b"<b>own logo</b>")
    config = load_config(str(root / "mkdocs.yml"), site_dir=str(root / "site"))
    plugin = config.plugins["covatlas"]
    assert isinstance(plugin, CovatlasPlugin)
    plugin.given = prepare(project(root / "shop"), pytest.fail)
    pages: dict[str, Page] = {}
    stamped: set[str] = set()
    stamp, render = Shell.stamp, Theme.render_bytes

    def note_stamp(shell: Shell, page: Page) -> bytes:
        stamped.add(page.path)
        pages[page.path] = page
        return stamp(shell, page)

    def note_render(theme: Theme, page: Page) -> bytes:
        pages[page.path] = page
        return render(theme, page)

    with patch.object(Shell, "stamp", note_stamp), patch.object(Theme, "render_bytes", note_render):
        build(config)
    assert plugin._theme is not None
    made = {path: page for path, page in pages.items() if page.title != PROBE}
    return plugin._theme, made, stamped & made.keys()


def _by_mkdocs(theme: Theme, page: Page) -> bytes:
    """Return a page as mkdocs writes it: by its own step, with its own files and plugins."""
    file = File(page.path, None, theme.config.site_dir, use_directory_urls=True, inclusion=InclusionLevel.NOT_IN_NAV)
    file.abs_dest_path = str(Path(theme.config.site_dir).parent / "by-mkdocs" / page.path)
    made = MkdocsPage(escape(page.title), file, theme.config)
    made.content = page.content
    made.toc = TableOfContents([AnchorLink(escape(title), escape(anchor), 2) for anchor, title in page.toc])
    made.meta = {"covatlas": section_of(page.path), "description": escape(page.description)}
    _build_page(made, theme.config, [], theme.nav, theme.env)
    return Path(file.abs_dest_path).read_bytes()


def _check(theme: Theme, pages: dict[str, Page]) -> None:
    for path, page in pages.items():
        assert (Path(theme.config.site_dir) / path).read_bytes() == _by_mkdocs(theme, page), path
    # Trends are made where there is a night before; every other kind is here.
    assert {section_of(path) for path in pages} >= {section for section, _, _ in KINDS} - {"trends"} and len(pages) > 30


@pytest.mark.parametrize("name", FEATURES)
def test_every_page_stamped_equals_the_one_that_mkdocs_writes(name: str, tmp_path: Path) -> None:
    theme, pages, stamped = _site(tmp_path, FEATURES[name])
    _check(theme, pages)
    assert stamped == pages.keys()


def test_where_a_projects_own_page_takes_no_shell_the_bytes_are_mkdocs_too(tmp_path: Path) -> None:
    write(tmp_path / "overrides" / "main.html", OWN_PAGE)
    theme, pages, stamped = _site(tmp_path, "theme: {name: material, custom_dir: overrides}\n")
    _check(theme, pages)
    assert not stamped & {path for path in pages if path.startswith("symbols/")}
