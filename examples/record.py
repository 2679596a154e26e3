"""Records the profiles of a sample app in a real browser: `python -m examples.record [APP [SLUG…]]`.

The app runs without tracing; headless Chromium (the one that $CHROMIUM names, else one on PATH, else Playwright's own)
acts out the sessions of `examples/<app>/sessions.py`, and what it sent and got is written to `profiles/<slug>/`.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.scrub import scrub_har, scrub_value
from examples.session import Session
from examples.stack import APPS, ROOT, Stack
from instrument.errors import CovatlasError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Request, Response

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# The browser asks nobody but the app; a root user has no sandbox.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def main(arguments: list[str]) -> int:
    """Record all apps, all sessions of one, or the named ones; return the exit code."""
    try:
        for app in arguments[:1] or APPS:
            record(app, arguments[1:])
    except CovatlasError as error:
        print(f"record: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def record(app: str, slugs: list[str]) -> None:
    """Run the app and write a recording of each session."""
    from playwright.sync_api import sync_playwright

    stack = Stack(app)
    sessions = {session.slug: session for session in importlib.import_module(f"examples.{app}.sessions").SESSIONS}
    unknown = [slug for slug in slugs if slug not in sessions]
    if unknown:
        raise CovatlasError(f"{app} has no session {unknown[0]!r}; it has {', '.join(sessions)}")
    with stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(FLAGS))
        for slug in slugs or sessions:
            folder = ROOT / "examples" / app / "profiles" / slug
            record_session(browser, stack.base_url, sessions[slug], folder)
        browser.close()


def browser_path() -> str | None:
    """Return the browser to run, None for Playwright's own."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def record_session(browser: Browser, base_url: str, session: Session, folder: Path) -> None:
    """Act a session out in a fresh browser profile and write its folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if session.events:
        written = folder / "capture" / "events.jsonl"
        written.parent.mkdir()
        with browser.new_context(base_url=base_url) as context:
            events = capture_events(context, session)
        written.write_text("".join(json.dumps(event) + "\n" for event in events), "utf-8")
    else:
        written = folder / "session.har"
        with tempfile.TemporaryDirectory() as temporary:
            raw = Path(temporary) / "raw.har"
            with browser.new_context(
                base_url=base_url, record_har_path=raw, record_har_content="embed", record_har_mode="full"
            ) as context:
                act(context.new_page(), session)
            har = scrub_har(json.loads(raw.read_text("utf-8")))
        written.write_text(json.dumps(har, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / "profile.toml").write_text(about(session), "utf-8")
    print(f"{session.slug}: {written.stat().st_size / 1000:.0f} kB", file=sys.stderr)


def act(page: Page, session: Session) -> None:
    """Act a session out and wait until the page has loaded all it asked for."""
    session.act(page)
    page.wait_for_load_state("networkidle")


def capture_events(context: BrowserContext, session: Session) -> list[dict[str, Any]]:
    """Return what the page's own scripts fetched, as an app's front end would note it."""
    page = context.new_page()
    seen: list[tuple[Request, Response | None]] = []
    page.on("request", lambda request: seen.append((request, None)))
    page.on("response", lambda response: seen.append((response.request, response)))
    act(page, session)
    fetched = [item for item in seen if item[0].resource_type == "fetch"]
    numbers = {id(request): str(number) for number, request in enumerate(dict.fromkeys(r for r, _ in fetched), start=1)}
    return [event(numbers[id(request)], request, response) for request, response in fetched]


def event(number: str, request: Request, response: Response | None) -> dict[str, Any]:
    """Return one line of `events.jsonl`: of a request, or of its response where there is one."""
    common = {"id": number, "method": request.method, "endpoint": request.url}
    if response is None:
        meta = {"jsonPayload": scrub_value(request.post_data_json)} if request.post_data else {}
        return {"stage": "request", **common, "requestMeta": meta}
    payload = scrub_value(response.json()) if "json" in response.headers.get("content-type", "") else None
    meta = {"responseMeta": {"jsonPayload": payload}} if payload is not None else {}
    return {"stage": "response", **common, "status": response.status, "ok": response.ok, **meta}


def about(session: Session) -> str:
    """Return the text of `profile.toml`; a JSON string or list of strings is TOML too."""
    lines = [f"title = {json.dumps(session.title)}", f"description = {json.dumps(session.description)}"]
    if session.expected_failed_jobs:
        lines.append(f"expected_failed_jobs = {json.dumps(session.expected_failed_jobs)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
