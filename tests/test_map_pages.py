"""Home, matrix, gaps, overlap and routes in a real browser: what they do equals the data, for everybody."""

from __future__ import annotations

import csv
import json
import random
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from sitegen.cells import FileCells, cells_artifact
from sitegen.model import FileInventory, Symbol
from sitegen.names import names_artifact
from tests.browser_support import processor_time
from tests.site_support import served

AXE = Path(__file__).parent / "vendor/axe.min.js"
SECONDS = 3.0  # of a processor; generous: a tenth of it where nothing else runs
READY = "#matrix-live[data-ready]"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def page(browser: Browser, base: str) -> Iterator[Page]:
    """A page that fails the test on a console message, an error, or a request to another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("request", lambda sent: sent.url.startswith((base, "blob:")) or faults.append(f"request: {sent.url}"))
    yield page
    context.close()
    assert faults == []


def read(base: str, path: str) -> Any:
    with urllib.request.urlopen(base + path, timeout=60) as answer:
        return json.load(answer)


def open_matrix(page: Page, base: str, query: str = "") -> None:
    page.goto(f"{base}matrix/{query}")
    page.locator(READY).wait_for()


def settle(page: Page) -> None:
    page.evaluate("document.querySelector('regular-table').flush()")


def names(page: Page) -> list[str]:
    settle(page)
    return page.locator("regular-table tbody th").all_inner_texts()


def column(page: Page, slug: str) -> list[str]:
    """What the cells of a profile say to a screen reader, from the top."""
    settle(page)
    heads = page.locator("regular-table thead th").all_inner_texts()
    index = [text.split(" ")[0] for text in heads].index(slug)
    return page.evaluate(
        "index => [...document.querySelectorAll('regular-table tbody tr')].map((row) => row.cells[index].ariaLabel)",
        index,
    )


# ── matrix ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_view_has_a_row_a_module_with_the_numbers_of_the_data(page: Page, base: str) -> None:
    open_matrix(page, base)
    matrix = read(base, "data/matrix.json")
    modules = [file["module"] for file in read(base, "data/inventory.json")["files"]]
    assert [name.removeprefix("▸").strip() for name in names(page)] == modules
    for slug in matrix["profiles"]:
        said = [int(text.split(" of ")[0]) for text in column(page, slug)]
        covered = [matrix["symbols"][index] for index in matrix["covered"][slug]]
        for module, number in zip(modules, said, strict=True):
            own = [symbol for symbol in covered if symbol == module or symbol.startswith(f"{module}.")]
            deeper = [other for other in modules if other.startswith(f"{module}.")]
            assert number == sum(not any(symbol.startswith(other) for other in deeper) for symbol in own), module
    assert sum(map(len, matrix["covered"].values())) > 10


def test_every_cell_of_the_flat_table_is_that_of_the_data(page: Page, base: str) -> None:
    open_matrix(page, base, "?group=none")
    matrix = read(base, "data/matrix.json")
    assert names(page) == matrix["symbols"]
    words = {"import-only": "import only", "failed": "failed playback", "stale": "stale"}
    seen = set()
    for slug in matrix["profiles"]:
        expected = ["not covered"] * len(matrix["symbols"])
        for index in matrix["covered"][slug]:
            expected[index] = "covered"
        for index, certainty in matrix["certainty"][slug].items():
            expected[int(index)] = words[certainty]
        assert column(page, slug) == expected
        seen |= set(expected)
    assert {"covered", "not covered", "failed playback", "import only"} <= seen


def test_filters_narrow_the_rows(page: Page, base: str) -> None:
    open_matrix(page, base, "?group=none")
    matrix, gaps = read(base, "data/matrix.json"), read(base, "data/gaps.json")
    page.locator("[name=q]").fill("CART disc")
    assert names(page) == ["pkg.cart.Cart.discount"]
    page.locator("[name=q]").fill("")
    page.locator("[name=show]").select_option("gap")
    assert sorted(names(page)) == sorted(gap["id"] for gap in gaps["modules"] + gaps["symbols"])
    page.locator("[name=show]").select_option("covered")
    assert set(names(page)) == {symbol for symbol, slugs in matrix["covered_by"].items() if slugs}
    page.locator("[name=show]").select_option("")
    page.locator("[name=package]").select_option("pkg.deep")
    assert names(page) == ["pkg.deep.inner", "pkg.deep.inner.work"]
    page.locator("[name=package]").select_option("")
    page.locator("[name=certainty]").select_option("failed")
    failed = {matrix["symbols"][int(index)] for found in matrix["certainty"].values()
              for index, certainty in found.items() if certainty == "failed"}  # fmt: skip
    assert failed and set(names(page)) == failed
    page.locator("[name=certainty]").select_option("")
    page.locator("[name=profiles]").fill("alp")
    assert page.locator("regular-table thead th[data-kind=profile]").all_inner_texts() == ["alpha"]
    page.locator("[name=q]").fill("no such symbol")
    assert names(page) == [] and page.get_by_text("No symbol passes these filters.").is_visible()
    page.get_by_role("button", name="Reset").click()
    assert len(names(page)) == 8
    expect(page).to_have_url(base + "matrix/")


def test_a_click_on_a_head_sorts_and_again_turns_and_again_ends(page: Page, base: str) -> None:
    open_matrix(page, base, "?group=none")
    symbols = read(base, "data/matrix.json")["symbols"]
    lines = {symbol["id"]: len(symbol["statements"]) for file in read(base, "data/inventory.json")["files"]
             for symbol in file["symbols"]}  # fmt: skip
    head = page.locator("regular-table thead th", has_text="Lines")
    head.click()
    assert names(page) == sorted(symbols, key=lambda symbol: -lines[symbol])
    assert head.get_attribute("aria-sort") == "descending"
    head.click()
    assert names(page) == sorted(symbols, key=lambda symbol: lines[symbol])
    head.click()
    assert names(page) == symbols and head.get_attribute("aria-sort") is None
    page.locator("regular-table thead th", has_text="beta").click()
    said = column(page, "beta")
    assert said == sorted(said, key=["covered", "stale", "failed playback", "import only", "not covered"].index)
    assert "covered" in said and "not covered" in said
    page.locator("regular-table thead th", has_text="Symbol").click()
    assert names(page) == sorted(symbols)


def test_two_profiles_are_compared(page: Page, base: str) -> None:
    open_matrix(page, base, "?group=none")
    matrix = read(base, "data/matrix.json")
    a, b = ({matrix["symbols"][index] for index in matrix["covered"][slug]} for slug in ("alpha", "beta"))
    assert a - b and a & b and b - a
    page.locator("[name=a]").select_option("alpha")
    page.locator("[name=b]").select_option("beta")
    assert page.locator("regular-table thead th[data-kind=profile]").all_inner_texts() == ["alpha", "beta"]
    for key, found in (("either", a | b), ("only alpha", a - b), ("both", a & b), ("only beta", b - a)):
        button = page.get_by_role("button", name=f"{key}: {len(found)}", exact=True)
        button.click()
        assert button.get_attribute("aria-pressed") == "true" and set(names(page)) == found


def test_the_address_tells_what_is_shown_and_a_link_shows_it_again(page: Page, base: str) -> None:
    open_matrix(page, base)
    page.locator("[name=group]").select_option("package")
    page.locator("[name=q]").fill("cart")
    page.locator("regular-table thead th", has_text="alpha").click()
    page.locator("regular-table tbody th", has_text="pkg").click()
    settle(page)
    address, before = page.url, names(page)
    assert "group=package" in address and "q=cart" in address and "sort=-%3Aalpha" in address and "open=pkg" in address
    assert len(before) > 3
    other = page.context.new_page()
    other.goto(address)
    other.locator(READY).wait_for()
    assert names(other) == before and other.url == address
    assert other.locator("[name=group]").input_value() == "package"
    other.goto(f"{base}matrix/?group=nonsense&sort=:nobody&a=nobody&open=nothing")
    other.locator(READY).wait_for()
    assert len(names(other)) == 8  # what an address names wrongly is as it is at first


def test_saved_files_equal_the_published_ones(page: Page, base: str, site: Path) -> None:
    open_matrix(page, base)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save JSON").click()
    assert json.loads(Path(saved.value.path()).read_text()) == read(base, "data/matrix.json")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save CSV").click()
    assert Path(saved.value.path()).read_bytes() == (site / "data/matrix.csv").read_bytes()
    page.locator("[name=q]").fill("discount")
    page.locator("[name=profiles]").fill("beta")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save CSV").click()
    rows = list(csv.reader(Path(saved.value.path()).read_text().splitlines()))
    assert rows == [["symbol", "beta"], ["pkg.cart.Cart.discount", "body"]]


def test_the_table_is_worked_by_keyboard_alone(page: Page, base: str) -> None:
    open_matrix(page, base)
    page.get_by_role("button", name="Save JSON").focus()
    page.keyboard.press("Tab")
    table = page.get_by_role("treegrid")
    assert table.evaluate("table => table === document.activeElement")

    def active() -> str:
        settle(page)
        return page.evaluate(
            "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).innerText"
        )

    for _ in range(2):
        page.keyboard.press("ArrowDown")
    assert "pkg.cart" in active()
    page.keyboard.press(" ")
    assert page.locator("regular-table tr[aria-expanded=true]").count() == 1
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    assert active().strip() == "Cart.total"
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".cv-mx-told").inner_text() == "pkg.cart.Cart.total × beta: covered"
    page.keyboard.press("Control+End")
    page.keyboard.press("Home")
    assert active().endswith("pkg.unused")
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert page.locator("regular-table thead th[aria-sort=ascending]").inner_text().startswith("Module")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert page.locator("regular-table tr[aria-expanded=true]").count() == 0
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}modules/pkg.cart.html")


def test_a_cell_leads_to_its_symbol(page: Page, base: str) -> None:
    open_matrix(page, base, "?group=none&q=only_here")
    settle(page)
    page.locator("regular-table td[data-code=body]").click()
    page.wait_for_url(f"{base}symbols/pkg.cart.cart.only_here.html")
    open_matrix(page, base, "?open=*")
    link = page.get_by_role("link", name="Cart.total", exact=True)
    assert (page.request.get(link.evaluate("link => link.href"))).ok


def test_without_a_server_the_page_says_so_and_shows_the_map(browser: Browser, site: Path) -> None:
    page = browser.new_page()
    page.goto(f"file://{site}/matrix/index.html")
    page.get_by_text("covatlas serve").wait_for()
    assert page.locator("#matrix-map tr", has_text="pkg.cart").is_visible()
    assert page.locator("#matrix-live").is_hidden()
    page.goto(f"file://{site}/overlap/index.html")
    assert page.locator("#overlap-map").is_visible() and page.locator("#overlap-tools").is_hidden()
    page.close()


def write_large(site: Path, modules: int, profiles: int) -> list[list[str]]:
    """Publish the cells and names of many symbols (50 a module) into a site; return the letters of each column."""
    rng = random.Random(7)
    files, shares = [], []
    columns: list[list[str]] = [[] for _ in range(profiles)]
    slugs = [f"profile-{number:03}" for number in range(profiles)]
    for number in range(modules):
        module = f"big.part{number // 40}.mod{number}"
        ids = [
            module,
            *(f"{module}.Some_{index}.method" if index % 3 else f"{module}.f{index}" for index in range(1, 50)),
        ]
        kinds = ["module", *("method" if index % 3 else "function" for index in range(1, 50))]
        symbols = tuple(
            Symbol(name, name.split(".")[-1], kind, None if name == module else module, 1, 9, "", (), False, 0, 0)  # type: ignore[arg-type]
            for name, kind in zip(ids, kinds, strict=True)
        )
        files.append(FileInventory(f"{module.replace('.', '/')}.py", module, "", 0, 0, (), symbols))
        rows = {slug: rng.choices(".bbif", k=50) for slug in rng.sample(slugs, profiles // 4)}
        for slug, column in zip(slugs, columns, strict=True):
            column += rows.get(slug, "." * 50)
        runs = tuple((slug, "".join(row)) for slug, row in sorted(rows.items()))
        shares.append(FileCells("c" * 50, tuple(range(50)), runs))
    for artifact in (cells_artifact([(slug, "passed") for slug in slugs], shares), names_artifact(files, slugs)):
        (site / artifact.path).write_bytes(artifact.data)
    return columns


def test_twenty_thousand_symbols_and_fifty_profiles_are_usable_at_once(
    browser: Browser, site: Path, tmp_path: Path
) -> None:
    large = tmp_path / "site"
    shutil.copytree(site, large)
    columns = write_large(large, 400, 50)
    with served(large) as base:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        used = processor_time(page)
        open_matrix(page, base)
        assert 10 < used() < SECONDS * 1000
        assert len(names(page)) < 100  # of 400 modules: only what is in sight is drawn
        begin = used()
        act(page, "q.value = 'mod39 f48'; q.dispatchEvent(new Event('input', { bubbles: true }))")
        assert 1 < used() - begin < SECONDS * 1000
        assert page.locator(".cv-mx-count").inner_text().startswith("11 of 20\u202f000 symbols in 11 modules")
        begin = used()
        act(page, "document.querySelector('[data-do=reset]').click()")
        assert used() - begin < SECONDS * 1000
        page.locator("[name=group]").select_option("none")
        heads = "[...document.querySelectorAll('regular-table thead th')]"
        click = f"{heads}.find((th) => th.innerText.includes('012')).click()"
        begin = used()
        act(page, click)
        assert used() - begin < SECONDS * 1000
        assert set(column(page, "profile-012")) == {"covered"}
        order = sorted(range(20_000), key=lambda row: -" .ifsb".index(columns[12][row]))
        page.get_by_role("grid").focus()
        page.keyboard.press("Control+End")
        last = names(page)[-1]
        words = {".": "not covered", "b": "covered", "i": "import only", "f": "failed playback"}
        page.get_by_text(f"{last} × profile-049: {words[columns[49][order[-1]]]}").wait_for()
        page.keyboard.press("PageUp")
        page.wait_for_function("last => !document.querySelector('.cv-mx-told').innerText.startsWith(last)", arg=last)
        above = page.locator(".cv-mx-told").inner_text().split(" × ")[0]
        assert 10 < names(page).index(last) - names(page).index(above) < 40
        page.keyboard.press("PageDown")
        page.get_by_text(f"{last} × profile-049: ").wait_for()
        page.close()


def act(page: Page, action: str) -> None:
    """Do something and wait for the table that shows what it did."""
    page.evaluate(
        f"""async () => {{
        const q = document.querySelector('[name=q]');
        {action};
        await document.querySelector('regular-table').flush();
    }}"""
    )


# ── home, gaps, overlap, routes ──────────────────────────────────────────────────────────────────────────────────


def test_the_picture_leads_to_modules_and_its_sizes_are_statements(page: Page, base: str) -> None:
    page.goto(base)
    files = {file["module"]: len(file["statements"]) for file in read(base, "data/inventory.json")["files"]}
    areas = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.cv-tree-wide a[href^="modules/"]')].map((link) => {
        const { width, height } = link.querySelector('rect');
        const [name] = link.querySelector('title').textContent.split(': ');
        return [name, width.baseVal.value * height.baseVal.value];
    }))"""
    )
    assert set(areas) == {name for name, size in files.items() if size}
    inside = {name: area / files[name] for name, area in areas.items() if name.count(".") == 1}
    assert max(inside.values()) / min(inside.values()) < 1.03
    page.locator(".cv-tree-wide a", has_text="cart").last.click()
    page.wait_for_url(f"{base}modules/pkg.cart.html")


