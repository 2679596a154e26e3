"""The nights so far: what each record says, how it is carried and bounded, and what the page makes of it."""

from __future__ import annotations

import functools
import http.server
import json
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from sitegen import history
from sitegen.address import symbol_path
from sitegen.history import history_artifact, nights_of, read_history, told, totals_of
from sitegen.model import Matrix, Night, Previous, PreviousProfile, ProfileHead, Summary
from sitegen.site import build_site
from sitegen.trends import trends_sheet
from tests.night_support import DRIVERS, project
from tests.site_support import project as shop

SUMMARY = Summary(1, 1, 0, 1, 5, 10, 50.0)


def night(number: int, **changes: object) -> Night:
    made = Night(
        f"2026-03-{number:02}T02:00:00Z", "c0ffee", str(number), 4, 2, (("a", "passed", 2, 5),), (("m", 1, 9),)
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def head(recorded: str) -> ProfileHead:
    return ProfileHead("a", "A", "", "passed", None, recorded, 1.0, 1, (), (), ())


def tonight(previous: Previous | None, recorded: str, *covered: int, modules: history.Totals = (("m", 1, 9),)):
    matrix = Matrix(("a",), ("m", "m.f", "m.g"), (covered,), ((),), (SUMMARY,))
    return nights_of(previous, (head(recorded),), matrix, modules)


def carried(nights: tuple[Night, ...], recorded: str) -> tuple[Night, ...]:
    """The nights as the next one reads them."""
    return told(nights, recorded, "c0ffee")


def site_before(covered: int, nights: tuple[Night, ...]) -> Previous:
    symbols = (("m", "module", "d"), ("m.f", "function", "d"), ("m.old", "function", "d"))
    return Previous("c0ffee", symbols, (PreviousProfile("a", "passed", covered),), (), nights)


def test_the_first_night_has_everything_and_no_change() -> None:
    (made,) = tonight(None, "2026-03-01T02:00:00Z", 0, 1)
    assert (made.symbols, made.covered, made.profiles) == (3, 2, (("a", "passed", 2, 5),))
    assert made.modules == (("m", 1, 9),) and made.changes == (0, 0)


FIRST, SECOND, THIRD = (f"2026-03-0{number}T02:00:00Z" for number in (1, 2, 3))


def test_the_next_night_says_what_was_lost_and_gained() -> None:
    before = carried(tonight(None, FIRST, 0, 1), FIRST)
    made = tonight(site_before(0b110, before), SECOND, 0, 2, modules=(("m", 2, 9), ("n", 1, 1)))
    assert made[:-1] == before and before[0].night == FIRST
    assert made[-1].lost == ("m.f", "m.old") and made[-1].gained == ("m", "m.g")
    assert (made[-1].night, made[-1].commit) == ("", None)  # data/build.json says it
    assert made[-1].modules == (("m", 2, 9), ("n", 1, 1))  # both differ from the night before
    third = tonight(site_before(0b1, carried(made, SECOND)), THIRD, 0, modules=(("m", 2, 9),))
    assert third[-1].modules == (("n", 0, 0),) and totals_of(third) == {"m": (2, 9)}


def test_a_map_made_again_of_the_same_playbacks_is_the_same_night() -> None:
    before = tonight(None, FIRST, 0, 1)
    assert tonight(site_before(0b11, carried(before, FIRST)), FIRST, 0, 1) == before
    assert len(tonight(site_before(0b11, carried(before, FIRST)), FIRST, 0)) == 2  # other data, another record
    assert len(tonight(site_before(0b11, carried(before, FIRST)), SECOND, 0, 1)) == 2  # played again


def test_what_is_written_is_read_back() -> None:
    nights = (night(1), night(2, lost=("m.f",), gained=("m.<b>",), more=(3, 4), commit=None))
    assert read_history(history_artifact(nights).data) == nights


WRITTEN = history_artifact([night(1)]).data
REFUSED = [b"", b"[]", b'{"schema": 2, "nights": []}', b'{"schema": 1, "nights": [1]}', b'{"schema": 1}',
           WRITTEN.replace(b'"covered":2', b'"covered":-2'), WRITTEN.replace(b'"c0ffee"', b"{}")]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_history_is_refused(text: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, LookupError)):
        read_history(text)


def test_history_is_bounded_and_keeps_the_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_NIGHTS", 3)
    nights: tuple[Night, ...] = ()
    for number in range(1, 8):
        modules = (("m", number, 9), *((("once", 1, 1),) if number >= 2 else ()))
        recorded = f"2026-03-{number:02}T02:00:00Z"
        nights = carried(tonight(site_before(0b11, nights), recorded, 0, 1, modules=modules), recorded)
    assert [item.night[8:10] for item in nights] == ["05", "06", "07"]
    assert totals_of(nights) == {"m": (7, 9), "once": (1, 1)}
    assert nights[0].modules == (("m", 5, 9), ("once", 1, 1))


def test_long_lists_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_NAMES", 1)
    made = tonight(site_before(0b110, carried(tonight(None, FIRST, 0, 1), FIRST)), SECOND, 0, 2)[-1]
    assert (made.lost, made.gained, made.more, made.changes) == (("m.f",), ("m",), (1, 1), (2, 2))


def test_names_of_all_nights_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_ALL_NAMES", 5)
    nights = tuple(night(number, lost=("m.a",), gained=("m.b",), more=(0, 1)) for number in range(1, 5))
    made = tonight(site_before(0b11, nights), "2026-03-09T02:00:00Z", 0, 2)
    assert [(len(item.lost) + len(item.gained), item.changes) for item in made] == [
        (0, (1, 2)), (0, (1, 2)), (0, (1, 2)), (2, (1, 2)), (2, (1, 1))]  # fmt: skip


