"""What the playback tests share: scripted HTTP servers, HAR entries, the real command."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from sitegen.cli import main

ORIGIN = "http://recorded.test:5000"


@dataclass
class Seen:
    """One request as a scripted server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What a scripted server answers; `cut` closes the connection instead."""

    status: int = 200
    body: Any = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    cut: bool = False


@dataclass
class Server:
    """A running scripted server and what it saw."""

    base_url: str
    seen: list[Seen]


@contextmanager
def serving(answer: Callable[[Seen], Reply]) -> Iterator[Server]:
    """Run a real HTTP server whose answers `answer` makes; JSON for a body that is no bytes or text."""
    seen: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            seen.append(request)
            reply = answer(request)
            if reply.cut:
                self.close_connection = True
                return
            data, kind = reply.body, "text/html"
            if not isinstance(data, bytes | str):
                data, kind = json.dumps(data), "application/json"
            data = data.encode() if isinstance(data, str) else data
            self.send_response(reply.status)
            if not any(name == "Content-Type" for name, _ in reply.headers):
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            for name, value in reply.headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}", seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def entry(
    method: str = "GET",
    path: str = "/",
    *,
    status: int = 200,
    body: Any = None,
    kind: str = "",
    headers: dict[str, str] | None = None,
    answer: Any = None,
    answer_headers: dict[str, str] | None = None,
    origin: str = ORIGIN,
    **extra: Any,
) -> dict[str, Any]:
    """Return one HAR entry; a body that is no text is written as JSON."""
    sent = dict(headers or {})
    request: dict[str, Any] = {"method": method, "url": origin + path}
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body)
        kind = kind or ("text/plain" if isinstance(body, str) else "application/json")
        request["postData"] = {"mimeType": kind, "text": text}
        sent.setdefault("Content-Type", kind)
    request["headers"] = [{"name": name, "value": value} for name, value in sent.items()]
    text = answer if isinstance(answer, str) else json.dumps(answer) if answer is not None else ""
    mime = "text/html" if isinstance(answer, str) else "application/json"
    got = {"Content-Type": mime} | (answer_headers or {})
    response = {
        "status": status,
        "headers": [{"name": name, "value": value} for name, value in got.items()],
        "content": {"mimeType": mime if answer is not None else "", "text": text},
    }
    return {"request": request, "response": response} | extra


def har(*entries: Any, version: str = "1.2") -> str:
    """Return the text of a HAR file."""
    return json.dumps({"log": {"version": version, "entries": list(entries)}})


def write_profile(profiles: Path, slug: str, *entries: Any, toml: str = "") -> Path:
    """Write a profile folder with one HAR file and return it."""
    folder = profiles / slug
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "session.har").write_text(har(*entries))
    if toml:
        (folder / "profile.toml").write_text(toml)
    return folder


def play(profiles: Path, base_url: str, *arguments: str) -> Result:
    """Run the real `covatlas play`."""
    command = ["play", "--base-url", base_url, "--profiles", str(profiles), *arguments]
    return CliRunner().invoke(main, command, catch_exceptions=False)