def test_overlap_says_the_numbers_of_the_data_in_three_ways(page: Page, base: str) -> None:
    page.goto(base + "overlap/")
    value = read(base, "data/overlap.json")
    (pair,) = value["pairs"]
    whole = value["covered"]
    slugs = page.locator("#overlap-map tbody th").all_inner_texts()
    assert sorted(slugs) == sorted(whole)

    def cell(row: str, other: str) -> str:
        return (
            page.locator("#overlap-map tbody tr")
            .nth(slugs.index(row))
            .locator("td")
            .nth(slugs.index(other) + 1)
            .inner_text()
        )

    first, second = pair["first"], pair["second"]
    assert int(cell(first, second)) == int(100 * pair["shared"] / whole[first] + 0.5)
    assert int(cell(second, first)) == int(100 * pair["shared"] / whole[second] + 0.5)
    page.get_by_role("button", name="alike (Jaccard), %").click()
    page.get_by_text("of the symbols that either profile covers").wait_for()
    assert int(cell(first, second)) == int(cell(second, first)) == int(100 * pair["jaccard"] + 0.5)
    page.get_by_role("button", name="shared symbols").click()
    page.get_by_text("how many symbols both profiles cover").wait_for()
    assert int(cell(first, second)) == pair["shared"] and cell(first, "gamma") == ""
    covering = page.locator("#covering tbody tr")
    assert covering.count() == len(value["covering"]["profiles"])