def test_each_profile_has_its_curve_where_it_was_there() -> None:
    nights = (
        night(1, profiles=(("a", "passed", 4, 5), ("gone", "passed", 1, 1))),
        night(2, profiles=(("a", "failed", 2, 3), ("b", "passed", 0, 0))),
        night(3, profiles=(("a", "passed", 1, 1), ("b", "passed", 0, 0))),
    )
    a, b = trends_sheet(nights, {}).view.profiles
    assert (a.slug, a.symbols, a.top, a.line, a.failed) == ("a", 1, 4, "0,0.0 60,8.0 120,12.0", 1)
    assert (b.symbols, b.top, b.line) == (0, 0, "60,16.0 120,16.0")


def test_the_curve_begins_below_what_it_shows() -> None:
    for covered, bottom, line in (((90, 100), 80, "0,60.0 720,0.0"), ((10, 100), 0, "0,108.0 720,0.0"),
                                  ((7, 7), 0, "0,0.0 720,0.0"), ((0, 0), 0, "0,120.0 720,120.0")):  # fmt: skip
        view = trends_sheet(tuple(night(at, covered=value) for at, value in enumerate(covered, 1)), {}).view
        assert (view.bottom, view.line, view.first) == (bottom, line, "2026-03-01")


def test_the_page_lists_modules_that_moved() -> None:
    view = trends_sheet((night(1), night(2, modules=(("m", 5, 9), ("gone", 0, 0)))), {"m": "module"}).view
    assert view.modules == (("m", 1, 9, 5, 9),) and view.line == "0,0.0 720,0.0"


def test_every_build_has_a_history_and_a_page(tmp_path: Path) -> None:
    options = shop(tmp_path)
    build_site(options, lambda message: None)
    data = (tmp_path / "site/data/history.json").read_bytes()
    assert len(read_history(data)) == 1
    assert "1 night on record" in (tmp_path / "site/trends/index.html").read_text("utf-8")
    assert 'href="../trends/"' in (tmp_path / "site/gaps/index.html").read_text("utf-8")


def test_a_damaged_history_starts_anew_and_the_rest_still_compares(tmp_path: Path) -> None:
    options = shop(tmp_path)
    build_site(options, lambda message: None)
    (tmp_path / "site").rename(tmp_path / "before")
    (tmp_path / "before/data/history.json").write_text("{")
    (tmp_path / "pkg/unused.py").unlink()
    said: list[str] = []
    build_site(replace(options, previous=tmp_path / "before"), said.append)
    assert len([sentence for sentence in said if "history starts anew" in sentence]) == 1
    assert len(read_history((tmp_path / "site/data/history.json").read_bytes())) == 1
    assert (tmp_path / "site" / symbol_path("pkg.unused.Unused", "class")).exists()  # what is gone is still told


def test_four_nights_on_the_page(tmp_path: Path, browser: Browser) -> None:
    made = project(tmp_path)
    drivers = dict(DRIVERS)
    lean = "from pkg.mail import send\nsend('x')\n"
    try:
        for number, (beta, gamma) in enumerate([(drivers["beta"], False), (lean, False), (lean, True),
                                                (drivers["beta"], True)]):  # fmt: skip
            made.night, DRIVERS["beta"] = number, beta
            for slug in ("alpha", "beta", *(("gamma",) if gamma else ())):
                made.upload(slug, made.play(slug))
            made.collect()
    finally:
        DRIVERS.update(drivers)
    records = read_history((tmp_path / "site/data/history.json").read_bytes())
    assert [(item.lost, item.gained) for item in records] == [
        ((), ()), (("pkg.shop.pay",), ()), ((), ("pkg.stock", "pkg.stock.count")), ((), ("pkg.shop.pay",))]  # fmt: skip
    assert [item.night[8:10] for item in records] == ["01", "02", "03", ""]
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        failed: list[str] = []
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda told: failed.append(told.text) if told.type == "error" else None)
        page.goto(f"http://127.0.0.1:{server.server_port}/trends/")
        gained, lost = (page.locator(f"[data-covatlas-changes={kind}]") for kind in ("gained", "lost"))
        assert gained.inner_text().split() == ["pkg.shop.pay"] and lost.inner_text() == "None"
        select = page.get_by_label("Since the night of")
        select.wait_for()
        assert select.locator("option").all_inner_texts() == [
            "2026-03-03 02:30",
            "2026-03-02 02:30",
            "2026-03-01 02:30",
        ]
        select.select_option(label="2026-03-01 02:30")  # pay came back: nothing lost since
        page.get_by_text("0 lost, 2 gained").wait_for()
        page.set_viewport_size({"width": 390, "height": 800})  # what matters of a night fits on a telephone
        last = page.locator("#nights + div th", has_text="Gained").bounding_box()
        assert last and last["x"] + last["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.set_viewport_size({"width": 1280, "height": 720})
        assert gained.inner_text().split() == ["pkg.stock", "pkg.stock.count"]
        select.select_option(label="2026-03-02 02:30")
        page.get_by_text("0 lost, 3 gained").wait_for()
        gained.get_by_role("link", name="pkg.shop.pay").click()
        expect(page.locator("h1")).to_have_text(re.compile("pay$"))
        page.close()
        server.shutdown()
    assert not failed


def test_the_bundle_carries_the_history(tmp_path: Path) -> None:
    made = project(tmp_path)
    for number in range(2):
        made.night = number
        for slug in ("alpha", "beta"):
            made.upload(slug, made.play(slug))
        made.collect()
    assert len(json.loads((tmp_path / "site/data/history.json").read_bytes())["nights"]) == 2
