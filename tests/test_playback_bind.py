"""Bindings: what is learned from a recorded and a replayed answer, and exactly where it is put."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.playback.bind import Bindings
from instrument.playback.findings import is_id_name, owner_of_path
from instrument.playback.recorded import Answer, RecordedRequest

BASE = "http://127.0.0.1:9"
OLD = "3f2b8c1e-0000-4000-8000-000000000001"
NEW = "9d7a6b5c-1111-4111-8111-111111111112"


def request(method: str = "GET", path: str = "/", body: Any = None, kind: str = "", **headers: str) -> RecordedRequest:
    """Return a recorded request; header names with underscores for dashes, a body that is no bytes as JSON."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if body is not None and not isinstance(body, bytes):
        body, kind = json.dumps(body).encode(), kind or "application/json"
    return RecordedRequest(method, path, (*pairs, *((("Content-Type", kind),) if kind else ())), body, Answer(200))


def learned(*lessons: tuple[str, Any, Any]) -> Bindings:
    """Return bindings after JSON answers: (path, recorded value, replayed value)."""
    bindings = Bindings()
    for path, old, new in lessons:
        learn(bindings, path, old, new)
    return bindings


def learn(bindings: Bindings, path: str, old: Any, new: Any, status: int = 200, replayed_status: int = 200) -> None:
    recorded = RecordedRequest("POST", path, (), None, _answer(old, status))
    bindings.learn(recorded, _answer(new, replayed_status))


def _answer(value: Any, status: int = 200) -> Answer:
    if isinstance(value, Answer):
        return value
    if isinstance(value, str):
        return Answer(status, (("Content-Type", "text/html; charset=utf-8"),), value.encode())
    return Answer(status, (("content-type", "application/json"),), json.dumps(value).encode())


def path_after(bindings: Bindings, path: str) -> str:
    return bindings.apply(request(path=path), BASE).path


def json_after(bindings: Bindings, value: Any, path: str = "/") -> Any:
    return json.loads(bindings.apply(request("POST", path, value), BASE).body or b"")


def test_a_distinctive_value_goes_everywhere() -> None:
    bindings = learned(("/api/runs", {"run": {"key": OLD}}, {"run": {"key": NEW}}))
    assert path_after(bindings, f"/x/{OLD}/y.csv?a={OLD}&b=1") == f"/x/{NEW}/y.csv?a={NEW}&b=1"
    assert path_after(bindings, f"/files/{OLD}.tif") == f"/files/{NEW}.tif"
    assert json_after(bindings, {"a": [OLD, f"run {OLD}!"], "b": 1}) == {"a": [NEW, f"run {NEW}!"], "b": 1}
    sent = bindings.apply(request("POST", "/", b"q=" + OLD.encode(), "application/x-www-form-urlencoded"), BASE)
    assert sent.body == b"q=" + NEW.encode()
    sent = bindings.apply(request("POST", "/", f"id {OLD}".encode(), "text/plain", Authorization=f"Bearer {OLD}"), BASE)
    assert (sent.body, sent.headers[0][1]) == (f"id {NEW}".encode(), f"Bearer {NEW}")


def test_a_distinctive_value_is_not_replaced_inside_a_longer_word() -> None:
    bindings = learned(("/", {"token": "abcd1234"}, {"token": "wxyz9876"}))
    assert (
        path_after(bindings, "/abcd12345/xabcd1234/abcd1234.x/abcd1234") == "/abcd12345/xabcd1234/wxyz9876.x/wxyz9876"
    )

    bindings = learned(("/", {"token": "ab-cd1234"}, {"token": "x-9"}))
    assert json_after(bindings, ["ab-cd12345 ab-cd1234."]) == ["ab-cd12345 x-9."]


def test_replaced_text_is_not_replaced_again() -> None:
    bindings = learned(("/", {"a": "aaaa1111", "b": "bbbb2222"}, {"a": "bbbb2222", "b": "cccc3333"}))
    assert json_after(bindings, {"x": "aaaa1111 bbbb2222"}) == {"x": "bbbb2222 cccc3333"}


