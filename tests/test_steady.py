"""Nothing on a page moves while its scripts and data arrive: what moves under the pointer loses the click."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.test_browser import PAGES

# What moved: how much (share of the window's height and width), and each place before and after.
WATCH = """
window.moved = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    moved.push([entry.value, ...entry.sources.map(({ node, previousRect: was, currentRect: now }) =>
      `${node?.className || node?.nodeName} ${was.x},${was.y} -> ${now.x},${now.y}`)]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


def settled(page: Page) -> list[list[object]]:
    """Wait until the page asks for nothing more and has drawn it twice; return what moved."""
    page.wait_for_load_state("networkidle")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")
    return page.evaluate("moved")


@pytest.mark.parametrize("width", [1440, 768, 390])
@pytest.mark.parametrize("path", [*PAGES, "overlap/", "modules/pkg.html", "symbols/pkg.cart.Cart.total-fd0dde39.html"])
def test_nothing_moves_while_scripts_and_data_arrive(browser: Browser, base: str, path: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()

    def late(route: Route) -> None:
        """Let the page be drawn without it first."""
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")
        route.continue_()

    page.route("**/*.js", late)
    page.route("**/*.json", late)
    page.goto(base + path)
    assert settled(page) == []
    context.close()


@pytest.mark.parametrize("path", ["", "gaps/", "matrix/list.html", "overlap/", "routes/"])
def test_what_only_scripts_can_do_is_not_shown_without_them(browser: Browser, base: str, path: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base + path)
    places = page.locator(".cv-later").all()
    assert places and not any(place.is_visible() for place in places)
    assert [place.bounding_box() for place in places] == [None] * len(places)
    context.close()
