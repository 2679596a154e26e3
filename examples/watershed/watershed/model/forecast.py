"""An ensemble forecast: several years asked at once."""

from __future__ import annotations

import asyncio

from watershed.climate.kinds import Climate
from watershed.climate.stations import STATIONS


async def member(station: str, year: int) -> float:
    """Return the rain of one member in mm."""
    await asyncio.sleep(0)
    return sum(day.rain_mm for day in Climate.of(STATIONS[station]).days(year))


async def ensemble(station: str, size: int) -> dict[str, float]:
    """Return the lowest, mean and highest yearly rain of `size` members; raises KeyError."""
    rain = await asyncio.gather(*(member(station, year) for year in range(1, size + 1)))
    return {"low": round(min(rain), 1), "mean": round(sum(rain) / size, 1), "high": round(max(rain), 1)}
