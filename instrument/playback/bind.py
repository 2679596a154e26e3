"""Bindings: values that the replayed answers returned, put in place of the recorded ones in later requests.

A value is learned where the recorded and the replayed answer to the same request hold it at the same place: a JSON
path, a hidden form field, a path segment or query value of an address, a cookie, a token header. The latest answer
wins. A learned value replaces an equal one of a later recorded request:

1. A *distinctive* value (a string of 8 characters or more with a digit in it, or any such string under the key of an
   id or token) anywhere: path segments, query values, JSON leaves, form fields, headers. As part of a longer value too
   (`Bearer <token>`, `<uuid>.tif`), where no letter or digit touches it.
2. Any other string and every whole number only where its place makes it the same thing:
   a. under the same name (`version` → `version`, `csrf_token` → `X-CSRF-Token`);
   b. where both places are those of an id — a key ending in `id`, a path segment — and belong to the same owner:
      `{"id": 7}` of `POST /api/runs` is the 7 of `/api/runs/7` and of `{"run_id": 7}`, not of `/api/soils/7`;
   c. where both places are those of an id and the later one's owner never had an id of its own:
      `{"id": 7}` of `POST /api/start` is the 7 of `/api/results/7`, never of `{"years": 7}`.

Truth values, null, fractions and what goes by `status` or `state` are never learned.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from instrument.playback.findings import Found, findings
from instrument.playback.recorded import HALF_A_PAIR, Answer, RecordedRequest, origin_of, place_at
from instrument.playback.rewrite import Spot, rewrite_body, rewrite_path

_NEVER = frozenset(("status", "state"))
_RUN = re.compile(r"[A-Za-z0-9]+")
_TOKENS = ("token", "session", "csrf", "secret", "nonce", "etag")
MIN_DISTINCTIVE = 8


class Bindings:
    """What one playback has learned so far."""

    def __init__(self) -> None:
        self._exact: dict[str, str] = {}
        self._named: dict[tuple[str, str], str] = {}
        self._owned: dict[tuple[str, str], str] = {}
        self._ids: dict[str, str] = {}
        self._owners: set[str] = set()
        self._starts: dict[str, set[str]] = {}  # first run of letters and digits → distinctive values that begin so

    def learn(self, request: RecordedRequest, replayed: Answer) -> None:
        """Compare the replayed answer with the recorded one; answers of another kind (2xx, 3xx …) teach nothing."""
        if replayed.status // 100 != request.answer.status // 100:
            return
        new = findings(request.path, replayed)
        for place, old in findings(request.path, request.answer).items():
            if place in new and old.value and _can_be_sent(new[place].value) and old.name not in _NEVER:
                self._learn(old, new[place].value)

    def _learn(self, old: Found, new: str) -> None:
        if _is_distinctive(old):
            self._exact[old.value] = new
            start = _RUN.match(old.value)
            if start and not _is_number(old.value) and not re.search(r"\s", old.value):
                self._starts.setdefault(start[0], set()).add(old.value)
        key = (old.name, old.value)
        if old.name and (old.value != new or key in self._named):
            self._named[key] = new
        # What stayed the same is learned too (run 3 stays 3 when soil 3 becomes 9), but no word of an address.
        if old.is_id and (old.value != new or any(map(str.isdigit, new))):
            self._ids[old.value] = new
            if old.owner:
                self._owned[old.owner, old.value] = new
                self._owners.add(old.owner)

    def value(self, spot: Spot, text: str) -> str:
        """Return what to send at `spot` in place of the recorded `text`: `text` itself where nothing was learned."""
        whole = self._whole(spot, text)
        if whole is not None:
            return whole
        return text if spot.is_number else self._within(text)

    def _whole(self, spot: Spot, text: str) -> str | None:
        if text in self._exact and not spot.is_number:
            return self._exact[text]
        if (spot.name, text) in self._named:
            return self._named[spot.name, text]
        if not spot.is_id:
            return None
        if spot.owner in self._owners:
            return self._owned.get((spot.owner, text))
        return self._ids.get(text)

    def _within(self, text: str) -> str:
        parts, end = [], 0
        for run in _RUN.finditer(text):
            if run.start() < end:
                continue
            for old in sorted(self._starts.get(run[0], ()), key=len, reverse=True):
                stop = run.start() + len(old)
                if text.startswith(old, run.start()) and not (text[stop : stop + 1].isalnum() and text[stop].isascii()):
                    parts += [text[end : run.start()], self._exact[old]]
                    end = stop
                    break
        return "".join([*parts, text[end:]])

    def apply(self, request: RecordedRequest, base_url: str) -> RecordedRequest:
        """Return the request as it has to be sent now; Origin and Referer point to `base_url`."""
        path = rewrite_path(request.path, self.value)
        headers = tuple((name, self._header(name, value, base_url)) for name, value in request.headers)
        body = rewrite_body(request, self.value, self._within)
        return RecordedRequest(request.method, path, headers, body, request.answer, request.where)

    def _header(self, name: str, value: str, base_url: str) -> str:
        if name.lower() in ("origin", "referer"):
            return _moved(name, value, base_url, self.value)
        return self.value(Spot.of_key(name, ""), value)


def _moved(name: str, value: str, base_url: str, replace: Callable[[Spot, str], str]) -> str:
    """Return an Origin or Referer at the base URL; what is no address (`null`) stays."""
    address = re.fullmatch(r"https?://[^/?#]+([^\s#]*)(?:#.*)?", value)
    if not address:
        return value
    if name.lower() == "origin":
        return origin_of(base_url)
    path = address[1] if address[1].startswith("/") else f"/{address[1]}"
    return place_at(base_url, rewrite_path(path, replace))


def _is_distinctive(found: Found) -> bool:
    if len(found.value) < MIN_DISTINCTIVE:
        return False
    return any(map(str.isdigit, found.value)) or found.is_id or any(word in found.name for word in _TOKENS)


def _can_be_sent(text: str) -> bool:
    return bool(text) and not HALF_A_PAIR.search(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
