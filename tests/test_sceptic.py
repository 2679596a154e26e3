"""What a sceptic tried: odd input is a sentence or an entry, never a traceback, and what mkdocs reads is never old."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instrument.errors import CovatlasError
from sitegen.coverage_lines import find_fast, find_slow
from sitegen.frames import repeatable
from sitegen.generate import BuildOptions
from sitegen.highlight import highlighted
from sitegen.publish import JOURNAL, TOKEN
from sitegen.scan import Unsure
from sitegen.site import build_site
from sitegen.store import DiskStore
from sitegen.upkeep import collect, verify
from tests.site_support import OWN_CONFIG, project

COMMAND = [sys.executable, "-m", "sitegen.cli", "build", "--source", "pkg", "--coverage-dir", "data"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildOptions:
    monkeypatch.chdir(tmp_path)
    return project(tmp_path)


def build(cwd: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *more], capture_output=True, text=True, cwd=cwd)


def refused(cwd: Path, sentence: str, *more: str) -> None:
    """Expect one sentence and exit code 2."""
    done = build(cwd, *more)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert sentence in done.stderr and done.stderr.count("\n") == 1, done.stderr


def say(message: str) -> None:
    """Say nothing."""


# ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("coding", ["rot13", "hex", "undefined", "idna", "punycode", "zlib"])
def test_a_coding_that_is_no_text_encoding_fails_no_build(shop: BuildOptions, coding: str) -> None:
    (shop.sources[0] / "odd.py").write_bytes(f"# coding: {coding}\nx = 'é'\n".encode())
    assert len(highlighted((shop.sources[0] / "odd.py").read_bytes())) == 2
    build_site(shop, say)
    assert (shop.site_dir / "modules/pkg.odd.html").is_file()


@pytest.mark.parametrize("after", ["        # pragma: no cover\n", "\n", "\t#\n"])
def test_a_continuation_before_a_comment_is_asked_of_coverage(after: str) -> None:
    import ast

    text = f"def f(x):\n    while x: \\\n{after}        x = 0\n        y = 1\n    return x\n"
    try:
        tree = ast.parse(text)
    except SyntaxError:
        pytest.skip("no Python")
    exclude = r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(cover|COVER)"
    try:
        assert find_fast(text, tree, "a.py", exclude) == find_slow(text, "a.py", exclude)
    except Unsure:
        pass


# ── what mkdocs and coverage.py read besides ─────────────────────────────────────────────────────────────────────


def test_a_linked_folder_of_hand_written_pages_is_looked_into(shop: BuildOptions, tmp_path: Path) -> None:
    (tmp_path / "mkdocs.yml").write_text(OWN_CONFIG)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/page.md").write_text("# Old\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/linked").symlink_to("../shared")
    build_site(shop, say)
    (tmp_path / "shared/page.md").write_text("# New\n")
    build_site(shop, say)
    assert "New</h1>" in (shop.site_dir / "linked/page/index.html").read_text()


@pytest.mark.parametrize(
    ("extension", "sure"),
    [("toc", True), ("pymdownx.superfences", True), ("markdown.extensions.extra", True), ("mine", False),
     ("pymdownx.b64", False), ("pymdownx.snippets", False)],
)  # fmt: skip
def test_of_an_unknown_markdown_extension_nobody_knows_what_it_reads(extension: str, sure: bool) -> None:
    class Theme:
        custom_dir = None

    class Config:
        plugins = ("search",)
        hooks = ()
        theme = Theme
        markdown_extensions = ("toc", extension)

    assert repeatable(Config, b"") is sure


def test_a_plugin_of_the_coverage_config_is_asked_each_time(shop: BuildOptions, tmp_path: Path) -> None:
    (tmp_path / "cov.ini").write_text("[run]\nplugins = sceptics_plugin\n")
    plugin = tmp_path / "sceptics_plugin.py"
    code = "import coverage\nclass P(coverage.CoveragePlugin):\n    def configure(self, config):\n"
    end = "\ndef coverage_init(reg, options):\n    reg.add_configurer(P())\n"
    found = []
    for pattern in ("tax = ", "nothing"):
        plugin.write_text(code + f"        config.set_option('report:exclude_lines', ['{pattern}'])\n" + end)
        done = subprocess.run([*COMMAND, "--coverage-config", "cov.ini"], env={**os.environ, "PYTHONPATH": "."})
        assert done.returncode == 0
        files = json.loads((shop.site_dir / "data/inventory.json").read_text())["files"]
        found.append([file["excluded_lines"] for file in files if file["path"] == "pkg/cart.py"])
    assert found[0] != found[1]


# ── input that is no input ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "config",
    [b"[run]\nplugins = not_installed\n", b"[paths]\nsource =\n", b"[run]\n# \xff\n"],
    ids=["plugin", "paths", "bytes"],
)
def test_a_coverage_config_that_cannot_be_used_is_named(shop: BuildOptions, tmp_path: Path, config: bytes) -> None:
    (tmp_path / "cov.ini").write_bytes(config)
    refused(tmp_path, "coverage config cov.ini", "--coverage-config", "cov.ini")


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ('[tool.covatlas]\nsite-dir = "a\\u0000b"\n', "site-dir"),
        ('[tool.covatlas]\nsource = ["a\\u0000b"]\n', "source"),
        ('[tool.covatlas]\nrepo-url = "http://["\n', "repo-url"),
        ("tool = 3\n", "[tool]"),
        ("[tool.covatlas]\njobs = -1\n", "jobs"),
    ],
)
def test_a_bad_value_in_pyproject_is_named_with_its_key(
    shop: BuildOptions, tmp_path: Path, toml: str, sentence: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(toml)
    done = subprocess.run([sys.executable, "-m", "sitegen.cli", "build"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert sentence in done.stderr


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), reason="root may read everything")
@pytest.mark.parametrize("what", ["site", "mkdocs.yml", "cov.ini"])
def test_what_may_not_be_read_is_named(shop: BuildOptions, tmp_path: Path, what: str) -> None:
    (tmp_path / "cov.ini").write_text("[run]\n")
    (tmp_path / "mkdocs.yml").write_text(OWN_CONFIG)
    (tmp_path / "docs").mkdir()
    build_site(shop, say)
    (tmp_path / what).chmod(0)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    try:
        command = [*drop, *COMMAND, "--coverage-config", "cov.ini"]
        done = subprocess.run(command, capture_output=True, text=True)
    finally:
        (tmp_path / what).chmod(0o755)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert what in done.stderr


def test_a_page_that_is_not_utf8_is_a_sentence(shop: BuildOptions, tmp_path: Path) -> None:
    (tmp_path / "mkdocs.yml").write_text(OWN_CONFIG)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_bytes(b"# \xff\n")
    done = build(tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr


def test_the_map_s_name_is_text_on_hand_written_pages_too(shop: BuildOptions) -> None:
    done = build(shop.site_dir.parent, "--title", 'A "<script>x</script>')
    assert done.returncode == 0, done.stderr
    for page in ("words/index.html", "index.html", "404.html"):
        assert "<script>x" not in (shop.site_dir / page).read_text()


# ── the site and the cache ───────────────────────────────────────────────────────────────────────────────────────


def test_a_link_or_file_where_pages_lie_is_refused_and_nothing_is_written_through_it(
    shop: BuildOptions, tmp_path: Path
) -> None:
    build_site(shop, say)
    outside = tmp_path / "outside"
    (shop.site_dir / "symbols").rename(outside)
    for path in outside.iterdir():
        path.unlink()
    (shop.site_dir / "symbols").symlink_to(outside)
    with pytest.raises(CovatlasError, match=r"symbols: .* move it away"):
        build_site(shop, say)
    assert list(outside.iterdir()) == []


def test_gc_and_verify_mend_and_name_what_lies_in_the_cache_by_mistake(shop: BuildOptions) -> None:
    build_site(shop, say)
    stages = shop.cache_dir / "stages"
    (stages / "used/1bak").write_text("")
    (stages / "values/zz").write_text("x")
    (stages / "values/02").mkdir(exist_ok=True)
    (stages / "values/02/folder").mkdir()
    build_site(shop, say)
    DiskStore(stages, "t", say).note_use()
    with pytest.raises(CovatlasError):
        verify(shop, say)
    collect(shop, None)
    verify(shop, say)


@pytest.mark.parametrize("kind", ["empty", "link", "folder", "no token", "journal"])
def test_whatever_stands_where_the_token_was_is_mended(shop: BuildOptions, kind: str) -> None:
    build_site(shop, say)
    token = shop.site_dir / TOKEN
    if kind == "journal":
        (shop.site_dir / JOURNAL).write_text("")
    else:
        token.rename(shop.site_dir.parent / "token")
    if kind == "empty":
        token.write_text("")
    elif kind == "link":
        token.symlink_to(shop.site_dir.parent / "token")
    elif kind == "folder":
        token.mkdir()
    (shop.sources[0] / "new.py").write_text("def other():\n    return 1\n")
    if kind == "folder":
        with pytest.raises(CovatlasError):
            build_site(shop, say)
        token.rmdir()
    build_site(shop, say)
    verify(shop, say)


def test_verify_does_not_wait_for_a_pipe(shop: BuildOptions) -> None:
    build_site(shop, say)
    (shop.site_dir / "index.html").unlink()
    os.mkfifo(shop.site_dir / "index.html")
    with pytest.raises(CovatlasError):
        verify(shop, say)


def test_two_builds_at_once_leave_a_whole_site(shop: BuildOptions, tmp_path: Path) -> None:
    """The first is stopped in the midst of its publication; the second waits for it, and its site is the last."""
    for number in range(400):
        (shop.sources[0] / f"m{number}.py").write_text(f"def one_{number}():\n    return 1\n")
    first = subprocess.Popen(COMMAND, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (shop.site_dir / JOURNAL).exists():
        assert time.monotonic() < end and first.poll() is None
    first.send_signal(signal.SIGSTOP)
    (shop.sources[0] / "m1.py").write_text("def one_1():\n    return 1\n\ndef two():\n    return 2\n")
    second = subprocess.Popen(COMMAND, stderr=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(4)
    first.send_signal(signal.SIGCONT)
    assert (first.wait(60), second.wait(60)) == (0, 0)
    verify(shop, say)
    assert (shop.site_dir / "symbols/pkg.m1.two.html").is_file()
    assert build(tmp_path).stderr.count(", 0 files changed") == 1
