"""Serve the exactness app with threaded werkzeug on a free port; print the port."""

from __future__ import annotations

import os
import sys

from werkzeug.serving import make_server

from tests.exact.app import create_app

if __name__ == "__main__":
    sys.setswitchinterval(float(os.environ.get("SWITCH_INTERVAL", "0.005")))
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    print(server.port, flush=True)
    server.serve_forever()
