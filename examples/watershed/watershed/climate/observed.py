"""Reads observed rain from uploaded CSV text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator


class ObservationError(ValueError):
    """Say which line of the upload is wrong."""


def parse(text: str) -> Iterator[tuple[str, float]]:
    """Yield (date, rain in mm) of each line of `date,rain_mm`; raises ObservationError."""
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            yield row["date"], float(row["rain_mm"])
        except (KeyError, TypeError, ValueError):
            raise ObservationError(f"line {number}: expected date,rain_mm") from None


def total(text: str) -> float:
    """Return the rain of a whole upload."""
    return sum(rain for _, rain in parse(text))
