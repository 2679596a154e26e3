"""Sends all requests of a profile in order, each with what the answers before it taught.

A page that polls asks again until its work is done; a replay is faster than the browser was. So a GET or HEAD whose
answer says "not yet" where the recorded one did not is sent again under the same request id: when the server tells
which jobs are pending, once they are done, else with pauses; all of that for `patience_s` seconds a profile at most.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from instrument.playback.bind import Bindings
from instrument.playback.profile import Profile
from instrument.playback.recorded import Answer, RecordedRequest
from instrument.playback.session import Lost, Session
from instrument.record import RequestRun

LOST_IN_A_ROW = 3
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
_SAFE = ("GET", "HEAD")
_NOT_YET = frozenset((202, 404, 409, 423, 425, 503))
_AT_WORK = frozenset((
    "queued", "started", "running", "pending", "waiting", "deferred", "scheduled", "processing", "working",
    "inprogress", "submitted", "accepted",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sending:
    """How to send: `headers` makes the extra headers of a request id, `settle` waits for the jobs of what was sent.

    `settle` waits so many seconds at most and returns whether all are done; None without a server that tells.
    """

    attempt: str
    patience_s: float
    headers: Callable[[str], dict[str, str]]
    settle: Callable[[float], bool] | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The requests of one playback with their final answers, the paths they went to, and what went wrong."""

    runs: tuple[RequestRun, ...]
    paths: tuple[str, ...]
    problems: tuple[str, ...]


class Pauses:
    """Growing pauses, 20 ms → 500 ms, that end together after `total_s` seconds."""

    def __init__(self, total_s: float) -> None:
        self._deadline = time.monotonic() + total_s
        self._next = FIRST_PAUSE_S

    def sleep(self) -> bool:
        """Sleep once and return True; return False at once when the time is up."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(self._next, left))
        self._next = min(self._next * 2, LONGEST_PAUSE_S)
        return True


class _Sender:
    def __init__(self, session: Session, sending: Sending) -> None:
        self.session = session
        self.sending = sending
        self.patience_s = sending.patience_s
        self.wrote = False  # nothing can be pending before a request that changes something

    def send(self, request: RecordedRequest, headers: dict[str, str]) -> Answer:
        """Send the request, again while its answer says "not yet"."""
        answer = self.session.send(request, headers)
        if request.method not in _SAFE:
            self.wrote = True
        elif self.wrote and _says_not_yet(answer, request.answer):
            started = time.monotonic()
            answer = self._ask_again(request, headers, answer)
            self.patience_s -= time.monotonic() - started
        return answer

    def _ask_again(self, request: RecordedRequest, headers: dict[str, str], answer: Answer) -> Answer:
        pauses = Pauses(self.patience_s)
        if self.sending.settle is not None and self.sending.settle(self.patience_s):
            answer = self.session.send(request, headers)
            if answer.status != request.answer.status:
                return answer  # nothing is pending that could change it
        while _says_not_yet(answer, request.answer) and pauses.sleep():
            answer = self.session.send(request, headers)
        return answer


def send_all(profile: Profile, session: Session, sending: Sending, tick: Callable[[], None]) -> Sent:
    """Send the profile's requests; one that gets no answer has status 0, three in a row end the playback."""
    bindings = Bindings()
    sender = _Sender(session, sending)
    runs: list[RequestRun] = []
    paths: list[str] = []
    problems: list[str] = []
    lost = 0
    for number, recorded in enumerate(profile.requests, 1):
        run = RequestRun(
            f"{sending.attempt}-{number:04d}",
            recorded.method,
            recorded.path,
            route=None,
            recorded=recorded.answer.status,
            status=0,
            ok=False,
            duration_ms=0.0,
        )
        request = bindings.apply(recorded, session.base_url)
        if lost < LOST_IN_A_ROW:
            started = time.perf_counter()
            try:
                answer = sender.send(request, sending.headers(run.id))
                bindings.learn(recorded, answer)
                same = answer.status == recorded.answer.status
                run = replace(run, status=answer.status, ok=same)
                lost = 0
                if not same:
                    problems.append(
                        f"{recorded.where}: {request.method} {request.path} answered {answer.status}, "
                        f"recorded {recorded.answer.status}"
                    )
            except Lost as error:
                lost += 1
                problems.append(f"{recorded.where}: {request.method} {request.path}: {error}")
                if lost == LOST_IN_A_ROW and number < len(profile.requests):
                    problems.append(f"the remaining {len(profile.requests) - number} requests were not sent")
            run = replace(run, duration_ms=round((time.perf_counter() - started) * 1000, 3))
        runs.append(run)
        paths.append(request.path)
        tick()
    return Sent(tuple(runs), tuple(paths), tuple(problems))


def _says_not_yet(answer: Answer, recorded: Answer) -> bool:
    """Say whether the answer reports unfinished work where the recorded one did not.

    Either by a status code that stands for it, or by a word like "queued" under `status` or `state` of its JSON object.
    """
    if answer.status != recorded.status:
        return answer.status in _NOT_YET
    return _state(answer) in _AT_WORK and _state(recorded) not in (_AT_WORK | {""})


def _state(answer: Answer) -> str:
    if "json" not in answer.header("content-type").lower():
        return ""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    inner = [item for item in value.values() if isinstance(item, dict)]
    for table in (value, *inner):
        word = table.get("status", table.get("state"))
        if isinstance(word, str):
            return "".join(filter(str.isalpha, word.lower()))
    return ""
