"""Cover types and their curve numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

if sys.version_info >= (3, 12):
    from itertools import batched

    def rows(items: Iterable[str], width: int) -> Iterator[tuple[str, ...]]:
        """Yield the items in rows of `width`, the last maybe shorter."""
        return batched(items, width)

else:

    def rows(items: Iterable[str], width: int) -> Iterator[tuple[str, ...]]:
        """Yield the items in rows of `width`, the last maybe shorter."""
        items = tuple(items)
        return (items[start : start + width] for start in range(0, len(items), width))


@dataclass(frozen=True)
class Cover:
    """A cover type: curve numbers of the soil groups A to D, the C factor of erosion."""

    name: str
    curve_numbers: tuple[int, int, int, int]
    factor: float

    def curve_number(self, group: str) -> int:
        return self.curve_numbers["ABCD".index(group)]


COVERS = {
    cover.name: cover
    for cover in (
        Cover("forest", (30, 55, 70, 77), 0.003),
        Cover("pasture", (39, 61, 74, 80), 0.02),
        Cover("wheat", (63, 75, 83, 87), 0.2),
        Cover("bare", (77, 86, 91, 94), 0.9),
    )
}
