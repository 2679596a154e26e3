"""sitegen.heat, treemap and home: layouts are exact, maps stay small, like profiles stand beside each other."""

from __future__ import annotations

from itertools import combinations, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sitegen.home
from sitegen.cells import FileCells
from sitegen.fragments import FileHtml
from sitegen.heat import MAP_CELLS, like_beside_like, map_rows, overlap_sheet
from sitegen.home import LISTED, home_sheet
from sitegen.matrix import overlap
from sitegen.model import Gaps, Matrix, ProfileHead, SiteConfig, Summary
from sitegen.parts import FilePart, join_matrix
from sitegen.render import STEPS, Renderer, step
from sitegen.treemap import Leaf, squarify, treemap
from sitegen.views import ModuleRow, Tally, hundredths, profile_rows
from sitegen.whole import Whole, above

SUMMARY = Summary(0, 0, 0, 0, 0, 0, 0.0)
sizes = st.lists(st.integers(1, 5000), min_size=1, max_size=60).map(lambda found: sorted(found, reverse=True))


@given(sizes, st.integers(20, 1000), st.integers(20, 1000))
def test_rectangles_fill_the_area_and_are_as_large_as_their_sizes(found: list[int], width: int, height: int) -> None:
    boxes = squarify(found, 5, 7, width, height)
    unit = width * height / sum(found)
    for size, (x, y, w, h) in zip(found, boxes, strict=True):
        assert w * h == pytest.approx(size * unit, rel=1e-6)
        assert x >= 5 - 1e-6 and y >= 7 - 1e-6 and x + w <= 5 + width + 1e-6 and y + h <= 7 + height + 1e-6
    for (ax, ay, aw, ah), (bx, by, bw, bh) in combinations(boxes, 2):
        slack = 1e-6
        assert ax + aw <= bx + slack or bx + bw <= ax + slack or ay + ah <= by + slack or by + bh <= ay + slack


def test_rectangles_are_near_to_squares() -> None:
    # The example of the paper: 6, 6, 4, 3, 2, 2, 1 on 6 × 4.
    boxes = squarify([6, 6, 4, 3, 2, 2, 1], 0, 0, 6, 4)
    assert boxes[0] == (0, 0, 3, 2) and boxes[1] == (0, 2, 3, 2)
    assert max(max(w / h, h / w) for _, _, w, h in boxes) < 3


def test_small_modules_are_drawn_as_one_and_nothing_is_lost() -> None:
    modules = [Leaf("p.large", "l.html", 9000, 1, 2), *(Leaf(f"p.m{n}", f"{n}.html", 1, 1, 3) for n in range(400))]
    package = Leaf("p", "#p", sum(leaf.size for leaf in modules), 401, 1202)
    boxes = treemap([(package, modules)], 1000, 400)
    kinds = {box.kind: box for box in boxes}
    assert [box.kind for box in boxes] == ["frame", "module", "rest"]
    assert kinds["rest"].leaf == Leaf("400 small modules of p", "#p", 400, 400, 1200)
    assert kinds["rest"].leaf.page == "#p" and kinds["frame"].label == "p"
    assert treemap([(Leaf("p", "#p", 0, 0, 0), ())], 1000, 400) == ()


def test_a_label_is_as_long_as_its_box_and_keeps_the_last_part_of_a_package() -> None:
    long = Leaf("very.long.package.of.names", "#p", 10, 1, 2)
    wide = treemap([(Leaf("a", "#a", 90, 1, 2), ()), (long, ())], 1000, 100)
    (box,) = [box for box in wide if box.leaf is long]
    assert box.w == pytest.approx(100) and box.label == "of.names" and box.number == "50 %"


@pytest.mark.parametrize(("part", "whole"), [(0, 9), (1, 1000), (500, 1000), (999, 1000), (1000, 1000), (0, 0), (1, 8)])
def test_only_nothing_is_nothing_and_only_all_is_all(part: int, whole: int) -> None:
    assert (step(part, whole) == 0) == (hundredths(part, whole) == 0) == (part == 0)
    assert (step(part, whole) == STEPS) == (hundredths(part, whole) == 100) == (part == whole > 0)
    assert hundredths(1, 8) == 13  # half is rounded up, in Python as in the browser


def test_packages_are_told_from_as_far_up_as_the_limit_asks() -> None:
    names = ["a.b.c", "a.b.d", "a.e.f", "a"]
    assert above(names, 4) == {name: name for name in names}
    assert above(names, 3) == {"a.b.c": "a.b", "a.b.d": "a.b", "a.e.f": "a.e", "a": "a"}
    assert set(above(names, 0).values()) == {"a"}
    assert above([], 3) == {}


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def whole(modules: int, covered: dict[str, set[int]], packages: int = 3) -> Whole:
    """A source of modules with one symbol each, and profiles that cover some of them."""
    slugs = tuple(sorted(covered))
    parts = []
    for number in range(modules):
        name = f"app.p{number % packages}.m{number}"
        mine = tuple(slug for slug in slugs if number in covered[slug])
        matrix = Matrix(mine, (name,), ((0,),) * len(mine), ((),) * len(mine), (SUMMARY,) * len(mine))
        row = ModuleRow(name, 1, 4, Tally(int(bool(mine)), 0, 0, 0, int(not mine)), len(mine), None)
        parts.append(FilePart(f"{name.replace('.', '/')}.py", row, ((name, "module"),), matrix, Gaps((), ()),
                              FileCells("c", (4,), ()), FileHtml((), "", (), ())))  # fmt: skip
    heads = tuple(ProfileHead(slug, "", "", "passed", None, None, None, 1, (), (), ()) for slug in slugs)
    return Whole(
        SiteConfig("Test", "", "main", ""), heads, tuple(parts), join_matrix(slugs, parts), Gaps((), ()), (), None
    )


