"""Compares treatments of a cover, each in a thread."""

from __future__ import annotations

import threading
from dataclasses import replace

from watershed.landuse.treatments import TREATMENTS
from watershed.model.simulation import Setup
from watershed.topo.flow import Hillslope

STANDARD_SLOPE = Hillslope(0, area_ha=1.0, slope=0.09)


class TreatmentThread(threading.Thread):
    """Simulates one treatment."""

    def __init__(self, name: str, setup: Setup) -> None:
        super().__init__(name=f"treatment-{name}")
        self.treatment = name
        self.setup = setup
        self.soil_loss_t = 0.0

    def run(self) -> None:
        treated = TREATMENTS[self.treatment]().apply(self.setup.cover)
        self.soil_loss_t = replace(self.setup, cover=treated).run(STANDARD_SLOPE).soil_loss_t


def compare(names: list[str], setup: Setup) -> dict[str, float]:
    """Return the soil loss in t per ha and year of each treatment; raises KeyError."""
    threads = [TreatmentThread(name, setup) for name in names if TREATMENTS[name]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {thread.treatment: thread.soil_loss_t for thread in threads}
