"""sitegen.press: what is staged is whole, also where the disk is nearly full."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sitegen.press import stage
from sitegen.publish import read_token
from sitegen.site import build_site
from tests.site_support import project


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Make the system refuse what a write adds beyond `size`, as a full disk does: the first such write is short."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("size", [0, 1, 99_999])
def test_a_staged_file_has_all_its_bytes(tmp_path: Path, replaces: bool, size: int) -> None:
    stage(tmp_path, "data/a.json", b"x" * size, replaces)
    assert (tmp_path / "data/a.json").read_bytes() == b"x" * size


@pytest.mark.parametrize("replaces", [False, True])
def test_a_file_that_cannot_be_staged_whole_is_an_error_that_names_it(tmp_path: Path, replaces: bool) -> None:
    with no_file_larger_than(1000), pytest.raises(OSError) as caught:
        stage(tmp_path, "a.json", b"x" * 1001, replaces)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, f"{tmp_path}/a.json")


@pytest.mark.parametrize("known", [False, True], ids=["first", "again"])
def test_a_build_for_which_there_is_no_room_says_so_and_leaves_the_site_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    options = project(tmp_path)
    if known:
        build_site(options, lambda message: None)
        (tmp_path / "pkg/cart.py").write_text("def long():\n" + "    print('a line of the page')\n" * 3000)
    before = {path: path.read_bytes() for path in options.site_dir.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "sitegen.cli", "build", "--source", "pkg", "--coverage-dir", "data"]
    with no_file_larger_than(100_000):
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("covatlas: ") and done.stderr.count("\n") == 1, done.stderr
    assert "File too large; make room there and run it again" in done.stderr
    assert {path: path.read_bytes() for path in options.site_dir.rglob("*") if path.is_file()} == before
    assert bool(before) == (read_token(options.site_dir) is not None)
    assert subprocess.run(command, capture_output=True).returncode == 0
