"""The proof: two slugs, more slugs and untraced traffic at once; every request has exactly its own lines."""

from __future__ import annotations

import json
import os
import urllib.request

import pytest

from tests.exact.proof import ENGINES, compare, environment, fire, gunicorn, oracle, recorded, werkzeug

REQUESTS = int(os.environ.get("COVATLAS_EXACT_REQUESTS", "1600"))


@pytest.mark.parametrize("server", [werkzeug, gunicorn])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_request_has_exactly_its_own_lines(server, engine, tmp_path):
    requests = REQUESTS // 4 if engine == "pure" else REQUESTS
    directory = tmp_path / "data"
    with server(environment(directory, engine), tmp_path) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/__covatlas__/status") as answer:
            assert json.load(answer)["engine"] == engine, "another engine than asked for proves nothing"
        sent = fire(port, oracle(), requests)
        got = recorded(directory)  # while the server still runs
    assert len(sent) > requests // 2
    recall, precision, differences = compare(sent, got, oracle())
    assert not differences, json.dumps(differences)
    assert (recall, precision) == (1.0, 1.0)
    assert recorded(directory) == got, "nothing more may come after the answers"
