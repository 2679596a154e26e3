"""The theme's page shell: rendered once per kind of page with sentinels, then stamped with each page's content."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from mkdocs.commands.build import get_context
from mkdocs.structure.files import File, InclusionLevel
from mkdocs.structure.pages import Page as MkdocsPage
from mkdocs.structure.toc import AnchorLink, TableOfContents

from instrument.errors import CovatlasError
from sitegen.address import url_of
from sitegen.model import Page

if TYPE_CHECKING:
    import jinja2
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.nav import Navigation

# Letters and digits only: no filter of a theme changes them, and no page holds them by chance.
_MARK = "zqCovatlas7f3aZq"
_SENTINEL = re.compile(_MARK + r"(?:Title|Text|Content|Path|Anchor\d+|Entry\d+)End")


def _sentinel(name: str) -> str:
    return f"{_MARK}{name}End"


@dataclass(frozen=True, slots=True)
class Theme:
    """What mkdocs renders pages with: its environment, navigation and configuration."""

    env: jinja2.Environment
    nav: Navigation
    config: MkDocsConfig

    def render(self, page: Page) -> str:
        """Return a whole page as mkdocs itself renders it: 2 ms, and the truth that a stamped page must equal."""
        file = File(page.path, None, self.config.site_dir, use_directory_urls=True, inclusion=InclusionLevel.NOT_IN_NAV)
        made = MkdocsPage(escape(page.title), file, self.config)
        made.content = page.content
        made.toc = TableOfContents([AnchorLink(escape(title), escape(anchor), 2) for anchor, title in page.toc])
        made.meta = {"covatlas": section_of(page.path), "description": escape(page.description)}
        plugins = self.config.plugins
        context: Any = get_context(self.nav, [], self.config, made)
        context = plugins.on_page_context(context, page=made, config=self.config, nav=self.nav)
        output = self.env.get_template("main.html").render(context)
        return plugins.on_post_page(output, page=made, config=self.config)


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
        if _MARK in text:
            raise CovatlasError(
                f"{page.path}: a sentinel of the page shell is left over; turn off the theme's own filters"
            )
        return _encode(text)


@dataclass(slots=True)
class Shells:
    """The shells of one theme, each rendered when first needed and compared once with what mkdocs makes of the page.

    Where they differ (a plugin that rewrites finished pages), that kind of page is rendered by mkdocs, page by page.
    """

    theme: Theme
    warn: Callable[[str], None]
    _made: dict[tuple[str, int, int], Shell | None] = field(default_factory=dict)

    def stamp(self, page: Page) -> bytes:
        """Return the bytes of `page`."""
        key = (section_of(page.path), page.path.count("/"), len(page.toc))
        if key not in self._made:
            shell = self._make(*key)
            same = shell is not None and shell.stamp(page) == _encode(self.theme.render(page))
            if not same:
                self.warn(
                    f"{page.path}: another plugin changes finished pages, so pages like it are rendered one by one"
                )
            self._made[key] = shell if same else None
        found = self._made[key]
        return found.stamp(page) if found is not None else _encode(self.theme.render(page))

    def _make(self, section: str, depth: int, entries: int) -> Shell | None:
        folder = "/".join([section] * depth)
        name = f"{_sentinel('Path')}.html"
        path = f"{folder}/{name}" if folder else name
        text = self.theme.render(
            Page(
                path=path,
                title=_sentinel("Title"),
                description=_sentinel("Text"),
                content=f"<h1>{_sentinel('Content')}</h1>",
                toc=tuple((_sentinel(f"Anchor{i}"), _sentinel(f"Entry{i}")) for i in range(entries)),
            )
        )
        text = text.replace(path, _sentinel("Path")).replace(f"<h1>{_sentinel('Content')}</h1>", _sentinel("Content"))
        found = [match[len(_MARK) : -len("End")] for match in _SENTINEL.findall(text)]
        return Shell(tuple(_SENTINEL.split(text)), tuple(found)) if "Content" in found else None


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "xmlcharrefreplace")


def section_of(path: str) -> str:
    """Return the section of a page path: its first folder, `home` for a page at the root."""
    return path.split("/")[0] if "/" in path else "home"
