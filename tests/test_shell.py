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
from sitegen.frame import Shell, section_of
from sitegen.generate import prepare
from sitegen.model import Page
from sitegen.plugin import CovatlasPlugin
from sitegen.shell import KINDS, Theme, cut_shells
from tests.site_support import HOSTILE, Generated, generated, project

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
    plugin.given = prepare(shop[0], pytest.fail)
    build(config)
    assert plugin._theme is not None
    yield plugin._theme


def _shell(theme: Theme, page: Page) -> Shell:
    found = cut_shells(theme, pytest.fail)[section_of(page.path), len(page.toc)]
    assert found is not None
    return found


def test_every_page_stamped_equals_the_render_of_mkdocs(theme: Theme, shop: tuple[Any, Generated]) -> None:
    shells = cut_shells(theme, pytest.fail)
    assert len(shells) == len(KINDS)
    kinds = set()
    for page in shop[1].pages:
        shell = shells[section_of(page.path), len(page.toc)]
        assert shell is not None and shell.stamp(page) == theme.render_bytes(page), page.path
        kinds.add(section_of(page.path))
    assert kinds == {"home", "profiles", "packages", "modules", "symbols", "matrix", "gaps", "overlap", "routes"}


def test_title_description_and_toc_are_escaped_everywhere(theme: Theme) -> None:
    toc = tuple((f'"{HOSTILE}{index}', HOSTILE) for index in range(3))
    page = Page("profiles/x.html", f"{HOSTILE}\"'&amp;", f'"><{HOSTILE}', "<h1>fine</h1>", toc)
    stamped = _shell(theme, page).stamp(page).decode()
    assert stamped == theme.render(page)
    assert HOSTILE not in stamped
    assert "<title>&lt;script&gt;" in stamped and "&amp;amp;" in stamped
    assert stamped.count("<h1>fine</h1>") == 1


def test_a_sentinel_that_is_left_over_is_refused(theme: Theme) -> None:
    page = Page("symbols/x.html", "X", "about x", "<h1>x</h1>")
    shell = _shell(theme, page)
    shell.stamp(page)
    with pytest.raises(CovatlasError, match="sentinel"):
        shell.stamp(replace(page, content="<h1>zqCovatlas7f3aZqTitleEnd</h1>"))


def test_where_a_plugin_changes_finished_pages_there_is_no_shell(theme: Theme, monkeypatch: pytest.MonkeyPatch) -> None:
    def shout(output: str, **_: Any) -> str:
        return output + f"<!-- {len(output)} -->"

    monkeypatch.setitem(theme.config.plugins.events, "post_page", [shout])
    warnings: list[str] = []
    assert set(cut_shells(theme, warnings.append).values()) == {None}
    assert len(warnings) == 1 and "another plugin" in warnings[0]


def test_a_page_asks_no_other_host(theme: Theme, shop: tuple[Any, Generated]) -> None:
    for page in shop[1].pages[:4]:
        text = _shell(theme, page).stamp(page).decode()
        assert 'src="http' not in text and "fonts.g" not in text and 'data-md-component="source"' not in text
        assert 'rel="stylesheet" href="http' not in text
