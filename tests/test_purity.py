"""The same inputs make the same bytes of the whole site, whatever the process, the place and the machine's settings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sitegen.publish import TOKEN, read_token
from tests.atlas_support import write
from tests.process_support import build, tree
from tests.site_support import project

MODULES = 60  # more than one process is worth

# Other hash seed, time zone, locale, encoding, optimisation, width of a terminal, processes.
SETTINGS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "seed 1, Tokyo, C, two processes": (
        ("--jobs", "2"), {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    ),
    "seed 2, New York, German, optimised": (
        ("--jobs", "1"),
        {"PYTHONHASHSEED": "2", "TZ": "America/New_York", "LC_ALL": "de_DE.UTF-8", "PYTHONOPTIMIZE": "2"},
    ),
    "seed 3, no UTF-8, narrow, in its own place": (
        ("--jobs", "2", "--clean"),
        {"PYTHONHASHSEED": "3", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "40"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with hostile names and many modules, and its site by one process with the seed 0."""
    root = tmp_path_factory.mktemp("here")
    project(root)
    for number in range(MODULES):
        text = f"NAMES = {{'ä', 'ö', {number}}}\n\n\ndef f{number}(x):\n    return {{x, *NAMES}}\n"
        write(root / "pkg" / f"m{number}.py", text.encode())
    build(root, "--jobs", "1", package="pkg", PYTHONHASHSEED="0", TZ="UTC", LC_ALL="C.UTF-8", GITHUB_SHA="c0ffee")
    return root


@pytest.mark.parametrize("name", SETTINGS)
def test_the_site_does_not_depend_on_the_process(here: Path, tmp_path: Path, name: str) -> None:
    there, cwd = tmp_path / "an other place", tmp_path / "cwd"
    cwd.mkdir()
    for folder in ("pkg", "data"):  # the data names the first place, as data recorded on another machine does
        shutil.copytree(here / folder, there / folder)
    args, environment = SETTINGS[name]
    build(there, *args, package="pkg", cwd=cwd, GITHUB_SHA="c0ffee", **environment)
    assert tree(there / "site") == tree(here / "site")
    assert (there / "site" / TOKEN).read_bytes() == (here / "site" / TOKEN).read_bytes()


def test_no_byte_of_the_site_names_the_place(here: Path) -> None:
    manifest = read_token(here / "site")
    assert manifest is not None and len(manifest) > 2 * MODULES
    for path in manifest:
        data = (here / "site" / path).read_bytes()
        assert os.fsencode(here) not in data and os.fsencode(here.name) not in data, path
