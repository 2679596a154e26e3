"""Every bad value is named with its variable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from instrument.errors import CovatlasError
from instrument.settings import coverage_dir, is_enabled, read_settings

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("value", "enabled"), [("1", True), ("TRUE", True), ("on", True), ("", False), ("0", False)])
def test_the_flag(value: str, enabled: bool) -> None:
    assert is_enabled({"ENABLE_PROFILE_COVERAGE": value}) is enabled
    assert is_enabled({}) is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENABLE_PROFILE_COVERAGE", "maybe"),
        ("PROFILE_COVERAGE_ENGINE", "warp"),
        ("PROFILE_COVERAGE_CONFIG", "/no/such/file.ini"),
        ("PROFILE_COVERAGE_CONFIG", "~nobody-of-this-name/file.ini"),
        ("PROFILE_COVERAGE_DIR", "~nobody-of-this-name/data"),
        ("PROFILE_COVERAGE_ALLOW", "good,Bad"),
        ("PROFILE_COVERAGE_GRACE", "0"),
        ("PROFILE_COVERAGE_GRACE", "nan"),
        ("PROFILE_COVERAGE_MAX_SLUGS", "-1"),
        ("PROFILE_COVERAGE_MAX_SHARDS", "many"),
        ("PROFILE_COVERAGE_MAX_BYTES", "1.5"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(CovatlasError) as error:
        read_settings({name: value})
    assert name in str(error.value)
    assert value in str(error.value)


def test_the_directory_defaults_to_the_users_data_directory(tmp_path: Path) -> None:
    assert coverage_dir({"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "covatlas" / "profiles"
    assert coverage_dir({"HOME": str(tmp_path)}) == tmp_path / ".local" / "share" / "covatlas" / "profiles"
    assert coverage_dir({"PROFILE_COVERAGE_DIR": str(tmp_path)}) == tmp_path


def test_a_user_without_a_home_is_told_to_name_a_directory() -> None:
    code = "from instrument.settings import *\ntry:\n coverage_dir({})\nexcept CovatlasError as error:\n print(error)"
    env = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_DATA_HOME")}
    code = f"import os, pwd\npwd.getpwuid = lambda uid: {{}}[uid]\n{code}"
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "set PROFILE_COVERAGE_DIR" in done.stdout


def test_the_configuration_of_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({}).config is None
    (tmp_path / "coverage.profile-playback.ini").write_text("[run]\n")
    assert read_settings({}).config == tmp_path / "coverage.profile-playback.ini"


def test_the_allow_list(tmp_path: Path) -> None:
    assert read_settings({"PROFILE_COVERAGE_ALLOW": "a, b,"}).allow == {"a", "b"}


@pytest.mark.parametrize("token", ["gr\xfcn", "a\nb", " padded", "\udcff"])
def test_a_token_that_no_header_carries_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(CovatlasError) as error:
        read_settings({"PROFILE_COVERAGE_TOKEN": token})
    assert "PROFILE_COVERAGE_TOKEN" in str(error.value)
    assert token not in str(error.value)


def test_grace_and_caps() -> None:
    assert read_settings({}).grace == 60.0
    found = read_settings({"PROFILE_COVERAGE_GRACE": "0.5", "PROFILE_COVERAGE_MAX_BYTES": "1000"})
    assert (found.grace, found.max_bytes, found.max_slugs, found.max_shards) == (0.5, 1000, 1000, 10_000)
