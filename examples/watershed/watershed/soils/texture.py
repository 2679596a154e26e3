"""Texture classes from sand and clay."""

from __future__ import annotations

from functools import singledispatch


class Texture:
    """A soil texture; sand, silt and clay are percent and add up to 100."""

    def __init__(self, sand: float, clay: float) -> None:
        self.clay = clay
        self.sand = sand

    @property
    def sand(self) -> float:
        return self._sand

    @sand.setter
    def sand(self, value: float) -> None:
        if value < 0 or value + self.clay > 100:
            raise ValueError("sand and clay are percent and together at most 100")
        self._sand = value

    @property
    def silt(self) -> float:
        return 100 - self.sand - self.clay

    @property
    def name(self) -> str:
        if self.clay >= 40:
            return "clay"
        if self.sand >= 70:
            return "sand" if self.sand >= 85 else "loamy sand"
        return "silt loam" if self.silt >= 50 else "loam"


@singledispatch
def describe(value: object) -> str:
    """Return a texture in words: of a texture, or of a (sand, clay) pair."""
    raise TypeError(f"no texture: {value!r}")


@describe.register
def _(value: Texture) -> str:
    return f"{value.name} ({value.sand:.0f} % sand, {value.silt:.0f} % silt, {value.clay:.0f} % clay)"


@describe.register
def _(value: tuple) -> str:
    return describe(Texture(*value))
