"""The published folder in a real browser: clicks through it, in both colour schemes, wide and narrow."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.site_support import HOSTILE

PAGES = (
    "", "matrix/", "matrix/list.html", "gaps/", "overlap/", "routes/",
    "profiles/alpha.html", "profiles/gamma.html",
    "modules/pkg.cart.html", "modules/pkg.hostile.html", "modules/pkg.broken.html",
   
    "symbols/pkg.cart.never.html", "words/",
)  # fmt: skip


@pytest.fixture(params=[("light", 1440), ("dark", 390)], ids=["light-wide", "dark-narrow"])
def page(request: pytest.FixtureRequest, browser: Browser, base: str) -> Iterator[Page]:
    """A page that fails the test on a console message, an error, or a request to another host."""
    scheme, width = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("request", lambda sent: sent.url.startswith((base, "data:")) or faults.append(f"request: {sent.url}"))
    page.on("response", lambda answer: answer.status < 400 or faults.append(f"{answer.status}: {answer.url}"))
    yield page
    context.close()
    assert faults == []


def test_one_clicks_from_the_map_to_everything(page: Page, base: str) -> None:
    page.goto(base)
    page.get_by_role("link", name="pkg.cart", exact=True).first.click()
    expect(page).to_have_url(base + "modules/pkg.cart.html")
    page.get_by_role("link", name="total", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("total")
    page.get_by_role("link", name="alpha", exact=True).click()
    expect(page).to_have_url(base + "profiles/alpha.html")
    page.locator(".cv-tabs").get_by_role("link", name="Matrix").click()
    expect(page).to_have_url(base + "matrix/")
    page.get_by_role("link", name="As a list").click()
    page.locator("details.cv-fold", has_text="pkg.cart").locator("summary").click()
    page.get_by_role("link", name="Cart.discount").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("discount")
    page.locator(".cv-near").get_by_role("link", name="total").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("total")
    page.locator(".cv-brand").click()
    expect(page).to_have_url(base)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways_and_nothing_untrusted_runs(page: Page, base: str, path: str) -> None:
    page.goto(base + path)
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.hacked") is None
    assert page.locator("h1").count() == 1


def test_hostile_names_are_shown_as_text(page: Page, base: str) -> None:
    page.goto(base + "modules/pkg.hostile.html")
    assert HOSTILE in page.locator(".cv-lede").inner_text()
    assert HOSTILE in page.locator("pre.cv-src").inner_text()
    page.goto(base + "profiles/alpha.html")
    assert f"Buys {HOSTILE}" in page.locator(".cv-lede").inner_text()
    page.goto(base)
    page.get_by_role("link", name=re.compile("pkg.odd <script>")).first.click()
    expect(page).to_have_url(re.compile("/modules/pkg.odd"))
    assert "<script>" in page.locator("h1").inner_text()


def test_a_line_is_linked_and_says_who_runs_it(page: Page, base: str) -> None:
    page.goto(base + "modules/pkg.cart.html#L17")
    line = page.locator("#L17")
    assert line.is_visible() and line.locator("a").get_attribute("title") == "executed by alpha, beta"
    assert "✓2" in line.inner_text()
    assert page.evaluate("document.querySelector(':target').id") == "L17"
    page.locator("#L24 a").click()
    expect(page).to_have_url(re.compile("#L24$"))


def test_a_line_number_tells_on_click_and_by_keyboard_which_profiles_run_the_line(page: Page, base: str) -> None:
    page.goto(base + "modules/pkg.cart.html")
    number = page.locator("#L17 > a:first-child")
    page.locator("#L17 > a[aria-expanded=false]").wait_for()
    number.focus()
    page.keyboard.press("Enter")
    note = page.locator("#L17 + .lw")
    note.get_by_text("2 profiles: alpha, beta").wait_for()
    expect(number).to_have_attribute("aria-expanded", "true")
    expect(page).to_have_url(re.compile("#L17$"))
    number.click()
    expect(note).to_have_count(0)
    page.locator("#L23 > a:first-child").click()  # the inside of `discount`: beta's
    page.locator("#L23 + .lw").get_by_text("only beta").wait_for()
    page.locator("#L23 + .lw a").click()
    expect(page).to_have_url(base + "profiles/beta.html")


def test_only_one_profile_s_lines_can_be_shown(page: Page, base: str) -> None:
    page.goto(base + "modules/pkg.cart.html")
    chosen = page.get_by_label("Lines of")
    chosen.select_option("alpha")
    page.locator("#L23.lo").wait_for()
    assert page.locator("#L23 i").inner_text() == "○" and page.locator("#L17 i").inner_text() == "✓"
    chosen.select_option("")
    page.locator("#L23:not(.lo)").wait_for()
    assert page.locator("#L23 i").inner_text() == "✓1" and page.locator("#L17 i").inner_text() == "✓2"


def test_a_symbol_says_through_which_requests_it_is_reached(page: Page, base: str) -> None:
    page.goto(base + "symbols/pkg.cart.Cart.discount-6b888094.html")
    page.get_by_text("Requests and jobs that reach it").click()
    page.get_by_text("beta outside the recorded requests").wait_for()
    page.goto(base + "symbols/pkg.cart.never.html")
    assert page.locator("a[data-covatlas-lines]").count() == 1
    assert page.get_by_text("Requests and jobs that reach it").count() == 0


def test_dates_and_commit_are_filled_in_from_the_build_file(page: Page, base: str) -> None:
    page.goto(base + "profiles/alpha.html")
    facts = page.locator("[data-covatlas-profile]")
    facts.get_by_text("recorded 2026-01-02 03:04:05 UTC").wait_for()
    assert facts.inner_text().endswith("played in 3.3 s, at commit c0ffee") or "3.2 s" in facts.inner_text()


def test_lists_are_filtered_as_one_types(page: Page, base: str) -> None:
    page.goto(base + "matrix/list.html")
    page.get_by_label("Filter").fill("discount")
    shown = page.locator("#symbol-lists li:visible")
    expect(shown).to_have_count(1)
    assert "beta" in shown.inner_text()
    page.get_by_label("Filter").fill("cart gamma")
    expect(shown).to_have_count(0)


def test_the_colour_scheme_follows_the_system_and_can_be_chosen(page: Page, base: str) -> None:
    page.goto(base)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    scheme = "document.body.getAttribute('data-md-color-scheme')"
    assert page.evaluate(scheme) == ("slate" if dark else "default")
    page.get_by_title("Switch to light mode").click()
    assert page.evaluate(scheme) == "default"
    page.get_by_title("Switch to dark mode").click()
    assert page.evaluate(scheme) == "slate"
    page.goto(base + "gaps/")
    assert page.evaluate(scheme) == "slate"


@pytest.mark.parametrize("index", ["7", "-1", '"x"', "null"])
def test_a_choice_of_colours_that_this_site_does_not_have_is_left_aside(page: Page, base: str, index: str) -> None:
    page.goto(base)
    key = page.evaluate("`${new URL(cvBase, location).pathname}.__palette`")
    page.evaluate("([key, value]) => localStorage.setItem(key, value)", [key, f'{{"index": {index}, "color": {{}}}}'])
    page.goto(f"{base}modules/pkg.cart.html")
    expect(page.locator(".cv-copy").first).to_be_visible()  # the other scripts run too
    page.locator(".cv-theme").click()
    assert page.evaluate("key => cvPalettes[JSON.parse(localStorage.getItem(key)).index].title", key)


def test_what_is_printed_is_dark_on_white_in_either_scheme(page: Page, base: str) -> None:
    def colours() -> list[str]:
        page.goto(f"{base}modules/pkg.cart.html")
        page.emulate_media(media="print")
        places = ["h1", "h2", ".cv-table td", "pre.cv-src", ".cv-chip"]  # links fade from colour to colour
        of = "place => getComputedStyle(document.querySelector(place))"
        ink = page.evaluate(f"places => places.map(place => ({of})(place).color)", places)
        return [page.evaluate(f"({of})('body').backgroundColor"), *ink]

    printed = colours()
    page.emulate_media(color_scheme="light")
    assert printed == colours() and printed[0] in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")


def test_the_map_works_without_javascript(browser: Browser, base: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base + "matrix/")
    row = page.locator("#matrix-map tr", has_text="pkg.cart")
    assert row.is_visible() and page.locator("#matrix-live").is_hidden()
    page.get_by_role("link", name="As a list").click()
    page.locator("details.cv-fold", has_text="pkg.cart").locator("summary").click()
    assert page.get_by_role("link", name="Cart.discount").is_visible()
    context.close()


def test_shown_numbers_are_those_of_the_data(page: Page, base: str) -> None:
    def read(path: str) -> dict:
        with urllib.request.urlopen(base + path, timeout=60) as answer:
            return json.load(answer)

    matrix, gaps = read("data/matrix.json"), read("data/gaps.json")
    page.goto(base)
    covered = sum(bool(slugs) for slugs in matrix["covered_by"].values())
    assert page.locator("#symbols-covered").inner_text() == str(covered)
    assert page.locator("#symbols-uncovered").inner_text() == str(len(gaps["modules"]) + len(gaps["symbols"]))
    for slug in matrix["profiles"]:
        summary = read(f"data/profiles/{slug}.json")["summary"]
        page.goto(f"{base}profiles/{slug}.html")
        tiles = page.locator(".cv-tiles").inner_text()
        assert f"{summary['coverage_percent']} %" in tiles
        assert f"{summary['lines_covered']} of {summary['lines_total']}" in tiles
        assert str(len(matrix["covered"][slug])) == page.locator(".cv-tile b").first.inner_text()
