"""sitegen.address: addresses are injective, safe on every disk and a function of the id alone."""

from __future__ import annotations

import posixpath
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.address import MAX_LENGTH, file_stem, link, profile_path, symbol_path, url_of

_SEGMENT = st.one_of(
    st.sampled_from(
        ["field", "Field", "FIELD", "nul", "NUL", "con", "com1", "<locals>", "twice~2", "index", "", "ß", "SS"]
    ),
    st.text(alphabet="abAB_1.-<>~éİ/\\ ", max_size=6),
    st.text(max_size=4),
)
IDS = st.one_of(st.lists(_SEGMENT, min_size=1, max_size=4).map(".".join), st.text(min_size=100, max_size=140))


@given(st.lists(IDS, min_size=2, max_size=2, unique=True))
def test_different_ids_have_different_addresses_on_a_disk_that_ignores_case(ids: list[str]) -> None:
    first, second = map(file_stem, ids)
    assert first.casefold() != second.casefold()


@given(IDS)
def test_an_address_is_safe_on_every_disk(identity: str) -> None:
    stem = file_stem(identity)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", stem)
    assert len(stem) <= MAX_LENGTH
    assert not stem.startswith(".") and stem != "index"
    devices = {"con", "prn", "aux", "nul", *(f"{k}{n}" for k in ("com", "lpt") for n in range(10))}
    assert not devices & {segment.lower() for segment in f"{stem}.html".split(".")}


@pytest.mark.parametrize(
    "plain", ["pkg", "pkg.climate", "pkg.climate.build_all", "pkg._private.__main__", "a" * MAX_LENGTH]
)
def test_a_plain_name_stays_as_it_is(plain: str) -> None:
    assert file_stem(plain) == plain


@pytest.mark.parametrize(
    ("odd", "start"),
    [
        ("pkg.Field", "pkg.Field-"),
        ("pkg.f.<locals>.g", "pkg.f._locals_.g-"),
        ("pkg.twice~2", "pkg.twice_2-"),
        ("pkg.nul", "pkg._nul-"),
        ("pkg.größe", "pkg.gr__e-"),
        ("pkg.my-script", "pkg.my-script-"),
        ("index", "index-"),
        ("b" * 121, "b" * 111 + "-"),
    ],
)  # fmt: skip
def test_an_odd_name_gets_a_digest(odd: str, start: str) -> None:
    stem = file_stem(odd)
    assert stem.startswith(start)
    assert re.fullmatch(r"[0-9a-f]{8}", stem.removeprefix(start))


def test_a_module_and_a_function_of_the_same_name_do_not_meet() -> None:
    assert symbol_path("pkg.climate", "module") == "modules/pkg.climate.html"
    assert symbol_path("pkg.climate", "function") == "symbols/pkg.climate.html"
    assert profile_path("us-small") == "profiles/us-small.html"


@pytest.mark.parametrize("source", ["index.html", "matrix/index.html", "symbols/a.html", "data/profiles/x.json"])
@pytest.mark.parametrize("target", ["index.html", "matrix/index.html", "symbols/a.b.html", "symbols/b.html"])
def test_a_link_leads_from_page_to_page(source: str, target: str) -> None:
    shown = posixpath.normpath(posixpath.join("/site", posixpath.dirname(source), link(source, target)))
    assert shown == posixpath.normpath(posixpath.join("/site", url_of(target)))
    assert link(source, target).endswith("/") == target.endswith("index.html")
