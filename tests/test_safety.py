"""Nothing untrusted runs and nothing foreign is asked: every page of a site with hostile names, in a real browser."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from sitegen.model import Gone
from sitegen.policy import policy_tag
from sitegen.previous import gone_artifact
from sitegen.site import build_site
from tests.atlas_support import write
from tests.site_support import FILES, HOSTILE, project, served

# What breaks out of a text, an attribute, a script or an address, if anything does.
TRICKS = (
    HOSTILE, "\"><img src=x onerror='window.hacked=1'>", "'-alert(1)-'", "</script><script>window.hacked=1</script>",
    "javascript:alert(1)", "<!--", "{{ 7*7 }}", "<base href=http://evil.example/>", "\u202e",
    "<svg onload=window.hacked=1>", "<link rel=stylesheet href=http://evil.example/x.css>",
)  # fmt: skip
META = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
PLANTED = (
    "<script>window.hacked = 1</script>",
    "<img src='x' onerror='window.hacked = 1'>",
    "<script src='{evil}x.js'></script>",
    "<img src='{evil}x.png'>",
    "<iframe src='{evil}x.html'></iframe>",
    "<object data='{evil}x.svg'></object>",
    "<link rel='stylesheet' href='{evil}x.css'>",
    "<a id='planted' href='javascript:window.hacked = 1'>x</a>",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose sources, names, records and earlier night are hostile."""
    root = tmp_path_factory.mktemp("safety")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        options = project(root)
        texts = "\n".join(f"    # {trick}" for trick in TRICKS)
        write(
            root / "pkg" / "tricks.py",
            f'"""{TRICKS[1]}"""\n\n\ndef f(x={TRICKS[1]!r}):\n{texts}\n    return 1\n'.encode(),
        )
        for at, trick in enumerate(TRICKS):
            write(root / "pkg" / f"{at}{trick.replace('/', '')}.py", f"def f():\n    return {trick!r}\n".encode())
        build_site(options, lambda message: None)
        night = shutil.copytree(options.site_dir, root / "night")
        gone = tuple(Gone(f"pkg.{trick}", "function", "1", trick, trick, (("pkg.cart", "module"),)) for trick in TRICKS)
        (night / "data/gone.json").write_bytes(gone_artifact(gone).data)
        build_site(replace(options, previous=night), lambda message: None)
    return options.site_dir


@contextmanager
def _watched(browser: Browser, base: str) -> Iterator[tuple[BrowserContext, list[str]]]:
    """Give a context and the list of everything that goes wrong in its pages."""
    context = browser.new_context()
    faults: list[str] = []
    context.on("console", lambda message: faults.append(f"console: {message.text}"))
    context.on("weberror", lambda error: faults.append(f"error: {error.error}"))
    context.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    context.on("request", lambda sent: sent.url.startswith((base, "data:")) or faults.append(f"request: {sent.url}"))
    context.on("response", lambda answer: answer.status < 400 or faults.append(f"{answer.status}: {answer.url}"))
    yield context, faults
    context.close()


def test_every_page_is_quiet_and_asks_nobody_else(browser: Browser, site: Path) -> None:
    with served(site) as base, _watched(browser, base) as (context, faults):
        page = context.new_page()
        paths = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
        kinds = {path.split("/")[0] for path in paths}
        assert {"go", "symbols", "modules", "profiles", "matrix", "gaps", "overlap", "words", "404.html"} <= kinds
        assert sum("pkg." in path for path in paths) > 3 * len(TRICKS)
        for path in paths:
            page.goto(base + path.replace("%", "%25"))
            page.keyboard.press("End")
            assert page.evaluate("window.hacked") is None, path
            assert not faults, (path, faults)
        page.keyboard.press("Control+k")
        for trick in ("script", "javascript", "img", "alpha"):
            page.get_by_role("combobox").fill(trick)
            page.get_by_role("option").first.wait_for()
        assert page.evaluate("window.hacked") is None and not faults


def test_every_page_has_a_policy_and_the_policy_stands_before_all_that_it_rules(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text()
        found = META.findall(text)
        assert len(found) == 1, path
        assert "script-src 'self'" in found[0] and "unsafe-eval" not in found[0]
        assert "'unsafe-inline'" not in found[0].partition("script-src")[2].partition(";")[0]
        before = text.partition(found[0])[0]
        assert len(before) < 100 and "<script" not in before and "<link" not in before


@pytest.fixture
def evil() -> Iterator[tuple[str, list[str]]]:
    """Another host that answers everything with a script, and the paths that it was asked for."""
    asked: list[str] = []

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"window.hacked = 2")

        def log_message(self, *args: object) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
        server.shutdown()


@pytest.mark.parametrize("path", ["symbols/pkg.cart.never.html", "words/index.html", "404.html", "go/index.html"])
def test_what_would_be_planted_does_not_run(
    browser: Browser, site: Path, tmp_path: Path, evil: tuple[str, list[str]], path: str
) -> None:
    copy, (host, asked) = shutil.copytree(site, tmp_path / "copy"), evil
    clean = (copy / path).read_text()
    planted = clean.replace("</article>", "".join(PLANTED).replace("{evil}", host) + "</article>")
    assert planted != clean

    def visit(text: str) -> object:
        (copy / path).write_text(text)
        asked.clear()
        with served(copy) as base, _watched(browser, base) as (context, _):
            page = context.new_page()
            page.goto(base + path, wait_until="load")
            page.locator("#planted").evaluate("(link) => link.click()")
            page.wait_for_timeout(100)
            return page.evaluate("window.hacked")

    assert visit(planted) is None and asked == []
    assert visit(META.sub("", planted)) is not None and len(set(asked)) == 5  # without a policy all of it works


def test_a_policy_allows_exactly_the_scripts_that_it_is_given() -> None:
    text = policy_tag("<script>a()</script><p><script>\nb()\n</script><script type='application/json'>{}</script>")
    assert text.count("'sha256-") == 2
    assert policy_tag("<script>a()</script>") == policy_tag("x<script>a()</script>y<script>a()</script>")
    assert policy_tag("<script>a()</script>") != policy_tag("<script>a() </script>")
    assert "base-uri 'none'" in text and "base-uri 'self'" in policy_tag("", "'self'")


def test_hostile_sources_were_there(site: Path) -> None:
    assert "hostile.py" in FILES and any("onerror" in path.read_text() for path in site.glob("modules/pkg.tricks.html"))
