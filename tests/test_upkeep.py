"""`covatlas verify`, `covatlas gc` and `covatlas build --explain`: what is kept is whole, small and explained."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from instrument.errors import CovatlasError, Finding
from sitegen.entries import entry_path
from sitegen.explain import explained
from sitegen.generate import BuildOptions, new_staging, present_in
from sitegen.index import Index
from sitegen.publish import TOKEN
from sitegen.site import build_site
from sitegen.statcache import memory_of
from sitegen.upkeep import collect, verify
from tests.site_support import project

PAGE = "symbols/pkg.deep.inner.work.html"


def _say(message: str) -> None:
    """Take a message."""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildOptions:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sitegen.generate.toolchain", lambda: "t")  # others may be editing this checkout's code
    options = project(tmp_path)
    build_site(options, _say)
    return options


def _edit(shop: BuildOptions, new: str) -> None:
    (shop.sources[0] / "deep" / "inner.py").write_text(f"def work():\n    return {new}\n")


def test_a_whole_site_and_cache_are_said_to_be_whole(shop: BuildOptions) -> None:
    said: list[str] = []
    verify(shop, said.append)
    assert len(said) == 1 and "are whole" in said[0]


@pytest.mark.parametrize("damage", ["edit", "delete", "token", "cache"])
def test_what_is_not_as_it_should_be_is_found_and_a_build_mends_it(shop: BuildOptions, damage: str) -> None:
    path = shop.site_dir / PAGE
    if damage == "edit":
        stat = path.stat()
        path.write_bytes(path.read_bytes().replace(b"work", b"WORK"))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif damage == "delete":
        path.unlink()
    elif damage == "token":
        (shop.site_dir / TOKEN).write_bytes(b"{}")
    else:
        path = next(item for item in (shop.cache_dir / "stages/values").rglob("*") if item.is_file())
        path.write_bytes(path.read_bytes()[:-1])
    said: list[str] = []
    with pytest.raises(Finding, match="mend them with: covatlas build"):
        verify(shop, said.append)
    assert len(said) == 1
    build_site(shop, _say)
    collect(shop, None)
    verify(shop, _say)


def test_gc_keeps_what_the_last_builds_used(shop: BuildOptions) -> None:
    for new in ("3", "4", "5", "6", "7"):
        _edit(shop, new)
        build_site(shop, _say)
    (shop.cache_dir / "stages/values/zz").mkdir()
    (shop.cache_dir / "stages/values/zz/left.tmp").write_text("x")
    done = collect(shop, None)
    assert done.removed > 0 and done.temporary == 1
    assert build_site(shop, _say).fates == {}
    assert collect(shop, None).removed == 0
    small = collect(shop, done.size - 1)
    assert small.size < done.size
    assert collect(shop, 0).kept == 0
    again = build_site(shop, _say)
    assert again.changed == 0  # an empty cache makes the same bytes


def test_gc_keeps_what_builds_only_looked_up_with_others(shop: BuildOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sitegen.shelves.SHELF", 3)
    for new in ("3", "4", "5", "6", "7"):
        _edit(shop, new)
        build_site(shop, _say)
    collect(shop, None)
    cart = shop.sources[0] / "cart.py"
    cart.write_text(cart.read_text() + "\n\ndef more():\n    return 1\n")
    report = build_site(shop, _say)
    made = {path for path, fate in report.fates.items() if fate != "same" and path.startswith(("modules/", "symbols/"))}
    assert made and all(path.partition("/")[2].startswith("pkg.cart.") for path in made)


def test_what_was_seen_of_the_site_is_kept_also_by_a_build_that_changes_nothing(shop: BuildOptions) -> None:
    memory = memory_of(shop.cache_dir, shop.site_dir)
    memory.write_bytes(b"damaged")
    assert present_in(shop).read > 20 and build_site(shop, _say).changed == 0
    assert present_in(shop).read == 1  # the token: or every build from now on would read the whole site


def test_gc_of_no_cache_does_nothing(shop: BuildOptions) -> None:
    assert collect(replace(shop, cache_dir=shop.cache_dir / "none"), None).kept == 0


def test_every_build_explains_itself(shop: BuildOptions) -> None:
    _edit(shop, "3")
    report = build_site(shop, _say)
    assert report.causes == ("source pkg/deep/inner.py changed",)
    told = json.loads(explained(report, "", "json"))
    fates = {item["page"]: item["fate"] for item in told["pages"]}
    assert fates[PAGE] == fates["modules/pkg.deep.inner.html"] == "made"
    assert {path for path, fate in fates.items() if fate == "made"} <= set(report.written)
    assert explained(report, PAGE, "text").splitlines()[-1].startswith(f"made     {PAGE}: rendered")
    other = "symbols/pkg.imported.not_called.html"
    assert "no input that could reach it changed" in explained(report, other, "text")
    with pytest.raises(CovatlasError, match="the site has no"):
        explained(report, "symbols/none.html", "text")
    (shop.site_dir / PAGE).unlink()
    assert build_site(shop, _say).fates[PAGE] == "restored"


def test_a_changed_page_is_rendered_and_no_other(shop: BuildOptions) -> None:
    _edit(shop, "3")
    report = build_site(shop, _say)
    changed = {path for path in report.written if path.endswith(".html")}
    assert {path for path, fate in report.fates.items() if fate == "made"} == changed


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_the_bytes_do_not_depend_on_the_number_of_processes(
    shop: BuildOptions, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitegen.parallel.FEWEST", 1)
    other = replace(shop, site_dir=shop.site_dir.with_name("other"), cache_dir=shop.cache_dir.with_name("c"), jobs=jobs)
    build_site(other, _say)
    assert (other.site_dir / TOKEN).read_bytes() == (shop.site_dir / TOKEN).read_bytes()


@pytest.mark.parametrize("writable", [True, False])
def test_a_new_staging_folder_takes_the_place_of_those_of_killed_builds(
    tmp_path: Path, writable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cache = tmp_path / "cache"
    if not writable:
        cache.write_bytes(b"no directory")
    parent, prefix = (cache, "staging-") if writable else (tmp_path, "covatlas-staging-")
    dead, alive = parent / f"{prefix}99999999-x", parent / f"{prefix}{os.getppid()}-x"
    for left in (dead, alive):
        left.mkdir(parents=True)
    made = new_staging(cache)
    assert made.parent == parent and not dead.exists() and alive.exists()
    assert made.name.startswith(f"{prefix}{os.getpid()}-")


@pytest.mark.parametrize("torn", [False, True])
def test_a_cache_of_another_version_or_python_is_a_miss_and_no_error(
    shop: BuildOptions, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    monkeypatch.setattr("sitegen.generate.toolchain", lambda: "another")
    if torn:
        (shop.site_dir / PAGE).unlink()
    report = build_site(shop, _say)
    assert report.changed == torn and report.made > 20  # all is made anew, and the same
    verify(shop, _say)
    monkeypatch.setattr("sitegen.generate.toolchain", lambda: "t")
    again = build_site(shop, _say)  # both have their place in the cache
    assert (again.changed, again.made) == (0, 0)


def test_records_of_the_index_survive_torn_writes(tmp_path: Path) -> None:
    index = Index(tmp_path / "index")
    index.put("aa" * 32, "bb" * 32)
    index.flush()
    with (tmp_path / "index").open("ab") as file:
        file.write(b"torn")
    index = Index(tmp_path / "index")
    index.put("cc" * 32, "dd" * 32)
    index.flush()
    assert dict(Index(tmp_path / "index").items()) == {"aa" * 32: "bb" * 32, "cc" * 32: "dd" * 32}
    assert not entry_path(tmp_path, "bb" * 32).exists()
