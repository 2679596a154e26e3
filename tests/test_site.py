"""sitegen.site and the build command: the whole site from options, and one sentence for every bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from instrument.errors import CovatlasError
from sitegen.generate import BuildOptions, options_from
from sitegen.publish import TOKEN
from sitegen.site import build_site
from tests.atlas_support import write
from tests.site_support import project


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildOptions:
    monkeypatch.chdir(tmp_path)
    return project(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that no test changes."""
    folder = tmp_path_factory.mktemp("unchanged")
    project(folder)
    return folder


def _say(message: str) -> None:
    """Take a message."""


def _covatlas(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sitegen.cli", *args]
    root = Path(__file__).parent.parent
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "HOME": str(cwd)},
    )  # fmt: skip


def test_a_second_build_changes_nothing_and_a_clean_one_is_equal(shop: BuildOptions) -> None:
    first = build_site(shop, _say)
    assert first.changed > first.pages > 20
    again = build_site(shop, _say)
    assert (again.changed, again.pages) == (0, first.pages)
    clean = build_site(replace(shop, clean=True, site_dir=shop.site_dir.with_name("clean")), _say)
    assert clean.pages == first.pages
    assert (shop.site_dir / TOKEN).read_bytes() == (shop.site_dir.with_name("clean") / TOKEN).read_bytes()


def test_one_changed_function_rewrites_only_pages_that_show_it(shop: BuildOptions) -> None:
    build_site(shop, _say)
    before = json.loads((shop.site_dir / TOKEN).read_text())["files"]
    path = shop.sources[0] / "deep" / "inner.py"
    path.write_text(path.read_text().replace("return 2", "return 3"))
    build_site(shop, _say)
    after = json.loads((shop.site_dir / TOKEN).read_text())["files"]
    changed = {name for name in after if before.get(name) != after[name]}
    assert {"modules/pkg.deep.inner.html", "symbols/pkg.deep.inner.work.html", "data/inventory.json"} <= changed
    assert not [name for name in changed if name.startswith("symbols/") and "deep" not in name]


def test_a_removed_module_takes_its_pages_away(shop: BuildOptions) -> None:
    build_site(shop, _say)
    assert (shop.site_dir / "modules/pkg.unused.html").exists()
    (shop.sources[0] / "unused.py").unlink()
    build_site(shop, _say)
    assert not (shop.site_dir / "modules/pkg.unused.html").exists()


def test_a_failed_build_leaves_the_site_whole(shop: BuildOptions) -> None:
    build_site(shop, _say)
    before = {path: path.read_bytes() for path in shop.site_dir.rglob("*") if path.is_file()}
    with pytest.raises(CovatlasError, match="no profile data"):
        build_site(replace(shop, coverage_dir=shop.coverage_dir / "nowhere"), _say)
    assert before == {path: path.read_bytes() for path in shop.site_dir.rglob("*") if path.is_file()}


def test_the_projects_own_mkdocs_yml_is_used(shop: BuildOptions, tmp_path: Path) -> None:
    write(tmp_path / "docs" / "index.md", b"# Start\n")
    write(tmp_path / "docs" / "how.md", b"# How\n\n[the matrix](matrix/index.html)\n")
    write(tmp_path / "mkdocs.yml", b"site_name: Own\ntheme: {name: material, font: false}\nplugins: [covatlas]\n")
    build_site(replace(shop, title=""), _say)
    assert "<title>Map · Own</title>" in (shop.site_dir / "index.html").read_text()
    assert 'href="../matrix/"' in (shop.site_dir / "how/index.html").read_text()
    write(tmp_path / "mkdocs.yml", b"site_name: Own\ntheme: {name: material}\n")
    with pytest.raises(CovatlasError, match=r"add `- covatlas`"):
        build_site(shop, _say)
    write(tmp_path / "mkdocs.yml", b"site_name: [\n")
    with pytest.raises(CovatlasError, match="mkdocs"):
        build_site(shop, _say)


def test_the_site_may_not_mix_with_its_input(shop: BuildOptions) -> None:
    for folder in (shop.sources[0], shop.sources[0] / "site", shop.coverage_dir):
        with pytest.raises(CovatlasError, match="choose another --site-dir"):
            build_site(replace(shop, site_dir=folder), _say)
    with pytest.raises(CovatlasError, match="did not make"):
        build_site(replace(shop, site_dir=shop.sources[0].parent), _say)


def test_no_page_says_how_many_percent_of_no_lines(shop: BuildOptions) -> None:
    write(shop.sources[0].parent / "bare" / "__init__.py", b"")
    build_site(replace(shop, sources=(shop.sources[0].parent / "bare",)), _say)
    profile = (shop.site_dir / "profiles/alpha.html").read_text()
    assert "<b>–</b><span>of lines, 0 of 0</span>" in profile
    assert "<b>–</b><span>of lines, 0 of 0</span>" in (shop.site_dir / "index.html").read_text()


def test_the_build_command_reports_on_stderr(shop: BuildOptions, tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", b'[tool.covatlas]\nsource = ["pkg"]\ncoverage-dir = "data"\n')
    done = _covatlas("build", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.splitlines()[-1].startswith("Built ") and done.stderr.endswith(": site\n")
    assert "<title>Map · pkg</title>" in (tmp_path / "site/index.html").read_text()
    assert ", 0 files changed, " in _covatlas("build", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--source", "nowhere"], "does not exist"),
        ([], "no source directory is named"),
        (["--source", "pkg", "--coverage-dir", "nowhere"], "no profile data"),
        (["--source", "pkg", "--coverage-dir", "data/alpha.coverage"], "is not a directory; name one"),
        (["--source", "pkg", "--coverage-config", "no.ini"], "coverage config"),
        (["--source", "pkg", "--repo-url", "javascript:alert(1)"], "not a web address"),
        (["--source", "pkg", "--site-dir", "data/alpha.coverage"], "not a directory"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(folder: Path, args: list[str], sentence: str) -> None:
    done = _covatlas("build", *(args if "--coverage-dir" in args else ["--coverage-dir", "data", *args]), cwd=folder)
    assert done.returncode == 2 and done.stdout == ""
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_options_have_their_defaults(tmp_path: Path) -> None:
    write(tmp_path / "coverage.profile-playback.ini", b"[run]\n")
    made = options_from({"source": ["a", "b"], "coverage-dir": "d", "source-prefix": "src"}, tmp_path)
    assert made.sources == (tmp_path / "a", tmp_path / "b") and made.site_dir == tmp_path / "site"
    assert made.coverage_config == tmp_path / "coverage.profile-playback.ini" and made.source_prefix == "src/"


def test_a_build_says_what_is_wrong_with_its_data_also_when_it_has_nothing_to_do(
    shop: BuildOptions, tmp_path: Path
) -> None:
    write(tmp_path / "pyproject.toml", b'[tool.covatlas]\nsource = ["pkg"]\ncoverage-dir = "data"\n')
    write(tmp_path / "data" / "alpha.coverage", b"")
    write(tmp_path / "data" / "beta.coverage", b"SQLite format 3\0 and no more of it")
    for _ in range(2):
        done = _covatlas("build", cwd=tmp_path)
        said = done.stderr.splitlines()[:-1]
        assert done.returncode == 0 and len(said) == 3, said
        assert said[0] == "profile alpha failed: alpha.coverage: the data file is empty; play the profile again"
        assert said[1].startswith("profile beta failed: beta.coverage: not a readable coverage.py data file")
        assert said[2].startswith("profile gamma failed: POST /cart: no answer")
