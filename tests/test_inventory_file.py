"""The inventory on disk: written whole, checked symbol by symbol, every bad file answered with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sitegen.cli import main
from tests import atlas_support as support

SOURCE = "X = 1\n\n\ndef f():\n    return 1\n\n\nclass C:\n    def m(self):\n        return 2\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    support.write(tmp_path / "pkg" / "a.py", SOURCE.encode())
    support.write(tmp_path / "pkg" / "b.py", b"def g():\n    return 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pkg"


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["inventory", "--source", "pkg", *args])


def drift_after(package: Path, **files: str) -> list[str]:
    """Write the inventory, change files, and return what --check says, which must be a finding."""
    assert run("--output", "inventory.json").exit_code == 0
    for name, text in files.items():
        support.write(package / f"{name}.py", text.encode())
    result = run("--output", "inventory.json", "--check")
    assert result.exit_code == 1
    rows = result.stdout.splitlines()
    assert f"inventory.json: {len(rows)} differences from the source" in result.stderr
    return rows


def test_it_writes_the_artifact_that_the_site_has(package: Path) -> None:
    result = run("--output", "inventory.json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Wrote 6 symbols to inventory.json\n"
    written = Path("inventory.json").read_text()
    assert run("--format", "json").stdout == written
    assert json.loads(written)["schema"] == 1
    assert sorted(path.name for path in Path().iterdir()) == ["inventory.json", "pkg"]
    result = run("--output", "inventory.json", "--check")
    assert (result.exit_code, result.stdout) == (0, "")


def test_the_key_names_the_file_and_a_format_asks_for_stdout(package: Path) -> None:
    Path("pyproject.toml").write_text('[tool.covatlas]\nsource = ["pkg"]\ninventory = "kept.json"\n')
    assert CliRunner().invoke(main, ["inventory"]).exit_code == 0
    assert CliRunner().invoke(main, ["inventory", "--check"]).exit_code == 0
    result = CliRunner().invoke(main, ["inventory", "--format", "json"])
    assert result.stdout == Path("kept.json").read_text()


def test_drift_is_shown_symbol_by_symbol(package: Path) -> None:
    changed = "# moved\n" + SOURCE.replace("return 1", "return 11").replace("def m", "def n")
    assert drift_after(package, a=changed) == [
        "~ pkg.a  pkg/a.py:1", "~ pkg.a.f  pkg/a.py:5", "~ pkg.a.C  pkg/a.py:9", "+ pkg.a.C.n  pkg/a.py:10",
        "- pkg.a.C.m  pkg/a.py:9",
    ]  # fmt: skip


def test_moved_lines_are_told_from_changed_code(package: Path) -> None:
    assert drift_after(package, a=SOURCE.replace("class", "# why\nclass")) == [
        "> pkg.a  pkg/a.py:1", "> pkg.a.C  pkg/a.py:9", "> pkg.a.C.m  pkg/a.py:10",
    ]  # fmt: skip


def test_a_comment_that_moves_nothing_a_new_file_and_a_broken_one(package: Path) -> None:
    rows = drift_after(package, a=SOURCE.replace("X = 1", "X = 1  # one"), b="def g(:\n", c="")
    assert rows[0] == "! pkg/a.py: comments, layout or excluded lines"
    assert rows[1:3] == ["~ pkg.b  pkg/b.py:1", "- pkg.b.g  pkg/b.py:1"]
    assert rows[3].startswith("! pkg/b.py: cannot be read as Python")
    assert rows[4:] == ["+ pkg.c  pkg/c.py:1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read (No such file"),
        (b"", "not an inventory"),
        (b"[]", "not an inventory"),
        (b'{"schema": 2}', "another schema than 1"),
        (b'{"schema": 1, "files": [{"path": "a", "symbols": [{}]}]}', "not an inventory"),
        (b"[" * 100_000, "not an inventory"),
    ],
)
def test_a_file_that_is_no_inventory_is_answered_with_a_sentence(
    package: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        Path("inventory.json").write_bytes(content)
    result = run("--output", "inventory.json", "--check")
    assert result.exit_code == 2
    assert result.stderr.startswith("covatlas: inventory.json: ")
    assert reason in result.stderr
    assert result.stderr.endswith("write it anew with covatlas inventory --output\n")


def test_what_cannot_be_written_or_is_not_named_is_answered_with_a_sentence(package: Path) -> None:
    result = run("--check")
    assert (result.exit_code, result.stderr) == (
        2, "covatlas: no inventory file is named to check; name it with --output FILE\n",
    )  # fmt: skip
    result = run("--output", "no/such/inventory.json")
    assert result.exit_code == 2
    assert "no/such/inventory.json: cannot be written (No such file or directory)" in result.stderr
