"""`covatlas check`: each kind of drift is planted in a real project, named once, and gone after its repair."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from instrument.errors import Finding
from sitegen.check import check_all, conclude, told
from sitegen.check_rules import MAX_ROWS, Drift, collisions
from sitegen.config import load
from sitegen.generate import options_from
from sitegen.nights import FILE
from sitegen.workflows import write_workflows
from tests.atlas_support import write
from tests.night_support import PROFILES, SOURCES, Project

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "sitegen.cli"]


def _quiet(message: str) -> None:
    pass


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository in which nothing has drifted."""
    for name, text in SOURCES.items():
        write(tmp_path / "pkg" / name, text.encode())
    for slug in ("alpha", "beta", "gamma"):
        write(tmp_path / "profiles" / slug / "session.har", b"{}")
    (tmp_path / FILE).write_text(PROFILES, "utf-8")
    (tmp_path / "coverage.ini").write_text("[run]\nsource_pkgs = pkg\nomit = */mail.py\n", "utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.covatlas]\nsource = ["pkg"]\ninventory = "inventory.json"\ncoverage-config = "coverage.ini"\n'
        'coverage-dir = "data"\n', "utf-8")  # fmt: skip
    write_workflows(tmp_path, False, _quiet, _quiet)
    run(tmp_path, "inventory")
    return tmp_path


def run(root: Path, *arguments: str, home: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(home)}
    return subprocess.run([*COMMAND, *arguments], cwd=root, env=environ, capture_output=True, text=True)


def found(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Drift]:
    monkeypatch.chdir(root)
    options = options_from(load(Path()), Path())
    return check_all(Path(), options, Path("inventory.json"), Path("profiles"), _quiet)


def _write(path: str, text: str) -> Callable[[Path], object]:
    return lambda root: write(root / path, text.encode())


