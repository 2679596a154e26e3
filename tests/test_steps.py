"""Steps: which request or job ran which lines and symbols; functions on one line need a trace that shows a call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sitegen.attribution import RawLines, attribute, called_lines
from sitegen.fingerprint import Known
from sitegen.inventory import read_inventory
from sitegen.model import ProfileData, ProfileHead, ProfileInput, RequestStep, lines_of, mask_of
from sitegen.profiles import read_profile
from sitegen.steps import FileSteps, Reached, Step, Way, reached, read_steps, trace_lines
from tests import atlas_support as support

SOURCE = """\
import os
def f(): return 1
@property
def g(x): return 2
class C:
    def m(self): return 3
    def n(self,
          x=1): return 4
def outer(x):
    y = x
    def inner(): return y
    return inner
def made():
    def first(): return 5
    return first
def stream():
    z = 1
    def late(): return z
    yield late
def doc(): "nothing to run"
if os.name:
    def chosen(): return 6
else:
    def chosen(): return 7
def twice(): a = 1; return a
"""
FILE = read_inventory("p/m.py", "p.m", SOURCE.encode(), "")
TREE = (("p/m.py", "/here/p/m.py"),)


def test_witnesses_are_lines_that_run_before_the_function_is_defined() -> None:
    many = (1, 2, 3, 5, 9, 13, 16, 20)
    assert dict(FILE.one_liners) == {
        2: (1,), 4: (1, 2, 3), 6: (1, 2, 3, 5), 7: (1, 2, 3, 5, 6), 11: (10,), 14: (), 18: (),
        22: many, 24: many, 25: many,
    }  # fmt: skip


def certainty(source: str, traces: tuple[set[int], ...]) -> dict[str, str]:
    """Return the certainty of each symbol that a profile with these traces ran."""
    file = read_inventory("p/m.py", "p.m", source.encode(), "")
    masks = tuple(mask_of(lines) for lines in traces)
    raw = RawLines("s", mask_of(set().union(*traces)), False, False, called_lines(file, masks))
    return {item.symbol.name: item.cells[0].certainty for item in attribute(file, (raw,)).symbols if item.cells}


@pytest.mark.parametrize(
    ("traces", "expected"),
    [
        (({1, 2, 3},), "import-only"),  # imported, perhaps called too
        (({2},), "body"),  # ran, and the import before it did not
        (({1, 2, 3}, {2}), "body"),  # imported in one request, called in another
        (({1, 2, 3}, {1, 2}), "import-only"),  # an import that failed half-way is no call
        (({1, 3},), None),
    ],
)
def test_a_function_on_one_line_is_covered_where_a_trace_shows_a_call(
    traces: tuple[set[int], ...], expected: str | None
) -> None:
    found = certainty("import os\ndef f(): return 1\nX = f\n", traces)
    assert found.get("f") == expected
    assert found["m"] == (expected or "import-only")


def test_without_a_witness_nothing_can_be_told() -> None:
    source = "def f(): return 1\ndef g(): return 2\n"
    assert certainty(source, ({1},)) == {"f": "import-only", "m": "import-only"}
    assert certainty(source, ({2},)) == {"g": "body", "m": "body"}
    assert certainty(source, ({1, 2},)) == {"f": "import-only", "g": "import-only", "m": "import-only"}


@pytest.mark.parametrize(
    "before",
    [
        "pass",
        "'text'",
        "1",
        "x: int",
        "assert a",
        "if 0:\n    pass",
        "while True:\n    break",
        "try:\n    pass\nfinally: 1",
    ],
)
def test_what_some_version_or_option_leaves_out_is_no_witness(before: str) -> None:
    file = read_inventory("p/m.py", "p.m", f"{before}\ndef f(): return 1\n".encode(), "")
    ((_, witnesses),) = file.one_liners
    assert witnesses == ()


# ── beside real traces ───────────────────────────────────────────────────────────────────────────────────────────

CALLS = {
    "f": ("m.f()", {"f"}),
    "g": ("m.C.m; type('T', (), {'g': m.g})().g", {"g"}),
    "m": ("m.C().m()", {"C.m"}),
    "both": ("m.f(); m.C().m(); m.twice()", {"f", "C.m", "twice"}),
    "defined": ("m.outer(1); m.made(); m.doc()", set()),
    "called inside": ("m.outer(1)()", set()),  # defined in the same trace: cannot be told
    "chosen": ("m.chosen()", {"chosen"}),
    "nothing": ("pass", set()),
}
DRIVER = """
import sys, types
sys.path.insert(0, ".")
import coverage
data = coverage.CoverageData(basename=sys.argv[1])
for number, call in enumerate(sys.argv[2:]):
    lines = set()
    def local(frame, event, arg):
        if event == "line":
            lines.add(frame.f_lineno)
        return local
    def trace(frame, event, arg):
        return local if frame.f_code.co_filename.endswith("p/m.py") else None
    sys.settrace(trace)
    exec(call)
    sys.settrace(None)
    data.set_context(f"profile:s:{number}")
    data.add_lines({"/here/p/m.py": sorted(lines)})
