"""Fixtures that start real parts: a Redis for the session, a browser for a module."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from redis import Redis
from redis.exceptions import RedisError

from examples.record import FLAGS, browser_path
from examples.stack import redis_binary
from sitegen.site import build_site
from tests.exact.server import Server
from tests.site_support import project, served


# For a module only: Playwright leaves an event loop running on this thread, and no other can be run beside it.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; where there is none its tests are skipped, in CI they fail."""
    if browser_path() is None and not os.environ.get("COVATLAS_REQUIRE_BROWSER"):
        pytest.skip("no Chromium: set CHROMIUM or put one on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis of our own on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        url = f"redis://127.0.0.1:{port}/0"
        try:
            for _ in range(200):
                try:
                    Redis.from_url(url).ping()
                    break
                except RedisError:
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(10)


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