def test_a_small_number_is_replaced_only_where_it_is_the_id() -> None:
    bindings = learned(("/api/runs", {"id": 7, "name": "a"}, {"id": 12, "name": "a"}))
    assert path_after(bindings, "/api/runs/7") == "/api/runs/12"
    assert path_after(bindings, "/api/runs/7/soil?run_id=7&run=7&years=7&page=7") == (
        "/api/runs/12/soil?run_id=12&run=7&years=7&page=7"
    )
    value = {"run_id": 7, "runId": "7", "id": 7, "years": 7, "name": "7", "n": [7], "grid": 7, "valid": 7}
    assert json_after(bindings, value) == value | {"run_id": 12, "runId": "12", "id": 12}


def test_an_equal_number_of_something_else_stays() -> None:
    bindings = learned(("/api/runs", {"id": 3}, {"id": 8}), ("/api/soils", {"id": 3}, {"id": 3}))
    assert path_after(bindings, "/api/runs/3/soils/3") == "/api/runs/8/soils/3"
    assert json_after(bindings, {"soil_id": 3, "run_id": 3}) == {"soil_id": 3, "run_id": 8}
    assert path_after(bindings, "/tiles/4/3/2") == "/tiles/4/3/2"


def test_nested_owners_are_told_apart() -> None:
    bindings = learned(("/x", {"runs": [{"id": 1}], "soil": {"id": 1}}, {"runs": [{"id": 5}], "soil": {"id": 6}}))
    assert path_after(bindings, "/runs/1/soils/1") == "/runs/5/soils/6"
    assert json_after(bindings, {"run": {"id": 1}, "soilId": 1}) == {"run": {"id": 5}, "soilId": 6}


def test_an_id_of_unknown_owner_goes_to_places_whose_owner_has_none() -> None:
    bindings = learned(("/api/start", {"id": 12}, {"id": 40}))
    assert path_after(bindings, "/api/results/12?limit=12") == "/api/results/40?limit=12"


def test_the_same_name_makes_short_values_the_same_thing() -> None:
    bindings = learned(("/doc", {"version": 3, "rev": "ab"}, {"version": 4, "rev": "cd"}))
    assert json_after(bindings, {"version": 3, "rev": "ab", "other": "ab", "count": 3}) == {
        "version": 4, "rev": "cd", "other": "ab", "count": 3,
    }  # fmt: skip


def test_the_latest_answer_wins_also_when_it_says_the_same_as_recorded() -> None:
    bindings = learned(("/a", {"id": 1, "t": "token-0001"}, {"id": 5, "t": "token-9991"}))
    learn(bindings, "/a", {"id": 1, "t": "token-0001"}, {"id": 6, "t": "token-9992"})
    assert path_after(bindings, "/as/1/token-0001") == "/as/6/token-9992"
    learn(bindings, "/a", {"id": 1, "t": "token-0001"}, {"id": 1, "t": "token-0001"})
    assert path_after(bindings, "/as/1/token-0001") == "/as/1/token-0001"


def test_the_latest_answer_wins_for_short_values_of_a_name_too() -> None:
    bindings = learned(("/doc", {"version": 3}, {"version": 4}), ("/doc", {"version": 3}, {"version": 3}))
    assert json_after(bindings, {"version": 3}) == {"version": 3}


def test_words_of_an_address_own_nothing_and_are_no_values() -> None:
    bindings = learned(("/api/start", {"id": 12, "next": "/api/results"}, {"id": 40, "next": "/api/results"}))
    assert path_after(bindings, "/api/12") == "/api/40"
    bindings.learn(RecordedRequest("GET", "/", (), None, _redirect("/dashboard")), _redirect("/login"))
    assert path_after(bindings, "/x/dashboard") == "/x/dashboard"


def test_status_words_truth_values_and_fractions_are_never_learned() -> None:
    bindings = learned(
        ("/job", {"status": "finished-1", "state": "x", "ok": True, "f": 1.5, "n": None},
         {"status": "started-22", "state": "y", "ok": False, "f": 2.5, "n": 1}),
    )  # fmt: skip
    value = {"status": "finished-1", "state": "x", "ok": True, "f": 1.5, "n": None, "a": "finished-1"}
    assert json_after(bindings, value) == value


def test_an_answer_of_another_kind_teaches_nothing() -> None:
    bindings = Bindings()
    learn(bindings, "/runs", {"id": 1}, {"id": 99}, status=201, replayed_status=500)
    assert path_after(bindings, "/runs/1") == "/runs/1"
    learn(bindings, "/runs", {"id": 1}, {"id": 99}, status=201, replayed_status=200)
    assert path_after(bindings, "/runs/1") == "/runs/99"


