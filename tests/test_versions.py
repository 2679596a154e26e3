"""sitegen.versions: what importlib.metadata says, without importing it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from sitegen.store import _LIBRARIES
from sitegen.versions import versions


def test_versions_are_those_of_the_installed_libraries() -> None:
    expected = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    assert versions(_LIBRARIES) == expected
    assert all(expected.values())


def test_the_first_folder_of_the_path_counts_and_one_installed_twice_is_like_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, names in (
        ("a", ["Some_Name-1.0.dist-info", "twice-2.dist-info", "twice-1.dist-info"]),
        ("b", ["some.name-9.dist-info", "other-3.dist-info"]),
    ):
        for name in names:
            (tmp_path / folder / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "gone"), str(tmp_path / "a"), str(tmp_path / "b")])
    assert versions(("some-name", "twice", "other", "none")) == {
        "some-name": "1.0", "twice": "1, 2", "other": "3", "none": "",
    }  # fmt: skip


def test_one_installed_in_another_way_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "old_way.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 1.1\nName: old-way\nVersion: 4.2\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert versions(("old-way",)) == {"old-way": "4.2"}


def test_nothing_slow_is_imported_for_them() -> None:
    code = (
        "import sys; from sitegen.versions import versions; from sitegen.store import _LIBRARIES, toolchain\n"
        "assert all(versions(_LIBRARIES).values()) and toolchain() and 'importlib.metadata' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
