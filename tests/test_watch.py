"""sitegen.watch and sitegen.own_config: whatever a build reads is noticed, also what was deleted and made anew."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitegen.generate import BuildOptions
from sitegen.own_config import hand_written
from sitegen.watch import Watch
from tests.atlas_support import write


@pytest.fixture
def options(tmp_path: Path) -> BuildOptions:
    write(tmp_path / "pkg/deep/inner.py", b"")
    write(tmp_path / "trace.ini", b"")
    places = (tmp_path / "data", tmp_path / "site", tmp_path / "cache", tmp_path / "trace.ini")
    return BuildOptions((tmp_path / "pkg",), *places)


@pytest.fixture
def changed() -> threading.Event:
    return threading.Event()


@pytest.fixture
def watch(options: BuildOptions, changed: threading.Event) -> Iterator[Watch]:
    watch = Watch(options, changed.set)
    yield watch
    watch.stop()


def test_a_folder_that_is_moved_away_is_noticed(watch: Watch, changed: threading.Event, tmp_path: Path) -> None:
    (tmp_path / "pkg/deep").rename(tmp_path / "away")
    assert changed.wait(60)


def test_the_coverage_config_is_watched(watch: Watch, changed: threading.Event, tmp_path: Path) -> None:
    write(tmp_path / "trace.ini", b"[report]\n")
    assert changed.wait(60)


@pytest.mark.parametrize(("folder", "file"), [("pkg", "fresh.py"), ("data", "alpha.coverage")])
def test_a_folder_that_is_made_anew_is_watched_again(
    watch: Watch, options: BuildOptions, changed: threading.Event, tmp_path: Path, folder: str, file: str
) -> None:
    for edit in (shutil.rmtree, Path.mkdir):
        changed.clear()
        edit(tmp_path / folder)
        assert changed.wait(60)
        watch.renew(options)
    for number in range(120):  # a late message of the old folder must not be taken for the file's
        watch.renew(options)
        changed.clear()
        write(tmp_path / folder / file, b"x = %d\n" % number)
        if changed.wait(0.5) and not watch.moved:
            return
    raise AssertionError("nobody looks at the new folder")


def test_a_file_that_was_not_there_is_noticed(
    watch: Watch, options: BuildOptions, changed: threading.Event, tmp_path: Path
) -> None:
    watch.renew(options, [tmp_path / "mkdocs.yml"])
    write(tmp_path / "mkdocs.yml", b"site_name: Own\n")
    assert changed.wait(60)


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("plugins: [covatlas, redirects]\nmarkdown_extensions: [pymdownx.snippets]\n", ["docs"]),
        ("docs_dir: guide\ntheme: {name: material, custom_dir: own}\nwatch: [parts]\n", ["guide", "own", "parts"]),
        ("docs_dir: 3\ntheme: material\nwatch: {}\n", []),
        ("site_name: [\n", ["docs"]),
    ],
)
def test_the_hand_written_pages_are_found_without_a_build(tmp_path: Path, text: str, folders: list[str]) -> None:
    assert hand_written(tmp_path) == (tmp_path / "mkdocs.yml",)
    write(tmp_path / "mkdocs.yml", text.encode())
    assert hand_written(tmp_path) == (tmp_path / "mkdocs.yml", *(tmp_path / name for name in folders))
