"""A Python process of its own that fits a curve number: JSON on stdin, JSON on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from watershed.model.hydrology import CurveNumber

Storms = Sequence[tuple[float, float]]


def mismatch(number: float, storms: Storms) -> float:
    """Return the squared error of a curve number."""
    curve = CurveNumber(number)
    return sum((curve.runoff_mm(rain) - seen) ** 2 for rain, seen in storms)


def fit(storms: Storms) -> float:
    """Return the curve number that fits best, by golden-section search."""
    low, high = 30.0, 99.0
    while high - low > 0.01:
        left, right = high - 0.618 * (high - low), low + 0.618 * (high - low)
        if mismatch(left, storms) < mismatch(right, storms):
            high = right
        else:
            low = left
    return round((low + high) / 2, 1)


def main() -> None:
    """Answer one question."""
    json.dump({"curve_number": fit(json.load(sys.stdin)["storms"])}, sys.stdout)


if __name__ == "__main__":
    main()
