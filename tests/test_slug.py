"""The slug is refused or taken as it is."""

import pytest

from instrument.slug import SlugError, parse_slug


@pytest.mark.parametrize("slug", ["a", "0", "us-small", "a_b", "a" * 64, "com10", "nul-1", "indexes"])
def test_taken(slug: str) -> None:
    assert parse_slug(slug) == slug


@pytest.mark.parametrize(
    "slug",
    ["", "/", "..", "a/b", "a\0b", "a\n", "\na", "a.b", "*", "a?", "a:b", "a,b", "ä", "٣", "A", "-a", "a-", "_a", "a_",
     "a b", "a" * 65, "index", "con", "nul", "com1", "lpt9", "prn", "aux"],
)  # fmt: skip
def test_refused(slug: str) -> None:
    with pytest.raises(SlugError) as error:
        parse_slug(slug)
    assert "is refused" in str(error.value)
    assert "\n" not in str(error.value)
