"""Soil loss by the universal soil loss equation."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from watershed.topo.flow import Hillslope


def rounded(digits: int) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Return a decorator that rounds what a function returns."""

    def decorate(function: Callable[..., float]) -> Callable[..., float]:
        @wraps(function)
        def wrapper(*args: float | Hillslope) -> float:
            return round(function(*args), digits)

        return wrapper

    return decorate


@rounded(3)
def slope_factor(hillslope: Hillslope) -> float:
    """Return the LS factor of a hillslope."""
    percent = hillslope.slope * 100
    return 0.065 + 0.045 * percent + 0.0065 * percent**2


@rounded(4)
def soil_loss_t(hillslope: Hillslope, runoff_mm: float, erodibility: float, cover_factor: float) -> float:
    """Return the soil loss of a hillslope in t."""
    energy = 0.0483 * runoff_mm**1.61
    return energy * erodibility * slope_factor(hillslope) * cover_factor * hillslope.area_ha
