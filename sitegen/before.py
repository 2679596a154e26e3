"""The site of the night before, as a frozen value: what a build may compare with. Read and checked by `previous`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gone:
    """A symbol whose address a site had and later ones have not: the commits of the last map with it and of the first
    without, and where the same code stands `now` as (id, kind).
    """

    id: str
    kind: str
    digest: str
    last: str | None
    since: str | None
    now: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PreviousProfile:
    """A profile of an earlier site; bit i of `covered` says that it covers `Previous.symbols[i]` (certainty body)."""

    slug: str
    status: str
    covered: int


@dataclass(frozen=True, slots=True)
class Night:
    """One published map: `night` is when its newest playback began, profiles are (slug, status, symbols, lines).

    Of the map that is being made `night` is "" and `commit` None: its `data/build.json` has them.
    """

    night: str
    commit: str | None
    digest: str  # of which profile covers what: equal nights have equal ones
    symbols: int
    covered: int
    profiles: tuple[tuple[str, str, int, int], ...]
    modules: tuple[tuple[str, int, int], ...]  # those whose (executed lines, statements) changed
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    more: tuple[int, int] = (0, 0)  # lost and gained symbols that are not named

    @property
    def changes(self) -> tuple[int, int]:
        """Return how many symbols were lost and gained."""
        return len(self.lost) + self.more[0], len(self.gained) + self.more[1]


@dataclass(frozen=True, slots=True)
class Previous:
    """The site of the night before: commit, symbols as (id, kind, digest), profiles, what was gone, and its nights."""

    commit: str | None
    symbols: tuple[tuple[str, str, str], ...]
    profiles: tuple[PreviousProfile, ...]
    gone: tuple[Gone, ...]
    history: tuple[Night, ...] = ()
