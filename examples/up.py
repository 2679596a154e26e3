"""Runs a sample app with all it needs until it is told to stop: `python -m examples.up APP --port PORT`.

`ENABLE_PROFILE_COVERAGE` and `PROFILE_COVERAGE_DIR` of the environment say whether it traces, and where to.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from examples.stack import APPS, Stack
from instrument.errors import CovatlasError


def main(arguments: list[str] | None = None) -> int:
    """Start Redis, the app and its worker, say where the app is, wait for SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m examples.up", description=__doc__)
    parser.add_argument("app", choices=sorted(APPS))
    parser.add_argument("--port", type=int, default=0, help="port of the app [default: any free one]")
    parser.add_argument("--server", choices=("werkzeug", "gunicorn"), default="werkzeug")
    options = parser.parse_args(arguments)
    trace = os.environ.get("ENABLE_PROFILE_COVERAGE") == "1"
    try:
        with Stack(options.app, trace=trace, server=options.server, port=options.port) as stack:
            print(stack.base_url, flush=True)
            while True:  # SIGTERM leaves the block as an exception; one just before a pause without end would not
                time.sleep(1)
    except CovatlasError as error:
        print(f"examples.up: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
