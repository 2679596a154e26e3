"""Runs inside the traced app: records which lines each profile executes.

Importing this package loads no tracer: `ProfileCoverage` is fetched when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instrument.flask import ProfileCoverage

__all__ = ["ProfileCoverage"]


def __getattr__(name: str) -> Any:
    if name == "ProfileCoverage":
        from instrument.flask import ProfileCoverage

        return ProfileCoverage
    raise AttributeError(f"module 'instrument' has no attribute {name!r}")
