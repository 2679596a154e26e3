"""Matrix, gaps and the questions to them, each beside a plain-set calculation of the same."""

from __future__ import annotations

import math
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from sitegen.attribution import RawLines, attribute
from sitegen.inventory import join_inventory, read_inventory
from sitegen.matrix import build_matrix, covering_bounds, covering_set, find_gaps, overlap, unique
from sitegen.model import FileCoverage, Gaps, Matrix, Overlap, ProfileHead, RequestStep, Summary, mask_of
from sitegen.tables import gaps_table, matrix_tables, overlap_value, routes_table, routes_value

SOURCES = {
    "p/a.py": "def f():\n    x = 1\n    return x\n"
    "class C:\n    def m(self):\n        return 1\n    def n(self): return 1\n",
    "p/b.py": "X = 1\n",
    "p/c.py": "def g():\n    def h():\n        return 1\n    x = h()\n    return x\n",
    "p/d.py": "",
    "p/e.py": "Y = 1\nZ = 2\n",
}


def files(recorded: dict[str, tuple[RawLines, ...]]) -> tuple[FileCoverage, ...]:
    inventory = join_inventory(
        tuple(
            read_inventory(path, path[:-3].replace("/", "."), text.encode(), "") for path, text in SOURCES.items()
        )
    )  # fmt: skip
    return tuple(attribute(file, recorded.get(file.path, ())) for file in inventory.files)


def raw(slug: str, *lines: int, failed: bool = False, stale: bool = False) -> RawLines:
    return RawLines(slug, mask_of(lines), failed, stale)


COVERED = files(
    {
        "p/a.py": (raw("one", 1, 2, 3, 4, 5, 7), raw("two", 1, 4, 5, 6, 7), raw("zero", 1, 2, failed=True)),
        "p/b.py": (raw("one", 1), raw("two", 1, stale=True)),
    }
)
SLUGS = ("none", "one", "two", "zero")


def ids(matrix: Matrix, indexes: tuple[int, ...]) -> list[str]:
    return [matrix.symbols[index] for index in indexes]


def test_the_matrix_has_each_cell_where_its_certainty_says() -> None:
    matrix = build_matrix(SLUGS, COVERED)
    assert matrix.symbols == (
        "p.a", "p.a.f", "p.a.C", "p.a.C.m", "p.a.C.n", "p.b", "p.c", "p.c.g", "p.c.g.<locals>.h", "p.d", "p.e",
    )  # fmt: skip
    assert {slug: ids(matrix, covered) for slug, covered in zip(matrix.profiles, matrix.covered, strict=True)} == {
        "none": [],
        "one": ["p.a", "p.a.f"],
        "two": ["p.a", "p.a.C", "p.a.C.m"],
        "zero": [],
    }
    uncertain = [[(matrix.symbols[index], why) for index, why in cells] for cells in matrix.uncertain]
    assert dict(zip(SLUGS, uncertain, strict=True)) == {
        "none": [],
        "one": [("p.a.C", "import-only"), ("p.a.C.n", "import-only"), ("p.b", "import-only")],
        "two": [("p.a.C.n", "import-only"), ("p.b", "stale")],
        "zero": [("p.a", "failed"), ("p.a.f", "failed")],
    }


def test_summaries_count_what_a_body_line_covers_over_the_whole_source() -> None:
    summaries = dict(zip(SLUGS, build_matrix(SLUGS, COVERED).summaries, strict=True))
    assert summaries["one"] == Summary(1, 1, 0, 1, 7, 15, 46.7)
    assert summaries["two"] == Summary(1, 1, 1, 1, 6, 15, 40.0)
    assert summaries["zero"] == Summary(0, 0, 0, 0, 2, 15, 13.3)
    assert summaries["none"] == Summary(0, 0, 0, 0, 0, 15, 0.0)
    assert build_matrix(("one",), ()).summaries[0].coverage_percent == 0.0


def test_gaps_are_what_has_lines_to_run_and_no_profile_covers() -> None:
    gaps = find_gaps(COVERED)
    assert [(gap.id, gap.statements, gap.path, gap.line) for gap in gaps.modules] == [
        ("p.c", 5, "p/c.py", 1),
        ("p.e", 2, "p/e.py", 1),
    ]
    assert [(gap.id, gap.statements) for gap in gaps.symbols] == [
        ("p.c.g", 3), ("p.a.C.n", 1), ("p.c.g.<locals>.h", 1),
    ]  # fmt: skip


