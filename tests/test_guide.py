"""The hand-written pages in a real browser, wide and light, narrow and dark: axe, no sideways scroll, no other host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from sitegen.site import build_site
from tests.site_support import project, served
from tests.test_everybody import violations

ROOT = Path(__file__).parents[1]
PAGES = sorted(page.stem for page in (ROOT / "site_src").glob("*.md") if page.stem != "index")
BROKEN = "[...document.images].filter(one => one.checkVisibility() && !one.naturalWidth).map(one => one.src)"
LOOKS = [("light", 1440), ("dark", 390)]


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the sample project's site with this repository's own pages."""
    options = project(tmp_path_factory.mktemp("guide"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        build_site(options, lambda message: None)
    with served(options.site_dir) as address:
        yield address


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_everybody_can_read_the_guide(browser: Browser, guide: str, scheme: Any, width: int) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in PAGES:
        page.goto(f"{guide}{name}/")
        found = [said for said in violations(page) if not said.startswith("empty-table-header")]  # tables of numbers
        assert not found, name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert not page.evaluate(BROKEN), name
    assert not [url for url in asked if not url.startswith((guide, "data:", "blob:"))]
    context.close()
