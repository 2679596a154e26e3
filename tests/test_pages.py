"""sitegen.pages and its templates: pages say what the data says, links lead somewhere, nothing untrusted is markup."""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from instrument.record import read_record, write_record
from sitegen.generate import BuildOptions
from sitegen.model import Page
from tests.atlas_support import record, write
from tests.site_support import HOSTILE, Generated, Html, generated, project


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return generated(project(tmp_path_factory.mktemp("shop")))


def _page(shop: Generated, path: str) -> Page:
    (found,) = [page for page in shop.pages if page.path == path]
    return found


def _find(shop: Generated, title: str) -> Page:
    (found,) = [page for page in shop.pages if page.title == title]
    return found


def _data(shop: Generated, path: str) -> dict:
    (found,) = [artifact for artifact in shop.artifacts if artifact.path == path]
    return json.loads(found.data)


def _words(page: Page) -> str:
    return " ".join("".join(Html(page.content).text).split())


def test_every_symbol_profile_and_section_has_one_page(shop: Generated) -> None:
    paths = [page.path for page in shop.pages]
    assert len({path.casefold() for path in paths}) == len(paths)
    symbols = [symbol["id"] for file in _data(shop, "data/inventory.json")["files"] for symbol in file["symbols"]]
    pages = [page for page in shop.pages if page.path.startswith(("symbols/", "modules/"))]
    assert sorted(page.title for page in pages) == sorted(symbols)
    rest = sorted(set(paths) - {page.path for page in pages})
    profiles = [f"profiles/{slug}.html" for slug in ("alpha", "beta", "gamma")]
    sections = ["gaps/index.html", "index.html", "matrix/index.html", "matrix/list.html", "overlap/index.html"]
    assert rest == [*sections, "packages/pkg.deep.html", "packages/pkg.html", *profiles, "routes/index.html"]


def test_every_page_is_well_formed_and_every_link_leads_somewhere(shop: Generated) -> None:
    pages = {page.path: Html(page.content) for page in shop.pages}
    known = {*pages, *(artifact.path for artifact in shop.artifacts)}
    for path, html in pages.items():
        assert len(html.ids) == len(set(html.ids)), path
        for href in html.links:
            if href.startswith("https://github.com/org/repo/blob/main/"):
                continue
            where, _, anchor = re.sub(r"[?][^#]*", "", href).partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), where)) if where else path
            target = posixpath.join(target, "index.html") if where.endswith("/") else target
            assert target.removeprefix("./") in known, (path, href)
            if anchor:
                assert anchor in pages[target].ids, (path, href)
    for page in shop.pages:
        assert {anchor for anchor, _ in page.toc} <= set(pages[page.path].ids)


def test_nothing_untrusted_becomes_markup(shop: Generated) -> None:
    for page in shop.pages:
        html = Html(page.content)
        assert not {"script", "iframe", "style", "object"} & set(html.tags), page.path
    assert HOSTILE in _words(_find(shop, "pkg.hostile"))
    assert HOSTILE in _words(_page(shop, "profiles/alpha.html"))
    assert HOSTILE in _words(_page(shop, "profiles/gamma.html"))


def test_home_says_what_the_data_says(shop: Generated) -> None:
    home = _page(shop, "index.html")
    matrix, gaps = _data(shop, "data/matrix.json"), _data(shop, "data/gaps.json")
    covered = sum(bool(slugs) for slugs in matrix["covered_by"].values())
    uncovered = len(gaps["modules"]) + len(gaps["symbols"])
    assert covered and uncovered
    assert f'<b id="symbols-covered">{covered}</b><span>of {covered + uncovered} symbols' in home.content
    assert f'<b id="symbols-uncovered">{uncovered}</b>' in home.content
    lines = [_data(shop, f"data/profiles/{slug}.json")["summary"] for slug in matrix["profiles"]]
    for summary in lines:
        assert f"{summary['lines_covered']}/{summary['lines_total']}" in home.content
    assert "gamma: failed, " in _words(home)
    assert "1 of 3 profiles passed" in _words(home).replace("1of", "1 of")


