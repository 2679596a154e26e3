"""sitegen.shell: a stamped page equals, byte for byte, what mkdocs itself renders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from instrument.errors import CovatlasError
from sitegen.generate import Generated
from sitegen.model import Page
from sitegen.plugin import CovatlasPlugin
from sitegen.shell import Shells, Theme, section_of
from tests.site_support import HOSTILE, generated, project

SCAFFOLD = Path(__file__).parent.parent / "sitegen" / "scaffold" / "mkdocs.yml"
EXTRA = {
    "none": {},
    "address": {"site_url": "https://map.example/base/"},
    "repo": {"repo_url": "https://github.com/o/r"},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Generated]:
    options = project(tmp_path_factory.mktemp("shop"))
    return options, generated(options)


@pytest.fixture(scope="module", params=EXTRA)
def theme(
    request: pytest.FixtureRequest, shop: tuple[Any, Generated], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Theme]:
    site = tmp_path_factory.mktemp("shell") / "site"
    config = load_config(str(SCAFFOLD), site_dir=str(site), **EXTRA[request.param])
    plugin = config.plugins["covatlas"]
    assert isinstance(plugin, CovatlasPlugin)
    plugin.given = shop[0]
    build(config)
    assert plugin._theme is not None
    yield plugin._theme


def test_every_page_stamped_equals_the_render_of_mkdocs(theme: Theme, shop: tuple[Any, Generated]) -> None:
    warnings: list[str] = []
    shells = Shells(theme, warnings.append)
    kinds = set()
    for page in shop[1].pages:
        assert shells.stamp(page) == theme.render(page).encode("utf-8", "xmlcharrefreplace"), page.path
        kinds.add(section_of(page.path))
    assert kinds == {"home", "profiles", "modules", "symbols", "matrix", "gaps", "overlap"}
    assert warnings == []
    assert len(shells._made) < len(shop[1].pages)


def test_title_description_and_toc_are_escaped_everywhere(theme: Theme) -> None:
    page = Page("symbols/x.html", f"{HOSTILE}\"'&amp;", f'"><{HOSTILE}', "<h1>fine</h1>", ((f'"{HOSTILE}', HOSTILE),))
    stamped = Shells(theme, pytest.fail).stamp(page).decode()
    assert stamped == theme.render(page)
    assert HOSTILE not in stamped
    assert "<title>&lt;script&gt;" in stamped and "&amp;amp;" in stamped
    assert stamped.count("<h1>fine</h1>") == 1


def test_a_sentinel_that_is_left_over_is_refused(theme: Theme) -> None:
    page = Page("symbols/x.html", "X", "about x", "<h1>x</h1>")
    shells = Shells(theme, pytest.fail)
    shells.stamp(page)
    with pytest.raises(CovatlasError, match="sentinel"):
        shells.stamp(replace(page, content="<h1>zqCovatlas7f3aZqTitleEnd</h1>"))


def test_where_a_plugin_changes_finished_pages_mkdocs_renders_each(
    theme: Theme, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shout(output: str, **_: Any) -> str:
        return output + f"<!-- {len(output)} -->"

    monkeypatch.setitem(theme.config.plugins.events, "post_page", [shout])
    warnings: list[str] = []
    shells = Shells(theme, warnings.append)
    pages = [Page(f"symbols/{name}.html", name, "about", f"<h1>{name}</h1>") for name in ("a", "longer")]
    assert [shells.stamp(page).decode() for page in pages] == [theme.render(page) for page in pages]
    assert len(warnings) == 1 and "another plugin" in warnings[0]


def test_a_page_asks_no_other_host(theme: Theme, shop: tuple[Any, Generated]) -> None:
    for page in shop[1].pages[:4]:
        text = Shells(theme, pytest.fail).stamp(page).decode()
        assert 'src="http' not in text and "fonts.g" not in text and 'data-md-component="source"' not in text
        assert 'rel="stylesheet" href="http' not in text
