"""`capture/events.jsonl` reader: what an app's own front end noted of its requests → the requests that the app got."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from instrument.errors import CovatlasError
from instrument.playback.recorded import (
    Answer,
    Headers,
    RecordedRequest,
    Recording,
    origin_of,
    parse_method,
    path_of,
    replayed_headers,
)

_JSON = ("Content-Type", "application/json")


def read_events(path: Path) -> Recording:
    """Read a file of events; raise CovatlasError with the file and the line where it is malformed.

    One JSON object a line. `stage` "request" has `id`, `method`, `endpoint` and `requestMeta` (`jsonPayload`: the body
    as JSON text or as a value; `formValues`: a form's fields; `headers`); "response" or "error" with the same `id` has
    `status`, `ok` and, where the front end notes it, `responseMeta` with `jsonPayload` and `headers`. A request without
    an answer was aborted. `rootUrl` is the app's own origin; without it that of the first complete endpoint.
    """
    asked: dict[str, tuple[int, dict[str, Any]]] = {}
    answers: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, event in _events(path):
        stage, key = event.get("stage"), event.get("id")
        if stage not in ("request", "response", "error"):
            raise _wrong(path, number, f"stage {stage!r} is none of request, response, error")
        if not isinstance(key, str | int):
            raise _wrong(path, number, "id is missing")
        table = asked if stage == "request" else answers
        if str(key) in table:
            raise _wrong(path, number, f"id {key!r} was used before")
        if stage != "request" and str(key) not in asked:
            raise _wrong(path, number, f"a {stage} for id {key!r}, which no request before it has")
        table[str(key)] = (number, event)
    if not asked:
        raise CovatlasError(f"{path}: no request in it; record the profile again")
    return _recording(path, asked, answers)


def _events(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise CovatlasError(f"{path}: cannot be read ({error.strerror}); record the profile again") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise _wrong(path, number, f"not JSON ({error})") from None
        if not isinstance(event, dict):
            raise _wrong(path, number, "not a JSON object")
        yield number, event


def _wrong(path: Path, number: int, reason: str) -> CovatlasError:
    return CovatlasError(f"{path}:{number}: {reason}; mend the line or record the profile again")


def _recording(path: Path, asked: dict[str, Any], answers: dict[str, Any]) -> Recording:
    own = _own_origin(asked)
    requests = []
    foreign = unsent = 0
    for key, (number, event) in asked.items():
        answered, answer = answers.get(key, (number, None))
        try:
            endpoint = _endpoint(event)
            if urlsplit(endpoint).hostname and own and origin_of(endpoint) != own:
                foreign += 1
                continue
            status = _status(answer)
        except ValueError as error:
            raise _wrong(path, answered, str(error)) from None
        if not status:
            unsent += 1
            continue
        try:
            requests.append(_recorded(event, answer, status, f"{path.name} line {number}"))
        except ValueError as error:
            raise _wrong(path, number, str(error)) from None
    return Recording(tuple(requests), foreign, unsent)


def _own_origin(asked: dict[str, Any]) -> str:
    for key in ("rootUrl", "endpoint"):
        for _, event in asked.values():
            try:
                return origin_of(str(event.get(key) or ""))
            except ValueError:
                continue  # a relative endpoint names no origin
    return ""


def _endpoint(event: dict[str, Any]) -> str:
    endpoint = event.get("endpoint")
    if not isinstance(endpoint, str) or not endpoint:
        raise ValueError("endpoint is missing")
    return endpoint


def _status(answer: dict[str, Any] | None) -> int:
    """Return the recorded status code, 0 where the server did not answer."""
    if answer is None:
        return 0
    status = answer.get("status")
    error = answer.get("error")
    if status is None and isinstance(error, dict):
        status = error.get("status")
    if status is None and answer["stage"] == "error":
        return 0
    if not isinstance(status, int) or isinstance(status, bool) or status < 0:
        raise ValueError(f"the status {status!r} is not a whole number")
    return status


def _recorded(event: dict[str, Any], answer: dict[str, Any], status: int, where: str) -> RecordedRequest:
    path = path_of(_with_slash(_endpoint(event)))
    meta, answered = _table(event, "requestMeta"), _table(answer, "responseMeta")
    headers, body = _body(meta, replayed_headers(_headers(meta)))
    payload = _json_text(answered, "jsonPayload")
    answer_headers = (*_headers(answered), *((_JSON,) if payload else ()))
    if "?" not in path and isinstance(answer.get("endpoint"), str):
        # The front end may note the query only in the address that answered.
        final = urlsplit(answer["endpoint"])
        path += f"?{final.query}" if final.query and final.path == path else ""
    return RecordedRequest(
        parse_method(event.get("method")), path, headers, body, Answer(status, answer_headers, payload or b""), where
    )


def _with_slash(endpoint: str) -> str:
    return endpoint if endpoint.startswith("/") or urlsplit(endpoint).hostname else f"/{endpoint}"


def _table(event: dict[str, Any], key: str) -> dict[str, Any]:
    value = event.get(key) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{key} is not an object")
    return value


def _headers(meta: dict[str, Any]) -> list[tuple[str, str]]:
    headers = meta.get("headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ValueError("headers is not an object of strings")
    return list(headers.items())


def _json_text(meta: dict[str, Any], key: str) -> bytes | None:
    """Return a payload as JSON text: a string holds the text itself, anything else is the value."""
    value = meta.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{key} is not JSON text ({error})") from None
    return value.encode("utf-8", "surrogatepass")


def _body(meta: dict[str, Any], headers: Headers) -> tuple[Headers, bytes | None]:
    payload = _json_text(meta, "jsonPayload")
    form = meta.get("formValues")
    if payload is not None:
        kind, body = _JSON, payload
    elif isinstance(form, dict):
        keys = meta.get("formKeys") or []
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise ValueError("formKeys is not a list of strings")
        missing = [key for key in keys if key not in form]
        if missing:
            raise ValueError(f"the form field {missing[0]!r} is a file, which events do not hold; record it as HAR")
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        body = urlencode(form, doseq=True).encode()
    elif meta.get("hasBody"):
        raise ValueError("the request had a body that the event does not hold; record it as HAR")
    else:
        return headers, None
    others = tuple(pair for pair in headers if pair[0].lower() != "content-type")
    return (*others, kind), body
