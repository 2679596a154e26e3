"""What `covatlas serve` calls: builds, serves the site on this machine only, and builds again when an input changes."""

from __future__ import annotations

import errno
import io
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from instrument.errors import CovatlasError
from sitegen.generate import BuildOptions, Say
from sitegen.own_config import hand_written
from sitegen.site import BuildReport, build_site
from sitegen.watch import Watch

HOST = "127.0.0.1"
LOOK = 0.5  # seconds between two looks whether Ctrl-C was pressed
SETTLE = 0.1  # seconds without a change before a build starts: an editor or a combine writes several files
RELOAD, CHANGED = "/__covatlas__/reload.js", "/__covatlas__/changed"
PATIENCE = 25  # seconds that a page's question stays open
# A page's question stays open until another build is served; a page that nobody looks at asks when it is looked at.
SCRIPT = b"""\
(() => {
  const ours = document.currentScript.dataset.build;
  const seen = () => new Promise((go) =>
    document.hidden ? document.addEventListener("visibilitychange", go, {once: true}) : go());
  const ask = async () => {
    await seen();
    try {
      const answer = await fetch("%s?" + ours, {cache: "no-store"});
      if (answer.status === 200) return location.reload();
    } catch { await new Promise((go) => setTimeout(go, 500)); }
    ask();
  };
  ask();
})();
""" % CHANGED.encode()


class Generation:
    """The number of the build that is served; whoever waits for another is told."""

    def __init__(self) -> None:
        self.number = time.time_ns()  # another server's pages are another's
        self._condition = threading.Condition()

    def advance(self) -> None:
        """Say that another build is served now."""
        with self._condition:
            self.number += 1
            self._condition.notify_all()

    def wait_for_another(self, number: str, seconds: float) -> bool:
        """Return whether another build than `number` is served, within so many seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: str(self.number) != number, seconds)


class _Handler(SimpleHTTPRequestHandler):
    """Answers with the site's files and its own page for an address that leads nowhere; pages load themselves anew."""

    def __init__(self, *args: Any, generation: Generation | None, **more: Any) -> None:
        self._generation = generation
        super().__init__(*args, **more)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet: requests are no news."""

    def do_GET(self) -> None:
        """Answer the pages' own questions, else with a file."""
        path, _, number = self.path.partition("?")
        if self._generation is None:
            super().do_GET()
        elif path == RELOAD:
            self._send(HTTPStatus.OK, "text/javascript", SCRIPT)
        elif path == CHANGED:
            another = self._generation.wait_for_another(number, PATIENCE)
            self._send(HTTPStatus.OK if another else HTTPStatus.NO_CONTENT, "text/plain", b"")
        else:
            super().do_GET()

    def send_head(self) -> Any:
        """Send a page's head and return its bytes with the script that loads it anew; leave other files alone."""
        try:
            return self._find()
        except (OSError, ValueError):  # a name that no file can have, too long or with a NUL; or a file just deleted
            return self.send_error(HTTPStatus.NOT_FOUND)

    def _find(self) -> Any:
        target = Path(self.translate_path(self.path))
        page = target / "index.html" if target.is_dir() and urlsplit(self.path).path.endswith("/") else target
        if page.suffix != ".html" or not page.is_file():
            return super().send_head()
        data = self._alive(page)
        self._head(HTTPStatus.OK, "text/html; charset=utf-8", len(data))
        return io.BytesIO(data)

    def end_headers(self) -> None:
        """Make browsers ask for every file again: one of yesterday's build they would keep for hours."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        """Show no folder's content."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer 404 with the site's own page."""
        page = Path(self.directory) / "404.html"
        if code != HTTPStatus.NOT_FOUND or not page.is_file():
            return super().send_error(code, message, explain)
        self._send(code, "text/html; charset=utf-8", self._alive(page))

    def _alive(self, page: Path) -> bytes:
        if self._generation is None:
            return page.read_bytes()
        number = self._generation.number  # before the page is read: too old a number only loads it once more
        body, end, rest = page.read_bytes().rpartition(b"</body>")
        tag = f'<script src="{RELOAD}" data-build="{number}"></script>'.encode()
        return body + tag + end + rest if end else rest + tag

    def _head(self, code: int, kind: str, length: int) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def _send(self, code: int, kind: str, data: bytes) -> None:
        self._head(code, kind, len(data))
        if self.command != "HEAD":
            self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away: it left the page."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def bind(site_dir: Path, port: int, generation: Generation | None = None) -> ThreadingHTTPServer:
    """Return a server of `site_dir` on the loopback address, on a free port if `port` is 0; it does not run yet.

    With a generation its pages load themselves anew when it advances; without, they are the files as they are.
    """
    try:
        return _Server((HOST, port), partial(_Handler, directory=str(site_dir), generation=generation))
    except OverflowError:
        raise CovatlasError(f"port {port} does not exist; choose one from 0 to 65535 with --port") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CovatlasError(f"port {port} is in use; choose another with --port, or 0 for a free one") from None
        raise CovatlasError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from None


def serve_site(options: BuildOptions, port: int, say: Say) -> None:
    """Build and serve until Ctrl-C, which lets a build under way end; a failed rebuild leaves the last good site."""
    generation = Generation()
    server = bind(options.site_dir, port, generation)  # first: a port in use should not cost a build
    changed = threading.Event()
    try:
        say(f"Built {build_site(options, say)}")
        watch = Watch(options, changed.set, hand_written(Path()))

        def again() -> BuildReport:
            watch.renew(options, hand_written(Path()))  # first: what changes from now on is built next
            return build_site(options, say)

        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with _ctrl_c() as pressed:
                say(f"Serving http://{HOST}:{server.server_address[1]}/ until Ctrl-C; changes are built as they come.")
                _rebuild(again, changed, pressed, generation, say)
        except KeyboardInterrupt:
            pass
        finally:
            watch.stop()
            server.shutdown()
    finally:
        server.server_close()


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """Give what says whether Ctrl-C was pressed; the second one interrupts at once.

    An exception in the midst of a build, or while a lock is held, would end in a traceback or not at all.
    """
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def press(number: int, _frame: object) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    if before != signal.SIG_IGN:  # a script's background: its Ctrl-C is not ours
        signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _rebuild(
    build: Callable[[], BuildReport],
    changed: threading.Event,
    over: Callable[[], bool],
    generation: Generation,
    say: Say,
) -> None:
    while not over():
        if not changed.wait(LOOK):  # never for ever: a signal just before the wait, or in another thread, ends none
            continue
        while changed.is_set():
            changed.clear()
            changed.wait(SETTLE)
        if over():
            return
        try:
            report = build()
            say(f"Built {report}")
            if report.changed:
                generation.advance()
        except CovatlasError as error:
            say(f"covatlas: {error}")
        except Exception as error:  # a fault of ours or of the system must not end what is being read
            say(f"covatlas: the build failed ({type(error).__name__}: {error}); the last good site is served")
