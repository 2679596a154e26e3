"""What a recording holds, as frozen values: requests as the browser sent them and the answers it got."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

# Of one hop, of the recording's own connection, or made anew by the client.
_NOT_REPLAYED = frozenset((
    "connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "expect", "host", "content-length", "cookie", "accept-encoding",
    "x-profile-trace", "x-profile-request", "x-profile-token",
))  # fmt: skip
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HALF_A_PAIR = re.compile("[\ud800-\udfff]")  # of surrogates: JSON can hold one, no request can
_METHOD = re.compile(r"[A-Z]{1,20}")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: status code, headers as sent, body with content encodings undone."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return the first header of that name (any case), "" where there is none."""
        return find_header(self.headers, name)


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One recorded request: `path` is path and query as in the URL, `where` names its place for messages."""

    method: str
    path: str
    headers: Headers
    body: bytes | None
    answer: Answer
    where: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """The requests of one recording in the order they started, and how many entries are not replayed."""

    requests: tuple[RecordedRequest, ...]
    foreign: int = 0  # of another origin than the app's
    unsent: int = 0  # aborted by the browser, or answered from its cache


def find_header(headers: Headers, name: str) -> str:
    """Return the first header of that name (any case), "" where there is none."""
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), "")


def replayed_headers(pairs: list[tuple[str, str]]) -> Headers:
    """Return the request headers that are sent again; raise ValueError with the reason for one that cannot be."""
    kept = []
    for name, value in pairs:
        if name.startswith(":") or name.lower() in _NOT_REPLAYED:
            continue
        if not _HEADER_NAME.fullmatch(name) or any(char in value for char in "\r\n\0") or HALF_A_PAIR.search(value):
            raise ValueError(f"the header {name[:40]!r} cannot be sent")
        kept.append((name, value))
    return tuple(kept)


def origin_of(url: str) -> str:
    """Return `scheme://host:port` of a URL, lower case, the default port left out; raise ValueError for no URL."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.hostname:
        raise ValueError(f"{url[:80]!r} is not a complete URL")
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def path_of(url: str) -> str:
    """Return path and query of a URL as written; raise ValueError where they hold what no request line can."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if (
        not path.startswith("/")
        or any(ord(char) <= 32 or ord(char) == 127 for char in path)
        or HALF_A_PAIR.search(path)
    ):
        raise ValueError(f"{url[:80]!r} has no path that can be sent")
    return path


def parse_method(value: object) -> str:
    """Return an HTTP method in capitals; raise ValueError for anything else."""
    method = value.upper() if isinstance(value, str) else ""
    if not _METHOD.fullmatch(method) or method == "CONNECT":
        raise ValueError(f"the method {str(value)[:40]!r} is none of HTTP's")
    return method


def place_at(base_url: str, path: str) -> str:
    """Return the URL of a recorded path at the base URL, whose own path is put before it unless it is there already."""
    prefix = urlsplit(base_url).path.rstrip("/")
    origin = base_url.rstrip("/").removesuffix(prefix)
    return origin + path if not prefix or path.startswith(f"{prefix}/") else origin + prefix + path
