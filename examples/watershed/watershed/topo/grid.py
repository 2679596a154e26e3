"""A grid of elevations, made up from a name."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

Cell = tuple[int, int]


class Grid:
    """Elevations in m of square cells, tilted towards the south so that all water leaves there."""

    def __init__(self, rows: list[list[float]], cell_m: float = 30.0) -> None:
        self.rows = rows
        self.cell_m = cell_m

    @classmethod
    def synthetic(cls, name: str, size: int = 12) -> Grid:
        """Return the terrain that belongs to a name."""
        chance = random.Random(zlib.crc32(name.encode()))
        return cls([[10.0 * (size - y) + chance.uniform(0, 8) for _ in range(size)] for y in range(size)])

    def __getitem__(self, cell: Cell) -> float:
        return self.rows[cell[0]][cell[1]]

    def cells(self) -> Iterator[Cell]:
        """Yield the cells from the highest to the lowest."""
        everywhere = ((y, x) for y in range(len(self.rows)) for x in range(len(self.rows[y])))
        yield from sorted(everywhere, key=self.__getitem__, reverse=True)

    def neighbours(self, cell: Cell) -> Iterator[Cell]:
        """Yield the up to eight cells around a cell."""
        y, x = cell
        for step_y in (-1, 0, 1):
            for step_x in (-1, 0, 1):
                inside = 0 <= y + step_y < len(self.rows) and 0 <= x + step_x < len(self.rows[0])
                if (step_y or step_x) and inside:
                    yield y + step_y, x + step_x

    def fill_sinks(self) -> int:
        """Raise every cell that has no lower neighbour; return how many there were."""
        raised = 0
        for cell in list(self.cells()):
            lowest = min(self[near] for near in self.neighbours(cell))
            if lowest >= self[cell] and cell[0] < len(self.rows) - 1:
                self.rows[cell[0]][cell[1]] = lowest + 0.01
                raised += 1
        return raised
