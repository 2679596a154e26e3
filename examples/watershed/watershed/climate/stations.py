"""The catalogue of weather stations and how to find the nearest."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Station:
    """A weather station: degrees north and east, yearly rain in mm, the class of its climate."""

    code: str
    name: str
    latitude: float
    longitude: float
    rain_mm: float
    climate: str

    def distance_km(self, latitude: float, longitude: float) -> float:
        """Return the great-circle distance to a point."""
        a, b = math.radians(self.latitude), math.radians(latitude)
        half_lat = math.sin((b - a) / 2) ** 2
        half_lon = math.sin(math.radians(longitude - self.longitude) / 2) ** 2
        return 12742 * math.asin(math.sqrt(half_lat + math.cos(a) * math.cos(b) * half_lon))


STATIONS = {
    station.code: station
    for station in (
        Station("moscow", "Moscow, Idaho", 46.73, -117.0, 640, "semi-arid"),
        Station("astoria", "Astoria, Oregon", 46.19, -123.83, 1720, "humid"),
        Station("tahoe", "Tahoe City, California", 39.17, -120.14, 830, "alpine"),
        Station("sisters", "Sisters, Oregon", 44.29, -121.55, 350, "semi-arid"),
    )
}


def nearest(latitude: float, longitude: float) -> Station:
    """Return the station nearest to a point."""
    return min(STATIONS.values(), key=lambda station: station.distance_km(latitude, longitude))
