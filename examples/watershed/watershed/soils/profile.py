"""Layered soils and how erodible they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from watershed.soils.texture import Texture


@dataclass(frozen=True)
class Layer:
    """A soil layer: depth in mm, conductivity in mm/h."""

    depth_mm: float
    texture: Texture
    conductivity: float


class Soil:
    """A soil made of layers, the uppermost first."""

    def __init__(self, name: str, layers: tuple[Layer, ...]) -> None:
        self.name = name
        self.layers = layers

    @cached_property
    def hydrologic_group(self) -> str:
        """Return A (drains well) to D (hardly at all), by the tightest layer."""
        tightest = min(layer.conductivity for layer in self.layers)
        return next((group for group, limit in (("A", 25), ("B", 10), ("C", 2)) if tightest >= limit), "D")

    @property
    def erodibility(self) -> float:
        """Return the K factor of the top layer."""
        top = self.layers[0].texture
        return round(0.1 + 0.4 * top.silt / 100 - 0.1 * top.clay / 100, 3)

    def storage_mm(self) -> float:
        """Return the water that the whole soil can hold."""
        return sum(layer.depth_mm * (0.1 + layer.texture.clay / 500) for layer in self.layers)


SOILS = {
    "palouse": Soil("palouse", (Layer(300, Texture(15, 20), 12), Layer(900, Texture(12, 28), 4))),
    "dune": Soil("dune", (Layer(1200, Texture(90, 4), 60),)),
    "vertisol": Soil("vertisol", (Layer(500, Texture(10, 55), 1),)),
}
