"""Attribution against its oracle: executed, missing and excluded lines equal `coverage json`, digit by digit."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData

from instrument.record import RunRecord, write_record
from sitegen.attribution import RawLines, attribute, percent_covered, strangers
from sitegen.inventory import read_inventory
from sitegen.model import Atlas, FileCoverage, Symbol, lines_of, mask_of
from sitegen.pipeline import build_atlas
from sitegen.snapshot import SnapshotOptions, read_snapshot
from sitegen.store import NullStore
from sitegen.views import state
from tests import atlas_support as support

RC = "[report]\nexclude_also =\n    if TYPE_CHECKING\n    def deepest\n"


SLUGS = (*support.DRIVERS, "branches")
ONLY = {"branches": "*/tricky.py"}
NAMESPACE = "pkg/namespace/inside.py"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Atlas]:
    """Return, per slug, what `coverage json` says, and the atlas of the same data."""
    root = tmp_path_factory.mktemp("oracle")
    support.write_tree(root)
    config = support.write(root / "rc.ini", RC.encode())
    for slug, driver in support.DRIVERS.items():
        support.record(root, slug, driver, config=config)
    support.record(root, "branches", support.DRIVERS["tricky-most"], "--branch", config=config)
    snapshot = read_snapshot(support.options(root, coverage_config=config))
    # Reports with branches take seconds a thousand lines: those of the hand-made modules are enough.
    reports = {
        slug: support.coverage_json(root, root / "data" / f"{slug}.coverage", config, ONLY.get(slug, "*"))
        for slug in SLUGS
    }
    return reports, build_atlas(snapshot, NullStore())


def start_of(symbol: Symbol, starts: dict[str, list[int]]) -> int:
    """Return the line of a symbol's `def` or `class`: the first of that name at or after its decorators."""
    return min(line for line in starts[symbol.name] if line >= symbol.first)


def percent_of(report: dict[str, Any], slug: str) -> float:
    """Return coverage.py's percentage; where branches count too, that of its lines."""
    summary = report["summary"]
    return summary["percent_statements_covered" if slug == "branches" else "percent_covered"]


def ours(file: FileCoverage, slug: str, theirs: dict[str, Any]) -> dict[tuple[str, int], Any]:
    starts: dict[str, dict[str, list[int]]] = {"functions": defaultdict(list), "classes": defaultdict(list)}
    for plural, names in starts.items():
        for name, region in theirs[plural].items():
            names[name.partition("@")[0].rpartition(".")[2]].append(region["start_line"])
    found = {}
    for item in file.symbols[1:]:
        plural = "classes" if item.symbol.kind == "class" else "functions"
        executed = {cell.slug: cell.executed for cell in item.cells}.get(slug, 0)
        key = plural, start_of(item.symbol, starts[plural])
        assert key not in found
        missing = lines_of(item.symbol.statements & ~executed)
        found[key] = lines_of(executed), missing, percent_covered(executed, item.symbol.statements)
    return found


@pytest.mark.parametrize("slug", SLUGS)
def test_lines_of_files_functions_and_classes_equal_coverage_json(world: Any, slug: str) -> None:
    reports, atlas = world
    report = reports[slug]
    files = {file.inventory.path: file for file in atlas.files}
    assert report.keys() <= files.keys()
    # coverage.py looks for files that never ran only where there is an __init__.py.
    assert files.keys() - report.keys() <= {NAMESPACE} or slug in ONLY
    compared = 0
    for path, theirs in report.items():
        file = files[path]
        executed = dict(file.executed).get(slug, 0)
        assert lines_of(executed) == theirs["executed_lines"], path
        assert lines_of(file.inventory.statements & ~executed) == theirs["missing_lines"], path
        assert lines_of(file.inventory.excluded) == theirs["excluded_lines"], path
        expected = {
            (plural, region["start_line"]): (
                region["executed_lines"],
                region["missing_lines"],
                percent_of(region, slug),
            )
            for plural in ("functions", "classes")
            for name, region in theirs[plural].items()
            if name
        }
        assert percent_covered(executed, file.inventory.statements) == percent_of(theirs, slug), path
        assert ours(file, slug, theirs) == expected, path
        compared += len(expected)
    assert compared > (50 if slug in ONLY else 1000)


