"""Plays every profile of a sample app and builds its site: what `make site` and `make serve` run."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from examples.processes import signals_as_exit
from examples.stack import APPS, ROOT, Stack
from instrument import settings
from instrument.errors import CovatlasError

COVATLAS = (sys.executable, "-m", "sitegen.cli")
DEFAULT_APP = "watershed"


def main(arguments: list[str] | None = None) -> int:
    """Run the road from recorded sessions to a site; return the first exit code that is not 0."""
    parser = argparse.ArgumentParser(prog="python -m examples.site", description=__doc__)
    parser.add_argument("app", choices=sorted(APPS))
    parser.add_argument("--site-dir", type=Path, help="where the site goes [default: site, site-<app> for others]")
    parser.add_argument("--server", choices=("werkzeug", "gunicorn"), default="werkzeug")
    parser.add_argument("--workers", type=int, default=1, help="processes of gunicorn")
    parser.add_argument("--app-port", type=int, default=0, help="port of the app [default: any free one]")
    parser.add_argument("--serve", action="store_true", help="play nothing; show the site of the last playback")
    parser.add_argument("--port", type=int, default=8000, help="port of --serve")
    options = parser.parse_args(arguments)
    try:
        if options.serve:
            serve(options)
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
    directory = coverage_dir(app)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    server = {"server": options.server, "workers": options.workers, "port": options.app_port}
    with Stack(app, coverage_dir=directory, trace=True, **server) as stack:
        play_code = covatlas(
            *("play", "--all", "--trace-code", "--base-url", stack.base_url),
            *("--coverage-dir", str(directory), "--profiles", str(ROOT / "examples" / app / "profiles")),
        )
    played = time.monotonic()
    if play_code > 1:
        return play_code
    # A profile that failed is a finding: the site shows it.
    build_code = covatlas("build", *build_options(options))
    if build_code:
        return build_code
    print(
        f"Played in {played - started:.0f} s, built in {time.monotonic() - played:.0f} s, data in {directory}; "
        f"`make {'serve' if app == DEFAULT_APP else f'serve-{app}'}` shows the site:",
        file=sys.stderr,
    )
    print(site_dir(options) / "index.html")
    return play_code


def serve(options: argparse.Namespace) -> NoReturn:
    """Become `covatlas serve` on the data of the last playback."""
    os.chdir(ROOT)
    command = [*COVATLAS, "serve", *build_options(options), "--port", str(options.port)]
    os.execv(command[0], command)


def build_options(options: argparse.Namespace) -> list[str]:
    """Return what `covatlas build` and `serve` are told alike."""
    return [
        *("--source", str(source_dir(options.app)), "--coverage-dir", str(coverage_dir(options.app))),
        *("--site-dir", str(site_dir(options)), "--cache-dir", str(ROOT / "cache")),
    ]


def site_dir(options: argparse.Namespace) -> Path:
    """Return where the site goes."""
    name = "site" if options.app == DEFAULT_APP else f"site-{options.app}"
    return (options.site_dir or ROOT / name).absolute()


def coverage_dir(app: str) -> Path:
    """Return the directory of the app's data: outside the tree, and this clone's own (it is emptied before a run)."""
    clone = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    return settings.coverage_dir() / f"covatlas-example-{app}-{clone}"


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
    return subprocess.run([*COVATLAS, *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
