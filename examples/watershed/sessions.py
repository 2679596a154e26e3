"""The sessions that are recorded as profiles of the sample app."""

from __future__ import annotations

from playwright.sync_api import Page

from examples.session import Session, fetch


def press(page: Page, button: str, path: str) -> None:
    """Click a button whose script calls the API, and wait for the whole answer."""
    with page.expect_response(lambda response: path in response.url) as answer:
        page.click(f"#{button}")
    answer.value.finished()


def sign_in(page: Page, name: str) -> None:
    page.goto("/login")
    page.fill("input[name=name]", name)
    page.click("#sign-in")


def create_run(page: Page, name: str, station: str, soil: str, cover: str) -> None:
    page.click("#new")
    page.fill("input[name=name]", name)
    for field, value in (("station", station), ("soil", soil), ("cover", cover)):
        page.select_option(f"select[name={field}]", value)
    page.click("#create")


def only_sign_in(page: Page) -> None:
    sign_in(page, "ada")


def new_run(page: Page) -> None:
    sign_in(page, "berta")
    create_run(page, "Paradise Creek", "moscow", "palouse", "wheat")


def full_run(page: Page) -> None:
    sign_in(page, "clara")
    create_run(page, "Blackwood Creek", "tahoe", "vertisol", "forest")
    press(page, "start", "/end")
    page.reload()
    with page.expect_download() as download:
        page.click("#hydrograph")
    download.value.path()
    page.click("#delete")
    page.click("#logout")


def preview(page: Page) -> None:
    sign_in(page, "dora")
    create_run(page, "Whychus Creek", "sisters", "dune", "bare")
    page.click("#preview")
    page.click("#back")


def look_around(page: Page) -> None:
    page.goto("/explore")
    press(page, "nearest", "/api/stations/nearest")
    press(page, "forecast", "/forecast")
    press(page, "texture", "/api/texture")
    page.click("text=tahoe")


def calibrate(page: Page) -> None:
    sign_in(page, "emmy")
    page.click("text=Explore")
    press(page, "calibrate", "/api/calibration")
    fetch(page, "POST", "/api/calibration", {"rain_mm": [10], "runoff_mm": []})


def refresh(page: Page) -> None:
    sign_in(page, "frida")
    page.click("text=Explore")
    press(page, "refresh", "/refresh")


def publish_tiles(page: Page) -> None:
    sign_in(page, "grete")
    create_run(page, "Youngs River", "astoria", "palouse", "pasture")
    press(page, "tiles", "/api/tiles")


def wrong_turns(page: Page) -> None:
    page.goto("/")  # not signed in: back to the form
    page.click("#sign-in")  # without a name
    page.fill("input[name=name]", "hilde")
    page.click("#sign-in")
    page.click("#new")
    page.click("#create")  # without a name
    page.fill("input[name=name]", "Nowhere")
    page.fill("input[name=years]", "400")
    page.click("#create")
    fetch(page, "POST", "/reports/observed", "date,rain_mm\n2024-01-01,wet\n")
    fetch(page, "GET", "/api/stations/atlantis/forecast")
    page.goto("/no/such/page")


def api_tour(page: Page) -> None:
    page.goto("/explore")
    fetch(page, "POST", "/api/session", {"name": "ida"})
    press(page, "nearest", "/api/stations/nearest")
    press(page, "treatments", "/api/treatments")
    fetch(page, "POST", "/api/texture", {"sand": 90, "clay": 40})
    fetch(page, "POST", "/api/treatments", {"station": "moscow"})
    press(page, "refresh", "/refresh")


SESSIONS = (
    Session("sign-in", "Sign in", "Signs in and looks at the empty list of runs.", only_sign_in),
    Session("new-run", "Create a run", "Signs in and creates a run, without starting it.", new_run),
    Session("full-run", "Run a catchment", "Creates a run, lets the workers simulate it, takes the results.", full_run),
    Session("preview", "Preview a run", "Simulates a catchment inside the request, on a pool of threads.", preview),
    Session("look-around", "Look around", "Explores stations and soils without signing in.", look_around),
    Session("calibrate", "Calibrate", "Fits a curve number in a child process.", calibrate),
    Session("refresh-station", "Refresh a station", "Fetches observations with a job that needs a retry.", refresh),
    Session(
        "publish-tiles",
        "Publish tiles",
        "Asks for map tiles, which fails for want of a tile server.",
        publish_tiles,
        expected_failed_jobs=("watershed.jobs.tiles.publish_tiles",),
    ),
    Session(
        "wrong-turns", "Wrong turns", "Forms filled in wrongly, a bad upload, a page that is not there.", wrong_turns
    ),
    Session("api-tour", "API tour", "Talks to the JSON API alone, treatments in threads.", api_tour, events=True),
)
