"""The climates: importing this module registers them."""

from __future__ import annotations

from watershed.climate.base import Climate
from watershed.climate.stations import Station


@Climate.register("semi-arid")
class SemiArid(Climate):
    """Few wet days and dry summers."""

    wet_chance = 0.2

    def adjust(self, number: int, rain_mm: float) -> float:
        return rain_mm * (0.5 if 150 < number < 270 else 1.2)


@Climate.register("humid")
class Humid(Climate):
    """Rain on most days."""

    wet_chance = 0.6


@Climate.register("alpine")
class Alpine(SemiArid):
    """Like semi-arid, but winter rain waits as snow until it melts."""

    def __init__(self, station: Station) -> None:
        super().__init__(station)
        self.snow_mm = 0.0

    def adjust(self, number: int, rain_mm: float) -> float:
        rain_mm = super().adjust(number, rain_mm)
        if self.temperature(number) < 4:
            self.snow_mm += rain_mm
            return 0.0
        return rain_mm + self.melt(number)

    def melt(self, number: int) -> float:
        """Return the water of a day's melting snow."""
        water = min(self.snow_mm, max(0.0, 3 * self.temperature(number)))
        self.snow_mm -= water
        return water
