"""Contour lines as text; drawn by the desktop tool, so no request of the web app comes here."""

from __future__ import annotations

from watershed.topo.grid import Grid

SHADES = " .:-=+*#"


def draw(grid: Grid) -> str:
    """Return the grid as shades of text, high ground dark."""
    flat = [value for row in grid.rows for value in row]
    low, span = min(flat), (max(flat) - min(flat)) or 1
    return "\n".join("".join(SHADES[int((value - low) / span * 7)] for value in row) for row in grid.rows)
