"""The slug: the validated id of a profile. Refused, never sanitised."""

from __future__ import annotations

import re

from instrument.errors import CovatlasError

MAX_LENGTH = 64
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
# Windows opens a device, not a file, for these names with any extension.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))})
_RESERVED = _DEVICES | {"index"}


class SlugError(CovatlasError):
    """Name a slug that is refused and why."""


def parse_slug(text: str) -> str:
    """Return `text` if it is a slug, else raise SlugError with the reason."""
    if not _SLUG.fullmatch(text):
        raise SlugError(
            f"slug {text[: MAX_LENGTH + 8]!r} is refused: a slug is [a-z0-9], then up to 62 of [a-z0-9_-], "
            "ending in [a-z0-9]; rename the profile"
        )
    if text in _RESERVED:
        raise SlugError(f"slug {text!r} is refused: the name is reserved; rename the profile")
    return text