def test_a_map_of_too_many_modules_shows_packages_with_the_same_sums() -> None:
    covered = {f"s{number:03}": {number, number + 1, 5} for number in range(100)}
    small, by_package = map_rows(whole(MAP_CELLS // 100, covered))
    assert not by_package and len(small) == MAP_CELLS // 100 and small[5].page == "modules/app.p2.m5.html"
    large, by_package = map_rows(whole(MAP_CELLS // 100 + 1, covered))
    assert by_package and [row.name for row in large] == ["app.p0", "app.p1", "app.p2"]
    assert [row.page for row in large] == [None] * 3
    for index in range(100):
        assert sum(row.cells[index][1] for row in large) == sum(row.cells[index][1] for row in small)
    assert sum(row.symbols for row in large) == MAP_CELLS // 100 + 1


def test_like_profiles_stand_beside_each_other_and_none_is_lost() -> None:
    covered = {"a": {1, 2, 3, 4}, "b": {11, 12, 13}, "c": {1, 2, 3}, "d": {11, 12}, "e": {30}, "f": set()}
    found = whole(40, covered)
    pairs = overlap(found.matrix)
    for slugs in list(permutations("abcdef"))[::60]:
        order = "".join(like_beside_like(slugs, {slug: len(items) for slug, items in covered.items()}, pairs))
        assert sorted(order) == list("abcdef")
        assert order == "acbdef"


def test_chains_are_joined_at_the_ends_that_are_alike_and_begin_at_the_larger_end() -> None:
    covered = {"a": {1, 2, 3, 9}, "b": {1, 2, 3}, "c": {5, 6, 7, 8, 11}, "d": {5, 6, 7, 8, 9}}
    found = whole(40, covered)
    sizes = {slug: len(items) for slug, items in covered.items()}
    assert "".join(like_beside_like("abcd", sizes, overlap(found.matrix))) == "cdab"


def test_overlap_shows_what_each_row_shares_with_each_column() -> None:
    covered = {"a": {1, 2, 3, 4}, "b": {3, 4, 5}, "c": {3}}
    found = whole(10, covered)
    view = overlap_sheet(found.matrix, profile_rows(found.heads, found.matrix), overlap(found.matrix)).view
    order = [row.slug for row in view.rows]
    for row in view.rows:
        for slug, (_, share) in zip(order, row.cells, strict=True):
            assert share == hundredths(len(covered[row.slug] & covered[slug]), len(covered[row.slug]))
    assert {row.slug: row.containers for row in view.rows}["c"] == ("b", "a")
    assert (view.covering, view.covered, view.at_least) == ((("a", 4, 4), ("b", 1, 5)), 5, 2)


def test_home_counts_profiles_and_names_those_with_most_and_least_of_their_own() -> None:
    covered = {f"s{number:02}": set(range(number * 20, number * 20 + number + 1)) for number in range(12)}
    found = whole(240, covered, packages=60)
    view = home_sheet(found, profile_rows(found.heads, found.matrix)).view
    assert [row.slug for row in view.most_unique] == ["s11", "s10", "s09", "s08", "s07"]
    assert [row.slug for row in view.least_unique] == ["s00", "s01", "s02", "s03", "s04"]
    assert view.count("passed") == 12 and view.stale == 0 and view.troubled == ()
    (_, _, wide), (_, _, narrow) = view.pictures
    assert sum(box.leaf.size for box in wide if box.kind == "frame") == 960
    assert len({box.leaf.name for box in wide if box.kind == "frame"}) == 40
    assert {box.kind for box in narrow} == {"package"} and len(narrow) == 16
    assert [box.leaf.name for box in narrow if box.leaf.page == "#modules"] == ["45 small packages"]


def test_home_lists_packages_only_where_there_are_too_many_modules() -> None:
    folder = Path(sitegen.home.__file__).parent / "templates"
    renderer = Renderer({path.name: path.read_text() for path in folder.glob("*.html")})
    pages = []
    for modules in (LISTED, LISTED + 1):
        found = whole(modules, {"a": {1}})
        pages.append(renderer.page(home_sheet(found, profile_rows(found.heads, found.matrix))).content)
    rows = [page.partition('id="modules"')[2] for page in pages]
    assert rows[0].count('href="modules/') == LISTED and rows[0].count('href="packages/') == 3
    assert rows[1].count('href="modules/') == 0 and rows[1].count('href="packages/') == 3
    assert len(pages[1]) < len(pages[0])
