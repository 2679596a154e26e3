"""`data/modules/*.json`: ranges, ways and their symbols, for one real file."""

from __future__ import annotations

import orjson

from sitegen.attribution import RawLines, attribute
from sitegen.inventory import read_inventory
from sitegen.masks import mask_of
from sitegen.model import ProfileData, ProfileHead, RequestStep
from sitegen.module_data import module_artifact, ranges, reached_of
from sitegen.steps import read_steps

SOURCE = b"""\
def first(x):
    y = (x +
         1)
    return y
class Kind:
    def second(self):
        return 2
"""
FILE = read_inventory("p/mod.py", "p.mod", SOURCE, "")


def profile(slug: str, contexts: dict[str, set[int]]) -> ProfileData:
    requests = (
        RequestStep("a", "GET", "/x/1", "/x/<n>", 200, True, (("j", "p.job", "finished"),)),
        RequestStep("b", "GET", "/x/2", "/x/<n>", 200, True, ()),
    )
    head = ProfileHead(slug, slug, "", "passed", None, None, None, 1, requests, (), ())
    files = {name: (("p/mod.py", mask_of(lines)), ("p/other.py", 2)) for name, lines in contexts.items()}
    return ProfileData(head, (), tuple((f"profile:{slug}:{name}", masks) for name, masks in files.items()), ())


def test_a_module_says_who_runs_its_lines_and_how_its_symbols_are_reached() -> None:
    alps = profile("alps", {"a": {1, 2, 3, 4}, "b": {2, 4}, "a/j": {7}})
    coast = profile("coast", {"a": {1, 5, 6}})
    coverage = attribute(FILE, (RawLines("alps", mask_of({1, 2, 3, 4, 7}), False, False),
                                RawLines("coast", mask_of({1, 5, 6}), False, False)))  # fmt: skip
    steps = tuple((item.head.slug, read_steps(item)) for item in (alps, coast))
    artifact = module_artifact(coverage, reached_of(coverage, steps))
    assert artifact.path == "data/modules/p.mod.json"
    way = {"profile": "alps", "request": 1, "method": "GET", "target": "/x/<n>"}
    assert orjson.loads(artifact.data) == {
        "schema": 1,
        "module": "p.mod",
        "path": "p/mod.py",
        "symbols": ["p.mod", "p.mod.first", "p.mod.Kind", "p.mod.Kind.second"],
        "executed": {"alps": [[1, 2], [4, 4], [7, 7]], "coast": [[1, 1], [5, 6]]},
        "ways": [
            {**way, "job": "", "count": 2, "symbols": [0, 1]},
            {**way, "job": "p.job", "count": 1, "symbols": [0, 2, 3]},
        ],
    }


def test_a_file_that_no_profile_ran_has_no_ways() -> None:
    coverage = attribute(read_inventory("p/q.py", "p.q", SOURCE, ""), ())
    assert reached_of(coverage, (("alps", read_steps(profile("alps", {"a": {1}}))),)) == ()
    assert orjson.loads(module_artifact(coverage, ()).data)["executed"] == {}


def test_numbers_become_ranges() -> None:
    assert ranges([]) == []
    assert ranges([1, 2, 3, 7, 9, 10]) == [[1, 3], [7, 7], [9, 10]]
