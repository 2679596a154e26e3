"""One hillslope through all the years, and a whole catchment on a pool of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from watershed.climate.kinds import Climate
from watershed.climate.stations import STATIONS, Station
from watershed.landuse.cover import COVERS, Cover
from watershed.model.erosion import soil_loss_t
from watershed.model.hydrology import CurveNumber, daily_runoff
from watershed.soils.profile import SOILS, Soil
from watershed.topo.flow import Hillslope, hillslopes
from watershed.topo.grid import Grid


@dataclass(frozen=True)
class Result:
    """What one hillslope gave: mean runoff in mm and soil loss in t, both a year."""

    number: int
    runoff_mm: float
    soil_loss_t: float


@dataclass(frozen=True)
class Setup:
    """Where and on what a simulation runs."""

    station: Station
    soil: Soil
    cover: Cover
    years: int

    @classmethod
    def of(cls, station: str, soil: str, cover: str, years: int) -> Setup:
        """Look the names up; raises KeyError."""
        return cls(STATIONS[station], SOILS[soil], COVERS[cover], years)

    def run(self, hillslope: Hillslope) -> Result:
        """Simulate one hillslope."""
        climate = Climate.of(self.station)  # one for each run: some climates remember yesterday's snow
        curve = CurveNumber(self.cover.curve_number(self.soil.hydrologic_group))
        total = sum(
            runoff.mm for year in range(1, self.years + 1) for runoff in daily_runoff(climate.days(year), curve)
        )
        mean = total / self.years
        loss = soil_loss_t(hillslope, mean, self.soil.erodibility, self.cover.factor)
        return Result(hillslope.number, round(mean, 3), loss)


def catchment(name: str) -> list[Hillslope]:
    """Return the hillslopes of the terrain that belongs to a name."""
    grid = Grid.synthetic(name)
    grid.fill_sinks()
    return hillslopes(grid)


def run_catchment(name: str, setup: Setup) -> list[Result]:
    """Simulate all hillslopes of a catchment at once."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(setup.run, catchment(name)))
