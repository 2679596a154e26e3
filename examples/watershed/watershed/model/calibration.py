"""Fits a curve number in a child process, so that a long search never blocks the server's own threads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def calibrate(storms: Sequence[tuple[float, float]]) -> float:
    """Return the curve number that best explains storms, each its rain and its runoff in mm."""
    answer = subprocess.run(
        [sys.executable, "-m", "watershed.model.child"],
        input=json.dumps({"storms": storms}),
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE_PARENT,
        timeout=60,
    )
    return json.loads(answer.stdout)["curve_number"]
