"""The nights so far: one compact record each in `data/history.json`, carried from site to site.

A record has all profiles' totals, the modules whose totals changed, and the symbols that were lost and gained since the
night before; the first record has all modules. What changed since a chosen night follows from the records after it.
The last record is the map's own: it leaves commit and date to `data/build.json`, from which the next night takes them,
so that a new commit or a re-recorded profile with the same lines writes neither history nor page anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import orjson

from sitegen.model import Artifact, Matrix, Night, Previous, ProfileHead

PATH = "data/history.json"
SCHEMA = 1
MAX_NIGHTS = 400
MAX_NAMES = 500  # lost or gained symbols that one record names; beyond it they are only counted
MAX_ALL_NAMES = 20_000  # that all records name together, the latest first: the page of trends reads them all

Totals = tuple[tuple[str, int, int], ...]  # module, executed lines, statements


def read_history(data: bytes) -> tuple[Night, ...]:
    """Return the nights of a `data/history.json`, oldest first; raise ValueError, KeyError or TypeError for another."""
    value = orjson.loads(data)
    if value["schema"] != SCHEMA:
        raise ValueError(f"history.json has another schema than {SCHEMA}")
    return tuple(_night(item) for item in value["nights"][-MAX_NIGHTS:])


def _night(item: dict[str, Any]) -> Night:
    commit = item["commit"]
    return Night(
        night=_text(item["night"]),
        commit=None if commit is None else _text(commit),
        digest=_text(item["digest"]),
        symbols=_number(item["symbols"]),
        covered=_number(item["covered"]),
        profiles=tuple((_text(a), _text(b), _number(c), _number(d)) for a, b, c, d in item["profiles"]),
        modules=tuple((_text(a), _number(b), _number(c)) for a, b, c in item["modules"]),
        lost=tuple(map(_text, item["lost"][:MAX_NAMES])),
        gained=tuple(map(_text, item["gained"][:MAX_NAMES])),
        more=(_number(item["more"][0]), _number(item["more"][1])),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r:.40} is no count")
    return value


def history_artifact(nights: Sequence[Night]) -> Artifact:
    """Return `data/history.json`: the nights, oldest first."""
    value = {"schema": SCHEMA, "nights": [asdict(night) for night in nights]}
    return Artifact(PATH, orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))


# ── tonight ──────────────────────────────────────────────────────────────────────────────────────────────────────


def nights_of(
    previous: Previous | None, heads: tuple[ProfileHead, ...], matrix: Matrix, modules: Totals
) -> tuple[Night, ...]:
    """Return the nights of the previous site and tonight; a map made again of the same playbacks is the same night."""
    before = previous.history if previous else ()
    covered = {index for indexes in matrix.covered for index in indexes}
    now = {matrix.symbols[index] for index in covered}
    night = Night(
        night="",
        commit=None,
        digest=hashlib.sha256(orjson.dumps((matrix.profiles, matrix.symbols, matrix.covered))).hexdigest()[:16],
        symbols=len(matrix.symbols),
        covered=len(covered),
        profiles=tuple(
            (head.slug, head.status, len(own), summary.lines_covered)
            for head, own, summary in zip(heads, matrix.covered, matrix.summaries, strict=True)
        ),
        modules=modules,
    )
    if before and (before[-1].night, before[-1].digest) == (newest(head.recorded for head in heads), night.digest):
        return (*before[:-1], replace(before[-1], night="", commit=None))
    if before:
        night = replace(night, modules=_changed(totals_of(before), modules))
    if previous is not None:
        was = _covered(previous)
        lost, gained = sorted(was - now), sorted(now - was)
        more = max(0, len(lost) - MAX_NAMES), max(0, len(gained) - MAX_NAMES)
        night = replace(night, lost=tuple(lost[:MAX_NAMES]), gained=tuple(gained[:MAX_NAMES]), more=more)
    return _bounded((*before, night))


def newest(dates: Iterable[str | None]) -> str:
    """Return the latest of some dates in ISO 8601, "" where there is none: when a night's newest playback began."""
    return max(filter(None, dates), default="")


def told(nights: tuple[Night, ...], night: str, commit: str | None) -> tuple[Night, ...]:
    """Return the nights of an earlier site, with what its `data/build.json` says of the last one."""
    return (*nights[:-1], replace(nights[-1], night=night, commit=commit)) if nights else ()


def _covered(previous: Previous) -> set[str]:
    mask = 0
    for profile in previous.profiles:
        mask |= profile.covered
    return {name for index, (name, _, _) in enumerate(previous.symbols) if mask >> index & 1}


def totals_of(nights: Iterable[Night]) -> dict[str, tuple[int, int]]:
    """Return each module's totals after some nights; a module that left the source has none."""
    found: dict[str, tuple[int, int]] = {}
    for night in nights:
        for module, executed, statements in night.modules:
            found[module] = executed, statements
    return {module: total for module, total in found.items() if total != (0, 0)}


def _changed(before: dict[str, tuple[int, int]], modules: Totals) -> Totals:
    now = {module: (executed, statements) for module, executed, statements in modules}
    differing = [(module, *total) for module, total in now.items() if before.get(module, (0, 0)) != total]
    return tuple(sorted([*differing, *((module, 0, 0) for module in before if module not in now)]))


def _bounded(nights: tuple[Night, ...]) -> tuple[Night, ...]:
    """Drop the oldest nights, and names of older ones, beyond the limits; the first that stays has all totals."""
    dropped = len(nights) - MAX_NIGHTS
    if dropped > 0:
        totals = totals_of(nights[: dropped + 1])
        modules = tuple((module, *total) for module, total in sorted(totals.items()))
        nights = (replace(nights[dropped], modules=modules), *nights[dropped + 1 :])
    left, kept = MAX_ALL_NAMES, []
    for night in reversed(nights):
        left -= len(night.lost) + len(night.gained)
        kept.append(night if left >= 0 else replace(night, lost=(), gained=(), more=night.changes))
    return tuple(reversed(kept))
