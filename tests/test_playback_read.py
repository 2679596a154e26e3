"""Readers of HAR files, events and profile folders: what they keep, and the sentence for everything malformed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from instrument.playback.events import read_events
from instrument.playback.har import read_har
from instrument.playback.profile import load_profile
from instrument.playback.recorded import find_header, origin_of, path_of, place_at
from tests.playback_support import ORIGIN, Reply, entry, har, play, serving, write_profile


def _har(tmp_path: Path, *entries: object) -> Path:
    path = tmp_path / "session.har"
    path.write_text(har(*entries))
    return path


def _events(tmp_path: Path, *events: dict[str, object]) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def test_har_keeps_the_origin_of_the_first_document_and_counts_the_rest(tmp_path: Path) -> None:
    recording = read_har(
        _har(
            tmp_path,
            entry(path="/lib.js", origin="https://cdn.test"),
            entry(path="/a", answer="<p>page</p>"),
            *(entry(path="/tile", origin="https://cdn.test") for _ in range(6)),
            entry(path="/gone", status=0),
            entry(path="/gone", status=-1),
            entry(path="/b", status=200, _fromCache="memory"),
            entry("POST", "/c?x=1", body={"n": 1}, status=201),
        )
    )
    assert [(r.method, r.path, r.answer.status) for r in recording.requests] == [
        ("GET", "/a", 200),
        ("POST", "/c?x=1", 201),
    ]
    assert (recording.foreign, recording.unsent) == (7, 3)
    assert recording.requests[1].where == "session.har entry 12"


def test_har_without_a_document_takes_the_most_frequent_origin(tmp_path: Path) -> None:
    recording = read_har(
        _har(
            tmp_path,
            entry(origin="http://other.test"),
            entry(path="/a"),
            entry(path="/b", origin="http://RECORDED.test:5000"),
        )
    )
    assert [r.path for r in recording.requests] == ["/a", "/b"]


def test_har_entries_that_no_server_was_asked_for_are_left_out(tmp_path: Path) -> None:
    odd = ["data:image/png;base64,AAAA", "blob:http://recorded.test:5000/4ba2", "about:blank", "file:///tmp/x.html"]
    page = entry(path="/a", answer="<p>page</p>")
    entries = [entry(path=url, origin="", answer="<p>frame</p>") for url in odd]
    recording = read_har(_har(tmp_path, *entries, page, entry(path="/b")))
    assert [r.path for r in recording.requests] == ["/a", "/b"]
    assert recording.foreign == 4
    assert [r.path for r in read_har(_har(tmp_path, *entries, entry(path="/b"))).requests] == ["/b"]


def test_a_har_that_begins_with_the_way_to_https_is_of_https(tmp_path: Path) -> None:
    plain, safe = "http://recorded.test", "https://recorded.test"
    way = entry(status=307, origin=plain, answer_headers={"Location": safe + "/"}, _resourceType="document")
    page = entry(path="/a", origin=safe, answer="<p>page</p>", _resourceType="document")
    recording = read_har(_har(tmp_path, way, page, entry(path="/b", origin=safe)))
    assert [r.path for r in recording.requests] == ["/a", "/b"]
    login = entry(status=302, origin=plain, answer_headers={"Location": "https://sso.test/"}, _resourceType="document")
    recording = read_har(_har(tmp_path, login, entry(origin="https://sso.test", answer="<p>"), entry(origin=plain)))
    assert len(recording.requests) == 2


def test_a_download_that_the_page_gave_way_to_is_replayed(tmp_path: Path) -> None:
    download = entry(path="/x")
    download["response"]["_failureText"] = "net::ERR_ABORTED"
    recording = read_har(_har(tmp_path, entry(path="/a"), download))
    assert [r.path for r in recording.requests] == ["/a", "/x"]
    assert recording.unsent == 0


def test_har_entries_are_sent_in_the_order_they_started(tmp_path: Path) -> None:
    late = entry(path="/late", startedDateTime="2026-01-01T00:00:02.000Z")
    early = entry(path="/early", startedDateTime="2026-01-01T00:00:01.500+00:00")
    recording = read_har(_har(tmp_path, late, early))
    assert [(r.path, r.where) for r in recording.requests] == [
        ("/early", "session.har entry 2"),
        ("/late", "session.har entry 1"),
    ]


def test_har_headers_of_the_recording_connection_are_dropped(tmp_path: Path) -> None:
    names = [
        "Host",
        "cookie",
        "Content-Length",
        "Accept-Encoding",
        "Connection",
        ":authority",
        "X-Profile-Trace",
        "X-Kept",
    ]
    (request,) = read_har(_har(tmp_path, entry(headers=dict.fromkeys(names, "v")))).requests
    assert request.headers == (("X-Kept", "v"),)


def test_har_bodies_in_every_form(tmp_path: Path) -> None:
    urlencoded, multipart, encoded, attached = (entry("POST", f"/{n}") for n in range(4))
    urlencoded["request"]["postData"] = {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "a b", "value": "ü&"}, {"name": "c"}],
    }
    multipart["request"]["postData"] = {
        "mimeType": "multipart/form-data; boundary=gone",
        "params": [
            {"name": "n", "value": "1"},
            {"name": "f", "fileName": 'a".txt', "contentType": "text/plain", "value": "hi"},
        ],
    }
    encoded["request"]["postData"] = {
        "mimeType": "x/y",
        "text": base64.b64encode(b"\0\xff").decode(),
        "encoding": "base64",
    }
    encoded["response"]["content"] = {"text": base64.b64encode(b"\x89PNG").decode(), "encoding": "base64"}
    attached["request"]["postData"] = {"mimeType": "x/y", "_file": "body.bin"}
    (tmp_path / "body.bin").write_bytes(b"\1\2")
    one, two, three, four = read_har(_har(tmp_path, urlencoded, multipart, encoded, attached)).requests
    assert one.body == b"a+b=%C3%BC%26&c="
    assert find_header(one.headers, "content-type") == "application/x-www-form-urlencoded"
    from werkzeug.formparser import parse_form_data  # the app's own parser must understand what we rebuilt
    from werkzeug.test import EnvironBuilder

    kind = find_header(two.headers, "content-type")
    builder = EnvironBuilder(method="POST", data=two.body, content_type=kind)
    _, form, files = parse_form_data(builder.get_environ())
    assert form.to_dict() == {"n": "1"}
    assert (files["f"].filename, files["f"].content_type, files["f"].read()) == ('a".txt', "text/plain", b"hi")
    assert (three.body, three.answer.body) == (b"\0\xff", b"\x89PNG")
    assert four.body == b"\1\2"


def test_events_hold_json_as_text_or_value_forms_and_errors_with_a_status(tmp_path: Path) -> None:
    recording = read_events(
        _events(
            tmp_path,
            {"stage": "request", "id": "a", "method": "post", "endpoint": "/x", "rootUrl": ORIGIN,
             "requestMeta": {"jsonPayload": '{"n":  1}'}},
            {"stage": "request", "id": 2, "method": "POST", "endpoint": f"{ORIGIN}/y",
             "requestMeta": {"jsonPayload": {"n": 1}, "headers": {"X-A": "b", "Cookie": "no"}}},
            {"stage": "response", "id": 2, "status": 201, "ok": True,
             "responseMeta": {"jsonPayload": {"id": 9}, "headers": {"X-CSRF-Token": "t"}}},
            {"stage": "error", "id": "a", "error": {"status": 422}},
            {"stage": "request", "id": "f", "method": "POST", "endpoint": "/f",
             "requestMeta": {"formKeys": ["a"], "formValues": {"a": ["1", "2"]}}},
            {"stage": "response", "id": "f", "status": 200, "ok": True, "endpoint": f"{ORIGIN}/f?page=2"},
            {"stage": "request", "id": "gone", "method": "GET", "endpoint": "/gone"},
            {"stage": "request", "id": "lost", "method": "GET", "endpoint": "/lost"},
            {"stage": "error", "id": "lost", "error": "offline"},
            {"stage": "request", "id": "cdn", "method": "GET", "endpoint": "https://cdn.test/"},
            {"stage": "response", "id": "cdn", "status": 200, "ok": True},
        )
    )  # fmt: skip
    one, two, form = recording.requests
    assert (one.method, one.path, one.body, one.answer.status) == ("POST", "/x", b'{"n":  1}', 422)
    assert (two.path, two.body, two.answer.status, two.answer.body) == ("/y", b'{"n": 1}', 201, b'{"id": 9}')
    assert two.headers == (("X-A", "b"), ("Content-Type", "application/json"))
    assert two.answer.header("x-csrf-token") == "t"
    assert (form.path, form.body) == ("/f?page=2", b"a=1&a=2")
    assert (recording.foreign, recording.unsent) == (1, 2)


def test_a_profile_is_all_its_har_files_by_name(tmp_path: Path) -> None:
    folder = write_profile(
        tmp_path, "two", entry(path="/z"), toml='title = "Two"\nexpected_failed_jobs = ["jobs.flaky"]'
    )
    (folder / "b.har").write_text(har(entry(path="/b")))
    (folder / "a.har").write_text(har(entry(path="/a"), entry(path="/c", origin="http://cdn.test")))
    profile = load_profile(tmp_path, "two")
    assert [request.path for request in profile.requests] == ["/a", "/b", "/z"]
    assert (profile.title, profile.foreign) == ("Two", 1)
    assert profile.expects_failure("shop.jobs.flaky") and profile.expects_failure("jobs.flaky")
    assert not profile.expects_failure("shop.myjobs.flaky")


def test_addresses() -> None:
    assert origin_of("HTTP://Host:80/x") == "http://host"
    assert origin_of("https://[::1]:8443/x") == "https://[::1]:8443"
    assert path_of("http://h/a%20b?q=%C3#f") == "/a%20b?q=%C3"
    assert place_at("http://h/app", "/x") == "http://h/app/x"
    assert place_at("http://h/app", "/app/x") == "http://h/app/x"
    assert place_at("http://h/app", "/apple") == "http://h/app/apple"


# ── every malformed input is one sentence with its place, exit code 2, and nothing was sent ──────────────────────


def _no_request(text: str = "x") -> str:
    return har(entry(), {"response": {}})


def _entry_with(**request: object) -> str:
    broken = entry("POST")
    broken["request"] |= request
    return har(entry(), broken)


def _answer_with(**response: object) -> str:
    broken = entry()
    broken["response"] |= response
    return har(entry(), broken)


BAD_HARS = {
    "not json": ("{", "session.har: not a HAR file"),
    "not utf-8": (b"\xff\xfe\x00", "session.har: not a HAR file"),
    "too deep": ("[" * 100_000, "session.har: not a HAR file"),
    "no log": ("{}", "session.har: not a HAR file (no log"),
    "a list": ("[1]", "session.har: not a HAR file (no log"),
    "version 2": (har(entry(), version="2.0"), "HAR version '2.0' is not 1.x"),
    "no entries": (har(), "session.har: the HAR file has no entries"),
    "entries no list": ('{"log": {"version": "1.2", "entries": {}}}', "has no entries"),
    "no request": (_no_request(), "session.har: entry 2: it has no request"),
    "no url": (har(entry(), {"request": {"method": "GET"}, "response": {}}), "entry 2: 'url' is missing"),
    "relative url": (_entry_with(url="/x"), "entry 2: '/x' is not a complete URL"),
    "bad port": (_entry_with(url="http://h:x/"), "entry 2: "),
    "space in url": (_entry_with(url=ORIGIN + "/a b"), "entry 2: 'http://recorded.test:5000/a b' has no path"),
    "no method": (_entry_with(method=None), "entry 2: the method 'None'"),
    "bad method": (_entry_with(method="GET /"), "entry 2: the method 'GET /' is none"),
    "bad header": (
        _entry_with(headers=[{"name": "A", "value": "b\r\nC: d"}]),
        "entry 2: the header 'A' cannot be sent",
    ),
    "half a surrogate in a header": (
        _entry_with(headers=[{"name": "A", "value": "\ud800"}]),
        "entry 2: the header 'A' cannot be sent",
    ),
    "half a surrogate in url": (_entry_with(url=ORIGIN + "/a?b=\ud800"), "has no path that can be sent"),
    "no url at all": (_entry_with(url=""), "entry 2: '' is not a complete URL"),
    "header no text": (_entry_with(headers=[{"name": "A", "value": 1}]), "entry 2: value is not a string"),
    "headers no list": (_entry_with(headers={"A": "b"}), "entry 2: headers is not a list"),
    "bad base64": (_entry_with(postData={"text": "a", "encoding": "base64"}), "entry 2: the body is not base64"),
    "params no list": (_entry_with(postData={"params": {"a": 1}}), "entry 2: postData.params is not a list"),
    "file elsewhere": (_entry_with(postData={"_file": "../x"}), "entry 2: the attached file '../x' is not a plain"),
    "file missing": (_entry_with(postData={"_file": "x"}), "entry 2: the attached file 'x' cannot be read"),
    "no response": (
        har(entry(), {"request": {"url": ORIGIN + "/", "method": "GET"}}),
        "entry 2: 'response' is missing",
    ),
    "status text": (_answer_with(status="200"), "entry 2: the status '200' is not a whole number"),
    "only aborted": (har(entry(status=0)), "no request that the app answered"),
}


@pytest.mark.parametrize("name", BAD_HARS)
def test_a_malformed_har_is_one_sentence_before_anything_is_sent(tmp_path: Path, name: str) -> None:
    text, sentence = BAD_HARS[name]
    write_profile(tmp_path, "a-good", entry())
    folder = write_profile(tmp_path, "bad", entry())
    (folder / "session.har").write_bytes(text if isinstance(text, bytes) else text.encode())
    _expect(tmp_path, sentence)


_ASKED = {"stage": "request", "id": 1, "method": "GET", "endpoint": "/x"}
_ANSWERED = {"stage": "response", "id": 1, "status": 200}
BAD_EVENTS = {
    "not json": (["{"], "events.jsonl:1: not JSON"),
    "no object": ([_ASKED, "[]"], "events.jsonl:2: not a JSON object"),
    "stage": ([{"stage": "middle"}], "events.jsonl:1: stage 'middle' is none of"),
    "no id": ([{"stage": "request"}], "events.jsonl:1: id is missing"),
    "twice": ([_ASKED, _ASKED], "events.jsonl:2: id 1 was used before"),
    "no request": ([{"stage": "response", "id": 7}], "events.jsonl:1: a response for id 7, which no request"),
    "empty": ([""], "events.jsonl: no request in it"),
    "no endpoint": ([_ASKED | {"endpoint": ""}], "events.jsonl:1: endpoint is missing"),
    "status": ([_ASKED, {"stage": "response", "id": 1, "status": "ok"}], "events.jsonl:2: the status 'ok'"),
    "method": ([_ASKED | {"method": 1}, _ANSWERED], "events.jsonl:1: the method"),
    "payload": (
        [_ASKED | {"requestMeta": {"jsonPayload": "{"}}, _ANSWERED],
        "events.jsonl:1: jsonPayload is not JSON text",
    ),
    "meta": (
        [_ASKED | {"requestMeta": []}, _ASKED | {"id": 2, "requestMeta": 3}, _ANSWERED, _ANSWERED | {"id": 2}],
        "events.jsonl:2: requestMeta is not an object",
    ),
    "headers": (
        [_ASKED | {"requestMeta": {"headers": {"A": 1}}}, _ANSWERED],
        "events.jsonl:1: headers is not an object of strings",
    ),
    "a file": (
        [_ASKED | {"requestMeta": {"formKeys": ["f"], "formValues": {"a": "1"}}}, _ANSWERED],
        "events.jsonl:1: the form field 'f' is a file",
    ),
    "form keys": (
        [_ASKED | {"requestMeta": {"formKeys": 5, "formValues": {"a": "1"}}}, _ANSWERED],
        "events.jsonl:1: formKeys is not a list of strings",
    ),
    "form keys of lists": (
        [_ASKED | {"requestMeta": {"formKeys": [["a"]], "formValues": {"a": "1"}}}, _ANSWERED],
        "events.jsonl:1: formKeys is not a list of strings",
    ),
    "lost body": (
        [_ASKED | {"requestMeta": {"hasBody": True}}, _ANSWERED],
        "events.jsonl:1: the request had a body that the event does not hold",
    ),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_malformed_events_are_one_sentence_before_anything_is_sent(tmp_path: Path, name: str) -> None:
    events, sentence = BAD_EVENTS[name]
    write_profile(tmp_path, "a-good", entry())
    capture = tmp_path / "bad" / "capture"
    capture.mkdir(parents=True)
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    (capture / "events.jsonl").write_text("\n".join(lines))
    _expect(tmp_path, sentence)


BAD_TOML = {
    "not toml": ("title =", "profile.toml: cannot be read as TOML"),
    "key": (
        'titel = "x"',
        "profile.toml: there is no key 'titel'; the keys are description, expected_failed_jobs, title",
    ),
    "type": ("title = 1", "profile.toml: title = 1 must be a string"),
    "list": ("expected_failed_jobs = [1]", "profile.toml: expected_failed_jobs = [1] must be a list of strings"),
}


@pytest.mark.parametrize("name", BAD_TOML)
def test_a_malformed_profile_toml_is_one_sentence(tmp_path: Path, name: str) -> None:
    text, sentence = BAD_TOML[name]
    write_profile(tmp_path, "bad", entry(), toml=text)
    _expect(tmp_path, sentence)


def test_a_folder_without_a_recording_is_one_sentence(tmp_path: Path) -> None:
    write_profile(tmp_path, "a-good", entry())
    (tmp_path / "bad").mkdir()
    _expect(tmp_path, f"{tmp_path / 'bad'}: has neither a *.har file nor capture/events.jsonl")


def _expect(profiles: Path, sentence: str) -> None:
    with serving(lambda request: Reply()) as server:
        result = play(profiles, server.base_url, "--all")
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert result.stderr.startswith("covatlas: ") and result.stderr.count("\n") == 1
    assert server.seen == []
