"""What is known of all files and profiles at once: what the pages that show more than one file are made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sitegen.changes import Changes
from sitegen.model import Gaps, Matrix, ProfileHead, SiteConfig
from sitegen.parts import FilePart
from sitegen.tables import RouteUse


@dataclass(frozen=True, slots=True)
class Whole:
    """What is known of all files, in their order, and of all profiles, in the matrix's."""

    config: SiteConfig
    heads: tuple[ProfileHead, ...]
    parts: tuple[FilePart, ...]
    matrix: Matrix
    gaps: Gaps
    routes: tuple[RouteUse, ...]
    changes: Changes | None  # since the night before, where that is known


def above(names: Iterable[str], limit: int) -> dict[str, str]:
    """Return, for each dotted name, its first parts: as many for all as make no more than `limit`, and at least one."""
    known = set(names)
    depth = max((name.count(".") + 1 for name in known), default=1)
    while True:
        found = {name: ".".join(name.split(".")[:depth]) for name in known}
        if depth == 1 or len(set(found.values())) <= limit:
            return found
        depth -= 1
