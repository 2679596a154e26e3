"""What a recorded session is: who acts on which page, and where its requests go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass(frozen=True, slots=True)
class Session:
    """One profile to record: `act` drives a page; `events` asks for `capture/events.jsonl` instead of a HAR file."""

    slug: str
    title: str
    description: str
    act: Callable[[Page], None]
    expected_failed_jobs: tuple[str, ...] = ()
    events: bool = False


def fetch(page: Page, method: str, path: str, body: Any = None) -> None:
    """Let a script in the page send a request (a string as text, anything else as JSON) and read the whole answer."""
    page.evaluate(
        """async ([method, path, body]) => {
            const options = { method, headers: {} };
            if (body !== null) {
                const text = typeof body === "string";
                options.headers["Content-Type"] = text ? "text/plain" : "application/json";
                options.body = text ? body : JSON.stringify(body);
            }
            await (await fetch(path, options)).arrayBuffer();
        }""",
        [method, path, body],
    )