def test_routes_and_gaps_show_what_the_data_says(page: Page, base: str) -> None:
    page.goto(base + "routes/")
    routes = read(base, "data/routes.json")["routes"]
    assert page.locator("main tbody tr").count() == len(routes)
    page.goto(base + "gaps/")
    gaps = read(base, "data/gaps.json")
    shown = [text.split("\t")[0] for text in page.locator("#gap-tables tbody tr").all_inner_texts()]
    assert shown == [gap["id"] for gap in gaps["modules"] + gaps["symbols"]]
    page.get_by_role("link", name="In the matrix").click()
    page.locator(READY).wait_for()
    assert sorted(names(page)) == sorted(shown)


# ── everybody ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("query", ["", "?group=none", "?open=*&a=alpha&b=beta&sort=-lines"])
def test_axe_finds_nothing_on_what_the_table_shows(browser: Browser, base: str, query: str) -> None:
    """Every kind of page as it is at first is in test_everybody.py."""
    context = browser.new_context(color_scheme="dark", reduced_motion="reduce", bypass_csp=True)
    page = context.new_page()
    open_matrix(page, base, query)
    page.get_by_role("button", name="Save JSON").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    settle(page)
    page.evaluate(AXE.read_text())
    found = page.evaluate("tags => axe.run({ runOnly: tags })", TAGS)
    assert found["passes"]
    assert [(item["id"], [node["html"][:160] for node in item["nodes"][:3]]) for item in found["violations"]] == []
    context.close()