data.write()
"""


def traced(tmp_path: Path, *calls: str) -> ProfileData:
    """Run each call in a trace of its own and return the profile that they make."""
    support.write(tmp_path / "p" / "m.py", SOURCE.encode())
    support.write(tmp_path / "p" / "__init__.py", b"")
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "data"), *calls]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return read_profile(ProfileInput("s", (("s.coverage", Known((tmp_path / "data").read_bytes())),), None), TREE)


def called(profile: ProfileData) -> set[str]:
    """Return the functions on one line that traces called, as Class.name."""
    lines = set(lines_of(called_lines(FILE, trace_lines(profile).get("p/m.py", ()))))
    functions = [symbol for symbol in FILE.symbols if symbol.kind not in ("module", "class")]
    heads = {symbol.first + len(symbol.decorators): symbol for symbol in functions}
    return {heads[line].id.removeprefix("p.m.").partition("~")[0] for line in lines}


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_told_from_imports_in_real_traces(tmp_path: Path, name: str) -> None:
    call, expected = CALLS[name]
    assert called(traced(tmp_path, "import p.m as m", call)) == expected


def test_import_and_call_in_one_trace_cannot_be_told_apart(tmp_path: Path) -> None:
    assert called(traced(tmp_path, "import p.m as m; m.f(); m.C().m()")) == set()


IMPORTER = """
import json, sys, types
out = {}
for path in sys.argv[1:]:
    lines = set()
    def local(frame, event, arg):
        lines.add(frame.f_lineno)
        return local
    def trace(frame, event, arg):  # modules and classes only: functions have CO_OPTIMIZED
        return local if frame.f_code.co_filename == path and not frame.f_code.co_flags & 1 else None
    module = types.ModuleType("copy_of_" + path.rpartition("/")[2].removesuffix(".py"))
    module.__file__ = path
    sys.modules[module.__name__] = module
    code = compile(open(path, "rb").read(), path, "exec")
    sys.settrace(trace)
    exec(code, vars(module))
    sys.settrace(None)
    out[path] = sorted(lines)
