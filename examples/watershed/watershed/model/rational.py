"""The rational method that the curve number replaced; nothing imports it any more."""

from __future__ import annotations

COEFFICIENTS = {"forest": 0.1, "pasture": 0.2, "wheat": 0.35, "bare": 0.6}


def peak_flow_m3s(cover: str, rain_mm_h: float, area_ha: float) -> float:
    """Return the peak flow of a storm."""
    return COEFFICIENTS[cover] * rain_mm_h * area_ha / 360
