"""Matrix, gaps and the questions to them, each beside a plain-set calculation of the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sitegen.attribution import RawLines, attribute
from sitegen.inventory import join_inventory, read_inventory
from sitegen.matrix import build_matrix, covering_set, find_gaps, index_mask, mask_indexes, overlap, unique
from sitegen.model import FileCoverage, Matrix, Overlap, Summary, mask_of

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
    assert [(gap.id, gap.statements) for gap in gaps.symbols] == [("p.c.g", 3), ("p.c.g.<locals>.h", 1)]


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


@given(st.sets(st.integers(0, 200)))
def test_masks_of_indexes_and_back(indexes: set[int]) -> None:
    mask = index_mask(indexes, 201)
    assert mask == sum(1 << index for index in indexes)
    assert mask_indexes(mask) == tuple(sorted(indexes))
