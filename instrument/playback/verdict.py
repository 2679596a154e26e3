"""What timings of alternating playbacks say, and whether their noise lets them say it: pure statistics, no clock."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

RESAMPLES = 2000

Verdict = Literal["within", "over", "undecided"]


@dataclass(frozen=True, slots=True)
class Spread:
    """A median of ratios and the ends of its 95 % interval (bootstrap; the same ratios always give the same ends)."""

    median: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Return the half width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one profile, in milliseconds: twice without the header and once with it, in turning order."""

    off: float
    off_again: float
    traced: float


def spread(ratios: Sequence[float]) -> Spread:
    """Return the median and its interval."""
    chance = random.Random(0)
    found = sorted(median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return Spread(median(ratios), found[int(0.025 * RESAMPLES)], found[int(0.975 * RESAMPLES) - 1])


def traced_ratio(rounds: Sequence[Round]) -> Spread:
    """Return what tracing costs: with the header against without, round by round."""
    return spread([2 * each.traced / (each.off + each.off_again) for each in rounds])


def null_ratio(rounds: Sequence[Round]) -> Spread:
    """Return the null control: twice the same, of which any difference from 1 is noise."""
    return spread([each.off_again / each.off for each in rounds])


def judge(ratio: Spread, null: Spread, budget: float, noise: float = 0.0) -> Verdict:
    """Say whether a ratio is within 1 + `budget` (a fraction); `noise` is added to the interval on both sides.

    Nothing is decided where the interval holds the limit, or where the null control alone strays beyond the budget.
    """
    if max(abs(null.low - 1), abs(null.high - 1)) > budget:
        return "undecided"
    if ratio.low - noise > 1 + budget:
        return "over"
    return "within" if ratio.high + noise <= 1 + budget else "undecided"
