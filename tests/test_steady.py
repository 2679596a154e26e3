"""Nothing on a page moves while its scripts and data arrive: what moves under the pointer loses the click."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.test_browser import PAGES

MORE = ("overlap/", "modules/pkg.html", "symbols/pkg.cart.Cart.total-fd0dde39.html")
SOURCES = [path for path in (*PAGES, *MORE) if path.startswith(("modules/", "symbols/"))]

# What moved: when (ms), and each place before and after.
WATCH = """
window.moved = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    moved.push([entry.startTime, ...entry.sources.map(({ node, previousRect: was, currentRect: now }) =>
      `${node?.className || node?.nodeName} ${was.x},${was.y} -> ${now.x},${now.y}`)]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""

# All of the page is there but for the script that ends it, and has been drawn: what moved before was a part of a table.
DRAWN = """
new Promise((done) => {
  const look = () => requestAnimationFrame(() => setTimeout(() =>
    document.querySelector(".cv-foot") && performance.getEntriesByType("paint").length ? done() : look(), 20));
  look();
}).then(() => void (window.whole ??= performance.now()))
"""


def settled(page: Page) -> list[list[object]]:
    """Wait until the page asks for nothing more and has drawn it twice; return what moved."""
    page.wait_for_load_state("networkidle")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")
    return page.evaluate("moved.filter(([when]) => when > (window.whole ?? 0))")


@pytest.mark.parametrize("width", [1440, 768, 390])
@pytest.mark.parametrize("path", [*PAGES, *MORE])
def test_nothing_moves_while_scripts_and_data_arrive(browser: Browser, base: str, path: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()

    def late(route: Route) -> None:
        """Let the whole page be drawn without it first; what stands before the body holds back the drawing itself."""
        if not route.request.url.endswith("/palette.js"):
            page.evaluate(DRAWN)
        route.continue_()

    page.route("**/*.js", late)
    page.route("**/*.json", late)
    page.goto(base + path)
    assert settled(page) == []
    context.close()


class _Slow(http.server.SimpleHTTPRequestHandler):
    """Send a page in two: to its last heading, and, once that has been drawn, the rest."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.suffix != ".html":
            return super().do_GET()
        page = path.read_bytes()
        cut = page.rindex(b"<h2")
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page[:cut])
        time.sleep(0.5)
        self.wfile.write(page[cut:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("path", SOURCES)
def test_nothing_moves_while_the_rest_of_the_page_arrives(browser: Browser, site: Path, path: str) -> None:
    handler = functools.partial(_Slow, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context(viewport={"width": 768, "height": 900})
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/{path}")
        assert settled(page) == []
        context.close()
        server.shutdown()


@pytest.mark.parametrize("path", ["", "gaps/", "matrix/list.html", "overlap/", "routes/"])
def test_what_only_scripts_can_do_is_not_shown_without_them(browser: Browser, base: str, path: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base + path)
    places = page.locator(".cv-later").all()
    assert places and not any(place.is_visible() for place in places)
    assert [place.bounding_box() for place in places] == [None] * len(places)
    context.close()
