"""What is done to a cover: thinning, a burn, mulch after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from watershed.landuse.cover import Cover


class Treatment(ABC):
    """A change of cover."""

    @abstractmethod
    def apply(self, cover: Cover) -> Cover:
        """Return the cover after the treatment."""

    def _scaled(self, cover: Cover, curve: float, factor: float) -> Cover:
        numbers = tuple(min(98, round(number * curve)) for number in cover.curve_numbers)
        return replace(cover, curve_numbers=numbers, factor=min(1.0, cover.factor * factor))


class Thinning(Treatment):
    """Fewer trees: a little more of everything."""

    def apply(self, cover: Cover) -> Cover:
        return self._scaled(cover, 1.05, 2)


class Burn(Treatment):
    """A fire of a severity from 1 to 3."""

    def __init__(self, severity: int = 2) -> None:
        self.severity = severity

    def apply(self, cover: Cover) -> Cover:
        return self._scaled(cover, 1 + 0.1 * self.severity, 10 * self.severity)


class MulchedBurn(Burn):
    """A burn after which mulch was spread: half the erosion."""

    def apply(self, cover: Cover) -> Cover:
        burnt = super().apply(cover)
        return replace(burnt, factor=burnt.factor / 2)


TREATMENTS = {"thinning": Thinning, "burn": Burn, "mulched-burn": MulchedBurn}
