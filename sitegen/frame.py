"""The frame of the site: what mkdocs renders once: hand-written pages, and page shells cut at their sentinels."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from instrument.errors import CovatlasError
from sitegen.address import url_of
from sitegen.model import Page

Paths = tuple[tuple[str, str], ...]  # path → sha256 of its bytes
# Letters and digits only: no filter of a theme changes them, and no page holds them by chance.
MARK = "zqCovatlas7f3aZq"


@dataclass(frozen=True, slots=True)
class Shell:
    """A rendered page cut at its sentinels: text and sentinel names in turn, text first and last."""

    pieces: tuple[str, ...]
    slots: tuple[str, ...]

    def stamp(self, page: Page) -> bytes:
        """Return the bytes of `page` in this shell; raise CovatlasError if a sentinel would remain."""
        values = {
            "Title": escape(page.title),
            "Text": escape(page.description),
            "Content": page.content,
            "Path": url_of(page.path),
        }
        for index, (anchor, title) in enumerate(page.toc):
            values[f"Anchor{index}"] = escape(anchor)
            values[f"Entry{index}"] = escape(title)
        parts = [self.pieces[0]]
        for slot, piece in zip(self.slots, self.pieces[1:], strict=True):
            parts += (values[slot], piece)
        text = "".join(parts)
        if MARK in text:
            raise CovatlasError(
                f"{page.path}: a sentinel of the page shell is left over; turn off the theme's own filters"
            )
        return encode_page(text)


@dataclass(frozen=True, slots=True)
class Frame:
    """Files of the site that hold no data (path, sha256), and a shell per section and number of contents entries."""

    files: tuple[tuple[str, str], ...]
    shells: tuple[tuple[str, int, Shell], ...]


def encode_page(text: str) -> bytes:
    """Return a page's bytes as mkdocs encodes them."""
    return text.encode("utf-8", "xmlcharrefreplace")


def section_of(path: str) -> str:
    """Return the section of a page path: its first folder, `home` for a page at the root."""
    return path.split("/")[0] if "/" in path else "home"


def page_set(*args: object) -> Paths:
    """Stand for the pages of one file, or of all files together, in the cache; their bytes are in the site."""
    raise NotImplementedError
