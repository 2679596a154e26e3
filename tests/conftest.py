"""Fixtures that start real parts: a Redis for the session."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import RedisError

from examples.stack import redis_binary


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