def _change(path: str, before: str, after: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        text = (root / path).read_text("utf-8")
        assert before in text
        (root / path).write_text(text.replace(before, after), "utf-8")

    return change


NIGHTLY, CHECK = (f".github/workflows/covatlas-{name}.yml" for name in ("nightly", "check"))
DRIFTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "+ pkg.stock.more": (_change("pkg/stock.py", "def count", "def more():\n    return 1\n\n\ndef count"), "inventory"),
    "~ pkg.shop.pay": (_change("pkg/shop.py", "return -amount", "return amount"), "inventory"),
    "- pkg.mail.send": (_write("pkg/mail.py", ""), "inventory"),
    "cannot be read as Python": (_write("pkg/broken.py", "def f(:\n"), "source"),
    "inventory.json: cannot be read": (lambda root: (root / "inventory.json").unlink(), "inventory"),
    "inventory has another schema": (_change("inventory.json", '"schema":1', '"schema":2'), "inventory"),
    "nor installed": (_change("coverage.ini", "= pkg", "=\n  pkg\n  nowhere"), "coverage-config"),
    "'*/nothing.py', which matches no": (_change("coverage.ini", "*/mail.py", "*/nothing.py"), "coverage-config"),
    "nothing of the package 'pkg' is traced": (_change("coverage.ini", "= pkg", "= json"), "coverage-config"),
    "coverage.ini": (_write("coverage.ini", "[run\n"), "coverage-config"),
    "gamma is listed but not recorded": (lambda root: (root / "profiles/gamma").rename(root / "gone"), "profiles"),
    "delta is recorded but not listed": (_write("profiles/delta/session.har", "{}"), "profiles"),
    "listed as har but recorded as events": (
        lambda root: (root / "profiles/alpha/session.har").rename(root / "profiles/alpha/events.jsonl"), "profiles"),
    "'Alpha' in the list and 'Other'": (_write("profiles/alpha/profile.toml", 'title = "Other"\n'), "profiles"),
    "covatlas-nightly.yml is stale": (_change(NIGHTLY, "retries: 0", "retries: 1"), "workflows"),
    "covatlas-check.yml is missing": (lambda root: (root / CHECK).unlink(), "workflows"),
    "weight = 'huge'": (_change(FILE, "heavy", "huge"), "nights"),
    "has schema 9": (_write("site/data/build.json", '{"schema": 9}'), "versions"),
    "gaps.json cannot be read": (_write("site/data/gaps.json", "{"), "versions"),
    "run record has another schema": (_write("data/alpha.run.json", '{"schema": 9}'), "versions"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", DRIFTS)
def test_each_drift_is_named(sentence: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(root, monkeypatch) == []
    plant, rule = DRIFTS[sentence]
    plant(root)
    named = [item for item in found(root, monkeypatch) if sentence in item.sentence]
    assert rule in {item.rule for item in named}
    assert all(item.level == "error" and "\n" not in item.sentence for item in named)
    with pytest.raises(Finding):
        conclude(named, _quiet)


def test_the_named_command_repairs(root: Path) -> None:
    for sentence in ("+ pkg.stock.more", "covatlas-nightly.yml is stale"):
        DRIFTS[sentence][0](root)
    done = run(root, "check")
    assert done.returncode == 1, done.stderr
    assert "inventory: pkg/stock.py:1: + pkg.stock.more" in done.stdout and "pkg/stock.py:5" in done.stdout  # moved
    repair = done.stderr.split("repair with: ")[1].strip()
    assert repair == "covatlas inventory --output inventory.json && covatlas workflows"
    for command in repair.split(" && "):
        assert run(root, *command.split()[1:]).returncode == 0
    done = run(root, "check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Nothing has drifted\n")


def test_a_route_without_a_profile_is_a_warning(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    route = {"methods": ["GET"], "profiles": {}, "rule": "/alone/<b>"}
    value = {"schema": 1, "routes": [route, {**route, "rule": "/used", "profiles": {"a": 1}}]}
    write(root / "site/data/routes.json", json.dumps(value).encode())
    (item,) = found(root, monkeypatch)
    assert item.level == "warning" and "GET /alone/<b>" in item.sentence
    assert run(root, "check").returncode == 0


def test_a_site_of_another_schema_is_gone_after_the_named_command(root: Path) -> None:
    for name, data in Project(root).play("alpha").items():
        write(root / "data" / Path(name).name, data)
    assert run(root, "build").returncode == 0
    for sentence in ("has schema 9", "gaps.json cannot be read"):
        DRIFTS[sentence][0](root)
    done = run(root, "check")
    assert done.returncode == 1 and done.stderr.endswith("2 things drifted; repair with: covatlas build\n")
    assert run(root, "build").returncode == 0
    assert run(root, "check").stderr == "Nothing has drifted\n"


def test_a_cache_of_another_toolchain_is_a_warning_until_it_is_repaired(root: Path) -> None:
    for name, data in Project(root).play("alpha").items():
        write(root / "data" / Path(name).name, data)
    other = root / "other"  # another Covatlas, by one comment
    for package in ("sitegen", "instrument"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "sitegen/masks.py").open("a") as file:
        file.write("# another\n")
    assert run(root, "build", home=other).returncode == 0
    assert run(root, "check", home=other).stdout == ""
    done = run(root, "check")
    assert done.returncode == 0 and done.stderr == "Nothing has drifted, 1 warning\n"
    assert done.stdout.startswith("warning: versions: cache: made by another Covatlas, Python or library")
    for command in done.stdout.split("[")[1].rstrip("]\n").split(" && "):
        assert run(root, *command.split()[1:]).returncode == 0
    assert run(root, "check").stdout == ""


def test_a_command_can_be_pasted_whatever_the_file_is_called(root: Path) -> None:
    (root / "inventory.json").rename(root / "the inventory.json")
    DRIFTS["+ pkg.stock.more"][0](root)
    done = run(root, "check", "--inventory", "the inventory.json")
    repair = done.stderr.split("repair with: ")[1].strip()
    assert repair == "covatlas inventory --output 'the inventory.json'"
    assert run(root, *shlex.split(repair)[1:]).returncode == 0
    assert run(root, "check", "--inventory", "the inventory.json").returncode == 0


def test_what_can_collide_is_found() -> None:
    rows = [
        ("a.B", "symbols/a.B.html", "a.py"),
        ("a.b", "symbols/a.b.html", "a.py"),
        ("a.c", "symbols/a.c.html", "a.py"),
    ]
    (item,) = collisions(rows)
    assert item.sentence.startswith("a.b and a.B would both have the page")


def test_many_symbols_are_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"def f{number}():\n    return 1\n\n\n" for number in range(MAX_ROWS + 30))
    write(root / "pkg/many.py", text.encode())
    items = found(root, monkeypatch)
    assert len(items) == MAX_ROWS + 1 and items[-1].sentence == "and 31 more symbols"


def test_annotations_cannot_be_broken_out_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = Drift("source", "50% of\n::warning::x", "covatlas build", "a,b:c.py", 3)
    assert told([item], "github") == (
        "::error file=a%2Cb%3Ac.py,line=3,title=covatlas check%3A source::50%25 of%0A::warning::x; "
        "repair with: covatlas build\n"
    )
    assert json.loads(told([item], "json"))["drift"][0]["line"] == 3


def test_a_project_without_nights_or_inventory_is_well(tmp_path: Path) -> None:
    write(tmp_path / "pkg/__init__.py", b"")
    done = run(tmp_path, "check", "--source", "pkg", "--format", "json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"schema": 1, "drift": []}


def test_the_hook_for_pre_commit_runs_what_it_says(root: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("covatlas-check", "python", False)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert [name.strip(".[]") in extras for name in hook["additional_dependencies"]] == [True]
    program, *arguments = shlex.split(hook["entry"])
    assert program == "covatlas" and run(root, *arguments).returncode == 0
    DRIFTS["covatlas-nightly.yml is stale"][0](root)
    assert run(root, *arguments).returncode == 1


def test_this_repository_has_not_drifted() -> None:
    away = {"site-dir": "nowhere", "coverage-dir": "nowhere", "cache-dir": "nowhere"}
    options = options_from({**load(ROOT), **away}, ROOT)
    assert check_all(ROOT, options, None, ROOT / "examples/watershed/profiles", _quiet) == []
