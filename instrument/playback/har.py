"""HAR 1.x reader: one file of a browser's recording → the requests that the app got."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

from instrument.errors import CovatlasError
from instrument.playback.recorded import (
    Answer,
    Headers,
    RecordedRequest,
    Recording,
    find_header,
    origin_of,
    parse_method,
    path_of,
    replayed_headers,
)

_BOUNDARY = "covatlas-7d0f3a51c2"


def read_har(path: Path) -> Recording:
    """Read a HAR file; raise CovatlasError with the file and the entry's number (from 1) where it is malformed.

    Kept are the entries of the app's own origin: that of the first document, else the most frequent one. Entries that
    the browser aborted before an answer (status 0 or -1) or took from its cache (`_fromCache`) never reached the app.
    The way from http to https of the same host is no document: what follows is recorded there.
    """
    entries = _entries(path)
    origins = [_field(path, number, lambda entry=entry: _origin(entry)) for number, entry in entries]
    own = _own_origin([entry for _, entry in entries], origins)
    foreign = unsent = 0
    requests = []
    for (number, entry), origin in zip(entries, origins, strict=True):
        if origin != own:
            foreign += 1
        elif _field(path, number, lambda entry=entry: _unsent(entry)):
            unsent += 1
        else:
            where = f"{path.name} entry {number}"
            requests.append(_field(path, number, lambda e=entry, w=where: _recorded(path.parent, e, w)))
    return Recording(tuple(requests), foreign, unsent)


def _entries(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return the entries with their numbers in the order they started."""
    try:
        log = json.loads(path.read_bytes().decode("utf-8-sig"))["log"]
        version, entries = log["version"], log["entries"]
    except OSError as error:
        raise CovatlasError(f"{path}: cannot be read ({error.strerror}); record the profile again") from None
    except (ValueError, RecursionError) as error:
        raise CovatlasError(f"{path}: not a HAR file ({error}); record the profile again") from None
    except (KeyError, TypeError, IndexError):
        raise CovatlasError(f"{path}: not a HAR file (no log with version and entries); record it again") from None
    if not isinstance(version, str) or not version.startswith("1."):
        raise CovatlasError(f"{path}: HAR version {version!r} is not 1.x; record the profile as HAR 1.2")
    if not isinstance(entries, list) or not entries:
        raise CovatlasError(f"{path}: the HAR file has no entries; record the profile again")
    numbered = list(enumerate(entries, 1))
    for number, entry in numbered:
        _field(path, number, lambda entry=entry: _request(entry))
    try:
        return sorted(numbered, key=lambda item: datetime.fromisoformat(item[1]["startedDateTime"]))
    except (KeyError, TypeError, ValueError):
        return numbered  # without comparable times the file's own order is the best there is


def _field(path: Path, number: int, read: Any) -> Any:
    """Return read(), every malformed value turned into one sentence with file and entry."""
    try:
        return read()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
        raise CovatlasError(f"{path}: entry {number}: {reason}; mend the entry or record the profile again") from None


def _request(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("request"), dict):
        raise ValueError("it has no request")
    return entry["request"]


