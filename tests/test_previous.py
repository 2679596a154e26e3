"""sitegen.previous: the site of the night before is read with care; the address of what is gone says where it went."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from instrument.errors import CovatlasError
from sitegen.generate import BuildOptions
from sitegen.model import Gone, Previous
from sitegen.previous import MAX_GONE, MAX_NOW, find_gone, gone_artifact, read_previous
from sitegen.publish import TOKEN
from sitegen.redirects import gone_sheets
from sitegen.site import build_site
from tests.atlas_support import record, write
from tests.site_support import HOSTILE, Html

Now = tuple[tuple[str, str], ...]


def _quiet(message: str) -> None:
    """Take a message."""


def _loud(message: str) -> None:
    pytest.fail(message)


def _previous(*symbols: tuple[str, str, str], gone: tuple[Gone, ...] = ()) -> Previous:
    return Previous("old", symbols, (), gone)


def _found(previous: Previous, *now: tuple[str, str, str]) -> dict[str, Now]:
    return {item.id: item.now for item in find_gone(previous, (now,), "new")}


# ── what is gone ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_gone_symbol_is_found_by_its_code() -> None:
    previous = _previous(
        ("p", "module", "0"), ("p.a", "function", "1"), ("p.b", "function", "2"), ("p.kept", "function", "3"),
        ("p.C", "class", "4"), ("p.C.m", "method", "5"),
    )  # fmt: skip
    now = (
        ("p", "module", "9"), ("p.renamed", "function", "1"), ("p.kept", "function", "7"), ("q.C", "class", "4"),
        ("q.C.m", "method", "5"), ("q.m2", "function", "5"),
    )  # fmt: skip
    assert _found(previous, *now) == {
        "p.a": (("p.renamed", "function"),),
        "p.b": (),
        "p.C": (("q.C", "class"),),
        "p.C.m": (("q.C.m", "method"),),  # of two places with the same code, the one of its own name
    }


def test_only_new_symbols_take_over_and_not_too_many() -> None:
    previous = _previous(("p.a", "function", "1"), ("p.twin", "function", "1"))
    assert _found(previous, ("p.twin", "function", "1")) == {"p.a": ()}
    many = [(f"p.n{n}", "function", "1") for n in range(MAX_NOW + 1)]
    assert _found(_previous(("p.a", "function", "1")), *many) == {"p.a": ()}
    assert len(_found(_previous(("p.a", "function", "1")), *many[:-1])["p.a"]) == MAX_NOW


def test_an_address_that_still_leads_somewhere_is_not_gone() -> None:
    assert _found(_previous(("p.a", "function", "1")), ("p.a", "class", "2")) == {}
    assert _found(_previous(("p.a", "module", "1")), ("p.a", "function", "2")) == {"p.a": (("p.a", "function"),)}


def test_later_nights_follow_what_moves_on_and_forget_what_comes_back() -> None:
    gone = (
        Gone("p.a", "function", "1", "x", "y", (("p.b", "function"),)),
        Gone("p.back", "function", "2", "x", "y", ()),
        Gone("p.lost", "function", "3", "x", "y", (("p.gone_too", "function"),)),
    )
    previous = _previous(("p.b", "function", "5"), gone=gone)
    found = find_gone(previous, ((("p.c", "function", "5"), ("p.back", "function", "8")),), "new")
    assert {item.id: (item.last, item.since, item.now) for item in found} == {
        "p.b": ("old", "new", (("p.c", "function"),)),
        "p.a": ("x", "y", (("p.c", "function"),)),
        "p.lost": ("x", "y", ()),
    }
    assert find_gone(_previous(("p.b", "function", "5"), gone=gone), ((("p.b", "function", "6"),),), "new")[0].now == (
        ("p.b", "function"),
    )


def test_the_number_of_kept_addresses_is_bounded_and_the_oldest_go() -> None:
    gone = tuple(Gone(f"p.old{n}", "function", "1", None, None, ()) for n in range(MAX_GONE))
    found = find_gone(_previous(("p.a", "function", "2"), gone=gone), ((("p", "module", "3"),),), "new")
    assert len(found) == MAX_GONE and found[0].id == "p.a" and found[-1].id == f"p.old{MAX_GONE - 2}"


def test_a_page_says_how_it_went() -> None:
    now = (("p.b", "function"), ("q.a", "function"), ("q.b", "function"), ("p.a", "module"))
    (sheet,) = gone_sheets((Gone("p.a", "function", "1", "x", "y", now),))
    assert [how for how, _, _ in sheet.view.now] == [
        "renamed", "moved", "moved and renamed", "became another kind of symbol"
    ]  # fmt: skip
    assert (sheet.path, sheet.view.now[3][1]) == ("symbols/p.a.html", "../modules/p.a.html")


# ── nights ───────────────────────────────────────────────────────────────────────────────────────────────────────

FIRST = {
    "__init__.py": "",
    "a.py": "class Old:\n    def m(self):\n        return 1\n\n\ndef removed():\n    return 2\n\n\n"
    "def kept():\n    return 3\n",
    "b.py": "def here():\n    return 4\n",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildOptions:
    monkeypatch.chdir(tmp_path)
    for name, text in FIRST.items():
        write(tmp_path / "pkg" / name, text.encode())
    record(tmp_path, "alpha", "from pkg.a import Old, kept\nOld().m()\nkept()\n")
    return BuildOptions((tmp_path / "pkg",), tmp_path / "data", tmp_path / "site", tmp_path / "cache")


def _night(options: BuildOptions, number: int, previous: int | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Build a night incrementally; with an earlier one also clean, and compare; return a copy of the site."""
    monkeypatch.setenv("GITHUB_SHA", f"{min(number, 4)}" * 40)  # the fifth differs from the fourth in `previous` alone
    root = options.site_dir.parent
    options = replace(options, previous=root / f"night{previous}" if previous is not None else None)
    report = build_site(options, _loud)
    assert "previous site changed" in report.causes or number == 1, report.causes
    if previous is not None:
        clean = replace(options, clean=True, site_dir=root / "clean")
        build_site(clean, _loud)
        assert (options.site_dir / TOKEN).read_bytes() == (clean.site_dir / TOKEN).read_bytes()
    return shutil.copytree(options.site_dir, root / f"night{number}")


