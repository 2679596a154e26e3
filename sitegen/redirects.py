"""Pages that lead on: `go/`, from a file and line or a name, and the addresses of symbols that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sitegen.address import link, symbol_path
from sitegen.model import Gone
from sitegen.render import Sheet

GO = "go/index.html"
GO_SHEET = Sheet("go.html", GO, "Go to a symbol", "Leads from a file and line to the symbol that is there", None)


@dataclass(frozen=True, slots=True)
class GoneView:
    """What the page of a gone symbol shows; `now` are (how it went there, link, id)."""

    item: Gone
    now: tuple[tuple[str, str, str], ...]


def gone_sheets(gone: tuple[Gone, ...]) -> Iterator[Sheet]:
    """Yield the sheet of each gone symbol's page, at the address that it had."""
    for item in gone:
        page = symbol_path(item.id, item.kind)
        now = tuple((_how(item.id, name), link(page, symbol_path(name, kind)), name) for name, kind in item.now)
        text = f"{item.kind.capitalize()} {item.id}: no longer in the source"
        yield Sheet("gone.html", page, item.id, text, GoneView(item, now))


def _how(before: str, now: str) -> str:
    if before == now:
        return "became another kind of symbol"
    (around, _, leaf), (place, _, name) = before.rpartition("."), now.rpartition(".")
    if leaf == name:
        return "moved"
    return "renamed" if around == place else "moved and renamed"