def test_a_function_on_one_line_is_a_gap_until_a_trace_shows_a_call() -> None:
    for called, expected in ((0, ["p.a.C.n"]), (1 << 7, [])):
        run = RawLines("one", mask_of([1, 2, 3, 4, 5, 6, 7]), False, False, called)
        gaps = find_gaps(files({"p/a.py": (run,)}))
        assert [gap.id for gap in gaps.symbols if gap.path == "p/a.py"] == expected


def test_what_only_failed_or_stale_runs_is_a_gap() -> None:
    gaps = find_gaps(files({"p/c.py": (raw("one", 1, 2, 3, 4, 5, failed=True), raw("two", 5, stale=True))}))
    assert [gap.id for gap in gaps.symbols if gap.path == "p/c.py"] == ["p.c.g", "p.c.g.<locals>.h"]


def matrix_of(covered: list[set[int]], size: int = 12) -> Matrix:
    return Matrix(
        profiles=tuple(f"s{number}" for number in range(len(covered))),
        symbols=tuple(f"f{number}" for number in range(size)),
        covered=tuple(tuple(sorted(indexes)) for indexes in covered),
        uncertain=((),) * len(covered),
        summaries=(),
    )


covers = st.lists(st.sets(st.integers(0, 11), max_size=6), max_size=6)


@given(covers)
def test_unique_is_what_no_other_profile_covers(covered: list[set[int]]) -> None:
    expected = {
        f"s{number}": tuple(sorted(own.difference(*covered[:number], *covered[number + 1 :])))
        for number, own in enumerate(covered)
    }
    assert unique(matrix_of(covered)) == expected


@given(covers)
def test_overlap_counts_every_pair(covered: list[set[int]]) -> None:
    found = {(pair.first, pair.second): pair for pair in overlap(matrix_of(covered))}
    for first, one in enumerate(covered):
        for second, two in enumerate(covered[first + 1 :], first + 1):
            pair = found.pop((f"s{first}", f"s{second}"), None)
            assert (pair is None) == (not one & two)
            if pair:
                assert pair.jaccard == len(one & two) / len(one | two)
                contained = (
                    (pair.first, pair.second) if one <= two else (pair.second, pair.first) if two <= one else None
                )
                assert pair.contained == contained
    assert not found


def test_overlap_starts_with_the_most_alike() -> None:
    pairs = overlap(matrix_of([{1, 2, 3}, {1, 2}, {3, 4, 5, 6}, {1, 2}, set()]))
    assert pairs[0] == Overlap("s1", "s3", 2, 0, 0)
    assert [(pair.first, pair.second) for pair in pairs] == [("s1", "s3"), ("s0", "s1"), ("s0", "s3"), ("s0", "s2")]


@given(covers)
def test_the_covering_set_covers_all_and_each_member_adds(covered: list[set[int]]) -> None:
    left = set().union(*covered)
    for slug, gained in covering_set(matrix_of(covered)):
        own = covered[int(slug[1:])] & left
        assert gained == len(own) == max(len(other & left) for other in covered) > 0
        left -= own
    assert not left


def test_ties_in_the_covering_set_go_by_slug() -> None:
    assert covering_set(matrix_of([{3}, {1, 2}, {2, 1}, {3}])) == (("s1", 2), ("s0", 1))


@given(covers)
def test_the_bounds_hold_for_the_smallest_covering_set(covered: list[set[int]]) -> None:
    matrix = matrix_of(covered)
    every = set().union(*covered)
    smallest = next(
        size
        for size in range(len(covered) + 1)
        if any(set().union(*some) == every for some in combinations(covered, size))
    )
    at_least, bound = covering_bounds(matrix)
    assert at_least <= smallest <= len(covering_set(matrix)) <= bound * smallest


def test_the_greedy_choice_may_be_larger_than_the_smallest() -> None:
    covered = [{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11}, {0, 1, 2, 3, 6, 7, 8, 9}]
    assert len(covering_set(matrix_of(covered))) == 3
    assert covering_bounds(matrix_of(covered)) == (2, 1 + math.log(8))


def test_gaps_of_one_size_are_ranked_by_branches() -> None:
    text = "def a():\n    x = 1\n    y = 2\ndef b():\n    if x:\n        y = 2\n"
    text += "def c():\n    for i in x if y else z:\n        q\n"
    file = attribute(read_inventory("p/x.py", "p.x", text.encode(), ""), ())
    assert [(gap.id, gap.statements, gap.branches) for gap in find_gaps((file,)).symbols] == [
        ("p.x.c", 2, 2), ("p.x.b", 2, 1), ("p.x.a", 2, 0),
    ]  # fmt: skip


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────


