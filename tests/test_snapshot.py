"""Snapshot: what is read, what is left alone, and a sentence for every bad input."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import coverage
import pytest

from instrument.errors import CovatlasError
from sitegen.coverage_config import read_exclude, read_rules
from sitegen.model import Snapshot
from sitegen.snapshot import read_profile_inputs, read_snapshot, read_sources, read_templates
from sitegen.store import DiskStore
from tests import atlas_support as support


def tree(root: Path, *names: str) -> Path:
    for name in names:
        support.write(root / name, f"# {name}\n".encode())
    return root


def paths(*directories: Path, said: list[str] | None = None) -> list[str]:
    return [source.path for source in read_sources(directories, (said if said is not None else []).append)]


# ── source ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_paths_and_modules_start_at_the_packages_own_name(tmp_path: Path) -> None:
    tree(tmp_path, "src/pkg/__init__.py", "src/pkg/a.py", "src/pkg/space/deep/b.py", "src/pkg/__main__.py")
    sources = read_sources((tmp_path / "src/pkg",))
    assert [(source.path, source.module) for source in sources] == [
        ("pkg/__init__.py", "pkg"),
        ("pkg/__main__.py", "pkg.__main__"),
        ("pkg/a.py", "pkg.a"),
        ("pkg/space/deep/b.py", "pkg.space.deep.b"),
    ]
    assert [source.absolute for source in sources] == [str(tmp_path / "src" / source.path) for source in sources]
    assert sources[2].data.value == b"# src/pkg/a.py\n"


def test_only_regular_python_files_are_read(tmp_path: Path) -> None:
    package = tree(tmp_path / "pkg", "a.py", "a.pyc", "b.txt", "__pycache__/c.py", ".hidden/d.py", ".e.py", "c.pyi")
    os.mkfifo(package / "pipe.py")
    (package / "dir.py").mkdir()
    (package / "dangling.py").symlink_to("nowhere.py")
    (package / "loop.py").symlink_to("loop.py")
    (package / "linked.py").symlink_to("a.py")
    (package / "round").symlink_to(package, target_is_directory=True)
    (package / "dir.py" / "inside.py").write_bytes(b"")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(package / "socket.py"))
    listening.close()
    assert paths(package) == ["pkg/a.py", "pkg/dir.py/inside.py", "pkg/linked.py"]


def test_a_linked_package_keeps_the_links_name(tmp_path: Path) -> None:
    tree(tmp_path, "real-1.2/a.py")
    (tmp_path / "pkg").symlink_to("real-1.2", target_is_directory=True)
    (source,) = read_sources((tmp_path / "pkg",))
    assert (source.path, source.absolute) == ("pkg/a.py", str(tmp_path / "real-1.2/a.py"))
    assert paths(tmp_path / "pkg", tmp_path / "pkg") == ["pkg/a.py"]


def test_a_relative_source_is_named_like_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "pkg/a.py")
    monkeypatch.chdir(tmp_path / "pkg")
    assert paths(Path(".")) == ["pkg/a.py"]


def test_a_name_that_utf8_cannot_write_is_left_out_and_said(tmp_path: Path) -> None:
    package = tree(tmp_path / "pkg", "a.py")
    with open(os.fsencode(package) + b"/\xff.py", "wb"):
        pass
    said: list[str] = []
    assert paths(package, said=said) == ["pkg/a.py"]
    assert len(said) == 1 and "its name is not UTF-8; rename the file" in said[0]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ((), "no source directory is named; name the package's directory with --source DIR"),
        (("missing",), "source directory {root}/missing does not exist; name the package's directory with --source"),
        (("pkg/a.py",), "source directory {root}/pkg/a.py is not a directory; name the package's directory"),
        (("empty",), "{root}/empty: no Python file below this directory; name a package directory with --source"),
        (("pkg", "pkg/sub"), "source directory {root}/pkg/sub lies inside {root}/pkg; name only one of them"),
        (("pkg/sub", "pkg"), "source directory {root}/pkg/sub lies inside {root}/pkg; name only one of them"),
        (("pkg", "other/pkg"), "source directories {root}/other/pkg and {root}/pkg have the same name; name only one"),
    ],
)
def test_a_bad_source_is_one_sentence(tmp_path: Path, names: tuple[str, ...], sentence: str) -> None:
    tree(tmp_path, "pkg/a.py", "pkg/sub/b.py", "other/pkg/a.py", "empty/readme.txt")
    with pytest.raises(CovatlasError, match=re.escape(sentence.format(root=tmp_path))) as caught:
        read_sources(tuple(tmp_path / name for name in names))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    package = tree(tmp_path / "pkg", "b.py")
    (package / "a.py").symlink_to("/proc/self/mem")  # a regular file that even root cannot read from its start
    with pytest.raises(CovatlasError, match=r"pkg/a.py: cannot be read \(.+\); mend its permissions"):
        read_sources((package,))


# ── profile data ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_profile_files_are_found_by_their_names(tmp_path: Path) -> None:
    names = (
        "us-small.coverage", "us-small.coverage.host.12.ab", "us-small.run.json", "b.coverage.h.1.f", "only.run.json",
        ".coverage", ".us-small.coverage.x.tmp", "notes.txt", "us-small.coverages", "x.coveragerc", "y.json",
        "us-small.coverage-journal", "set-aside/1/us-small.coverage",
    )  # fmt: skip
    tree(tmp_path, *names)
    os.mkfifo(tmp_path / "pipe.coverage")
    said: list[str] = []
    found = read_profile_inputs(tmp_path, said.append)
    assert said == []
    assert {item.slug: [name for name, _ in item.data] for item in found} == {
        "b": ["b.coverage.h.1.f"],
        "only": [],
        "us-small": ["us-small.coverage", "us-small.coverage.host.12.ab"],
    }
    assert [item.record for item in found] == [None, b"# only.run.json\n", b"# us-small.run.json\n"]
    assert found[0].data[0][1].value == b"# b.coverage.h.1.f\n"


def test_a_name_that_is_no_slug_is_left_out_and_said(tmp_path: Path) -> None:
    tree(tmp_path, "good.coverage", "Bad Slug.coverage", "con.coverage", "index.run.json")
    said: list[str] = []
    assert [item.slug for item in read_profile_inputs(tmp_path, said.append)] == ["good"]
    assert len(said) == 3
    assert all(f"{tmp_path}/" in sentence and "is refused" in sentence for sentence in said)


@pytest.mark.parametrize("names", [None, (), ("us-small.run.json",), ("Bad Slug.coverage",)])
def test_no_profile_data_is_one_sentence(tmp_path: Path, names: tuple[str, ...] | None) -> None:
    directory = tmp_path / "data"
    if names is not None:
        directory.mkdir()
        tree(directory, *names)
    with pytest.raises(CovatlasError) as caught:
        read_profile_inputs(directory, lambda sentence: None)
    assert str(caught.value) == (
        f"no profile data in {directory}: play a profile with --trace-code first, or name --coverage-dir"
    )


def test_a_coverage_dir_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CovatlasError, match="data: is not a directory; name one"):
        read_profile_inputs(support.write(tmp_path / "data", b""))


# ── configuration ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        None,
        "[report]\nexclude_lines = only this\n",
        "[report]\nexclude_also =\n    if TYPE_CHECKING:\n    \\.\\.\\.\n",
        "[report]\nexclude_lines =\n",
        "[run]\nsource_pkgs = pkg\n[paths]\npkg =\n    here/pkg\n    */pkg\n",
    ],
)
def test_the_exclude_list_is_joined_as_coverage_joins_it(tmp_path: Path, text: str | None) -> None:
    config = None if text is None else support.write(tmp_path / "rc.ini", text.encode())
    oracle = coverage.Coverage(config_file=str(config) if config else False, data_file=None)
    oracle.get_exclude_list("exclude")
    assert read_exclude(config) == oracle._exclude_regex("exclude")
    assert list(tmp_path.iterdir()) == ([config] if config else [])


def test_a_coverage_config_in_the_working_directory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    support.write(tmp_path / ".coveragerc", b"[report]\nexclude_lines = surprise\n")
    monkeypatch.chdir(tmp_path)
    assert "surprise" not in read_exclude(None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "does not exist; name the file with --coverage-config"),
        ("[report\n", "mend the file"),
        ("[report]\nexclude_also = (unclosed\n", "mend the file"),
    ],
)
def test_a_bad_coverage_config_is_one_sentence(tmp_path: Path, text: str | None, sentence: str) -> None:
    config = tmp_path / "rc.ini"
    if text is not None:
        config.write_text(text)
    with pytest.raises(CovatlasError, match=sentence) as caught:
        read_exclude(config)
    assert str(caught.value).startswith(f"coverage config {config}")
    assert "\n" not in str(caught.value)


def test_the_packages_own_templates_are_read() -> None:
    here = Path(__file__).parent.parent / "sitegen" / "templates"
    expected = {
        path.relative_to(here).as_posix(): path.read_text("utf-8")
        for path in here.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert dict(read_templates()) == expected


def snapshot(root: Path, commit: str | None = None) -> Snapshot:
    tree(root, "pkg/a.py", "data/one.coverage")
    return read_snapshot(support.options(root, commit=commit))


def test_the_commit_is_named_or_from_the_environment_or_git_or_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    assert snapshot(tmp_path).commit is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert snapshot(tmp_path).commit is None
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert snapshot(tmp_path).commit == head
    monkeypatch.setenv("GITHUB_SHA", "fromenv")
    assert snapshot(tmp_path).commit == "fromenv"
    assert snapshot(tmp_path, "named").commit == "named"
    monkeypatch.delenv("GITHUB_SHA")
    monkeypatch.setenv("PATH", "")
    assert snapshot(tmp_path).commit is None


# ── what coverage.py says of its configuration ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", [None, "[report]\nexclude_also = return 1\n"])
def test_rules_that_are_known_are_read_without_coverage(
    tmp_path: Path, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = None if text is None else support.write(tmp_path / "rc.ini", text.encode())
    rules = read_rules(config, DiskStore(tmp_path / "cache", "t"))
    assert rules == (read_exclude(config), ())
    store = DiskStore(tmp_path / "cache", "t")
    assert read_rules(config, store) == rules  # nothing was flushed: asked again
    store.flush()
    monkeypatch.setattr("sitegen.coverage_config._coverage", pytest.fail)
    assert read_rules(config, DiskStore(tmp_path / "cache", "t")) == rules
    for entry in (tmp_path / "cache/values").rglob("*"):
        if entry.is_file():
            entry.write_bytes(b"damaged")
    monkeypatch.undo()
    assert read_rules(config, DiskStore(tmp_path / "cache", "t")) == rules


def test_the_name_says_how_a_configuration_is_read(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache", "t")
    found = {}
    for name in ("rc.ini", "rc.toml"):
        config = support.write(tmp_path / name, b'[tool.coverage.report]\nexclude_lines = ["only"]\n')
        found[name] = read_rules(config, store)[0]
    assert found["rc.toml"] == "only" and found["rc.ini"] == read_exclude(None)


def test_rules_that_the_environment_or_the_disk_decides_are_read_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DiskStore(tmp_path / "cache", "t")
    config = support.write(tmp_path / "rc.ini", b"[report]\nexclude_lines = ${OUT}\n")
    for name in ("one", "two"):
        monkeypatch.setenv("OUT", name)
        assert read_rules(config, store)[0] == name
    config = support.write(tmp_path / "rc.ini", b"[paths]\nown =\n    src\n    /app\n")
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert read_rules(config, store)[1][0][1] == os.path.realpath(folder / "src") + "/"
