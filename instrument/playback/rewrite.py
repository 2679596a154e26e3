"""Walks every value of a request — path, query, JSON, form fields — and puts back only those that changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from instrument.playback.findings import is_id_name, owner_of_key, owner_of_path, plain_name, singular
from instrument.playback.recorded import RecordedRequest, find_header

_IN_SEGMENT = "~!$&'()*+,;=:@"
_PART_NAME = re.compile(rb'content-disposition:[^\r\n]*?;\s*name="([^"\r\n]*)"', re.IGNORECASE)
_PART_FILE = re.compile(rb"content-disposition:[^\r\n]*?;\s*filename\*?=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a request that holds a value; the words are those of `findings.Found`."""

    name: str
    owner: str
    is_id: bool
    is_number: bool = False

    @classmethod
    def of_key(cls, key: str, around: str, is_number: bool = False) -> Spot:
        """Return the spot of a key's value; `around` is the owner of a plain `id` there."""
        return cls(plain_name(key), owner_of_key(key, around), is_id_name(key), is_number)


Replace = Callable[[Spot, str], str]


def rewrite_path(path: str, replace: Replace) -> str:
    """Return path and query with their values replaced; what does not change keeps its bytes."""
    place, mark, query = path.partition("?")
    segments, before = [], ""
    for raw in place.split("/"):
        text = unquote(raw)
        new = replace(Spot("", singular(plain_name(before)), True), text) if text and before else text
        if text and not before and any(map(str.isdigit, text)):
            new = replace(Spot("", "", True), text)
        segments.append(raw if new == text else quote(new, safe=_IN_SEGMENT))
        before = text or before
    return "/".join(segments) + (mark + rewrite_pairs(query, replace, owner_of_path(place)) if mark else "")


def rewrite_pairs(text: str, replace: Replace, around: str) -> str:
    """Return a query string or urlencoded form with its values replaced."""
    pairs = []
    for raw in text.split("&"):
        key, equals, value = raw.partition("=")
        old = unquote_plus(value)
        new = replace(Spot.of_key(unquote_plus(key), around), old) if old else old
        pairs.append(raw if new == old else f"{key}{equals}{quote_plus(new)}")
    return "&".join(pairs)


def rewrite_body(request: RecordedRequest, replace: Replace, within: Callable[[str], str]) -> bytes | None:
    """Return the body with its values replaced, as its content type says; binary bodies stay as they are."""
    body = request.body
    if not body:
        return body
    kind = find_header(request.headers, "content-type").lower()
    around = owner_of_path(request.path)
    if kind.startswith("multipart/form-data"):
        return _rewrite_multipart(body, find_header(request.headers, "content-type"), replace, around)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return body
    if kind.startswith("application/x-www-form-urlencoded"):
        return rewrite_pairs(text, replace, around).encode()
    if "json" in kind or text.lstrip().startswith(("{", "[")):
        return _rewrite_json(text, replace, around)
    return within(text).encode("utf-8")


def _rewrite_json(text: str, replace: Replace, around: str) -> bytes:
    raw = text.encode("utf-8")
    try:
        old = json.loads(text)
        new = _leaves(old, "", around, replace)
        return raw if new == old else json.dumps(new, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return raw  # the app was sent this once and answered it: send it again as it is


def _leaves(value: Any, name: str, owner: str, replace: Replace) -> Any:
    if isinstance(value, dict):
        inner = singular(plain_name(name)) or owner
        return {key: _leaves(item, key, inner, replace) for key, item in value.items()}
    if isinstance(value, list):
        return [_leaves(item, name, owner, replace) for item in value]
    if isinstance(value, str):
        return replace(Spot.of_key(name, owner), value) if value else value
    if isinstance(value, int) and not isinstance(value, bool):
        new = replace(Spot.of_key(name, owner, is_number=True), str(value))
        return int(new) if re.fullmatch(r"-?[0-9]{1,100}", new) else new
    return value


def _rewrite_multipart(body: bytes, kind: str, replace: Replace, around: str) -> bytes:
    boundary = re.search(r'boundary="?([^";]+)', kind, re.IGNORECASE)
    if not boundary:
        return body
    mark = b"--" + boundary[1].strip().encode("latin-1", "replace")
    parts = body.split(mark)
    for index, part in enumerate(parts):
        head, gap, value = part.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head)
        if not gap or not name or _PART_FILE.search(head) or not value.endswith(b"\r\n"):
            continue
        try:
            old, key = value[:-2].decode("utf-8"), name[1].decode("utf-8")
        except UnicodeDecodeError:
            continue
        new = replace(Spot.of_key(key, around), old) if old else old
        parts[index] = head + gap + new.encode("utf-8") + b"\r\n"
    return mark.join(parts)