def test_hidden_fields_and_meta_tokens_go_to_forms_and_headers() -> None:
    page = (
        '<meta name="csrf-token" content="{0}"><form><input type=hidden name=csrf_token value="{1}">'
        "<input name=q value=z></form>"
    )
    bindings = learned(("/form", page.format("m1", "f1"), page.format("m2", "f2&amp;")))
    sent = bindings.apply(request("POST", "/", b"csrf_token=f1&q=f1", "application/x-www-form-urlencoded"), BASE)
    assert sent.body == b"csrf_token=f2%26&q=f1"
    assert bindings.apply(request("POST", "/", X_CSRF_Token="m1"), BASE).headers == (("X-CSRF-Token", "m2"),)
    assert bindings.apply(request("POST", "/", X_Other="m1"), BASE).headers == (("X-Other", "m1"),)


def test_two_hidden_fields_of_one_name_are_told_apart_by_order() -> None:
    page = '<input type="HIDDEN" name="item_id" value="{}"><input type="hidden" name="item_id" value="{}">'
    bindings = learned(("/", page.format(1, 2), page.format(8, 9)))
    sent = bindings.apply(request("POST", "/", b"item_id=2&item_id=1&n=1", "application/x-www-form-urlencoded"), BASE)
    assert sent.body == b"item_id=9&item_id=8&n=1"


def test_multipart_fields_are_bound_and_files_left_alone() -> None:
    bindings = learned(("/", '<input type=hidden name=tok value="a1">', '<input type=hidden name=tok value="b2">'))
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="tok"\r\n\r\na1\r\n'
        b'--XX\r\nContent-Disposition: form-data; name="tok"; filename="tok"\r\n\r\na1\r\n'
        b'--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\na1\r\n--XX--\r\n'
    )
    sent = bindings.apply(request("POST", "/", body, "multipart/form-data; boundary=XX"), BASE)
    assert sent.body == body.replace(b'; name="tok"\r\n\r\na1', b'; name="tok"\r\n\r\nb2')


def _redirect(location: str, *headers: tuple[str, str]) -> Answer:
    return Answer(302, (("Location", location), *headers))


def test_location_segments_and_query_values_are_bound() -> None:
    bindings = Bindings()
    recorded = RecordedRequest(
        "POST", "/runs/new", (), None, _redirect("http://old:1/runs/quiet-meadow/step/4?job_id=2")
    )
    bindings.learn(recorded, _redirect("/runs/loud-river/step/5?job_id=77"))
    assert path_after(bindings, "/runs/quiet-meadow/step/4?job_id=2&n=4") == "/runs/loud-river/step/5?job_id=77&n=4"


def test_a_redirect_to_somewhere_else_does_not_rename_the_app() -> None:
    bindings = Bindings()
    recorded = RecordedRequest("GET", "/", (), None, _redirect("/runs/list"))
    bindings.learn(recorded, _redirect("/login/now"))
    assert path_after(bindings, "/runs/list") == "/runs/list"


def test_tokens_of_headers_and_cookies_are_bound_by_name() -> None:
    bindings = Bindings()
    old = Answer(
        200, (("X-CSRF-Token", "a"), ("Set-Cookie", "xsrf=q; Path=/\nother=1"), ("ETag", '"1-2"'), ("Date", "d1"))
    )
    new = Answer(
        200, (("x-csrf-token", "b"), ("set-cookie", "xsrf=r; Path=/"), ("Set-Cookie", "other=1"), ("etag", '"3-4"'))
    )
    bindings.learn(RecordedRequest("GET", "/", (), None, old), new)
    sent = bindings.apply(request("POST", "/", X_CSRF_Token="a", X_XSRF="q", ETag='"1-2"', X_Date="d1"), BASE)
    assert [value for _, value in sent.headers] == ["b", "r", '"3-4"', "d1"]


def test_origin_and_referer_move_to_the_base_url_with_their_ids() -> None:
    bindings = learned(("/runs", {"id": 7}, {"id": 12}))
    sent = bindings.apply(request(Origin="https://old.test", Referer="https://old.test/runs/7?x=7#f"), BASE)
    assert [value for _, value in sent.headers] == [BASE, f"{BASE}/runs/12?x=7"]
    sent = bindings.apply(request(Origin="null", Referer="https://old.test"), BASE + "/app")
    assert [value for _, value in sent.headers] == ["null", f"{BASE}/app/"]


