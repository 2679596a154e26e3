"""A profile's folder: which recordings it has, what it is called, which of its jobs are meant to fail."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrument.errors import CovatlasError
from instrument.playback.events import read_events
from instrument.playback.har import read_har
from instrument.playback.recorded import RecordedRequest
from instrument.slug import parse_slug

_KEYS = {"title": str, "description": str, "expected_failed_jobs": list}


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile that can be played: its requests in order, and what of its recording is not replayed."""

    slug: str
    title: str
    description: str
    expected_failed_jobs: tuple[str, ...]
    requests: tuple[RecordedRequest, ...]
    foreign: int = 0
    unsent: int = 0

    def expects_failure(self, function: str) -> bool:
        """Say whether a failure of this job function is declared, by its full dotted name or the end of it."""
        return any(function == name or function.endswith(f".{name}") for name in self.expected_failed_jobs)


def known_slugs(directory: Path) -> list[str]:
    """Return the names of the profile folders, sorted; folders starting with a dot or underscore are none."""
    try:
        return sorted(p.name for p in directory.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))
    except OSError as error:
        raise CovatlasError(
            f"the profiles directory {directory} cannot be read ({error.strerror}); name it with --profiles"
        ) from None


def choose(directory: Path, slugs: tuple[str, ...], every: bool) -> list[str]:
    """Return the slugs to play, each once; raise CovatlasError for none, for an unknown and for a refused one."""
    if every and slugs:
        raise CovatlasError("name profiles or give --all, not both")
    if not every and not slugs:
        raise CovatlasError("nothing to play: name at least one profile or give --all")
    for slug in slugs:
        parse_slug(slug)
    known = known_slugs(directory)
    if every:
        if not known:
            raise CovatlasError(f"nothing to play: {directory} holds no profile folder; name another with --profiles")
        for name in known:
            parse_slug(name)
        return known
    for slug in slugs:
        if slug not in known:
            names = ", ".join(known) or "none"
            raise CovatlasError(f"there is no profile {slug!r} in {directory}; its profiles are: {names}")
    return list(dict.fromkeys(slugs))


def load_profile(directory: Path, slug: str) -> Profile:
    """Read the profile `directory`/`slug`; raise CovatlasError for the first thing that is malformed.

    Its recording is every `*.har` in the folder, by name, as one session; without any, `capture/events.jsonl`.
    """
    folder = directory / slug
    about = _about(folder / "profile.toml")
    events = folder / "capture" / "events.jsonl"
    hars = sorted(path for path in folder.glob("*.har") if path.is_file())
    if hars:
        recordings = [read_har(path) for path in hars]
    elif events.is_file():
        recordings = [read_events(events)]
    else:
        raise CovatlasError(f"{folder}: has neither a *.har file nor capture/events.jsonl; record the profile")
    requests = tuple(request for recording in recordings for request in recording.requests)
    if not requests:
        raise CovatlasError(f"{folder}: its recording has no request that the app answered; record the profile again")
    return Profile(
        slug,
        about.get("title", slug),
        about.get("description", ""),
        tuple(about.get("expected_failed_jobs", ())),
        requests,
        sum(recording.foreign for recording in recordings),
        sum(recording.unsent for recording in recordings),
    )


def _about(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise CovatlasError(f"{path}: cannot be read as TOML ({error}); mend the file") from None
    for key, value in table.items():
        if key not in _KEYS:
            raise CovatlasError(f"{path}: there is no key {key!r}; the keys are {', '.join(sorted(_KEYS))}")
        fits = isinstance(value, _KEYS[key])
        if not fits or (_KEYS[key] is list and not all(isinstance(item, str) for item in value)):
            words = "a list of strings" if _KEYS[key] is list else "a string"
            raise CovatlasError(f"{path}: {key} = {value!r} must be {words}")
    return table
