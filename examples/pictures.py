"""Takes the pictures of the documentation from the published sample site: `python -m examples.pictures`.

Home, a symbol's page and the matrix, light and dark, into `site_src/images/`; `make site` must have run before.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from examples.record import FLAGS, browser_path
from examples.stack import ROOT
from instrument.errors import CovatlasError

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = ROOT / "site_src" / "images"
SYMBOL = "watershed.storage.runs.RunStore.create"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: Any) -> None:
        pass


def main() -> int:
    """Take the pictures; return the exit code."""
    try:
        take()
    except CovatlasError as error:
        print(f"pictures: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def take() -> None:
    """Show each page in headless Chromium and write what is seen."""
    from playwright.sync_api import sync_playwright

    site = ROOT / "site"
    if not (site / "index.html").is_file():
        raise CovatlasError(f"{site} has no site to take pictures of; run `make site` first")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/"
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(FLAGS))
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1180, "height": 760}, color_scheme=scheme)  # type: ignore[arg-type]
            for name, show in (("home", home), ("symbol", symbol), ("matrix", matrix)):
                show(page, base)
                page.screenshot(path=IMAGES / f"{name}-{scheme}.png")
        browser.close()
    server.shutdown()


def home(page: Page, base: str) -> None:
    """Show the map as it opens."""
    page.goto(base)
    page.wait_for_load_state("networkidle")


def symbol(page: Page, base: str) -> None:
    """Find a symbol as a reader would, and ask who runs a line."""
    page.goto(base)
    page.keyboard.press("/")
    page.keyboard.type(SYMBOL)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    page.locator(".lx > a[aria-expanded]").first.click()
    page.locator(".lw a").first.wait_for()
    page.evaluate("scrollTo(0, 0)")


def matrix(page: Page, base: str) -> None:
    """Compare two profiles."""
    page.goto(f"{base}matrix/?a=full-run&b=api-tour")
    page.locator("#matrix-live[data-ready]").wait_for()
    page.mouse.move(0, 0)


if __name__ == "__main__":
    sys.exit(main())