def _text(table: dict[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is not a string")
    return value


def _origin(entry: dict[str, Any]) -> str:
    """Return the origin of an entry; of a page's own `data:`, `blob:` or `about:` the scheme, which is nobody's."""
    url = _text(_request(entry), "url")
    scheme = urlsplit(url).scheme
    return f"{scheme}:" if scheme not in ("", "http", "https") else origin_of(url)


def _own_origin(entries: list[dict[str, Any]], origins: list[str]) -> str:
    served = [(entry, at) for entry, at in zip(entries, origins, strict=True) if at.startswith(("http://", "https://"))]
    for entry, origin in served:
        if (entry.get("_resourceType") == "document" or "text/html" in _mime(entry)) and not _leads_to_https(entry):
            return origin
    return Counter(origin for _, origin in served).most_common(1)[0][0] if served else ""


def _leads_to_https(entry: dict[str, Any]) -> bool:
    response, url = entry.get("response"), urlsplit(entry["request"]["url"])
    try:
        target = urlsplit(find_header(tuple(_headers(response)), "location")) if isinstance(response, dict) else None
    except (ValueError, KeyError, TypeError):  # whoever reads the entry says so
        return False
    return bool(target and (url.scheme, target.scheme) == ("http", "https") and target.hostname == url.hostname)


def _mime(entry: dict[str, Any]) -> str:
    response = entry.get("response")
    content = response.get("content") if isinstance(response, dict) else None
    mime = content.get("mimeType") if isinstance(content, dict) else None
    return mime if isinstance(mime, str) else ""


def _unsent(entry: dict[str, Any]) -> bool:
    response = entry["response"]
    if not isinstance(response, dict):
        raise ValueError("response is not an object")
    status = response["status"]
    if not isinstance(status, int) or isinstance(status, bool):
        raise ValueError(f"the status {status!r} is not a whole number")
    # A download has a status and `_failureText: net::ERR_ABORTED`: the page gave way to it, but the app answered.
    return bool(status <= 0 or entry.get("_fromCache"))


def _recorded(folder: Path, entry: dict[str, Any], where: str) -> RecordedRequest:
    request, response = entry["request"], entry["response"]
    headers = replayed_headers(_headers(request))
    body = None
    if request.get("postData") is not None:
        headers, body = _post_data(folder, request["postData"], headers)
    answer = Answer(response["status"], tuple(_headers(response)), _content(folder, response.get("content") or {}))
    return RecordedRequest(
        parse_method(request["method"]), path_of(_text(request, "url")), headers, body, answer, where
    )


def _headers(message: dict[str, Any]) -> list[tuple[str, str]]:
    headers = message.get("headers", [])
    if not isinstance(headers, list):
        raise ValueError("headers is not a list")
    return [(_text(header, "name"), _text(header, "value")) for header in headers]


def _attached(folder: Path, name: Any) -> bytes:
    """Return a body that the recorder stored in a file of its own beside the HAR file."""
    if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
        raise ValueError(f"the attached file {name!r} is not a plain file name")
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ValueError(f"the attached file {name!r} cannot be read ({error.strerror})") from None


def _content(folder: Path, content: dict[str, Any]) -> bytes:
    if content.get("_file"):
        return _attached(folder, content["_file"])
    return _decoded(content.get("text"), content.get("encoding"))


def _decoded(text: Any, encoding: Any) -> bytes:
    if text is None:
        return b""
    if not isinstance(text, str):
        raise ValueError("the body's text is not a string")
    if encoding != "base64":
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=False)
    except binascii.Error as error:
        raise ValueError(f"the body is not base64 ({error})") from None


def _post_data(folder: Path, data: dict[str, Any], headers: Headers) -> tuple[Headers, bytes]:
    """Return the headers with a content type and the body, rebuilt from the fields where no text was recorded."""
    kind = find_header(headers, "content-type") or str(data.get("mimeType") or "")
    params = data.get("params") or []
    if data.get("_file"):
        body = _attached(folder, data["_file"])
    elif data.get("text") or not params:
        body = _decoded(data.get("text") or "", data.get("encoding") or data.get("_encoding"))
    elif not isinstance(params, list):
        raise ValueError("postData.params is not a list")
    elif kind.lower().startswith("multipart/"):
        kind, body = f"multipart/form-data; boundary={_BOUNDARY}", _multipart(params)
    else:
        kind = kind or "application/x-www-form-urlencoded"
        pairs = [(_text(param, "name"), str(param.get("value") or "")) for param in params]
        body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs).encode()
    others = tuple(pair for pair in headers if pair[0].lower() != "content-type")
    return (*others, *((("Content-Type", kind),) if kind else ())), body


def _multipart(params: list[dict[str, Any]]) -> bytes:
    lines = []
    for param in params:
        name, kind = _text(param, "name"), str(param.get("contentType") or "")
        disposition = f'form-data; name="{_quoted(name)}"'
        if param.get("fileName") is not None:
            disposition += f'; filename="{_quoted(str(param["fileName"]))}"'
            kind = kind or "application/octet-stream"
        lines += [f"--{_BOUNDARY}", f"Content-Disposition: {disposition}"]
        lines += [f"Content-Type: {_quoted(kind)}"] if kind else []
        lines += ["", str(param.get("value") or "")]
    return "\r\n".join([*lines, f"--{_BOUNDARY}--", ""]).encode("utf-8", "surrogatepass")


def _quoted(text: str) -> str:
    """Return `text` as browsers write it into a part's header."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
