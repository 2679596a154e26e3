"""The sessions that are recorded as profiles of httpbin."""

from __future__ import annotations

from playwright.sync_api import Page

from examples.session import Session, fetch


def order_pizza(page: Page) -> None:
    page.goto("/forms/post")
    page.fill("input[name=custname]", "Ada")
    page.check("input[name=size][value=medium]")
    page.check("input[name=topping][value=mushroom]")
    page.fill("textarea[name=comments]", "Knock twice & wait; thanks")
    page.click("form button")


def statuses(page: Page) -> None:
    page.goto("/html")
    for code in (200, 204, 404, 418, 503):
        fetch(page, "GET", f"/status/{code}")
    page.goto("/redirect/2")
    page.goto("/redirect-to?url=/get&status_code=307")


def cookies(page: Page) -> None:
    page.goto("/cookies/set?flavour=oatmeal&size=large")
    page.goto("/cookies/set/topping/raisin")
    page.goto("/cookies/delete?flavour")


def streams(page: Page) -> None:
    page.goto("/html")
    for path in (
        "/stream/3",
        "/bytes/64?seed=7",
        "/stream-bytes/128?seed=7&chunk_size=32",
        "/drip?numbytes=5&duration=0.2&delay=0",
        "/range/64?chunk_size=16",
        "/gzip",
        "/deflate",
        "/brotli",
        "/delay/0",
    ):
        fetch(page, "GET", path)


def formats(page: Page) -> None:
    for path in ("/json", "/xml", "/html", "/robots.txt", "/encoding/utf8"):
        page.goto(path).finished()
    for path in ("/image/svg", "/image/png", "/base64/Q292YXRsYXM=", "/uuid"):
        fetch(page, "GET", path)


def methods(page: Page) -> None:
    page.goto("/html")
    fetch(page, "GET", "/anything/creek?year=2024")
    fetch(page, "PUT", "/anything/creek", {"name": "creek", "tags": ["wet", "cold"]})
    fetch(page, "DELETE", "/anything/creek")
    fetch(page, "PUT", "/put", {"a": 1})
    fetch(page, "PATCH", "/patch", "plain text")
    fetch(page, "DELETE", "/delete")
    fetch(page, "GET", "/headers")


SESSIONS = (
    Session("order-pizza", "Order a pizza", "Fills in the form and sends it.", order_pizza),
    Session("statuses", "Status codes", "Status codes and redirects.", statuses),
    Session("cookies", "Cookies", "Sets and deletes cookies.", cookies),
    Session("streams", "Streams", "Streamed, dripped, ranged and compressed answers.", streams),
    Session("formats", "Formats", "JSON, XML, HTML, text and images.", formats),
    Session("methods", "Methods", "PUT, PATCH and DELETE from a script.", methods),
)
