"""What changed since the night before, as the home page tells it: symbols lost and gained, other profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sitegen.history import nights_of
from sitegen.model import Kind, Matrix, Previous, ProfileHead
from sitegen.parts import FilePart, join_matrix

FEW = 8  # names of each; the page of trends has more


@dataclass(frozen=True, slots=True)
class Changes:
    """Names are (id, kind), the kind "" where the symbol left the source; profiles (slug, status before, and now).

    A status is "" where there was, or is, no such profile. `night` is "" where the earlier site did not tell it.
    """

    night: str
    commit: str
    lost: tuple[tuple[str, Kind | str], ...]
    gained: tuple[tuple[str, Kind | str], ...]
    all_lost: int
    all_gained: int
    profiles: tuple[tuple[str, str, str], ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the profiles that the night before had and this one has not."""
        return tuple(slug for slug, _, now in self.profiles if not now)


def whole_changes(
    previous: Previous | None, heads: tuple[ProfileHead, ...], slugs: tuple[str, ...], parts: tuple[FilePart, ...]
) -> Changes | None:
    """Return what changed since an earlier site, None where there is none to compare with."""
    if previous is None:
        return None
    kinds = {name: kind for part in parts for name, kind in part.symbols}
    return changes_of(previous, heads, join_matrix(slugs, parts), kinds)


def changes_of(previous: Previous, heads: Sequence[ProfileHead], matrix: Matrix, kinds: Mapping[str, Kind]) -> Changes:
    """Return what changed since an earlier site; `kinds` are the kinds of the symbols that have a page."""
    tonight = nights_of(previous, tuple(heads), matrix, ())[-1]
    before = {profile.slug: profile.status for profile in previous.profiles}
    now = {head.slug: head.status for head in heads}
    lost, gained = tonight.changes
    return Changes(
        night=previous.history[-1].night[:10] if previous.history else "",
        commit=(previous.commit or "")[:12],
        lost=tuple((name, kinds.get(name, "")) for name in tonight.lost[:FEW]),
        gained=tuple((name, kinds.get(name, "")) for name in tonight.gained[:FEW]),
        all_lost=lost,
        all_gained=gained,
        profiles=tuple(
            (slug, before.get(slug, ""), now.get(slug, ""))
            for slug in sorted(before.keys() | now.keys())
            if before.get(slug) != now.get(slug)
        ),
    )
