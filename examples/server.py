"""Serves a WSGI app with threaded werkzeug on an inherited socket: `python -m examples.server module:app FD`."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any

from werkzeug.serving import make_server


def load(target: str) -> Any:
    """Return the app of `module:name` or `module:factory()`."""
    module, _, name = target.partition(":")
    value = getattr(importlib.import_module(module), name.removesuffix("()"))
    return value() if name.endswith("()") else value


def main() -> None:
    """Serve until SIGTERM; leaving by SystemExit lets exit handlers run."""
    target, fd = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    make_server("127.0.0.1", 0, load(target), threaded=True, fd=fd).serve_forever()


if __name__ == "__main__":
    main()