@pytest.mark.parametrize("slug", support.DRIVERS)
def test_totals_equal_coverage_json(world: Any, slug: str) -> None:
    reports, atlas = world
    report = reports[slug]
    summary = atlas.matrix.summaries[atlas.matrix.profiles.index(slug)]
    assert summary.lines_covered == sum(file["summary"]["covered_lines"] for file in report.values()) > 0
    missed = 0 if NAMESPACE in report else 4
    assert summary.lines_total == missed + sum(file["summary"]["num_statements"] for file in report.values())


def test_a_run_of_this_source_is_never_stale(world: Any) -> None:
    _, atlas = world
    cells = [cell for file in atlas.files for item in file.symbols for cell in item.cells]
    assert len(cells) > 100
    assert {cell.certainty for cell in cells} == {"body", "import-only"}


def certainties(atlas: Atlas, slug: str) -> dict[str, str]:
    return {
        item.symbol.id: cell.certainty
        for file in atlas.files
        for item in file.symbols
        for cell in item.cells
        if cell.slug == slug
    }


def test_only_a_body_line_covers(world: Any) -> None:
    _, atlas = world
    imported = certainties(atlas, "tricky-imports")
    assert imported["pkg.no_end"] == "import-only"
    assert imported["pkg.tricky.one_liner"] == "import-only"  # its one line is its def line
    assert "pkg.tricky.decorated" not in imported
    # The decorator factory's bodies do run while the module is imported.
    assert imported["pkg.tricky.keep"] == imported["pkg.tricky.keep.<locals>.decorate"] == "body"
    assert "pkg.tricky.keep.<locals>.decorate.<locals>.inner" not in imported
    played = certainties(atlas, "tricky-most")
    assert played["pkg.tricky.decorated"] == played["pkg.tricky.Base.y~2"] == "body"
    assert played["pkg.constants"] == "import-only"
    assert "pkg.tricky.twice" not in played
    assert played["pkg.tricky.twice~2"] == played["pkg.tricky.twice~2.<locals>.inside~2"] == "body"
    assert played["pkg.tricky.Base.cached"] == "import-only"
    assert played["pkg.tricky.Base.static"] == played["pkg.tricky.Base"] == "body"


SOURCE = (
    b"import os\ndef f(a,\n      b=1):\n    x = (a,\n         b)\n    return x\nclass C:\n    def m(self): return 1\n"
)
FILE = read_inventory("p/m.py", "p.m", SOURCE, "")


def cells(*recorded: RawLines) -> dict[tuple[str, str], tuple[list[int], str]]:
    """Return (symbol, slug) → (executed lines, certainty)."""
    coverage = attribute(FILE, recorded)
    return {
        (item.symbol.id, cell.slug): (lines_of(cell.executed), cell.certainty)
        for item in coverage.symbols
        for cell in item.cells
    }


def test_an_import_covers_nothing() -> None:
    assert cells(RawLines("s", mask_of([1, 2, 3, 7, 8]), False, False)) == {
        ("p.m", "s"): ([1, 2, 7, 8], "import-only"),
        ("p.m.C", "s"): ([8], "import-only"),
        ("p.m.C.m", "s"): ([8], "import-only"),
    }


def test_a_later_line_of_a_statement_counts_for_its_first() -> None:
    assert cells(RawLines("s", mask_of([5]), False, False)) == {
        ("p.m", "s"): ([4], "body"),
        ("p.m.f", "s"): ([4], "body"),
    }


@pytest.mark.parametrize(
    ("failed", "stale", "certainty"),
    [(False, False, "body"), (True, False, "failed"), (False, True, "stale"), (True, True, "stale")],
)
def test_certainty_of_failed_and_stale_runs(failed: bool, stale: bool, certainty: str) -> None:
    found = cells(RawLines("b", mask_of([4, 6]), failed, stale), RawLines("a", mask_of([6]), False, False))
    assert found["p.m.f", "b"] == ([4, 6], certainty)
    assert found["p.m.f", "a"] == ([6], "body")
    assert [slug for symbol, slug in found if symbol == "p.m.f"] == ["a", "b"]