@pytest.mark.parametrize("slug", ["alpha", "beta", "gamma"])
def test_a_profile_page_says_what_its_data_says(shop: Generated, slug: str) -> None:
    words, data = _words(_page(shop, f"profiles/{slug}.html")), _data(shop, f"data/profiles/{slug}.json")
    summary = data["summary"]
    assert f"{summary['coverage_percent']} %" in words
    assert f"{summary['lines_covered']} of {summary['lines_total']}" in words
    assert f"{sum(symbol['covered'] for symbol in data['symbols'])}symbols covered" in words
    page = _page(shop, f"profiles/{slug}.html").content
    certainties: dict[str, Counter[str]] = {path: Counter() for path in data["files"]}
    for symbol in data["symbols"]:
        certainties[symbol["file"]][symbol["certainty"]] += 1
    row = r"<code>([^<]+)</code></a></td><td class=\"n\">(\d*)</td><td>(.*?)</td><td><small>(\d+)/(\d+)</small>"
    shown = {name: (covered, chips, own, whole) for name, covered, chips, own, whole in re.findall(row, page)}
    for path, file in data["files"].items():
        own, missing = len(file["executed_lines"]), len(file["missing_lines"])
        found, counts = (
            shown.pop(path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")),
            certainties[path],
        )
        assert found[0] == str(counts["body"] or "") and found[2:] == (str(own), str(own + missing))
        others = re.findall(r'cv-([a-z-]+)">(\d+) symbol', found[1])
        assert dict(others) == {name: str(counts[name]) for name in counts if name not in ("body", "none")}
    assert not shown


def test_pages_count_a_module_s_symbols_alike(shop: Generated) -> None:
    row = r'<code>(pkg[^<]*)</code></a></td><td class="n">(\d+/\d+)</td><td class="n">'
    home = dict(re.findall(row, _page(shop, "index.html").content))
    matrix = _words(_page(shop, "matrix/index.html"))
    total = int(re.search(r"code: (\d+) symbols", matrix)[1])
    shown = _words(_page(shop, "index.html"))
    assert f" {total} symbols" in shown or "symbols with lines to run" in shown  # the matrix has the others too
    assert home["pkg.cart"]
    for module, counted in home.items():
        page = next(page for page in shop.pages if page.path.startswith("modules/") and f"<code>{module}</code></h1>" in
                    page.content.replace("<wbr>", ""))  # fmt: skip
        assert f"{counted} symbols covered" in _words(page)


def test_symbol_and_module_pages_say_who_runs_them(shop: Generated) -> None:
    shown, known = set(), set()
    for page in shop.pages:
        if page.path.startswith(("symbols/", "modules/")):
            table = page.content.partition('<h2 id="profiles">')[2].partition("<h2")[0]
            row = r"<code>([a-z]+)</code></a></td><td><span class=\"cv-chip cv-([a-z-]+)\".*?<small>(\d+)/(\d+)</small>"
            shown |= {(page.title, *found) for found in re.findall(row, table)}
    for slug in ("alpha", "beta", "gamma"):
        for symbol in _data(shop, f"data/profiles/{slug}.json")["symbols"]:
            own, missing = len(symbol["executed_lines"]), len(symbol["missing_lines"])
            if symbol["certainty"] != "none":
                known.add((symbol["id"], slug, symbol["certainty"], str(own), str(own + missing)))
    assert shown == known and {certainty for _, _, certainty, _, _ in known} == {"body", "failed", "import-only"}


def test_a_profile_page_shows_requests_routes_and_jobs(shop: Generated) -> None:
    words = _words(_page(shop, "profiles/alpha.html"))
    assert "GET /cart?q=" in words and "/cart200" in words and "pkg.deep.inner.work finished" in words
    failed = _words(_page(shop, "profiles/gamma.html"))
    assert "no answer, not as recorded" in failed and "POST /cart: no answer" in failed
    assert "no run record" in _words(_page(shop, "profiles/beta.html"))


def test_dates_and_commits_are_in_no_page(shop: Generated) -> None:
    for page in shop.pages:
        assert "2026" not in page.content and "c0ffee" not in page.content and "3.25" not in page.content


def test_lines_are_marked_by_more_than_colour(shop: Generated) -> None:
    # The lines of cart.py in tests/site_support.py.
    module = _find(shop, "pkg.cart").content
    line = {int(n): text for n, text in re.findall(r'<span id="L(\d+)"(.*)', module)}
    assert ' class="lx"><a href="#L17" title="executed by alpha, beta"><i>✓2</i>17</a>' in line[17]
    assert ' class="lm"><a href="#L24"><i>✗</i>24</a>' in line[24]
    assert ' class="le"><a href="#L27"><i>–</i>27</a>' in line[27]
    assert ' class="lx"><a href="#L12">12</a>' in line[12]  # goes on with the statement of line 11
    assert line[4].startswith("><a href=")  # an empty line has no state
    assert ' class="li"' in _find(shop, "pkg.unused").content and ' class="lm"' in _find(shop, "pkg.unused").content


def test_a_class_page_folds_its_members_and_links_them(shop: Generated) -> None:
    page = _find(shop, "pkg.cart.Cart")
    ids = Html(page.content).ids
    assert "L5" in ids and "L8" in ids and "L17" not in ids
    total = _find(shop, "pkg.cart.Cart.total")
    assert f'<a href="{posixpath.basename(total.path)}">total</a> lines 15–20' in page.content


def test_a_symbol_that_one_profile_alone_covers_says_so(shop: Generated) -> None:
    assert "Only <code>beta</code> covers it." in _find(shop, "pkg.cart.Cart.discount").content
    assert "covers it." not in _find(shop, "pkg.cart.Cart.total").content, "alpha and beta do"
    assert "covers it." not in _find(shop, "pkg.imported.not_called").content, "none does"


def test_a_symbol_page_does_not_change_with_what_it_does_not_show(tmp_path: Path) -> None:
    options = project(tmp_path)
    before = {page.title: page for page in generated(options).pages}
    record(tmp_path, "delta", "from pkg.deep.inner import work\nwork()\n")
    alpha = read_record(tmp_path / "data", "alpha")
    assert alpha is not None
    write_record(tmp_path / "data", replace(alpha, commit="beef", started="2027-01-01T00:00:00Z", duration_s=9.0))
    write(tmp_path / "pkg" / "unused.py", b"class Unused:\n    def two(self):\n        return 1\n")
    after = {page.title: page for page in generated(options).pages}
    changed = {title for title in after if before.get(title) != after[title]}
    symbols = {title for title in changed if title.startswith("pkg")}
    inner = {"pkg.deep.inner", "pkg.deep.inner.work"}
    assert symbols == inner | {"pkg.unused", "pkg.unused.Unused", "pkg.unused.Unused.two"}
    assert "alpha" not in changed  # another commit and date, the same lines


def test_a_package_page_sums_up_what_is_below_it(shop: Generated) -> None:
    page = _page(shop, "packages/pkg.html")
    words = _words(page)
    inventory, matrix = _data(shop, "data/inventory.json"), _data(shop, "data/matrix.json")
    assert f"{len(inventory['files'])} modules" in words
    links = {posixpath.normpath(posixpath.join("packages", link)) for link in Html(page.content).links}
    assert {"packages/pkg.deep.html", "modules/pkg.cart.html", "profiles/alpha.html"} <= links
    assert "modules/pkg.deep.inner.html" not in links, "that is on the page of pkg.deep"
    for slug in ("alpha", "beta"):
        assert f"{slug}" in words and f" {len(matrix['covered'][slug])}/" in words
    deep = _words(_page(shop, "packages/pkg.deep.html"))
    assert "1 module" in deep and "No profile covers anything in it" in deep, "gamma failed: it covers nothing"
    module = _page(shop, "modules/pkg.deep.inner.html")
    assert "../packages/pkg.deep.html" in Html(module.content).links


def test_a_profile_names_the_most_alike(shop: Generated) -> None:
    assert "Most alike: beta" in _words(_page(shop, "profiles/alpha.html"))
    assert "Most alike" not in _words(_page(shop, "profiles/gamma.html")), "it covers nothing"


@pytest.mark.parametrize(
    ("drivers", "said", "unsaid"),
    [
        (
            ("import pkg.a\n",),
            ("No profile covers anything.", "It covers nothing."),
            ("cover all", "another profile too"),
        ),
        (("import pkg.a as a\na.f()\n",), ("1 profile of 1 covers all",), ("Fewer would not do", "At least")),
        (
            (
                "import pkg.a as a\na.f(), a.g()\n",
                "import pkg.a as a\na.g(), a.h()\n",
                "import pkg.a as a\na.h(), a.f()\n",
            ),
            ("2 profiles of 3 cover all", "No profile covers anything alone; this choice has"),
            ("At least 0", "0 profiles cover"),
        ),
    ],
)
def test_the_covering_set_is_said_in_true_words(
    tmp_path: Path, drivers: tuple[str, ...], said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    write(tmp_path / "pkg/__init__.py", b"")
    write(tmp_path / "pkg/a.py", "".join(f"def {name}():\n    return 1\n\n\n" for name in "fgh").encode())
    for number, driver in enumerate(drivers):
        record(tmp_path, f"p{number}", driver)
    options = BuildOptions((tmp_path / "pkg",), tmp_path / "data", tmp_path / "site", tmp_path / "cache")
    made = generated(options)
    words = _words(_page(made, "overlap/index.html")) + _words(_page(made, "profiles/p0.html"))
    assert all(text in words for text in said) and not any(text in words for text in unsaid), words