Request = tuple[str, str, str | None]


def head(slug: str, requests: tuple[Request, ...], routes: tuple[tuple[str, str], ...] = ()) -> ProfileHead:
    steps = tuple(
        RequestStep(f"r{number}", method, path, route, 200, True, ())
        for number, (method, path, route) in enumerate(requests)
    )
    return ProfileHead(slug, slug, "", "passed", None, None, None, 1, steps, routes, ())


ROUTES = (("GET, HEAD, OPTIONS", "/runs"), ("POST, OPTIONS", "/runs"), ("GET", "/runs/<id>"), ("GET", "/never"))
LISTED = ("GET", "/runs", "/runs")
HEADS = (
    head("one", (LISTED, ("POST", "/runs", "/runs"), ("GET", "/runs/7", "/runs/<id>"), ("GET", "/x", None)), ROUTES),
    head("two", (LISTED, ("HEAD", "/runs", "/runs")), ROUTES[:2]),
    head("three", (("PUT", "/late", "/late"),)),
)


def test_routes_name_who_requests_them_and_who_does_not() -> None:
    value = routes_value(HEADS)
    assert [(route["rule"], ",".join(route["methods"]), route["profiles"]) for route in value["routes"]] == [
        ("/late", "PUT", {"three": 1}),
        ("/never", "GET", {}),
        ("/runs", "GET,HEAD,OPTIONS", {"one": 1, "two": 2}),
        ("/runs", "OPTIONS,POST", {"one": 1}),
        ("/runs/<id>", "GET", {"one": 1}),
    ]
    assert value["unmatched"] == {"one": 1}
    assert routes_value(()) == {"routes": [], "unmatched": {}}


def test_overlap_says_pairs_unique_symbols_and_the_covering_set() -> None:
    value = overlap_value(matrix_of([{1, 2, 3}, {1, 2}, {5}, set()]))
    assert value["covered"] == {"s0": 3, "s1": 2, "s2": 1, "s3": 0}
    assert value["unique"] == {"s0": (3,), "s1": (), "s2": (5,), "s3": ()}
    assert value["pairs"] == [
        {"first": "s0", "second": "s1", "shared": 2, "only_first": 1, "only_second": 0, "jaccard": 0.666667,
         "contained": ("s1", "s0")},
    ]  # fmt: skip
    assert value["covering"] == {
        "profiles": [{"profile": "s0", "adds": 3}, {"profile": "s2", "adds": 1}],
        "at_least": 2, "bound": 2.098612, "smallest": True,
    }  # fmt: skip


def test_the_tables_as_csv() -> None:
    matrix = build_matrix(SLUGS, COVERED)
    tables = {name: data.decode().splitlines() for name, data in matrix_tables(matrix).items()}
    assert tables["overlap"] == [
        "first,second,shared,only_first,only_second,jaccard,contained", "one,two,1,1,2,0.25,",
    ]  # fmt: skip
    assert tables["covering"] == ["profile,adds", "two,3", "one,1"]
    assert tables["unique"] == ["profile,symbol", "one,p.a.f", "two,p.a.C", "two,p.a.C.m"]
    assert gaps_table(find_gaps(COVERED)).decode().splitlines()[:3] == [
        "symbol,kind,file,line,statements,branches", "p.c,module,p/c.py,1,5,0", "p.e,module,p/e.py,1,2,0",
    ]  # fmt: skip
    assert routes_table(HEADS).decode().splitlines()[3] == '/runs,"GET, HEAD, OPTIONS",one two,3'
    bare = (*matrix_tables(matrix_of([])).values(), gaps_table(Gaps((), ())), routes_table(()))
    assert all(len(table.splitlines()) == 1 for table in bare)


def test_answers_are_kept_per_matrix_also_where_two_have_one_hash() -> None:
    first = Matrix(("a", "b"), ("x", "y"), ((0, 1), (1,)), ((), ()), ())
    second = Matrix(("a", "b"), ("x", "y"), ((1,), (0, 1)), ((), ()), ())
    assert hash(first) == hash(second) and first != second
    for matrix, own in ((first, {"a": (0,), "b": ()}), (second, {"a": (), "b": (0,)}), (first, {"a": (0,), "b": ()})):
        assert unique(matrix) == own
