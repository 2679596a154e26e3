"""The arithmetic of the benchmarks: medians, intervals, and no verdict where the noise allows none."""

from __future__ import annotations

import random

import pytest

from tests.bench.measure import Ratio, ratio_of, verdict


def test_the_interval_holds_the_median_and_narrows_with_more_pairs() -> None:
    chance = random.Random(1)
    few = ratio_of([chance.gauss(1.1, 0.05) for _ in range(10)], random.Random(2))
    many = ratio_of([chance.gauss(1.1, 0.05) for _ in range(400)], random.Random(2))
    assert many.low <= many.median <= many.high
    assert many.low < 1.1 < many.high
    assert many.high - many.low < few.high - few.low


@pytest.mark.parametrize(
    ("ratio", "null", "says"),
    [
        (Ratio(1.00, 0.99, 1.01), Ratio(1.0, 1.0, 1.0), "reached"),
        (Ratio(1.10, 1.08, 1.12), Ratio(1.0, 1.0, 1.0), "missed"),
        (Ratio(1.01, 0.99, 1.03), Ratio(1.0, 1.0, 1.0), "no verdict: too noisy"),
        (Ratio(1.00, 0.99, 1.01), Ratio(1.03, 1.02, 1.04), "no verdict: too noisy"),  # equal servers differ as much
        (Ratio(1.03, 1.025, 1.04), Ratio(0.98, 0.97, 0.99), "no verdict: too noisy"),
    ],
)
def test_a_verdict_needs_less_noise_than_distance(ratio: Ratio, null: Ratio, says: str) -> None:
    assert verdict(ratio, null, 1.02) == says
