"""sitegen.link and `covatlas link`: names and lines lead to addresses, or to one sentence and exit code 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from instrument.errors import CovatlasError
from sitegen.inventory import read_inventory
from sitegen.link import Answer, checked_site_url, find_target, finding_of
from sitegen.model import Inventory
from sitegen.pipeline import inventory_of
from sitegen.snapshot import read_sources
from sitegen.store import NullStore
from tests.atlas_support import write

ROOT = Path(__file__).parent.parent
FILES = {
    "pkg/__init__.py": "",
    "pkg/climate.py": "X = 1\n\n\nclass Climate:\n    tax = 1\n\n    def build(self):\n        def row():\n"
    "            return 1\n        return row()\n\n\ndef never():\n    return 2\n",
    "pkg/soil.py": "class Soil:\n    def build(self):\n        return 1\n",
    "pkg/deep/climate.py": "def Never():\n    return 1\n",
    "pkg/py.py": "def f():\n    return 1\n",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("link")
    for name, text in FILES.items():
        write(root / name, text.encode())
    return root


@pytest.fixture(scope="module")
def inventory(root: Path) -> Inventory:
    return inventory_of(read_sources((root / "pkg",)), "", NullStore())


def _only(answer: Answer) -> tuple[str, int | None]:
    assert not answer.problem and len(answer.places) == 1, answer
    return answer.places[0].symbol.id, answer.places[0].line


@pytest.mark.parametrize(
    ("target", "name", "line"),
    [
        ("pkg.climate.Climate.build", "pkg.climate.Climate.build", None),
        ("Climate.build", "pkg.climate.Climate.build", None),
        ("climate.build", "pkg.climate.Climate.build", None),
        ("Never", "pkg.deep.climate.Never", None),
        ("never", "pkg.climate.never", None),
        ("row", "pkg.climate.Climate.build.<locals>.row", None),
        ("pkg", "pkg", None),
        ("pkg.py", "pkg.py", None),
        ("pkg/py.py", "pkg.py", None),
        ("pkg/climate.py", "pkg.climate", None),
        ("pkg/climate.py:1", "pkg.climate", 1),
        ("pkg/climate.py:3", "pkg.climate", 3),
        ("pkg/climate.py:5", "pkg.climate.Climate", 5),
        ("pkg/climate.py:7", "pkg.climate.Climate.build", 7),
        ("pkg/climate.py:9:4", "pkg.climate.Climate.build.<locals>.row", 9),
        ("pkg/climate.py:10", "pkg.climate.Climate.build", 10),
        ("pkg/climate.py#L14", "pkg.climate.never", 14),
        ("pkg/climate.py#L13-L14", "pkg.climate.never", 13),
        ("src/lib/pkg/climate.py:14", "pkg.climate.never", 14),
        ("/home/me/src/pkg/deep/climate.py:2", "pkg.deep.climate.Never", 2),
        ("./pkg/soil.py:3", "pkg.soil.Soil.build", 3),
        ("pkg\\deep\\climate.py:2", "pkg.deep.climate.Never", 2),
        ("deep/climate.py:2", "pkg.deep.climate.Never", 2),
        ("soil.py:3", "pkg.soil.Soil.build", 3),
    ],
)
def test_a_target_leads_to_the_innermost_symbol(inventory: Inventory, target: str, name: str, line: int | None) -> None:
    assert _only(find_target(inventory, target)) == (name, line)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("build", "'build' is the end of 2 names; name one of: pkg.climate.Climate.build, pkg.soil.Soil.build"),
        ("climate.py:2", "2 files end in 'climate.py'; name one of: pkg/climate.py, pkg/deep/climate.py"),
        ("Climate.biuld", "no symbol is named 'Climate.biuld'; did you mean: pkg.climate.Climate.build"),
        ("zzz", "no symbol is named 'zzz'; name a symbol, or a file and line, of the source"),
        ("lib/soil.py:1", "the source has no file 'lib/soil.py'; did you mean: pkg/soil.py"),
        ("pkg/soil.py:4", "pkg/soil.py has 3 lines, so there is no line 4; name a symbol, or a file and line, "
         "of the source"),
        ("pkg/soil.py:0", "pkg/soil.py has 3 lines, so there is no line 0; name a symbol, or a file and line, "
         "of the source"),
    ],
)  # fmt: skip
def test_what_cannot_be_one_thing_is_a_sentence_with_candidates(
    inventory: Inventory, target: str, sentence: str
) -> None:
    finding = finding_of(find_target(inventory, target))
    assert str(finding) == sentence and finding.exit_code == 1


def test_many_candidates_are_counted() -> None:
    files = tuple(read_inventory(f"pkg/m{n:02}.py", f"pkg.m{n:02}", b"def f(): pass\n", "") for n in range(20))
    assert str(finding_of(find_target(Inventory(files), "f"))).endswith(", pkg.m07.f and 12 more")


def test_the_longest_path_that_another_ends_in_is_meant() -> None:
    files = tuple(read_inventory(path, path[:-3], b"", "") for path in ("deep/a.py", "pkg/deep/a.py"))
    assert _only(find_target(Inventory(files), "src/pkg/deep/a.py:1")) == ("pkg/deep/a", 1)
    assert _only(find_target(Inventory(files), "src/deep/a.py:1")) == ("deep/a", 1)


def test_an_address_survives_moved_lines(inventory: Inventory) -> None:
    before = find_target(inventory, "pkg.climate.Climate.build").places[0].address
    moved = b"# a\n# b\n\n" + FILES["pkg/climate.py"].encode()
    after = Inventory((read_inventory("pkg/climate.py", "pkg.climate", moved, ""),))
    assert find_target(after, "pkg.climate.Climate.build").places[0].address == before
    assert find_target(after, "pkg/climate.py:10").places[0].address == f"{before}#L10"


@pytest.mark.parametrize("url", ["ftp://host/", "host/path", "https://", "https://host/?x=1", "javascript:alert(1)"])
def test_a_site_url_must_be_an_address(url: str) -> None:
    with pytest.raises(CovatlasError, match="not a web address"):
        checked_site_url(url)
    assert checked_site_url("https://host/map") == "https://host/map/" and checked_site_url("") == ""


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────


def _link(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sitegen.cli", "link", *args]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, env=environment)


def test_the_command_prints_one_address(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", f'[tool.covatlas]\nsource = ["{root}/pkg"]\n'.encode())
    done = _link("pkg/soil.py:3", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("symbols/pkg.soil.Soil.build-") and done.stdout.endswith(".html#L3\n")
    write(tmp_path / "mkdocs.yml", b"site_name: x\nsite_url: https://map.example/one\nextra: {a: !ENV [NOPE, b]}\n")
    assert _link("pkg.soil", cwd=tmp_path).stdout == "https://map.example/one/modules/pkg.soil.html\n"
    chosen = _link("pkg.soil", "--site-url", "https://other.example", cwd=tmp_path)
    assert chosen.stdout == "https://other.example/modules/pkg.soil.html\n"
    write(
        tmp_path / "pyproject.toml", f'[tool.covatlas]\nsource = ["{root}/pkg"]\nsite-url = "https://a.b/c/"\n'.encode()
    )
    assert _link("pkg.soil", cwd=tmp_path).stdout == "https://a.b/c/modules/pkg.soil.html\n"
    assert not (tmp_path / "cache").exists()


def test_the_command_says_what_is_ambiguous_and_in_json_lists_it(root: Path, tmp_path: Path) -> None:
    done = _link("build", "--source", str(root / "pkg"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "") and len(done.stderr.splitlines()) == 1
    done = _link("build", "--source", str(root / "pkg"), "--format", "json", cwd=tmp_path)
    value = json.loads(done.stdout)
    assert done.returncode == 1 and value["problem"] == "'build' is the end of 2 names"
    assert [item["id"] for item in value["found"]] == ["pkg.climate.Climate.build", "pkg.soil.Soil.build"]
    assert value["found"][1]["line_span"] == [2, 3] and value["found"][1]["file"] == "pkg/soil.py"
    done = _link("build", "--source", "nowhere", cwd=tmp_path)
    assert done.returncode == 2 and "does not exist" in done.stderr


@pytest.mark.parametrize(
    "text", ["site_name: [\n", "INHERIT: nowhere.yml\n", "INHERIT: [1]\n", "- a\n", "3\n", "site_url: 3\n"]
)
def test_a_mkdocs_yml_that_a_build_refuses_is_no_finding(root: Path, tmp_path: Path, text: str) -> None:
    write(tmp_path / "mkdocs.yml", text.encode())
    done = _link("pkg.soil", "--source", str(root / "pkg"), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "modules/pkg.soil.html\n", "")
