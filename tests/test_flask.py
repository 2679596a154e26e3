"""The extension in a real threaded server: refused headers, doors, status, bodies, and what a SIGKILL costs."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import flask
import pytest
import requests

from instrument import journal, shards
from instrument.control import Control
from tests.exact.server import ROOT

REFUSED = ["..", "a.b", "a/b", "A", "-a", "a" * 65, "a,b", "a:b", "*", "nul", "index", "%61", "a b", "\xe4"]


def test_a_refused_header_is_counted_and_the_request_is_untouched(serve) -> None:
    server = serve()
    plain = server.get("/plain/3")
    for slug in REFUSED:
        answer = requests.get(server.base + "/plain/3", headers={"X-Profile-Trace": slug.encode("latin-1")}, timeout=60)
        assert (answer.status_code, answer.content) == (200, plain.content), slug
    assert server.status()["refused"] == len(REFUSED)
    assert [path.read_bytes() for path in journal.journals(server.directory)] == [b""], "no more than the board"


def test_status_says_what_is_open_and_recorded(serve) -> None:
    server = serve(PROFILE_COVERAGE_COMMIT="abc123")
    server.get("/plain/3", X_Profile_Trace="alps", X_Profile_Request="r-1")
    status = server.settled()
    assert status == {
        **status,
        "enabled": True,
        "problem": None,
        "engine": "sysmon" if sys.version_info >= (3, 12) else "ctrace",
        "pid": server.process.pid,
        "coverage_dir": str(server.directory),
        "commit": "abc123",
        "open": {},
        "pending": {},
        "shards": {},
        "refused": 0,
        "jobs": "none",
    }
    assert requests.post(server.base + "/__covatlas__/flush", timeout=60).json() == {"shards": 1}
    assert server.status()["shards"] == {"alps": 1}
    assert server.contexts("alps") == {"profile:alps:r-1"}


def test_an_open_stream_counts_as_open_until_its_end(serve) -> None:
    server = serve()
    headers = {"X-Profile-Trace": "alps", "X-Profile-Request": "r-1"}
    with requests.get(server.base + "/slow-stream", headers=headers, stream=True, timeout=60) as answer:
        chunks = answer.iter_content(None)
        assert next(chunks) == b"first"
        assert server.status()["open"] == {"alps": 1}
        server.get("/go-on")
        assert b"".join(chunks) == b"last"
    server.settled()


def test_a_client_that_leaves_a_stream_ends_the_trace(serve) -> None:
    server = serve()
    headers = {"X-Profile-Trace": "alps", "X-Profile-Request": "r-1"}
    with requests.get(server.base + "/slow-stream?chunks=2000", headers=headers, stream=True, timeout=60) as answer:
        next(answer.iter_content(None))
    server.settled()


def test_answered_requests_survive_sigkill(serve) -> None:
    server = serve()
    for number in range(40):
        kind = ("plain", "stream", "fail", "threads")[number % 4]
        server.get(f"/{kind}/{number}", X_Profile_Trace="alps", X_Profile_Request=f"r-{number}")
    server.kill()
    assert server.contexts("alps") == {f"profile:alps:r-{number}" for number in range(40)}


def test_an_orderly_exit_leaves_shards(serve) -> None:
    server = serve()
    server.get("/plain/3", X_Profile_Trace="alps")
    server.kill(signal.SIGINT)
    assert journal.journals(server.directory) == []
    assert len(shards.shard_files(server.directory, "alps")) == 1


def test_the_shared_token_guards_tracing_and_control(serve) -> None:
    server = serve(PROFILE_COVERAGE_TOKEN="s3cret")
    server.get("/plain/3", X_Profile_Trace="alps", X_Profile_Request="r-1")
    server.get("/plain/3", X_Profile_Trace="alps", X_Profile_Request="r-2", X_Profile_Token="wrong")
    server.get("/plain/3", X_Profile_Trace="alps", X_Profile_Request="r-3", X_Profile_Token="s3cret")
    assert server.get("/__covatlas__/status").status_code == 403
    assert server.status(X_Profile_Token="s3cret")["refused"] == 2
    assert server.contexts("alps") == {"profile:alps:r-3"}


def test_the_allow_list(serve) -> None:
    server = serve(PROFILE_COVERAGE_ALLOW="alps")
    server.get("/plain/3", X_Profile_Trace="alps")
    server.get("/plain/3", X_Profile_Trace="coast")
    assert server.status()["refused"] == 1
    assert shards.known_slugs(server.directory) == ["alps"]


def test_a_bad_request_id_is_replaced(serve) -> None:
    server = serve()
    server.get("/plain/3", X_Profile_Trace="alps", X_Profile_Request="a/b c")
    (context,) = server.contexts("alps")
    assert context.startswith("profile:alps:") and "/" not in context and " " not in context


def test_digests_of_traced_source_only(serve) -> None:
    server = serve()
    url, app = server.base + "/__covatlas__/digests", str(ROOT / "tests" / "exact" / "app.py")
    asked = [app, __file__, str(ROOT / "README.md"), "/no/such.py", "\0.py", 3, [app]]
    answer = requests.post(url, json={"files": asked}, timeout=60).json()
    assert answer == {"digests": {app: hashlib.sha256(Path(app).read_bytes()).hexdigest()}}
    assert requests.post(url, json=[], timeout=60).status_code == 400


def test_routes_and_match(serve) -> None:
    server = serve()
    rules = {item["rule"] for item in server.get("/__covatlas__/routes").json()["routes"]}
    assert "/plain/<int:number>" in rules
    assert not any(rule.startswith("/__covatlas__") for rule in rules)
    asked = [{"method": "GET", "path": "/plain/7?x=1"}, {"method": "POST", "path": "/plain/7"}, {"bad": 1}]
    answer = requests.post(server.base + "/__covatlas__/match", json={"requests": asked}, timeout=60)
    assert answer.json() == {"routes": ["/plain/<int:number>", None, None]}
    assert requests.post(server.base + "/__covatlas__/match", json=[], timeout=60).status_code == 400


def test_match_answers_rules_for_quoted_paths_and_missing_slashes() -> None:
    app = flask.Flask("mountains")
    app.wsgi_app = Control(app.wsgi_app, app)
    for rule in ("/höhe", "/runs/<int:number>/", "/files/<path:name>/", "/one", "/a b/<name>"):
        app.add_url_rule(rule, rule.replace(".", ""), lambda **_: "")
    app.add_url_rule("/old/<int:number>", "old", redirect_to="runs/<number>/")
    asked = {
        "/h%C3%B6he": "/höhe",
        "/runs/7": "/runs/<int:number>/",
        "/files/a%20b%2Fc?x=%2F": "/files/<path:name>/",
        "/a%20b/c%3Fd": "/a b/<name>",
        "//one": "/one",
        "/old/7": "/runs/<int:number>/",
        "/%E9": None,
    }
    requests_ = [{"method": "GET", "path": path} for path in asked]
    answer = app.test_client().post("/__covatlas__/match", json={"requests": requests_})
    assert dict(zip(asked, answer.get_json()["routes"], strict=True)) == asked


def test_hooks_of_the_app_do_not_see_what_is_asked_about_it() -> None:
    app = flask.Flask("guarded", host_matching=True, static_host="shop.example")
    app.before_request(lambda: flask.abort(401))  # as a login or a CSRF check for the whole app
    app.after_request(lambda answer: flask.redirect("/login"))
    app.register_error_handler(404, lambda error: ("lost", 200))
    app.add_url_rule("/runs", "runs", host="shop.example")
    app.wsgi_app = Control(app.wsgi_app, app)
    client = app.test_client()
    assert client.get("/runs").status_code == client.get("/__covatlas__").status_code == 302
    assert client.get("/__covatlas__/status").json["enabled"] is False
    assert "/runs" in [rule["rule"] for rule in client.get("/__covatlas__/routes").json["routes"]]
    assert client.post("/__covatlas__/flush").json == {"shards": 0}
    assert client.get("/__covatlas__/else").status_code == 404


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"PROFILE_COVERAGE_DIR": "/proc/nowhere"}, "/proc/nowhere"),
        ({"PROFILE_COVERAGE_ENGINE": "warp"}, "PROFILE_COVERAGE_ENGINE"),
        ({"PROFILE_COVERAGE_DIR": str(ROOT / "tests" / "exact" / "data")}, "inside the traced source"),
    ],
)
def test_tracing_that_cannot_start_says_why_and_leaves_the_app_alone(serve, env: dict[str, str], why: str) -> None:
    server = serve(**env)
    assert server.get("/plain/3", X_Profile_Trace="alps").status_code == 200
    status = server.status()
    assert status["enabled"] is False
    assert why in status["problem"]
    assert server.log.read_text().count("tracing is off") == 1


def test_a_full_disk_stops_tracing_and_nothing_else(serve) -> None:
    server = serve()
    server.get("/plain/3", X_Profile_Trace="alps", X_Profile_Request="r-1")
    limit = ["prlimit", f"--pid={server.process.pid}", "--fsize=1000"]
    if subprocess.run(limit, capture_output=True).returncode:
        pytest.skip("prlimit is missing")
    for number in range(20):
        assert server.get(f"/plain/{number}", X_Profile_Trace="alps").status_code == 200
    assert "the disk took only a part of a record" in server.status()["problem"]
    assert server.log.read_text().count("tracing is off") == 1
    assert "profile:alps:r-1" in server.contexts("alps")
