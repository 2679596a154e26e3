"""The oracle: the lines of each path, one request at a time under plain coverage.py, as JSON on stdout."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import coverage

from tests.exact import app as module


def main() -> None:
    paths = json.load(sys.stdin)
    client = module.create_app().test_client()
    for path in paths:  # what only a first call runs is no part of any request
        client.get(path, buffered=True)
    found = {}
    for path in paths:
        cov = coverage.Coverage(data_file=None, config_file=False, source_pkgs=["tests.exact.app"])
        cov.start()
        module.shared_pool = ThreadPoolExecutor(4)  # coverage.py does not see threads born before its start
        client.get(path, buffered=True)
        cov.stop()
        data = cov.get_data()
        found[path] = {name: sorted(data.lines(name) or ()) for name in data.measured_files() if data.lines(name)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
