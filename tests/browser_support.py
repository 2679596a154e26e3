"""What tests of pages ask a real browser for."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page


def processor_time(page: Page) -> Callable[[], float]:
    """Return what tells the milliseconds for which the page's main thread has kept a processor busy since now.

    Not the time of day: other tests and other people run on the same machine.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def used() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(item["value"] for item in metrics if item["name"] == "TaskDuration")

    return used
