"""The scope follows the coverage configuration, and refuses what would trace its own data."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from coverage import CoverageData

from instrument.errors import CovatlasError
from instrument.scope import Scope


def scope(tmp_path: Path, text: str) -> Scope:
    config = tmp_path / "coverage.ini"
    config.write_text(text)
    return Scope(config)


def test_source_and_omit_decide(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    decide = scope(tmp_path, f"[run]\nsource = {package}\nomit = */left_out.py\n")
    assert decide(str(package / "mod.py"), None) == str(package / "mod.py")
    assert decide(str(package / "left_out.py"), None) is None
    assert decide(str(tmp_path / "other.py"), None) is None
    assert decide("<string>", None) is None


def test_our_own_code_is_never_traced(tmp_path: Path) -> None:
    import instrument.trace

    decide = scope(tmp_path, f"[run]\nsource = {Path(instrument.trace.__file__).parents[1]}\n")
    assert decide(instrument.trace.__file__, None) is None


def test_raw_data_inside_the_traced_package_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    decide = scope(tmp_path, f"[run]\nsource = {package}\n")
    decide.refuse_inside(tmp_path / "data")
    with pytest.raises(CovatlasError, match="lies inside the traced source"):
        decide.refuse_inside(package / "data")


def test_raw_data_inside_a_source_package_is_refused(tmp_path: Path) -> None:
    decide = scope(tmp_path, "[run]\nsource_pkgs = json\n")
    import json

    with pytest.raises(CovatlasError, match="lies inside the traced source"):
        decide.refuse_inside(Path(json.__file__).parent / "data")


def test_branch_is_ignored_with_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "covatlas"):
        scope(tmp_path, "[run]\nbranch = true\n")
    (record,) = caplog.records
    assert "branch = true" in record.getMessage()


def _child_files(tmp_path: Path, text: str) -> tuple[dict[str, list[int]], str]:
    """Run a child Python elsewhere, under the child's configuration; return its lines per module, and its stderr."""
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("import pkg.kept, pkg.left_out\n")
    for name in ("kept", "left_out"):
        (package / f"{name}.py").write_text("x = 1\n")
    data = tmp_path / "data.coverage"
    config = scope(tmp_path, text).child_config()("profile:a:r", str(data))
    done = subprocess.run(
        [sys.executable, "-c", "import pkg"], cwd="/", capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(tmp_path), "COVERAGE_PROCESS_CONFIG": config},
    )  # fmt: skip
    found: dict[str, list[int]] = {}
    for path in tmp_path.glob("data.coverage.*"):
        lines = CoverageData(basename=str(path))
        lines.read()
        found |= {Path(name).name: sorted(lines.lines(name) or ()) for name in lines.measured_files()}
    return found, done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "source = {}/pkg\nomit = pkg/left_out.py",
        "source = {}/pkg\nomit = */left_out.py, nothing/*",
        "include = pkg/k*.py, pkg/__init__.py",
    ],
)
def test_a_child_in_another_directory_reads_patterns_as_the_app_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found, stderr = _child_files(tmp_path, f"[run]\n{text}\n".format(tmp_path))
    assert sorted(found) == ["__init__.py", "kept.py"]
    assert found["kept.py"] == [1]
    assert not stderr


@pytest.mark.parametrize("option", ["plugins = not.there", "debug = sys", "core = sysmon"])
def test_a_child_says_nothing_that_the_app_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found, stderr = _child_files(tmp_path, f"[run]\nsource = {tmp_path}/pkg\n{option}\n")
    assert sorted(found) == ["__init__.py", "kept.py", "left_out.py"]
    assert not stderr


@pytest.mark.parametrize("text", ["[run\n", "[run]\nsource = /\n", "[run]\nbranch = maybe\n"])
def test_a_bad_configuration_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(CovatlasError, match=r"coverage\.ini"):
        scope(tmp_path, text)
