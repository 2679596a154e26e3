"""Serve an app of the proofs (a module with create_app) with threaded werkzeug on a free port; print the port.

A second argument names a fault of `tests.exact.faults` to plant first.
"""

from __future__ import annotations

import importlib
import os
import sys

from werkzeug.serving import make_server

if __name__ == "__main__":
    sys.setswitchinterval(float(os.environ.get("SWITCH_INTERVAL", "0.005")))
    if len(sys.argv) > 2:
        from tests.exact.faults import FAULTS

        FAULTS[sys.argv[2]]()
    module = importlib.import_module(sys.argv[1])
    server = make_server("127.0.0.1", 0, module.create_app(), threaded=True)
    print(server.port, flush=True)
    server.serve_forever()
