"""Sends recorded requests to the running app as one browser session: cookies kept, redirects not followed."""

from __future__ import annotations

import os
import socket
import time
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests

from instrument.errors import CovatlasError
from instrument.playback.recorded import Answer, RecordedRequest, origin_of, place_at

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 120.0  # between two bytes
ANSWER_TIMEOUT_S = 300.0  # for the whole answer: an event stream may never end
KEPT_BYTES = 8 << 20  # of an answer, to learn from; the rest is read and dropped
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Lost(Exception):
    """Say that a request got no complete answer, and why."""


def check_base_url(text: str) -> str:
    """Return the base URL without a slash at its end; raise CovatlasError for what is none."""
    try:
        parts = urlsplit(text)
        origin = origin_of(text)
        clean = parts.scheme in ("http", "https") and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        clean = False
    if not clean or any(char.isspace() for char in text):
        raise CovatlasError(f"the base URL {text!r} is not an address of an app; write it as http://127.0.0.1:5000")
    return origin + parts.path.rstrip("/")


def check_reachable(base_url: str) -> None:
    """Raise CovatlasError if nothing listens at the base URL; sends nothing."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CovatlasError(f"{base_url} cannot be reached ({reason}); start the app or mend --base-url") from None


def http_session(base_url: str) -> requests.Session:
    """Return a session that takes no proxy and no credentials from its surroundings, only a CA bundle."""
    session = requests.Session()
    session.trust_env = False
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    if urlsplit(base_url).hostname in _LOOPBACK:
        # A browser sends Secure cookies to loopback over plain HTTP as well.
        session.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("https", "http")))
    return session


class Session:
    """One playback's connection to the app."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = http_session(base_url)

    def close(self) -> None:
        """Drop connections and cookies."""
        self._http.close()

    def send(self, request: RecordedRequest, extra: dict[str, str]) -> Answer:
        """Send the request with `extra` headers and return the whole answer; raise Lost where none came."""
        headers = {name: value.encode("utf-8") for name, value in request.headers}
        headers |= {name: value.encode("ascii") for name, value in extra.items()}
        try:
            prepared = self._http.prepare_request(
                requests.Request(request.method, self.base_url, headers=headers, data=request.body)
            )
            prepared.url = place_at(self.base_url, request.path)
            # The cookies of that very path, not those of the base URL.
            prepared.headers.pop("Cookie", None)
            prepared.prepare_cookies(self._http.cookies)
            response = self._http.send(
                prepared, stream=True, allow_redirects=False, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
            )
            with response:
                return Answer(response.status_code, self._headers(response, request), _body(response))
        except (requests.RequestException, OSError, ValueError) as error:
            raise Lost(_reason(error)) from None

    def _headers(self, response: requests.Response, request: RecordedRequest) -> tuple[tuple[str, str], ...]:
        """Return the headers; a Location is freed of the base URL's own path where the recording has none."""
        pairs = list(response.raw.headers.items())
        prefix = urlsplit(self.base_url).path
        if not prefix or request.path.startswith(f"{prefix}/"):
            return tuple(pairs)
        return tuple(
            (name, value.replace(prefix, "", 1) if name.lower() == "location" else value) for name, value in pairs
        )


def _body(response: requests.Response) -> bytes:
    """Read the answer to its end (its trace is complete then) and return its beginning."""
    kept = bytearray()
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    for chunk in response.iter_content(1 << 16):
        kept += chunk[: max(0, KEPT_BYTES - len(kept))]
        if time.monotonic() > deadline:
            raise Lost(f"its answer did not end within {ANSWER_TIMEOUT_S:.0f} s")
    return bytes(kept)


def _reason(error: Exception) -> str:
    """Return a few words for what requests and urllib3 wrap into several layers."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "the connection was lost"
    return f"{type(error).__name__}: {error}"[:200]
