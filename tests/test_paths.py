"""Recorded paths: relative ones, containers' ones through [paths] as coverage.py maps them, templates and ambiguity."""

from __future__ import annotations

import os
from pathlib import Path

import coverage
import pytest

from instrument.errors import CovatlasError
from sitegen.coverage_config import read_aliases
from sitegen.paths import PathMap
from tests import atlas_support as support

TREE = (
    ("pkg/a.py", "/here/src/pkg/a.py"),
    ("pkg/b.py", "/here/src/pkg/b.py"),
    ("pkg/sub/a.py", "/here/src/pkg/sub/a.py"),
)


@pytest.mark.parametrize("prefix", ["src/pkg/", "pkg/", "app/src/pkg/", ""])
def test_relative_paths_are_found_wherever_they_are_relative_to(prefix: str) -> None:
    paths = PathMap(TREE, (f"{prefix}a.py", f"{prefix}b.py", f"{prefix}sub/a.py", "setup.py"))
    assert paths.found == {
        f"{prefix}a.py": "pkg/a.py",
        f"{prefix}b.py": "pkg/b.py",
        f"{prefix}sub/a.py": "pkg/sub/a.py",
    }
    assert paths.problems == []


def test_a_relative_path_that_may_be_either_of_two_is_named() -> None:
    paths = PathMap(TREE, ("a.py",))
    assert paths.found == {}
    assert paths.problems == [
        "a.py was recorded and may be any of pkg/a.py, pkg/sub/a.py; map it under [paths] in the coverage config"
    ]


def test_a_template_is_no_vanished_module() -> None:
    paths = PathMap(TREE, ("/here/src/pkg/a.py", "/here/src/pkg/templates/page.html", "/here/src/pkg/old.py"))
    assert paths.found == {"/here/src/pkg/a.py": "pkg/a.py"}
    assert paths.problems == ["pkg/old.py was recorded but is gone from the source; play the profile again"]


CONFIGS = {
    "one": "one =\n    {here}/src\n    /app/src\n",
    "prefix": "one =\n    {here}/src\n    */site-packages\n    /app/*/src\n",
    "order": "one =\n    {here}/other\n    /app/src\n    */src\ntwo =\n    {here}/src\n    /app/src\n    */pkg-*/lib\n",
    "windows": "one =\n    {here}/src\n    c:\\work\\src\n",
    "set": "one =\n    {here}/src/\n    /app/v[0-9]/src/\n    /app/v?x/\n",
}
RECORDED = (
    "/app/src/pkg/a.py", "/app/2/src/pkg/b.py", "/venv/lib/site-packages/pkg/sub/a.py", "/x/pkg-1.2/lib/pkg/a.py",
    "c:\\work\\src\\pkg\\b.py", "C:\\Work\\SRC\\pkg\\a.py", "/app/v1/src/pkg/a.py", "/app/v2x/pkg/b.py",
    "/APP/src/pkg/a.py", "/app/src/pkg/gone.py", "/elsewhere/pkg/a.py", "/app/src2/pkg/a.py",
)  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_paths_are_mapped_as_coverage_combines_them(tmp_path: Path, name: str) -> None:
    here = Path(os.path.realpath(tmp_path))
    tree = []
    for path, _ in TREE:
        for root in ("src", "other"):
            support.write(here / root / path, b"")
        tree.append((path, str(here / "src" / path)))
    config = support.write(here / "rc.ini", f"[paths]\n{CONFIGS[name].format(here=here)}".encode())
    oracle = coverage.Coverage(config_file=str(config), data_file=None)._make_aliases()
    rules = read_aliases(config)
    assert len(rules) == len(oracle.aliases) > 0
    mapped = 0
    for recorded in RECORDED:
        theirs = oracle.map(recorded)
        if f"{here}/other/" in theirs:
            continue  # coverage.py prefers a tree that is no source here
        ours = PathMap(tuple(tree), (recorded,), rules)
        if theirs != recorded:
            assert ours.found == {recorded: theirs.removeprefix(f"{here}/src/")}
            mapped += 1
        else:
            assert PathMap(tuple(tree), (recorded,)).found == ours.found
    assert mapped


def test_the_first_rule_that_leads_to_a_file_of_the_tree_wins() -> None:
    rules = (("/app/", "/nowhere/"), ("/app/", "/here/src/"), ("/app/pkg/sub/", "/here/src/pkg/"))
    paths = PathMap(TREE, ("/app/pkg/sub/a.py", "/two/pkg/a.py", "/app/pkg/a.py"), rules)
    assert paths.found["/app/pkg/sub/a.py"] == "pkg/sub/a.py"
    assert paths.found["/app/pkg/a.py"] == "pkg/a.py"
    assert "/two/pkg/a.py" not in paths.found


def test_a_rule_settles_what_the_end_of_a_path_cannot() -> None:
    recorded = ("/one/pkg/a.py", "/two/pkg/a.py")
    assert PathMap(TREE, recorded).found == {}
    assert PathMap(TREE, recorded, (("/one/", "/here/src/"), ("/two/", "/here/src/"))).found == dict.fromkeys(
        recorded, "pkg/a.py"
    )


def test_a_bad_rule_is_named(tmp_path: Path) -> None:
    config = support.write(tmp_path / "rc.ini", b"[paths]\none =\n    src\n    /app/*\n")
    with pytest.raises(CovatlasError, match=r"rc\.ini: Pattern must not end with wildcards"):
        read_aliases(config)
