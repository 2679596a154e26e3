"""What a profile's row says about how far it can be trusted."""

from __future__ import annotations

from typing import Literal

import pytest

from sitegen.model import ProfileHead, Summary
from sitegen.views import ProfileRow


@pytest.mark.parametrize(
    ("status", "problems", "stale", "trouble"),
    [
        ("passed", (), 0, None),
        ("passed", (), 3, "the source changed since it was recorded"),
        ("failed", (), 0, "its playback failed"),
        ("failed", ("a.coverage: the data file is empty", "more"), 0, "failed, a.coverage: the data file is empty"),
        ("passed", ("x.py was recorded but is gone",), 3, "x.py was recorded but is gone"),
    ],
)
def test_trouble_names_what_is_known(
    status: Literal["passed", "failed", "unknown"], problems: tuple[str, ...], stale: int, trouble: str | None
) -> None:
    # The playback of damaged data may well have passed: the map must not say that it failed.
    head = ProfileHead("a", "a", "", status, None, None, None, 1, (), (), problems)
    assert ProfileRow(head, Summary(0, 0, 0, 0, 0, 0, 0.0), 0, (), stale).trouble == trouble