print(json.dumps(out))
"""
IMPORTED = ("types", "tokenize", "_collections_abc", "typing", "enum", "test/test_minidom", "test/test_operator",
            "test/test_types", "test/test_grammar", "test/test_with", "test/string_tests")  # fmt: skip


def test_no_import_alone_ever_looks_like_a_call(tmp_path: Path) -> None:
    """Import real modules, trace the frames that define and none that are called: nothing may look called."""
    paths = [path for name in IMPORTED if (path := support.STDLIB / f"{name}.py").is_file()]
    command = [sys.executable, "-W", "ignore", "-c", IMPORTER, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    found = 0
    for path, lines in json.loads(done.stdout).items():
        file = read_inventory("m.py", "m", Path(path).read_bytes(), "")
        ran = mask_of(lines)
        found += sum(ran >> head & 1 for head, witnesses in file.one_liners if witnesses)
        assert lines_of(called_lines(file, (ran,))) == [], path
    assert found > 20


# ── requests and jobs ────────────────────────────────────────────────────────────────────────────────────────────


def profile(contexts: dict[str, dict[str, set[int]]], attempt: str = "x") -> ProfileData:
    work = tuple((f"{attempt}j{number}", "p.work", "finished") for number in (1, 2))
    requests = (
        RequestStep(f"{attempt}-0", "GET", "/a/7?x=1", "/a/<int:n>", 200, True, ()),
        RequestStep(f"{attempt}-1", "POST", "/b?x=1", None, 404, True, work),
        RequestStep(f"{attempt}-2", "GET", "/a/8", "/a/<int:n>", 200, True, ()),
    )
    head = ProfileHead("s", "s", "", "passed", None, None, None, 1, requests, (), ())
    named = tuple(
        (context.replace("@", attempt), tuple((path, mask_of(lines)) for path, lines in files.items()))
        for context, files in contexts.items()
    )
    return ProfileData(head, (), named, ())


CONTEXTS = {
    "profile:s:@-2": {"p/m.py": {9, 10, 15}, "p/b.py": {1}},
    "profile:s:@-0": {"p/m.py": {9, 10}, "p/b.py": {1}},
    "profile:s:@-1": {"p/m.py": {2}},
    "profile:s:@-1/@j2": {"p/m.py": {10, 12}},
    "profile:s:@-1/unknown": {"p/m.py": {13}},
    "profile:s:other-7": {"p/m.py": {17}},
}
A, B, WORK = Way(0, "GET", "/a/<int:n>", "", 2), Way(1, "POST", "/b", "", 1), Way(1, "POST", "/b", "p.work", 1)
UNKNOWN = Way(-1, "", "", "", 1)


def steps_of(contexts: dict[str, dict[str, set[int]]], attempt: str = "x") -> dict[str, FileSteps]:
    return {item.path: item for item in read_steps(profile(contexts, attempt))}


def test_each_set_of_lines_has_the_step_that_ran_it_first_in_the_order_of_the_recording() -> None:
    steps = steps_of(CONTEXTS)
    assert [(step, lines_of(lines)) for step, lines in steps["p/m.py"].runs] == [
        (Step(-1), [17]), (Step(0), [9, 10]), (Step(1), [2, 13]), (Step(1, 1), [10, 12]), (Step(2), [9, 10, 15]),
    ]  # fmt: skip
    assert steps["p/b.py"].runs == ((Step(0), 2),)
    assert list(steps) == sorted(steps)


def test_steps_that_look_alike_are_one_way() -> None:
    steps = steps_of(CONTEXTS)
    assert steps["p/m.py"].ways == ((UNKNOWN, (0,)), (A, (1, 4)), (B, (2,)), (WORK, (3,)))
    assert steps["p/b.py"].ways == ((A, (0,)),)


def test_another_playback_of_the_same_lines_has_the_same_steps() -> None:
    assert read_steps(profile(CONTEXTS, "first")) == read_steps(profile(CONTEXTS, "again"))


def names(indexes: tuple[int, ...]) -> set[str]:
    return {FILE.symbols[index].name for index in indexes}


def test_a_symbol_is_reached_by_the_steps_that_ran_its_body() -> None:
    (found,) = reached(FILE, (("s", steps_of(CONTEXTS)["p/m.py"]),))
    assert found.slug == "s"
    assert [(way, names(indexes)) for way, indexes in found.ways] == [
        (UNKNOWN, {"m", "stream"}), (A, {"m", "outer", "made"}), (B, {"m", "f"}), (WORK, {"m", "outer"}),
    ]  # fmt: skip
    assert [(step, names(indexes)) for step, indexes in found.first] == [
        (Step(-1), {"m", "stream"}), (Step(0), {"outer"}), (Step(1), {"f"}), (Step(2), {"made"}),
    ]  # fmt: skip


def test_a_file_that_only_an_import_ran_reaches_nothing() -> None:
    imported = mask_of([1, 2, 3, 4, 5, 6, 7, 9, 13, 16, 20, 21, 22, 25])
    steps = FileSteps("p/m.py", ((Step(0), imported),), ((A, (0,)),))
    assert reached(FILE, (("s", steps),)) == (Reached("s", (), ()),)
