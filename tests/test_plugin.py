"""sitegen.plugin: plain `mkdocs build` and `mkdocs serve` make the map too."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.ports import free_port
from tests.atlas_support import record, write
from tests.site_support import OWN_CONFIG, project

ROOT = Path(__file__).parent.parent


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A mkdocs project with a package and profile data."""
    project(tmp_path)
    write(tmp_path / "mkdocs.yml", OWN_CONFIG.encode())
    write(tmp_path / "docs" / "index.md", b"# What to do\n\nPlay a profile.\n")
    write(tmp_path / "docs" / "how.md", b"# How\n\n[cart](modules/pkg.cart.html) [home](index.md)\n")
    return tmp_path


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home), "NO_MKDOCS_2_WARNING": "1"}


def _mkdocs(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *args],
        cwd=cwd,
        env=_environment(cwd),
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_mkdocs_build_makes_the_map_and_checks_links_to_it(site: Path) -> None:
    done = _mkdocs("build", "--strict", cwd=site)
    assert done.returncode == 0, done.stderr
    assert "<title>Map · Own</title>" in (site / "site/index.html").read_text()
    assert 'href="../modules/pkg.cart.html"' in (site / "site/how/index.html").read_text()
    assert (site / "site/data/matrix.json").exists() and not list((site / "site").glob("sitemap*"))
    again = _mkdocs("build", "--strict", cwd=site)
    assert ", 0 of them new" in again.stderr
    write(site / "docs" / "bad.md", b"[gone](symbols/pkg.gone.html)\n")
    done = _mkdocs("build", "--strict", cwd=site)
    assert done.returncode == 1 and "pkg.gone.html" in done.stderr


def test_without_profile_data_the_hand_written_pages_are_built(site: Path) -> None:
    write(site / "mkdocs.yml", OWN_CONFIG.replace("coverage_dir: data", "coverage_dir: nothing").encode())
    write(site / "docs" / "how.md", b"# How\n")
    done = _mkdocs("build", "--strict", cwd=site)
    assert done.returncode == 0 and "no profile data in" in done.stderr
    home = (site / "site/index.html").read_text()
    assert "Play a profile." in home and "matrix/" not in home
    assert not (site / "site/matrix").exists()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("source: [pkg]", "source: [nowhere]", "does not exist"),
        ("name: material, font: false", "name: mkdocs", "set theme: name: material"),
        ("source: [pkg]", "sauce: [pkg]", "sauce"),
        ("source: [pkg]", "source: [3]", "'source'"),
    ],
)
def test_bad_configuration_is_a_sentence(site: Path, old: str, new: str, sentence: str) -> None:
    write(site / "mkdocs.yml", OWN_CONFIG.replace(old, new).encode())
    done = _mkdocs("build", "--strict", cwd=site)
    assert done.returncode != 0 and sentence in done.stderr and "Traceback" not in done.stderr


def test_options_come_from_pyproject_too(site: Path) -> None:
    write(site / "mkdocs.yml", OWN_CONFIG.split("plugins:")[0].encode() + b"plugins: [covatlas]\n")
    write(site / "pyproject.toml", b'[tool.covatlas]\nsource = ["pkg"]\ncoverage-dir = "data"\n')
    assert _mkdocs("build", "--strict", cwd=site).returncode == 0
    assert (site / "site/modules/pkg.cart.html").exists()


@contextmanager
def _serving(command: list[str], cwd: Path, announced: str) -> Iterator[str]:
    """Run a server and give its address; it is stopped with Ctrl-C and must end well."""
    process = subprocess.Popen(
        command, cwd=cwd, env=_environment(cwd), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(announced, line):
                break
        else:
            pytest.fail("the server ended")
        yield found[1]
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=120)[1]
        assert process.returncode == 0 and "Traceback" not in rest, rest
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _wait_for(url: str, text: str) -> None:
    end = time.monotonic() + 120
    body = ""
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                body = answer.read().decode()
        except OSError:  # not there yet, or the server is busy building
            body = ""
        if text in body:
            return
        time.sleep(0.1)
    pytest.fail(f"{text!r} did not show at {url}: {body[:300]}")


def test_mkdocs_serve_shows_changes_of_source_and_data(site: Path) -> None:
    assert _build_without_mkdocs(site).returncode != 0
    assert _mkdocs("build", cwd=site).returncode == 0
    command = [sys.executable, "-m", "mkdocs", "serve", "-a", f"127.0.0.1:{free_port()}"]
    with _serving(command, site, r"Serving on (http://\S+/)") as base:
        _wait_for(base, "symbols covered")
        write(site / "pkg" / "fresh.py", b"def brand_new():\n    return 1\n")
        _wait_for(base + "modules/pkg.fresh.html", "brand_new")
        record(site, "delta", "from pkg.fresh import brand_new\nbrand_new()\n")
        _wait_for(base + "profiles/delta.html", "brand_new")
        with urllib.request.urlopen(base + "gaps/", timeout=60) as answer:
            assert "Content-Security-Policy" not in answer.read().decode()  # mkdocs' own script would be refused
    assert _build_without_mkdocs(site).returncode == 0  # what was built before is still known
    assert all("Content-Security-Policy" in path.read_text() for path in (site / "site").rglob("*.html"))


def _build_without_mkdocs(cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.modules['mkdocs.commands.build'] = None; from sitegen.cli import main; main()"
    command = [sys.executable, "-c", code, "build", "--source", "pkg", "--coverage-dir", "data"]
    return subprocess.run(command, cwd=cwd, env=_environment(cwd), capture_output=True, text=True, timeout=240)


def test_the_policy_can_be_left_out_and_the_404_page_leads_to_the_sites_address(site: Path) -> None:
    more = "      content_security_policy: false\nsite_url: https://map.example/base/\n"
    write(site / "mkdocs.yml", f"{OWN_CONFIG}{more}".encode())
    assert _mkdocs("build", "--strict", cwd=site).returncode == 0
    assert "Content-Security-Policy" not in (site / "site/gaps/index.html").read_text()
    missing = (site / "site/404.html").read_text()
    assert '<noscript><p><a href="https://map.example/base/">To the start of the site</a></p></noscript>' in missing
    assert 'href="/' not in missing and 'src="/' not in missing


def test_covatlas_serve_rebuilds_says_what_is_wrong_and_has_its_own_404(site: Path) -> None:
    (site / "mkdocs.yml").unlink()
    command = [sys.executable, "-m", "sitegen.cli", "serve", "--source", "pkg", "--coverage-dir", "data", "--port", "0"]
    with _serving(command, site, r"Serving (http://\S+/)") as base:
        _wait_for(base, "symbols covered")
        with pytest.raises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(base + "symbols/gone.html", timeout=60)
        assert missing.value.code == 404 and "covatlas.css" in missing.value.read().decode()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(base + "symbols/", timeout=60)
        write(site / "pkg" / "fresh.py", b"def brand_new():\n    return 1\n")
        _wait_for(base + "modules/pkg.fresh.html", "brand_new")


def test_a_port_in_use_is_one_sentence(site: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "sitegen.cli", "serve", "--source", "pkg", "--port", str(port)]
        done = subprocess.run(command, cwd=site, env=_environment(site), capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith(f"covatlas: port {port} is in use; choose another")
    assert len(done.stderr.splitlines()) == 1 and not (site / "site").exists()
