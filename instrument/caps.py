"""Caps: how many slugs, shards and bytes a coverage directory may hold before traces are refused."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from instrument.settings import Settings
from instrument.slug import SlugError, parse_slug

log = logging.getLogger("covatlas")
_EVERY_S = 5.0
_SHARE = 100  # looking takes at most one hundredth of the time, however large the directory is


@dataclass(frozen=True, slots=True)
class Usage:
    """What a coverage directory holds, with what was set aside in it; `slugs` are those that have data."""

    slugs: frozenset[str]
    shards: int
    bytes: int


class Caps:
    """Answer whether a slug's trace may begin; looks at the directory every few seconds, not at each request.

    Between two looks, and between processes, a cap can be passed by what is recorded meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slugs: set[str] = set()
        self._usage = Usage(frozenset(), 0, 0)
        self._next_look = 0.0
        self._said: set[str] = set()

    def reached(self, slug: str) -> str | None:
        """Return a sentence that names the cap which keeps this slug's trace from beginning, None if there is none."""
        if time.monotonic() >= self._next_look:
            self._look()
        settings, usage = self._settings, self._usage
        if usage.bytes >= settings.max_bytes:
            return self._say("MAX_BYTES", settings.max_bytes, f"{usage.bytes} bytes")
        if usage.shards >= settings.max_shards:
            return self._say("MAX_SHARDS", settings.max_shards, f"{usage.shards} shards")
        if slug not in self._slugs:
            if len(self._slugs) >= settings.max_slugs:
                return self._say("MAX_SLUGS", settings.max_slugs, f"{len(self._slugs)} slugs")
            self._slugs.add(slug)
        return None

    def _look(self) -> None:
        self._next_look = time.monotonic() + _EVERY_S  # first: other threads go on with what we know
        begin = time.monotonic()
        self._usage = measure(self._settings.coverage_dir)
        self._slugs |= self._usage.slugs
        now = time.monotonic()
        self._next_look = now + max(_EVERY_S, _SHARE * (now - begin))

    def _say(self, name: str, cap: int, found: str) -> str:
        sentence = (
            f"{self._settings.coverage_dir} holds {found}, and PROFILE_COVERAGE_{name} is {cap}: traces are refused; "
            "combine or clear the directory, or raise the cap"
        )
        if name not in self._said:
            self._said.add(name)
            log.error("covatlas: %s", sentence)
        return sentence


def measure(directory: Path) -> Usage:
    """Return what a coverage directory holds; what cannot be read counts as nothing."""
    slugs: set[str] = set()
    shards = size = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                size += os.stat(os.path.join(folder, name)).st_size
            except OSError:  # gone meanwhile
                continue
            slug, found, rest = name.partition(".coverage")
            if folder != str(directory) or not found:
                continue
            try:
                slugs.add(parse_slug(slug))
            except SlugError:
                continue
            shards += rest.startswith(".")
    return Usage(frozenset(slugs), shards, size)
