"""`covatlas serve` and `mkdocs serve` in a real browser: an edit shows on the open page in about a second."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page

from examples.ports import free_port
from tests.atlas_support import record, write
from tests.process_support import ROOT
from tests.site_support import OWN_CONFIG, project, served

PATIENT = 90_000  # ms; what it takes is printed, and about a second where nothing else runs


SERVE = ("serve", "--source", "pkg", "--coverage-dir", "data", "--port", "0")
COMMANDS: dict[str, Callable[[], list[str]]] = {
    "covatlas": lambda: ["-m", "sitegen.cli", *SERVE],
    "mkdocs": lambda: ["-m", "mkdocs", "serve", "-a", f"127.0.0.1:{free_port()}"],
}


@contextmanager
def _serving(command: list[str], root: Path, interrupt: bool = True) -> Iterator[str]:
    """Serve the project by a copy of the packages, whose templates may be edited; give the address, end with Ctrl-C."""
    for package in ("instrument", "sitegen"):
        shutil.copytree(ROOT / package, root / "code" / package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(root / "code"), "HOME": str(root), "NO_MKDOCS_2_WARNING": "1"}
    with (root / "messages").open("w") as messages:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=root, env=environment, stdout=messages, stderr=messages
        )
        try:
            end = time.monotonic() + 120
            while not (found := re.search(r"Serving (?:on )?(http://\S+/)", (root / "messages").read_text())):
                assert process.poll() is None and time.monotonic() < end, (root / "messages").read_text()
                time.sleep(0.05)
            yield found[1]
            if interrupt:
                process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0 and "Traceback" not in (root / "messages").read_text()
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("name", COMMANDS)
def test_an_edit_shows_on_the_open_page(
    name: str, page: Page, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path)
    write(tmp_path / "mkdocs.yml", OWN_CONFIG.encode())
    write(tmp_path / "docs" / "index.md", b"# Start\n")
    write(tmp_path / "docs" / "how.md", b"# How\n\nNothing yet.\n")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    def source() -> None:
        write(tmp_path / "pkg/deep/inner.py", b"def work():\n    return 'something new'\n")

    def data() -> None:
        record(tmp_path, "delta", "from pkg.imported import not_called\nnot_called()\n")

    def template() -> None:
        path = tmp_path / "code/sitegen/templates/gaps.html"
        path.write_text(path.read_text() + "<p>said by the template</p>\n")

    def words() -> None:
        write(tmp_path / "docs" / "how.md", b"# How\n\nAt last some words.\n")

    edits: list[tuple[str, str, Callable[[], None], str]] = [
        ("source", "symbols/pkg.deep.inner.work.html", source, "something new"),
        ("profile data", "symbols/pkg.imported.not_called.html", data, "delta"),
        ("template", "gaps/", template, "said by the template"),
        ("hand-written page", "how/", words, "At last some words."),
    ]
    with _serving(COMMANDS[name](), tmp_path) as base:
        for what, address, edit, text in edits:
            page.goto(base + address)
            assert page.get_by_text(text).count() == 0
            page.wait_for_timeout(1000)  # the page's question stands, and no build is under way
            edit()
            begin = time.monotonic()
            page.get_by_text(text).first.wait_for(timeout=PATIENT)
            seconds = time.monotonic() - begin
            with capsys.disabled():
                print(f"\n{name} serve: {what} shows after {seconds:.2f} s")
    assert errors == []


def test_an_address_that_leads_nowhere_shows_its_page_once_it_is_made(page: Page, tmp_path: Path) -> None:
    project(tmp_path)
    with _serving(COMMANDS["covatlas"](), tmp_path) as base:
        answer = page.goto(base + "symbols/pkg.fresh.brand_new.html")
        assert answer is not None and answer.status == 404
        write(tmp_path / "pkg" / "fresh.py", b"def brand_new():\n    return 'here it is'\n")
        page.get_by_text("here it is").first.wait_for(timeout=PATIENT)
        for path in (tmp_path / "site").rglob("*.html"):
            assert b"__covatlas__" not in path.read_bytes()  # only what is served loads itself anew


def test_an_address_that_no_file_can_have_is_not_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "404.html", b"nothing here")
    with served(tmp_path) as base:
        for address in ("%00", "a" * 300, f"symbols/{'a' * 300}.html", "a%00/"):
            with pytest.raises(HTTPError, match="404") as error:
                urlopen(base + address)
            assert error.value.read() == b"nothing here"
    assert "Traceback" not in capfd.readouterr().err


def test_a_page_that_is_loaded_anew_asks_for_new_data(page: Page, tmp_path: Path) -> None:
    write(tmp_path / "index.html", b"<p>a page</p>")
    ask = "fetch('data.json').then((answer) => answer.text())"
    with served(tmp_path) as base:
        for number in (b"1", b"2"):
            write(tmp_path / "data.json", number)
            os.utime(tmp_path / "data.json", (1e9 + int(number),) * 2)  # built long ago: a browser keeps it for long
            page.goto(base)
            assert page.evaluate(ask) == number.decode()


# Another thread than the main one takes the signal, as happens when it comes just before the main one waits.
ELSEWHERE = """
import signal, threading, time
takes = lambda: (signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT}), time.sleep(600))
threading.Thread(target=takes, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
from sitegen.cli import main
main()
"""
WITHIN = """
import os, signal
from sitegen import serve
from sitegen.cli import main
real, builds = serve.build_site, []
def build(*given):
    builds.append(given)
    if len(builds) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    return real(*given)
serve.build_site = build
main()
"""


def test_ctrl_c_ends_it_whichever_thread_takes_the_signal(tmp_path: Path) -> None:
    project(tmp_path)
    with _serving(["-c", ELSEWHERE, *SERVE], tmp_path):
        pass


def test_ctrl_c_lets_a_build_under_way_end(tmp_path: Path) -> None:
    project(tmp_path)
    with _serving(["-c", WITHIN, *SERVE], tmp_path, interrupt=False):
        write(tmp_path / "pkg" / "fresh.py", b"def brand_new():\n    return 1\n")
        end = time.monotonic() + 60
        while (tmp_path / "messages").read_text().count("\nBuilt ") < 2:
            assert time.monotonic() < end, (tmp_path / "messages").read_text()
            time.sleep(0.05)
    assert (tmp_path / "site/modules/pkg.fresh.html").is_file()
