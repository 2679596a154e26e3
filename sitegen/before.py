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
class Previous:
    """The site of the night before: its commit, symbols as (id, kind, digest), profiles, and what was gone already."""

    commit: str | None
    symbols: tuple[tuple[str, str, str], ...]
    profiles: tuple[PreviousProfile, ...]
    gone: tuple[Gone, ...]
