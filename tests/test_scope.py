"""The scope follows the coverage configuration, and refuses what would trace its own data."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("text", ["[run\n", "[run]\nsource = /\n", "[run]\nbranch = maybe\n"])
def test_a_bad_configuration_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(CovatlasError, match=r"coverage\.ini"):
        scope(tmp_path, text)
