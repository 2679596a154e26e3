"""Runoff by the curve number method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from watershed.climate.base import Day


@dataclass(frozen=True)
class Runoff:
    """Runoff of one day in mm."""

    day: int
    mm: float


class CurveNumber:
    """The relation of rain and runoff of a curve number from 1 to 100."""

    def __init__(self, number: float) -> None:
        if not 1 <= number <= 100:
            raise ValueError(f"a curve number is 1 to 100, not {number}")
        self.number = number

    @property
    def retention_mm(self) -> float:
        return 25400 / self.number - 254

    def runoff_mm(self, rain_mm: float) -> float:
        """Return the runoff of a day's rain."""
        excess = rain_mm - 0.2 * self.retention_mm
        return excess**2 / (rain_mm + 0.8 * self.retention_mm) if excess > 0 else 0.0


def daily_runoff(days: Iterable[Day], curve: CurveNumber) -> Iterator[Runoff]:
    """Yield the days that have runoff."""
    for day in days:
        mm = curve.runoff_mm(day.rain_mm)
        if mm > 0:
            yield Runoff(day.number, mm)
