"""`covatlas play` against real HTTP servers: the session, its order, its endings and every sentence of bad usage."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from tests.playback_support import ORIGIN, Reply, Seen, entry, play, serving, write_profile


def _paths(seen: list[Seen]) -> list[str]:
    return [f"{request.method} {request.path}" for request in seen]


def test_a_profile_is_sent_in_order_without_a_trace_header_and_without_data(tmp_path: Path) -> None:
    write_profile(
        tmp_path / "p", "one", entry(path="/a"), entry("POST", "/b?x=%41", body={"n": 1}), entry("HEAD", "/c")
    )
    with serving(lambda request: Reply(body={})) as server:
        result = play(tmp_path / "p", server.base_url, "one", "--coverage-dir", str(tmp_path / "data"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "one: passed, 3 requests answered as recorded\n"
    assert _paths(server.seen) == ["GET /a", "POST /b?x=%41", "HEAD /c"]
    assert server.seen[1].body == b'{"n": 1}'
    assert not any(name.startswith("x-profile") for request in server.seen for name in request.headers)
    assert not (tmp_path / "data").exists()


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    entries = entry(path="/a", answer="page"), entry(origin="http://cdn.test"), entry(status=0)
    write_profile(tmp_path, "one", *entries)
    with serving(lambda request: Reply()) as server:
        result = play(tmp_path, server.base_url, "--all")
    assert "1 request answered as recorded, left out: 1 of other origins and 1 that the app never got" in result.stderr


def test_cookies_come_from_the_replayed_answers_and_redirects_are_not_followed(tmp_path: Path) -> None:
    def answer(request: Seen) -> Reply:
        if request.path == "/login":
            cookies = [("Set-Cookie", "session=new; Path=/; HttpOnly"), ("Set-Cookie", "deep=1; Path=/deep; Secure")]
            return Reply(302, headers=[("Location", "/home"), *cookies])
        return Reply()

    recorded = {"Cookie": "session=old"}
    write_profile(
        tmp_path,
        "one",
        entry(path="/early", headers=recorded),
        entry("POST", "/login", body="x", status=302, headers=recorded, answer_headers={"Location": "/home"}),
        entry(path="/home", headers=recorded),
        entry(path="/deep/er", headers=recorded),
    )
    with serving(answer) as server:
        assert play(tmp_path, server.base_url, "one").exit_code == 0
    assert _paths(server.seen) == ["GET /early", "POST /login", "GET /home", "GET /deep/er"]
    sent = [set(filter(None, request.headers.get("cookie", "").split("; "))) for request in server.seen]
    assert sent == [set(), set(), {"session=new"}, {"session=new", "deep=1"}]


def test_two_profiles_share_no_cookies(tmp_path: Path) -> None:
    for slug in ("a", "b"):
        write_profile(tmp_path, slug, entry(path="/1"), entry(path="/2"))
    numbers = count()
    with serving(lambda request: Reply(headers=[("Set-Cookie", f"s=x{next(numbers)}")])) as server:
        assert play(tmp_path, server.base_url, "--all").exit_code == 0
    assert [request.headers.get("cookie") for request in server.seen] == [None, "s=x0", None, "s=x2"]


def test_ids_and_tokens_of_the_replayed_answers_are_used(tmp_path: Path) -> None:
    form = '<form><input type="hidden" name="csrf_token" value="{}"></form>'
    write_profile(
        tmp_path,
        "one",
        entry(path="/new", answer=form.format("recorded")),
        entry("POST", "/runs", body="csrf_token=recorded&area=7", kind="application/x-www-form-urlencoded", status=302,
              answer_headers={"Location": "/runs/7"}),
        entry(path="/runs/7", answer={"id": 7, "steps": [{"id": 1}, {"id": 2}]}, headers={"Referer": ORIGIN + "/runs"}),
        entry("PUT", "/steps/2", body={"run_id": 7, "weight": 7}),
    )  # fmt: skip

    def answer(request: Seen) -> Reply:
        if request.path == "/new":
            return Reply(body=form.format("fresh&amp;"))
        if request.path == "/runs":
            return Reply(302, headers=[("Location", "/runs/31")])
        return Reply(body={"id": 31, "steps": [{"id": 8}, {"id": 9}]} if request.method == "GET" else {})

    with serving(answer) as server:
        result = play(tmp_path, server.base_url, "one")
    assert result.exit_code == 0, result.stderr
    assert _paths(server.seen) == ["GET /new", "POST /runs", "GET /runs/31", "PUT /steps/9"]
    assert server.seen[1].body == b"csrf_token=fresh%26&area=7"
    assert server.seen[2].headers["referer"] == server.base_url + "/runs"
    assert json.loads(server.seen[3].body) == {"run_id": 31, "weight": 7}


def test_an_app_below_a_path_gets_paths_below_it(tmp_path: Path) -> None:
    write_profile(
        tmp_path,
        "one",
        entry("POST", "/runs", body="x", status=302, answer_headers={"Location": "/runs/7"}),
        entry(path="/runs/7"),
    )
    with serving(lambda r: Reply(*((302, b"", [("Location", "/app/runs/8")]) if r.method == "POST" else ()))) as server:
        assert play(tmp_path, server.base_url + "/app/", "one").exit_code == 0
    assert _paths(server.seen) == ["POST /app/runs", "GET /app/runs/8"]


def test_another_status_is_a_finding_and_the_rest_is_still_played(tmp_path: Path) -> None:
    write_profile(tmp_path, "bad", entry(path="/a"), entry(path="/boom", status=201), entry(path="/c"))
    write_profile(tmp_path, "good", entry(path="/d"))
    with serving(lambda request: Reply(500 if request.path == "/boom" else 200)) as server:
        result = play(tmp_path, server.base_url, "--all")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "bad: failed, 2 of 3 requests answered as recorded",
        "  session.har entry 2: GET /boom answered 500, recorded 201",
        "good: passed, 1 request answered as recorded",
        "covatlas: 1 of 2 profiles failed: bad",
    ]
    assert _paths(server.seen) == ["GET /a", "GET /boom", "GET /c", "GET /d"]


def test_a_lost_connection_fails_the_profile_and_the_next_one_goes_on(tmp_path: Path) -> None:
    write_profile(tmp_path, "cut", entry(path="/a"), *(entry("POST", f"/cut{n}", body="x") for n in range(5)))
    write_profile(tmp_path, "next", entry(path="/d"))
    with serving(lambda request: Reply(cut="cut" in request.path)) as server:
        result = play(tmp_path, server.base_url, "cut", "next")
    assert result.exit_code == 1
    assert "session.har entry 2: POST /cut0: the connection was lost" in result.stderr
    assert "the remaining 2 requests were not sent" in result.stderr
    assert "next: passed" in result.stderr
    assert _paths(server.seen) == ["GET /a", "POST /cut0", "POST /cut1", "POST /cut2", "GET /d"]


def test_an_answer_that_says_not_yet_is_asked_for_again(tmp_path: Path) -> None:
    write_profile(
        tmp_path,
        "one",
        entry(path="/result", status=404),
        entry("POST", "/start", body="x", status=202),
        entry(path="/job", answer={"job": {"status": "finished"}}),
        entry(path="/result"),
    )
    polls, results = count(), count()

    def answer(request: Seen) -> Reply:
        if request.path == "/job":
            return Reply(body={"job": {"status": "finished" if next(polls) == 2 else "Started"}})
        if request.path == "/result":
            return Reply(200 if next(results) == 2 else 404)
        return Reply(202)

    with serving(answer) as server:
        result = play(tmp_path, server.base_url, "one")
    assert result.exit_code == 0, result.stderr
    assert _paths(server.seen) == ["GET /result", "POST /start", *["GET /job"] * 3, *["GET /result"] * 2]


def test_asking_again_ends_with_the_job_timeout_and_never_repeats_what_changes_something(tmp_path: Path) -> None:
    write_profile(tmp_path, "one", entry("POST", "/start", body="x"), entry(path="/result"), entry(path="/other"))
    with serving(lambda request: Reply(409)) as server:
        started = time.monotonic()
        result = play(tmp_path, server.base_url, "one", "--job-timeout", "3")
    assert result.exit_code == 1
    assert 2.9 < time.monotonic() - started < 60
    assert _paths(server.seen).count("POST /start") == 1
    assert _paths(server.seen).count("GET /result") > 2
    assert _paths(server.seen).count("GET /other") == 1


def test_lost_connections_far_apart_do_not_end_the_playback(tmp_path: Path) -> None:
    paths = ["/cut", "/a", "/cut", "/b", "/cut", "/c", "/cut", "/d"]
    write_profile(tmp_path, "one", *(entry("POST", path, body="x") for path in paths))
    with serving(lambda request: Reply(cut=request.path == "/cut")) as server:
        assert play(tmp_path, server.base_url, "one").exit_code == 1
    assert [request.path for request in server.seen] == paths


def test_before_anything_was_changed_nothing_is_asked_for_again(tmp_path: Path) -> None:
    write_profile(tmp_path, "one", entry(path="/result"))
    with serving(lambda request: Reply(404)) as server:
        assert play(tmp_path, server.base_url, "one", "--job-timeout", "1").exit_code == 1
    assert _paths(server.seen) == ["GET /result"]


@pytest.mark.parametrize("recorded", [{"status": "queued"}, {"id": 1}, ["finished"], {"status": 3}])
def test_work_that_the_recording_did_not_see_finished_is_not_waited_for(tmp_path: Path, recorded: object) -> None:
    write_profile(tmp_path, "one", entry("POST", "/start", body="x"), entry(path="/job", answer=recorded))
    with serving(lambda request: Reply(body={"status": "queued"})) as server:
        assert play(tmp_path, server.base_url, "one", "--job-timeout", "1").exit_code == 0
    assert _paths(server.seen) == ["POST /start", "GET /job"]


def test_a_plain_difference_is_not_asked_for_again(tmp_path: Path) -> None:
    write_profile(tmp_path, "one", entry("POST", "/start", body="x"), entry(path="/result"))
    with serving(lambda request: Reply(200 if request.method == "POST" else 500)) as server:
        assert play(tmp_path, server.base_url, "one").exit_code == 1
    assert _paths(server.seen) == ["POST /start", "GET /result"]


def test_the_surroundings_lend_neither_proxy_nor_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    write_profile(tmp_path / "p", "one", entry())
    with serving(lambda request: Reply()) as server:
        assert play(tmp_path / "p", server.base_url, "one").exit_code == 0
    assert "authorization" not in server.seen[0].headers


def test_header_values_beyond_ascii_are_sent(tmp_path: Path) -> None:
    write_profile(tmp_path, "one", entry(headers={"X-Name": "Zoë"}))
    with serving(lambda request: Reply()) as server:
        assert play(tmp_path, server.base_url, "one").exit_code == 0
    assert server.seen[0].headers["x-name"].encode("latin-1") == "Zoë".encode()


# ── usage: one sentence, exit code 2, nothing sent ───────────────────────────────────────────────────────────────


USAGE = {
    "unknown": (["one", "nine"], "there is no profile 'nine' in {profiles}; its profiles are: one, two"),
    "refused": (["../one"], "slug '../one' is refused"),
    "nothing": ([], "nothing to play: name at least one profile or give --all"),
    "both": (["one", "--all"], "name profiles or give --all, not both"),
}


@pytest.mark.parametrize("name", USAGE)
def test_bad_usage(tmp_path: Path, name: str) -> None:
    arguments, sentence = USAGE[name]
    for slug in ("one", "two"):
        write_profile(tmp_path, slug, entry())
    with serving(lambda request: Reply()) as server:
        result = play(tmp_path, server.base_url, *arguments)
    _one_sentence(result.exit_code, result.stderr, sentence.format(profiles=tmp_path))
    assert server.seen == []


def test_all_with_nothing_there(tmp_path: Path) -> None:
    result = play(tmp_path, "http://127.0.0.1:9", "--all")
    _one_sentence(result.exit_code, result.stderr, f"nothing to play: {tmp_path} holds no profile folder")


def test_all_with_a_folder_whose_name_is_refused(tmp_path: Path) -> None:
    write_profile(tmp_path, "Upper", entry())
    result = play(tmp_path, "http://127.0.0.1:9", "--all")
    _one_sentence(result.exit_code, result.stderr, "slug 'Upper' is refused")


def test_no_profiles_directory(tmp_path: Path) -> None:
    result = play(tmp_path / "none", "http://127.0.0.1:9", "--all")
    _one_sentence(result.exit_code, result.stderr, f"the profiles directory {tmp_path / 'none'} cannot be read")


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:5000", "ftp://h", "http://", "http://h:99999", "http://h?q=1", "http://u:p@h", "http://h/a b"],
)
def test_a_bad_base_url(tmp_path: Path, url: str) -> None:
    write_profile(tmp_path, "one", entry())
    result = play(tmp_path, url, "one")
    _one_sentence(result.exit_code, result.stderr, f"the base URL {url!r} is not an address of an app")


def test_an_unreachable_base_url(tmp_path: Path) -> None:
    write_profile(tmp_path, "one", entry())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: refuses connections
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        for arguments in ([], ["--trace-code", "--coverage-dir", str(tmp_path / "data")]):
            result = play(tmp_path, url, "one", *arguments)
            _one_sentence(result.exit_code, result.stderr, f"{url} cannot be reached (Connection refused)")
    assert not (tmp_path / "data").exists()


def test_an_unknown_host(tmp_path: Path) -> None:
    write_profile(tmp_path, "one", entry())
    result = play(tmp_path, "http://nowhere.invalid", "one")
    _one_sentence(result.exit_code, result.stderr, "http://nowhere.invalid cannot be reached")


def test_the_client_loads_no_site_generator_and_no_app_framework(tmp_path: Path) -> None:
    code = (
        "import sys, instrument.playback.play\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'mkdocs', 'jinja2', 'flask', 'rq', 'redis',"
        " 'werkzeug', 'material', 'rich'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=True
    )
    assert done.stdout.strip() == "[]"


def _one_sentence(code: int, stderr: str, sentence: str) -> None:
    assert code == 2, stderr
    assert sentence in stderr
    assert stderr.startswith("covatlas: ") and stderr.count("\n") == 1
