"""Wires PyPI's httpbin: these three lines are all that an app needs."""

from __future__ import annotations

from httpbin import app

from instrument import ProfileCoverage

ProfileCoverage(app)
