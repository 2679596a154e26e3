"""Plays every profile of a sample app and builds its site: `python -m examples.site watershed`; see `make site`."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from examples.processes import signals_as_exit
from examples.stack import APPS, ROOT, Stack
from instrument import settings
from instrument.errors import CovatlasError


def main(arguments: list[str] | None = None) -> int:
    """Run the road from recorded sessions to a site; return the first exit code that is not 0."""
    parser = argparse.ArgumentParser(prog="python -m examples.site", description=__doc__.split(":")[0])
    parser.add_argument("app", choices=sorted(APPS))
    parser.add_argument("--site-dir", type=Path, help="where the site goes [default: site, site-<app> for others]")
    parser.add_argument("--server", choices=("werkzeug", "gunicorn"), default="werkzeug")
    parser.add_argument("--workers", type=int, default=1, help="processes of gunicorn")
    parser.add_argument("--port", type=int, default=0, help="port of the app [default: any free one]")
    options = parser.parse_args(arguments)
    try:
        with signals_as_exit():
            return make(options)
    except CovatlasError as error:
        print(f"make site: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("make site: interrupted; everything it had started is stopped", file=sys.stderr)
        return 130


def make(options: argparse.Namespace) -> int:
    """Play, then build with the app already stopped."""
    started = time.monotonic()
    app = options.app
    site_dir = (options.site_dir or ROOT / ("site" if app == "watershed" else f"site-{app}")).absolute()
    coverage_dir = fresh_coverage_dir(app)
    with Stack(
        app,
        coverage_dir=coverage_dir,
        trace=True,
        server=options.server,
        workers=options.workers,
        port=options.port,
    ) as stack:
        play_code = covatlas(
            *("play", "--all", "--trace-code", "--base-url", stack.base_url),
            *("--coverage-dir", str(coverage_dir), "--profiles", str(ROOT / "examples" / app / "profiles")),
        )
    played = time.monotonic()
    if play_code > 1:
        return play_code
    # A profile that failed is a finding: the site shows it.
    code = covatlas(
        *("build", "--source", str(source_dir(app)), "--coverage-dir", str(coverage_dir)),
        *("--site-dir", str(site_dir), "--cache-dir", str(ROOT / "cache")),
    )
    if code:
        return code
    pages = sum(1 for _ in site_dir.rglob("*.html"))
    print(
        f"{pages} pages: {site_dir / 'index.html'} (played in {played - started:.0f} s, "
        f"built in {time.monotonic() - played:.0f} s; `make serve` shows it, data in {coverage_dir})",
        file=sys.stderr,
    )
    print(site_dir / "index.html")
    return play_code


def fresh_coverage_dir(app: str) -> Path:
    """Return an empty directory for the app's data, outside the tree, where `covatlas serve` finds it again."""
    directory = settings.coverage_dir() / f"covatlas-example-{app}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def source_dir(app: str) -> Path:
    """Return the directory of the app's package: here, or where it is installed."""
    here = APPS[app].import_path / app
    if here.is_dir():
        return here
    spec = find_spec(app)
    if spec is None or spec.origin is None:
        raise CovatlasError(f"the package {app!r} is not installed; run `make site-{app}`, which installs it")
    return Path(spec.origin).parent


def covatlas(*arguments: str) -> int:
    """Run the command in the project's root, as one would by hand; return its exit code."""
    return subprocess.run([sys.executable, "-m", "sitegen.cli", *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
