"""A Python process of its own that fits a curve number: JSON on stdin, JSON on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from watershed.model.hydrology import CurveNumber


def mismatch(number: float, rain_mm: Sequence[float], runoff_mm: Sequence[float]) -> float:
    """Return the squared error of a curve number."""
    curve = CurveNumber(number)
    return sum((curve.runoff_mm(rain) - seen) ** 2 for rain, seen in zip(rain_mm, runoff_mm, strict=True))


def fit(rain_mm: Sequence[float], runoff_mm: Sequence[float]) -> float:
    """Return the curve number that fits best, by golden-section search."""
    low, high = 30.0, 99.0
    while high - low > 0.01:
        left, right = high - 0.618 * (high - low), low + 0.618 * (high - low)
        if mismatch(left, rain_mm, runoff_mm) < mismatch(right, rain_mm, runoff_mm):
            high = right
        else:
            low = left
    return round((low + high) / 2, 1)


def main() -> None:
    """Answer one question."""
    question = json.load(sys.stdin)
    json.dump({"curve_number": fit(question["rain_mm"], question["runoff_mm"])}, sys.stdout)


if __name__ == "__main__":
    main()
