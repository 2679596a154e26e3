"""The data twins: exactly the shapes that others read, and the inventory command."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sitegen.attribution import RawLines, attribute
from sitegen.cli import main
from sitegen.data import data_artifacts, matrix_csv_artifact
from sitegen.inventory import join_inventory, read_inventory
from sitegen.matrix import build_matrix, find_gaps
from sitegen.model import Atlas, Matrix, ProfileHead, mask_of
from tests import atlas_support as support

SOURCE = b'''"""Doc of a."""
import os
class Climate:
    """Builds."""
    @staticmethod
    async def build(x):
        y = x
        if y:  # pragma: no cover
            y = 2
        return y
def idle():
    return "\xc3\x9f"
'''
HEADS = (
    ProfileHead("us-big", "us-big", "", "failed", None, None, None, 0, (), (), ("r1: 500",)),
    ProfileHead("us-small", "US", "d", "passed", "abc", "2026-01-02T03:04:05Z", 4.5, 2, (), (), ()),
)


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    files = join_inventory(
        (
            read_inventory("pkg/a.py", "pkg.a", SOURCE, "pragma: no cover"),
            read_inventory("pkg/bad.py", "pkg.bad", b"def (", ""),
            read_inventory("pkg/b.py", "pkg.b", b"def never():\n    return 1\n", ""),
        )
    ).files
    runs = (
        RawLines("us-small", mask_of([1, 2, 3, 5, 6, 7, 10, 11]), False, False),
        RawLines("us-big", mask_of([2, 3, 5, 11, 12]), True, False),
    )
    covered = (attribute(files[0], runs), attribute(files[1], ()), attribute(files[2], ()))
    slugs = ("us-big", "us-small")
    return Atlas(support.CONFIG, covered, HEADS, build_matrix(slugs, covered), find_gaps(covered))


@pytest.fixture(scope="module")
def data(atlas: Atlas) -> dict[str, bytes]:
    return {artifact.path: artifact.data for artifact in data_artifacts(atlas, "c0ffee")}


def test_paths_bytes_and_order(data: dict[str, bytes]) -> None:
    assert list(data) == [
        "data/build.json", "data/covering.csv", "data/gaps.csv", "data/gaps.json", "data/inventory.json",
        "data/matrix.csv", "data/matrix.json", "data/names.json", "data/overlap.csv", "data/overlap.json",
        "data/places.json",
        "data/profiles/us-big.json", "data/profiles/us-small.json", "data/routes.csv", "data/routes.json",
        "data/unique.csv",
    ]  # fmt: skip
    for path, content in data.items():
        if path.endswith(".json"):
            value = json.loads(content)
            assert value["schema"] == 1
            assert list(value) == sorted(value)
            text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            assert content.decode("utf-8") == text + "\n"


def test_a_profile_has_the_shape_of_the_contract(data: dict[str, bytes]) -> None:
    assert json.loads(data["data/profiles/us-small.json"]) == {
        "schema": 1,
        "profile": "us-small",
        "status": "passed",
        "commit": "abc",
        "recorded": "2026-01-02T03:04:05Z",
        "summary": {
            "file_count": 1, "module_count": 1, "class_count": 1, "function_count": 1,
            "lines_covered": 7, "lines_total": 10, "coverage_percent": 70.0,
        },
        "modules": ["pkg.a"],
        "classes": ["pkg.a.Climate"],
        "files": {
            "pkg/a.py": {"executed_lines": [2, 3, 5, 6, 7, 10, 11], "missing_lines": [12], "excluded_lines": [8, 9],
                         "percent_covered": 87.5}
        },
        "symbols": [
            {"id": "pkg.a", "kind": "module", "file": "pkg/a.py", "line_span": [1, 12], "certainty": "body",
             "executed_lines": [2, 3, 5, 6, 7, 10, 11], "missing_lines": [12], "covered": True,
             "percent_covered": 87.5},
            {"id": "pkg.a.Climate", "kind": "class", "file": "pkg/a.py", "line_span": [3, 10], "certainty": "body",
             "executed_lines": [7, 10], "missing_lines": [], "covered": True, "percent_covered": 100.0},
            {"id": "pkg.a.Climate.build", "kind": "method", "file": "pkg/a.py", "line_span": [5, 10],
             "executed_lines": [7, 10], "missing_lines": [], "covered": True, "certainty": "body",
             "percent_covered": 100.0},
            {"id": "pkg.a.idle", "kind": "function", "file": "pkg/a.py", "line_span": [11, 12], "certainty": "none",
             "executed_lines": [], "missing_lines": [12], "covered": False, "percent_covered": 0.0},
        ],
    }  # fmt: skip


def test_a_failed_profile_covers_nothing_and_shows_what_it_ran(data: dict[str, bytes]) -> None:
    value = json.loads(data["data/profiles/us-big.json"])
    assert (value["status"], value["modules"], value["classes"]) == ("failed", [], [])
    assert value["summary"]["lines_covered"] == 5
    assert value["summary"]["function_count"] == 0
    certainty = {item["id"]: (item["certainty"], item["covered"]) for item in value["symbols"]}
    assert certainty == {
        "pkg.a": ("failed", False),
        "pkg.a.Climate": ("none", False),
        "pkg.a.Climate.build": ("none", False),
        "pkg.a.idle": ("failed", False),
    }


def test_the_matrix_and_its_csv(data: dict[str, bytes]) -> None:
    assert json.loads(data["data/matrix.json"]) == {
        "schema": 1,
        "profiles": ["us-big", "us-small"],
        "symbols": ["pkg.a", "pkg.a.Climate", "pkg.a.Climate.build", "pkg.a.idle", "pkg.b", "pkg.b.never", "pkg.bad"],
        "status": {"us-big": "failed", "us-small": "passed"},
        "covered": {"us-big": [], "us-small": [0, 1, 2]},
        "covered_by": {
            "pkg.a": ["us-small"], "pkg.a.Climate": ["us-small"], "pkg.a.Climate.build": ["us-small"],
            "pkg.a.idle": [], "pkg.b": [], "pkg.b.never": [], "pkg.bad": [],
        },
        "certainty": {"us-big": {"0": "failed", "3": "failed"}, "us-small": {}},
    }  # fmt: skip
    rows = list(csv.reader(io.StringIO(data["data/matrix.csv"].decode())))
    assert rows[:5] == [
        ["symbol", "us-big", "us-small"],
        ["pkg.a", "failed", "body"],
        ["pkg.a.Climate", "", "body"],
        ["pkg.a.Climate.build", "", "body"],
        ["pkg.a.idle", "failed", ""],
    ]
    assert len(rows) == 8
    assert b"\r" not in data["data/matrix.csv"]


def test_gaps_inventory_and_build(data: dict[str, bytes]) -> None:
    gaps = json.loads(data["data/gaps.json"])
    assert gaps["modules"] == [
        {"id": "pkg.b", "kind": "module", "file": "pkg/b.py", "line": 1, "statements": 2, "branches": 0}
    ]
    assert [gap["id"] for gap in gaps["symbols"]] == ["pkg.a.idle", "pkg.b.never"]
    files: list[dict[str, Any]] = json.loads(data["data/inventory.json"])["files"]
    assert [file["path"] for file in files] == ["pkg/a.py", "pkg/b.py", "pkg/bad.py"]
    assert files[0]["statements"] == [2, 3, 5, 6, 7, 10, 11, 12]
    assert files[2]["problem"].startswith("pkg/bad.py: cannot be read as Python")
    assert files[0]["symbols"][2].pop("branches") == 0
    digest = files[0]["symbols"][2].pop("digest")
    assert len(digest) == 32 and digest != files[0]["symbols"][1]["digest"]
    assert files[0]["symbols"][2] == {
        "id": "pkg.a.Climate.build", "name": "build", "kind": "method", "parent": "pkg.a.Climate", "doc": "",
        "line_span": [5, 10], "decorators": ["staticmethod"], "async": True, "statements": [7, 10], "body": [7, 10],
    }  # fmt: skip
    build = json.loads(data["data/build.json"])
    assert build["commit"] == "c0ffee"
    assert build["profiles"]["us-small"] == {
        "status": "passed", "commit": "abc", "recorded": "2026-01-02T03:04:05Z", "duration_s": 4.5, "attempts": 2,
        "problems": [],
    }  # fmt: skip
    assert build["profiles"]["us-big"]["problems"] == ["r1: 500"]


# ── covatlas inventory ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    support.write(tmp_path / "pkg/a.py", SOURCE)
    support.write(tmp_path / "pkg/bad.py", b"def (")
    return tmp_path / "pkg"


def test_the_command_prints_data_and_says_problems(package: Path) -> None:
    done = CliRunner().invoke(main, ["inventory", "--source", "pkg"])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[2].split() == ["method", "2", "pkg.a.Climate.build", "pkg/a.py:5-10"]
    assert done.stderr.startswith("covatlas: pkg/bad.py: cannot be read as Python (")
    done = CliRunner().invoke(main, ["inventory", "--source", "pkg", "--format", "json"])
    value = json.loads(done.stdout)
    assert [file["path"] for file in value["files"]] == ["pkg/a.py", "pkg/bad.py"]
    assert value["files"][0]["excluded_lines"] == [8, 9]


def test_the_command_reads_its_options_from_pyproject(package: Path) -> None:
    support.write(package.parent / "rc.ini", b"[report]\nexclude_lines = nothing at all\n")
    support.write(
        package.parent / "pyproject.toml", b'[tool.covatlas]\nsource = ["pkg"]\ncoverage-config = "rc.ini"\n'
    )  # fmt: skip
    done = CliRunner().invoke(main, ["inventory", "--format", "json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["files"][0]["excluded_lines"] == []


@pytest.mark.parametrize("args", [[], ["--source", "nowhere"], ["--source", "pkg", "--coverage-config", "nowhere"]])
def test_the_command_answers_bad_input_with_a_sentence(package: Path, args: list[str]) -> None:
    done = CliRunner().invoke(main, ["inventory", *args])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("covatlas: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["p.a,b", 'p."q"', "p.a\rb", "p.a\nb", "p.plain", "p.é"])
def test_an_odd_name_stays_one_field_of_the_matrix(name: str) -> None:
    matrix = Matrix(("s,1", "s2", "s3"), (name, "p"), ((1,), (), (0,)), ((), ((0, "stale"),), ()), ())
    rows = list(csv.reader(io.StringIO(matrix_csv_artifact(matrix).data.decode(), newline="")))
    assert rows == [["symbol", "s,1", "s2", "s3"], [name, "", "stale", "body"], ["p", "body", "", ""]]
