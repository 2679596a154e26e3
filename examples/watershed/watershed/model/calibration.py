"""Fits a curve number in a child process, so that a long search never blocks the server's own threads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def calibrate(rain_mm: Sequence[float], runoff_mm: Sequence[float]) -> float:
    """Return the curve number that best explains the observed storms."""
    answer = subprocess.run(
        [sys.executable, "-m", "watershed.model.child"],
        input=json.dumps({"rain_mm": list(rain_mm), "runoff_mm": list(runoff_mm)}),
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE_PARENT,
        timeout=60,
    )
    return json.loads(answer.stdout)["curve_number"]