def test_lines_where_nothing_can_run_are_strangers() -> None:
    assert strangers(FILE, mask_of(range(1, 9))) == 0
    assert lines_of(strangers(FILE, mask_of([4, 9, 20]))) == [9, 20]
    assert strangers(read_inventory("p/e.py", "p.e", b"", ""), mask_of([1])) == 0
    assert strangers(read_inventory("p/d.py", "p.d", b'\n\n"""Doc,\nlong."""\n', ""), mask_of([3, 4])) == 0
    assert strangers(read_inventory("p/x.py", "p.x", b"if 0:  # no\n    x = 1\n", "# no"), mask_of([1, 2])) == 0
    assert strangers(read_inventory("p/b.py", "p.b", b"def f(:\n", ""), mask_of([5])) == 0


# ── source that changed since ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("known", [True, False])
def test_lines_inserted_above_make_old_data_stale(known: bool, tmp_path: Path) -> None:
    """Old data read against new source would give other symbols: by digest always, by strangers where lines show it."""
    source = (support.STDLIB / "argparse.py").read_bytes()
    before = read_inventory("pkg/argparse.py", "pkg.argparse", source, "")
    package = tmp_path / "pkg"
    support.write(package / "argparse.py", source.replace(b"import os as _os", b"\n# new\n\nimport os as _os", 1))
    written = CoverageData(basename=str(tmp_path / "s.coverage"))
    written.set_context("profile:s:1")
    written.add_lines({str(package / "argparse.py"): lines_of(before.statements)[::2]})
    written.write()
    if known:
        record = RunRecord("s", "passed", "x", 1, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 1.0, "http://x",
                           sources={str(package / "argparse.py"): before.digest})  # fmt: skip
        write_record(tmp_path, record)
    snapshot = read_snapshot(SnapshotOptions((package,), tmp_path, support.CONFIG))
    atlas = build_atlas(snapshot, NullStore())
    found = {cell.certainty for file in atlas.files for item in file.symbols for cell in item.cells}
    assert found == {"stale"}
    assert atlas.matrix.covered == ((),)


def test_an_input_is_never_written(tmp_path: Path) -> None:
    """coverage.py's library makes an empty data file a database in place; nothing here may."""
    support.write(tmp_path / "pkg" / "a.py", b"def f():\n    return 1\n")
    for name, data in (("empty.coverage", b""), ("bad.coverage", b"x" * 100), ("bad.run.json", b"{")):
        support.write(tmp_path / "data" / name, data)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted((tmp_path / "data").iterdir())}
    atlas = build_atlas(read_snapshot(support.options(tmp_path)), NullStore())
    assert [(head.slug, head.status, bool(head.problems)) for head in atlas.profiles] == [
        ("bad", "failed", True), ("empty", "failed", True),
    ]  # fmt: skip
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted((tmp_path / "data").iterdir())}
    assert after == before


def test_a_one_line_function_called_in_a_request_is_covered_in_the_map(tmp_path: Path) -> None:
    support.write(
        tmp_path / "pkg" / "a.py", b"import os\ndef f(): return 1\ndef g(): return 2\ndef doc():\n    'only'\n"
    )
    written = CoverageData(basename=str(support.write(tmp_path / "data" / "s.coverage", b"")))
    for context, lines in (("profile:s:1", [1, 2, 3, 4]), ("profile:s:2", [2])):
        written.set_context(context)
        written.add_lines({str(tmp_path / "pkg" / "a.py"): lines})
    written.write()
    atlas = build_atlas(read_snapshot(support.options(tmp_path)), NullStore())
    found = {item.symbol.name: state(item) for file in atlas.files for item in file.symbols}
    assert found == {"a": "body", "f": "body", "g": "import-only", "doc": "empty"}
