"""What every climate has in common, and the register of climates."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from watershed.climate.stations import Station


@dataclass(frozen=True)
class Day:
    """One day of weather: rain in mm, mean temperature in °C."""

    number: int
    rain_mm: float
    temperature_c: float


class Climate:
    """Weather of a station, the same for the same station and year."""

    wet_chance = 0.3
    registry: ClassVar[dict[str, type[Climate]]] = {}

    def __init__(self, station: Station) -> None:
        self.station = station

    @classmethod
    def register(cls, name: str) -> Callable[[type[Climate]], type[Climate]]:
        """Return a decorator that makes a climate known by name."""

        def enter(climate: type[Climate]) -> type[Climate]:
            cls.registry[name] = climate
            return climate

        return enter

    @classmethod
    def of(cls, station: Station) -> Climate:
        """Return the climate of a station."""
        return cls.registry[station.climate](station)

    @property
    def rain_per_wet_day(self) -> float:
        return self.station.rain_mm / (365 * self.wet_chance)

    def days(self, year: int) -> Iterator[Day]:
        """Yield the days of a year."""
        chance = random.Random(zlib.crc32(f"{self.station.code}:{year}".encode()))
        for number in range(1, 366):
            rain = self.rain_per_wet_day * chance.uniform(0.2, 1.8) if chance.random() < self.wet_chance else 0.0
            yield Day(number, self.adjust(number, rain), self.temperature(number))

    def adjust(self, number: int, rain_mm: float) -> float:
        """Return the rain of a day after what is special about the climate."""
        return rain_mm

    def temperature(self, number: int) -> float:
        return 10.0 - abs(number - 200) / 20
