"""Fixtures that start real parts: a Redis for the session, a browser for a module."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, expect, sync_playwright
from redis import Redis
from redis.exceptions import RedisError

from examples.ports import free_port
from examples.record import FLAGS, browser_path
from examples.stack import redis_binary
from sitegen.site import build_site
from tests.exact.server import Server
from tests.site_support import project, served

expect.set_options(timeout=60_000)  # what is waited for comes at once, unless the machine is busy; five seconds are few
# The same examples at each run, however slow the machine is; COVATLAS_WHOLE=1 looks for new ones.
settings.register_profile(
    "covatlas",
    deadline=None,
    derandomize=os.environ.get("COVATLAS_WHOLE") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("covatlas")
# In the background of a script Ctrl-C is ignored, and what we start would inherit that: many tests end things by it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# For a module only: Playwright leaves an event loop running on this thread, and no other can be run beside it.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; where there is none its tests are skipped, in CI they fail."""
    if browser_path() is None and not os.environ.get("COVATLAS_REQUIRE_BROWSER"):
        pytest.skip("no Chromium: set CHROMIUM or put one on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(FLAGS), timeout=120_000)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis of our own on a free port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        url = f"redis://127.0.0.1:{port}/0"
        try:
            end = time.monotonic() + 60
            while True:
                try:
                    Redis.from_url(url).ping()
                    break
                except RedisError:
                    assert process.poll() is None and time.monotonic() < end, "redis-server did not start"
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the exactness app with settings from the environment; kills them at the end."""
    started: list[Server] = []

    def start(**env: str) -> Server:
        started.append(Server(tmp_path, **env))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published sample project of `site_support`; modules with a site of their own override it."""
    root = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        options = project(root)
        build_site(options, lambda message: None)
    return options.site_dir


@pytest.fixture(scope="session")
def base(site: Path) -> Iterator[str]:
    """Its address."""
    with served(site) as address:
        yield address