def _text(site: Path, path: str) -> str:
    article = (site / path).read_text().partition("<article")[2].partition("</article>")[0]
    return "".join(Html(article.partition(">")[2]).text)


def test_addresses_lead_on_night_after_night(shop: BuildOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    package = shop.sources[0]
    first = _night(shop, 1, None, monkeypatch)
    old, method = (next((first / "symbols").glob(f"pkg.a.{name}-*.html")).name for name in ("Old", "Old.m"))
    source = (package / "a.py").read_text()
    write(package / "a.py", source.replace("Old", "New").replace("def removed():\n    return 2\n\n\n", "").encode())
    write(package / "c.py", FIRST["b.py"].encode())
    (package / "b.py").unlink()
    second = _night(shop, 2, 1, monkeypatch)
    assert "No longer in the source since commit 222222222222; the map of commit 111111111111 was the last" in _text(
        second, f"symbols/{old}"
    )
    assert "renamed: pkg.a.New" in _text(second, f"symbols/{old}")
    assert "pkg.a.New.m" in _text(second, f"symbols/{method}")
    assert "moved: pkg.c.here" in _text(second, "symbols/pkg.b.here.html")
    assert "renamed: pkg.c" in _text(second, "modules/pkg.b.html")
    assert "where it went, if anywhere, is not known" in _text(second, "symbols/pkg.a.removed.html")
    listed = json.loads((second / "data/gone.json").read_bytes())["symbols"]
    assert {item["id"] for item in listed} == {"pkg.a.Old", "pkg.a.Old.m", "pkg.a.removed", "pkg.b", "pkg.b.here"}
    write(
        package / "a.py",
        (package / "a.py").read_text().replace("New", "Newer").replace("return 3", "return 5").encode(),
    )
    third = _night(shop, 3, 2, monkeypatch)
    assert "renamed: pkg.a.Newer" in _text(third, f"symbols/{old}")
    assert "since commit 222222222222" in _text(third, f"symbols/{old}")
    write(package / "b.py", FIRST["b.py"].encode())
    fourth = _night(shop, 4, 3, monkeypatch)
    assert "No longer" not in _text(fourth, "symbols/pkg.b.here.html")
    assert (fourth / f"symbols/{old}").exists()
    fifth = _night(shop, 5, None, monkeypatch)
    assert (
        not (fifth / f"symbols/{old}").exists() and json.loads((fifth / "data/gone.json").read_bytes())["symbols"] == []
    )


def test_the_value_holds_what_a_comparison_needs(shop: BuildOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    night = _night(shop, 1, None, monkeypatch)
    previous = read_previous(night, shop.site_dir, _loud)
    assert previous is not None and previous.commit == "1" * 40
    (profile,) = previous.profiles
    covered = {name for index, (name, _, _) in enumerate(previous.symbols) if profile.covered >> index & 1}
    assert (profile.slug, profile.status) == ("alpha", "unknown")
    assert covered == {"pkg.a", "pkg.a.Old", "pkg.a.Old.m", "pkg.a.kept"}
    kinds = {name: kind for name, kind, _ in previous.symbols}
    assert (kinds["pkg.a"], kinds["pkg.a.Old"], kinds["pkg.a.Old.m"]) == ("module", "class", "method")


def _edit(name: str, change: Callable[[Any], object]) -> Callable[[Path], object]:
    def edit(site: Path) -> None:
        path = site / "data" / f"{name}.json"
        value = json.loads(path.read_bytes())
        change(value)
        path.write_text(json.dumps(value))

    return edit


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda site: shutil.rmtree(site / "data"),
    "cut": lambda site: (site / "data/inventory.json").write_bytes((site / "data/inventory.json").read_bytes()[:-9]),
    "no object": lambda site: (site / "data/matrix.json").write_bytes(b"[]"),
    "bytes": lambda site: (site / "data/build.json").write_bytes(b"\xff\xfe"),
    "schema": _edit("inventory", lambda value: value.update(schema=2)),
    "kind": _edit("inventory", lambda value: value["files"][0]["symbols"][0].update(kind="script")),
    "a number for an id": _edit("inventory", lambda value: value["files"][0]["symbols"][0].update(id=1)),
    "an unknown symbol": _edit("matrix", lambda value: value["symbols"].append("pkg.nowhere")),
    "an index beyond": _edit("matrix", lambda value: value["covered"]["alpha"].append(10**6)),
    "a negative index": _edit("matrix", lambda value: value["covered"]["alpha"].append(-1)),
    "a text for an index": _edit("matrix", lambda value: value["covered"]["alpha"].append("0")),
    "gone": _edit("gone", lambda value: value.update(symbols=[{"id": "x"}])),
    "gone twice over": _edit("gone", lambda value: value.update(symbols={"id": "x"})),
    "a commit": _edit("build", lambda value: value.update(commit=["x"])),
}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a night, which tests copy."""
    root = tmp_path_factory.mktemp("night")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write(root / "pkg" / "a.py", FIRST["a.py"].encode())
        record(root, "alpha", "from pkg.a import kept\nkept()\n")
        build_site(BuildOptions((root / "pkg",), root / "data", root / "site", root / "cache"), _loud)
    return root / "site"


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_night_is_left_out_with_one_sentence(night: Path, tmp_path: Path, damage: str) -> None:
    copy = shutil.copytree(night, tmp_path / "night")
    assert read_previous(copy, None, _loud) is not None
    DAMAGE[damage](copy)
    said: list[str] = []
    assert read_previous(copy, None, said.append) is None
    assert len(said) == 1 and "holds no map that can be read" in said[0] and "\n" not in said[0]


def test_a_wrong_directory_is_refused(night: Path, tmp_path: Path) -> None:
    with pytest.raises(CovatlasError, match="is no directory") as refused:
        read_previous(tmp_path / "nowhere", None, _loud)
    assert refused.value.exit_code == 2
    with pytest.raises(CovatlasError, match="is the one to be built"):
        read_previous(night, night.parent / "." / "site", _loud)


def test_names_of_an_earlier_site_are_text(shop: BuildOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    night = _night(shop, 1, None, monkeypatch)
    gone = (
        Gone(f"pkg.{HOSTILE}", "function", "1", HOSTILE, HOSTILE, ()),
        Gone("../../x", "module", "", None, None, ()),
    )
    (night / "data/gone.json").write_bytes(gone_artifact(gone).data)
    second = _night(shop, 2, 1, monkeypatch)
    page = next(path for path in (second / "symbols").iterdir() if "script" in path.name)
    assert HOSTILE not in page.read_text() and HOSTILE in _text(second, f"symbols/{page.name}")
    assert [path.name.startswith("_") or "x" in path.name for path in (second / "modules").glob("*x-*.html")] == [True]
    assert not (second.parent.parent / "x.html").exists()
