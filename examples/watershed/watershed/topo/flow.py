"""Flow directions, accumulation and hillslopes."""

from __future__ import annotations

from dataclasses import dataclass

from watershed.topo.grid import Cell, Grid


@dataclass(frozen=True)
class Hillslope:
    """A part of the catchment that drains to one channel cell: area in ha, slope in m/m."""

    number: int
    area_ha: float
    slope: float


def directions(grid: Grid) -> dict[Cell, Cell | None]:
    """Return the steepest lower neighbour of each cell, None where water leaves the grid."""

    def downhill(cell: Cell) -> Cell | None:
        lowest = min(grid.neighbours(cell), key=grid.__getitem__)
        return lowest if grid[lowest] < grid[cell] else None

    return {cell: downhill(cell) for cell in grid.cells()}


def accumulation(grid: Grid) -> dict[Cell, int]:
    """Return how many cells drain through each cell, itself included."""
    flows = directions(grid)
    count = dict.fromkeys(flows, 1)
    for cell in grid.cells():
        if (below := flows[cell]) is not None:
            count[below] += count[cell]
    return count


def hillslopes(grid: Grid, wanted: int = 4) -> list[Hillslope]:
    """Return the `wanted` largest hillslopes of a grid."""
    count = accumulation(grid)
    outlets = sorted(count, key=lambda cell: (-count[cell], cell))[:wanted]
    cell_ha = grid.cell_m**2 / 10_000
    return [
        Hillslope(number, round(count[cell] * cell_ha, 3), round(steepness(grid, cell), 4))
        for number, cell in enumerate(outlets, start=1)
    ]


def steepness(grid: Grid, cell: Cell) -> float:
    """Return the mean slope around a cell."""
    drops = [abs(grid[near] - grid[cell]) / grid.cell_m for near in grid.neighbours(cell)]
    return sum(drops) / len(drops)
