"""What each profile's data of a night is: fresh, failed, carried forward or kept; pure decisions over what arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from instrument.errors import counted
from instrument.record import encode_record
from sitegen.collect_bundle import LastNight
from sitegen.collect_read import Arrival
from sitegen.nights import Nights

# fresh: tonight's; flaky: tonight's, after another attempt; failed: tonight's of a failed playback, for want of better;
# carried: an earlier night's, for tonight's is failed, missing or left out; kept: an earlier night's, as none was due;
# absent: there is none.
State = Literal["fresh", "flaky", "failed", "carried", "kept", "absent"]
LATE_DAYS = {"nightly": 3, "weekly": 9}  # after so many days without a playback a profile that is not due is late


@dataclass(frozen=True, slots=True)
class Decision:
    """Which data of a profile goes into the map, and why; `age` in days, None where there is none."""

    slug: str
    state: State
    why: str  # "" where nothing is wrong
    arrival: Arrival | None
    age: int | None
    since: str | None  # the first night of those in a row that had no good playback, a day in ISO 8601
    late: bool = False

    @property
    def wrong(self) -> bool:
        """Return whether the night is partial because of this profile."""
        return self.state in ("failed", "carried") or (self.state == "absent" and bool(self.why)) or self.late

    def record(self) -> bytes | None:
        """Return the run record as the map shows it: one that is not tonight's own says so, with its age."""
        if self.arrival is None or self.arrival.run is None:
            return None
        if self.state != "carried" and not self.late:
            return self.arrival.record
        run = self.arrival.run
        told = f"carried forward: {self.why}; this is the data of {run.finished[:10]}, {days(self.age)} old"
        return encode_record(replace(run, problems=(told, *run.problems)))


def days(age: int | None) -> str:
    """Return an age in words."""
    return "of unknown age" if age is None else counted(age, "day")


def decide(
    nights: Nights, due: str, arrivals: tuple[Arrival, ...], last: LastNight, now: datetime
) -> tuple[Decision, ...]:
    """Return what becomes of every listed profile, in the list's order; `due` is the workflow that was played."""
    arrived = {arrival.slug: arrival for arrival in arrivals if arrival.slug is not None}
    played = {workflow: {profile.slug for profile in nights.due(workflow)} for workflow in LATE_DAYS}
    found = []
    for profile in nights.profiles:
        late = min(limit for workflow, limit in LATE_DAYS.items() if profile.slug in played[workflow])
        found.append(_of(profile.slug, profile.slug in played[due], late, arrived.get(profile.slug), last, now))
    return tuple(found)


def _of(slug: str, due: bool, late_days: int, arrival: Arrival | None, last: LastNight, now: datetime) -> Decision:
    if arrival is not None and arrival.passed and arrival.run is not None:
        state: State = "flaky" if arrival.run.attempts > 1 else "fresh"
        return Decision(slug, state, "", arrival, age_of(arrival, now), None)
    why = _why(due, arrival)
    since = _since(slug, last.night.get("profiles", {}), now) if why else None
    good = last.good.get(slug)
    if good is not None and (good.passed or arrival is None or arrival.data is None or arrival.problem):
        age = age_of(good, now)
        late = not why and age is not None and age >= late_days
        why = why or (f"it was last played {days(age)} ago" if late else "")
        return Decision(slug, "carried" if since else "kept", why, good, age, since, late)
    if arrival is not None and not arrival.problem and arrival.data is not None:
        return Decision(slug, "failed", why, arrival, age_of(arrival, now), since)
    return Decision(slug, "absent", why, None, None, since)


def _why(due: bool, arrival: Arrival | None) -> str:
    if arrival is None:
        return "the playback uploaded nothing" if due else ""
    if arrival.problem:
        return f"the artifact {arrival.name} is left out, {arrival.problem}"
    if arrival.run is not None and arrival.run.problems:
        return f"the playback failed, {arrival.run.problems[0]}"
    return "the playback failed"


def _since(slug: str, before: Mapping[str, object], now: datetime) -> str:
    entry = before.get(slug)
    since = entry.get("since") if isinstance(entry, dict) else None
    return since if isinstance(since, str) else now.date().isoformat()


def age_of(arrival: Arrival, now: datetime) -> int | None:
    """Return the whole days since the playback ended, None where the record does not say when."""
    try:
        finished = datetime.fromisoformat(arrival.run.finished) if arrival.run else None
    except ValueError:
        return None
    if finished is None:
        return None
    return max(0, (now - (finished if finished.tzinfo else finished.replace(tzinfo=UTC))).days)
