"""The values an answer holds, each with its place: JSON leaves, hidden fields, addresses, cookies, token headers."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from instrument.playback.recorded import Answer

_TOKEN_HEADER = re.compile(r"csrf|xsrf|token|^authorization$|^etag$|^last-modified$", re.IGNORECASE)
_META_TOKEN = re.compile(r"^(csrf|xsrf|authenticity)[-_]?token$", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_ID_WORDS = frozenset(("id", "ids", "uid", "uids", "uuid", "uuids", "guid", "guids"))
# Words that end in "id" and name no identity.
_NOT_IDS = frozenset((
    "acid", "aid", "android", "avoid", "bid", "centroid", "covid", "ellipsoid", "fluid", "geoid", "grid", "hybrid",
    "invalid", "kid", "lid", "liquid", "mid", "paid", "pyramid", "raid", "rapid", "rid", "solid", "valid", "void",
))  # fmt: skip

Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A value at one place of an answer: the name it goes by, whose value it is, and whether its place makes it an id.

    `owner` is the singular of what the value identifies, "" where nothing tells: of `run_id` and of `/runs/7` "run".
    """

    name: str
    owner: str
    value: str
    is_id: bool


def is_id_name(name: str) -> bool:
    """Say whether a key names an identity: its last word is `id`, `uuid` … or ends in `id` (`runid`, not `grid`)."""
    words = _WORDS.findall(name)
    last = words[-1].lower() if words else ""
    return last in _ID_WORDS or (last.removesuffix("s").endswith("id") and last.removesuffix("s") not in _NOT_IDS)


def owner_of_key(name: str, around: str) -> str:
    """Return whose id a key holds: "run" for `run_id`, `runId` and `runid`, else `around` for a plain `id`."""
    plain = plain_name(name)
    for suffix in ("uuids", "guids", "uids", "ids", "uuid", "guid", "uid", "id"):
        if plain.endswith(suffix):
            return singular(plain.removesuffix(suffix)) or around
    return around


def owner_of_path(path: str) -> str:
    """Return what a path is about: "run" for `/api/runs`, `/api/runs/` and `/api/runs/7`, "" for `/`."""
    segments = [unquote(segment) for segment in urlsplit(path).path.split("/") if segment]
    while len(segments) > 1 and any(char.isdigit() for char in segments[-1]):
        segments.pop()
    return singular(plain_name(segments[-1])) if segments else ""


def plain_name(name: str) -> str:
    """Return a name without case and separators, so that `X-CSRF-Token`, `csrf_token` and `csrfToken` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("x-"))


def singular(word: str) -> str:
    """Return a plain name without its plural ending; the same for all that only looks like one."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word


def findings(path: str, answer: Answer) -> dict[Place, Found]:
    """Return every value of the answer to a request for `path` that a later request may send back, by place."""
    found: dict[Place, Found] = {}
    location = answer.header("location")
    if location:
        found.update(_address(("location",), location))
    for name, value in answer.headers:
        if name.lower() == "set-cookie":
            for line in value.split("\n"):  # HAR writers put several cookies into one header, a line each
                cookie, _, rest = line.partition("=")
                found["cookie", cookie.strip()] = Found(plain_name(cookie), "", rest.split(";")[0].strip(), False)
        elif _TOKEN_HEADER.search(name):
            found["header", name.lower()] = Found(plain_name(name), "", value, False)
    kind = answer.header("content-type").lower()
    if "json" in kind:
        found.update(_json_findings(answer.body, owner_of_path(path)))
    elif "html" in kind:
        found.update(_html_findings(answer.body))
    return found


def _json_findings(body: bytes, around: str) -> Iterator[tuple[Place, Found]]:
    try:
        root = json.loads(body)
    except (ValueError, RecursionError):
        return
    stack: list[tuple[Any, Place, str, str]] = [(root, ("json",), "", around)]
    while stack:
        value, place, name, owner = stack.pop()
        if isinstance(value, dict):
            inner = singular(plain_name(name)) or owner
            stack.extend((item, (*place, key), key, inner) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend((item, (*place, index), name, owner) for index, item in enumerate(value))
        elif isinstance(value, str | int) and not isinstance(value, bool):
            yield place, Found(plain_name(name), owner_of_key(name, owner), str(value), is_id_name(name))
            if isinstance(value, str) and value.startswith(("/", "http://", "https://")):
                yield from _address(place, value)


def _address(place: Place, address: str) -> Iterator[tuple[Place, Found]]:
    """Yield the path segments and query values of an address; a segment counts only where the ones before agree."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    for index, segment in enumerate(segments):
        before = segments[index - 1] if index else ""
        if index or any(char.isdigit() for char in segment):
            found = Found("", singular(plain_name(before)), segment, True)
            yield (*place, "segment", index, len(segments), before), found
    for index, (key, value) in enumerate(parse_qsl(parts.query)):
        yield (*place, "query", key, index), Found(plain_name(key), owner_of_key(key, ""), value, is_id_name(key))


class _Fields(HTMLParser):
    """Collects hidden form fields and token meta tags in the order of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.fields: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        table = {key: value or "" for key, value in attrs}
        name = table.get("name", "")
        if tag == "input" and table.get("type", "").lower() == "hidden" and name:
            self.fields.append((name, table.get("value", "")))
        elif tag == "meta" and _META_TOKEN.match(name):
            self.fields.append((name, table.get("content", "")))

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Pass over `<![…>` as browsers do; the standard library raises AssertionError for one it does not know."""
        return self.parse_bogus_comment(i, report)


def _html_findings(body: bytes) -> Iterator[tuple[Place, Found]]:
    parser = _Fields()
    with contextlib.suppress(ValueError):  # a reference to a character of thousands of digits: keep what was found
        parser.feed(body.decode("utf-8", "replace"))
        parser.close()
    seen: dict[str, int] = {}
    for name, value in parser.fields:
        seen[name] = seen.get(name, 0) + 1
        yield ("field", name, seen[name]), Found(plain_name(name), owner_of_key(name, ""), value, is_id_name(name))