def test_values_are_quoted_where_they_land() -> None:
    bindings = learned(("/runs", {"id": "a b"}, {"id": "ü/?&=é"}))
    assert (
        path_after(bindings, "/runs/a%20b?run_id=a+b") == "/runs/%C3%BC%2F%3F&=%C3%A9?run_id=%C3%BC%2F%3F%26%3D%C3%A9"
    )


def test_a_number_may_become_a_string_and_stay_a_number() -> None:
    bindings = learned(("/runs", {"id": 7}, {"id": "x9"}), ("/soils", {"id": "5"}, {"id": "6"}))
    assert json_after(bindings, {"run_id": 7, "soil_id": 5}) == {"run_id": "x9", "soil_id": 6}


@pytest.mark.parametrize("name", ["id", "ID", "run_id", "runId", "runid", "run-id", "uuid", "jobIds", "runids"])
def test_names_of_ids(name: str) -> None:
    assert is_id_name(name)


@pytest.mark.parametrize("name", ["", "grid", "valid", "dem_grid", "isPaid", "width", "idea", "centroids", "idx"])
def test_names_of_no_ids(name: str) -> None:
    assert not is_id_name(name)


def test_what_a_path_is_about() -> None:
    paths = ["/api/runs", "/api/runs/", "/api/runs/7?x", "/categories/4", "/", "/7", "/class"]
    assert [owner_of_path(path) for path in paths] == ["run", "run", "run", "category", "", "7", "class"]


def test_malformed_answers_and_bodies_do_no_harm() -> None:
    bindings = Bindings()
    deep = Answer(200, (("Content-Type", "application/json"),), b"[" * 100_000)
    bindings.learn(RecordedRequest("GET", "/", (), None, deep), deep)
    broken = Answer(302, (("Location", "http://[x"), ("Content-Type", "text/html")), b"<input type=hidden name=a <!--")
    bindings.learn(RecordedRequest("GET", "/", (), None, broken), broken)
    for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary=q", "text/plain", ""):
        for body in (b"{", b"\xff\xfe", b"[" * 100_000, b""):
            assert bindings.apply(request("POST", "/", body, kind), BASE).body == body


@pytest.mark.parametrize("odd", ["<![foo[x]]>", "<![ 1", "<![CDATA[ x ]]>", "<![if IE]>"])
def test_a_marked_section_hides_no_field_behind_it(odd: str) -> None:
    page = odd + '><input type=hidden name=csrf_token value="{}">'
    bindings = learned(("/form", page.format("f1"), page.format("f2")))
    sent = bindings.apply(request("POST", "/", b"csrf_token=f1", "application/x-www-form-urlencoded"), BASE)
    assert sent.body == b"csrf_token=f2"


def test_a_page_that_cannot_be_read_teaches_what_stands_before() -> None:
    page = '<input type=hidden name=csrf_token value="{}"><p>&#' + "9" * 5000 + ";</p>"
    bindings = learned(("/form", page.format("f1"), page.format("f2")))
    sent = bindings.apply(request("POST", "/", b"csrf_token=f1", "application/x-www-form-urlencoded"), BASE)
    assert sent.body == b"csrf_token=f2"


def test_a_value_that_no_request_can_carry_is_not_learned() -> None:
    bindings = learned(("/runs", {"run_id": "abcd-1234"}, {"run_id": "abcd-\ud800"}))
    for spot in (request(path="/runs/abcd-1234"), request(X_Run="abcd-1234"), request(body={"run_id": "abcd-1234"})):
        assert bindings.apply(spot, BASE) == spot


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)


@given(
    st.text("/abc%=&?+;.~7", max_size=30),
    st.binary(max_size=60) | st.dictionaries(_TEXT, st.integers() | _TEXT | st.floats(allow_nan=False)).map(
        lambda value: json.dumps(value, indent=3).encode()
    ),
    st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=a"]
    ),
)  # fmt: skip
def test_nothing_learned_for_it_leaves_every_byte_of_a_request(path: str, body: bytes, kind: str) -> None:
    bindings = learned(("/zebra", {"zebra_id": 991, "tok": OLD}, {"zebra_id": 992, "tok": NEW}))
    before = request("POST", "/" + path, body, kind)
    assert bindings.apply(before, BASE) == before
