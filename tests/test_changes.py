"""sitegen.changes: the home page says what changed since the night before, and only then."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from instrument.record import read_record, write_record
from sitegen.changes import FEW, Changes, changes_of
from sitegen.model import Matrix, Previous, PreviousProfile, ProfileHead, Summary
from sitegen.site import build_site
from tests.site_support import Html, project

SUMMARY = Summary(0, 0, 0, 0, 0, 0, 0.0)


def words(page: Path) -> str:
    content = page.read_text().partition("<article")[2].partition("</article>")[0]
    return " ".join("".join(Html(f"<article{content}</article>").text).split())


def head(slug: str, status: str = "passed") -> ProfileHead:
    return ProfileHead(slug, "", "", status, None, None, None, 1, (), (), ())  # type: ignore[arg-type]


def test_lost_gained_and_profiles_that_fare_otherwise() -> None:
    symbols = ("m", "m.kept", "m.new", "m.lost")
    matrix = Matrix(("a", "b", "new"), symbols, ((0, 1), (2,), ()), ((), (), ()), (SUMMARY,) * 3)
    old = tuple((name, "function", "") for name in ("m", "m.kept", "m.lost", "m.gone"))
    profiles = (
        PreviousProfile("a", "passed", 0b0111),
        PreviousProfile("b", "passed", 0),
        PreviousProfile("c", "passed", 8),
    )
    heads = (head("a"), head("b", "failed"), head("new"))
    found = changes_of(Previous("c0ffee", old, profiles, ()), heads, matrix, dict.fromkeys(symbols, "function"))  # type: ignore[arg-type]
    assert found == Changes(
        night="",
        commit="c0ffee",
        lost=(("m.gone", ""), ("m.lost", "function")),
        gained=(("m.new", "function"),),
        all_lost=2,
        all_gained=1,
        profiles=(("b", "passed", "failed"), ("c", "passed", ""), ("new", "", "passed")),
    )
    assert found.missing == ("c",)


def test_of_many_only_a_few_are_named_and_all_are_counted() -> None:
    symbols = tuple(f"m.f{number:02}" for number in range(20))
    matrix = Matrix(("a",), symbols, (tuple(range(20)),), ((),), (SUMMARY,))
    found = changes_of(Previous(None, (), (), ()), (head("a"),), matrix, {})
    assert (len(found.gained), found.all_gained, found.all_lost) == (FEW, 20, 0)


def test_home_tells_it_after_a_build_that_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = project(tmp_path)
    build_site(options, lambda message: None)
    home = options.site_dir / "index.html"
    assert "Since the night before" not in words(home)
    shutil.copytree(options.site_dir, tmp_path / "before")
    (options.coverage_dir / "beta.coverage").unlink()
    record = read_record(options.coverage_dir, "alpha")
    assert record is not None
    write_record(options.coverage_dir, replace(record, status="failed"))
    build_site(replace(options, previous=tmp_path / "before"), lambda message: None)
    shown = words(home)
    assert "−10 symbols lost" in shown and "No symbol gained" in shown
    assert "alpha: passed → failed" in shown and "beta: unknown → missing" in shown
    assert "missing, though the night before had it: beta" in shown
    incremental = home.read_bytes()
    build_site(replace(options, previous=tmp_path / "before", clean=True), lambda message: None)
    assert home.read_bytes() == incremental
