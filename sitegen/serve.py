"""What `covatlas serve` calls: builds, serves the site on this machine only, and builds again when an input changes."""

from __future__ import annotations

import errno
import threading
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from instrument.errors import CovatlasError
from sitegen.generate import BuildOptions, Say
from sitegen.site import build_site
from sitegen.watch import Watch

HOST = "127.0.0.1"
SETTLE = 0.2  # seconds without a change before a build starts: an editor or a combine writes several files


class _Handler(SimpleHTTPRequestHandler):
    """Answers with the site's files and its own page for an address that leads nowhere."""

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet: requests are no news."""

    def list_directory(self, path: Any) -> None:
        """Show no folder's content."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer 404 with the site's own page."""
        page = Path(self.directory) / "404.html"
        if code != HTTPStatus.NOT_FOUND or not page.is_file():
            return super().send_error(code, message, explain)
        data = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True


def bind(site_dir: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of `site_dir` on the loopback address, on a free port if `port` is 0; it does not run yet."""
    try:
        return _Server((HOST, port), partial(_Handler, directory=str(site_dir)))
    except OverflowError:
        raise CovatlasError(f"port {port} does not exist; choose one from 0 to 65535 with --port") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CovatlasError(f"port {port} is in use; choose another with --port, or 0 for a free one") from None
        raise CovatlasError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from None


def serve_site(options: BuildOptions, port: int, say: Say) -> None:
    """Build and serve until interrupted (Ctrl-C); a failed rebuild is said and the last good site stays."""
    server = bind(options.site_dir, port)  # first: a port in use should not cost a build
    changed = threading.Event()
    try:
        say(f"Built {build_site(options, say)}")
        watch = Watch(options, changed.set)
        try:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            say(f"Serving http://{HOST}:{server.server_address[1]}/ until Ctrl-C; changes are built as they come.")
            _rebuild(options, changed, say)
        finally:
            watch.stop()
            server.shutdown()
    finally:
        server.server_close()


def _rebuild(options: BuildOptions, changed: threading.Event, say: Say) -> None:
    try:
        while True:
            changed.wait()
            while changed.is_set():
                changed.clear()
                changed.wait(SETTLE)
            try:
                say(f"Built {build_site(options, say)}")
            except CovatlasError as error:
                say(f"covatlas: {error}")
    except KeyboardInterrupt:
        return
