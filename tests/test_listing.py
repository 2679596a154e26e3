"""sitegen.listing: folds and very long listings show each line once, or say that they do not."""

from __future__ import annotations

import re

from sitegen.listing import Fold, Listing

LINES = Listing(tuple(f"<{number}>" for number in range(1, 21)))


def test_a_fold_takes_the_place_of_its_lines() -> None:
    shown = LINES.folded(
        1, 8, [Fold(2, 4, "f<", "f.html"), Fold(4, 4, "same line", "g.html"), Fold(6, 7, "h", "h.html")]
    )
    assert re.findall(r"<\d+>|lines \d+–\d+", shown) == ["<1>", "lines 2–4", "<5>", "lines 6–7", "<8>"]
    assert '<a href="f.html">f&lt;</a>' in shown and "same line" not in shown


def test_lines_beyond_the_limit_are_named_and_folds_stay() -> None:
    shown = LINES.folded(1, 20, [Fold(6, 8, "f", "f.html"), Fold(15, 16, "g", "g.html")], most=7)
    said = ["<1>", "<2>", "<3>", "<4>", "<5>", "lines 6–8", "<9>", "<10>", "lines 11–14", "lines 15–16", "lines 17–20"]
    assert re.findall(r"<\d+>|lines \d+–\d+", shown) == said
    assert shown.count("too many to be shown here") == 2
    assert LINES.folded(1, 7, [], most=7) == LINES.part(1, 7)
