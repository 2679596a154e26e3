"""Every kind of page for everybody: axe finds nothing, little is loaded, and it reads without a script or a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

AXE = Path(__file__).parent / "vendor/axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Page → kB of its HTML, requests, kB of all that they bring (as sent by a server that does not compress).
WEIGHTS = {
    "index.html": (22, 8, 240),
    "modules/pkg.cart.html": (16, 10, 200),
    "modules/pkg.hostile.html": (9, 10, 200),
    "modules/pkg.broken.html": (6, 10, 200),
    "symbols/pkg.cart.never.html": (6, 10, 200),
    "symbols/pkg.cart.Cart-21c1978d.html": (9, 10, 200),
    "packages/pkg.html": (9, 8, 190),
    "profiles/alpha.html": (14, 8, 190),
    "profiles/gamma.html": (10, 8, 190),
    "matrix/index.html": (12, 18, 275),
    "matrix/list.html": (16, 8, 190),
    "gaps/index.html": (12, 8, 190),
    "overlap/index.html": (14, 10, 200),
    "routes/index.html": (8, 8, 190),
    "trends/index.html": (8, 14, 230),
    "go/index.html": (6, 12, 220),
    "words/index.html": (16, 14, 420),
    "404.html": (16, 14, 420),
}
PAINTS = "performance.getEntriesByName('first-contentful-paint')"


def violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    # Line numbers are as high as their lines of code (WCAG 2.5.8 excepts targets that a line height constrains).
    run = "tags => axe.run({exclude: [['.cv-src > span > a']]}, {runOnly: tags}).then(found => found.violations)"
    found: list[dict[str, Any]] = page.evaluate(run, TAGS)
    return [f"{item['id']}: {node['target']} {node['failureSummary']}" for item in found for node in item["nodes"]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
@pytest.mark.parametrize("path", WEIGHTS)
def test_axe_finds_nothing(browser: Browser, base: str, path: str, scheme: Any, width: int) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(base + path)
    page.wait_for_load_state("networkidle")
    for summary in page.locator("main summary").all():
        summary.click()
    if page.locator(".lx > a[aria-expanded]").count():
        page.locator(".lx > a[aria-expanded]").first.click()
        page.locator(".lw a").first.wait_for()
        page.evaluate("scrollTo(0, 0)")  # a target half under the header is no small target
    assert violations(page) == []
    context.close()


# What the sample project is too small for: a number of several digits, neighbours in a list, wide tables without links.
LARGER = {
    "modules/pkg.unused.html": "document.querySelector('.lm .m').textContent = '3600'",
    "profiles/alpha.html": "document.querySelector('#unique ~ .cv-columns').innerHTML ="
    " '<li><a href=\"\"><code>watershed.storage.runs</code></a></li>'.repeat(9)",
    "trends/index.html": "document.querySelector('#nights + .cv-scroll td').textContent = 'n'.repeat(300)",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", LARGER)
def test_axe_finds_nothing_where_there_is_more(browser: Browser, base: str, path: str, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.goto(base + path)
    page.wait_for_load_state("networkidle")
    page.evaluate(LARGER[path])
    assert violations(page) == []
    context.close()


@pytest.mark.parametrize("path", WEIGHTS)
def test_a_page_loads_little_and_soon(browser: Browser, base: str, site: Path, path: str) -> None:
    html, requests, most = WEIGHTS[path]
    context = browser.new_context()
    page = context.new_page()
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto(base + path)
    page.wait_for_load_state("networkidle")
    assert (site / path).stat().st_size <= html * 1000
    assert len(sizes) <= requests
    assert sum(sizes) <= most * 1000
    assert any(painted(page) < 2000 for _ in range(5)), "0.3 s where nothing else is going on"
    context.close()


def painted(page: Page) -> float:
    """Load a page again, with what pages share in the browser's cache, and return when it shows, in milliseconds."""
    page.reload()
    for _ in range(2000):  # not wait_for_function: the page's policy allows no eval
        if page.evaluate(f"{PAINTS}.length"):
            break
        page.wait_for_timeout(30)
    return page.evaluate(f"{PAINTS}[0].startTime")


@pytest.mark.parametrize("path", WEIGHTS)
def test_a_page_reads_without_a_script_and_from_disk(browser: Browser, base: str, site: Path, path: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base + path)
    assert page.locator("h1").is_visible() and len(page.locator("main, .md-content").first.inner_text()) > 60
    plain = page.locator("h1").first.inner_text()
    context.close()
    if path == "404.html":
        return  # a server's answer, not a file to open
    context = browser.new_context()
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.goto((site / path).as_uri())
    page.wait_for_timeout(300)
    assert page.locator("h1").first.inner_text() == plain
    assert faults == []
    context.close()
