"""The theme's page shells: rendered by mkdocs with sentinels, cut at them, and compared with a real render."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from mkdocs.commands.build import get_context
from mkdocs.structure.files import File, InclusionLevel
from mkdocs.structure.pages import Page as MkdocsPage
from mkdocs.structure.toc import AnchorLink, TableOfContents

from sitegen.frame import MARK, Shell, encode_page, section_of
from sitegen.model import Page

if TYPE_CHECKING:
    import jinja2
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.nav import Navigation

# Every kind of page there is: section, depth of its address, entries of its table of contents.
KINDS = (
    ("home", 0, 0), ("matrix", 1, 0), ("gaps", 1, 0), ("overlap", 1, 0), ("routes", 1, 0), ("trends", 1, 0),
    ("go", 1, 0), ("packages", 1, 0), ("modules", 1, 0), ("symbols", 1, 0), ("profiles", 1, 3), ("profiles", 1, 4),
)  # fmt: skip
_SENTINEL = MARK + r"(?:Title|Text|Content|Path|Anchor\d+|Entry\d+)End"


def _sentinel(name: str) -> str:
    return f"{MARK}{name}End"


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

    def render_bytes(self, page: Page) -> bytes:
        """Return a whole page's bytes."""
        return encode_page(self.render(page))


def cut_shells(theme: Theme, warn: Callable[[str], None]) -> dict[tuple[str, int], Shell | None]:
    """Return the shell of every kind of page by (section, entries), each compared with what mkdocs makes of a page.

    None stands where they differ (a plugin that rewrites finished pages): such pages must be rendered one by one.
    """
    found: dict[tuple[str, int], Shell | None] = {}
    for section, depth, entries in KINDS:
        shell = _cut(theme, section, depth, entries)
        probe = _probe(section, depth, entries)
        same = shell is not None and shell.stamp(probe) == theme.render_bytes(probe)
        found[section, entries] = shell if same else None
    if None in found.values():
        warn("another plugin or an own template changes finished pages, so generated pages are rendered one by one")
    return found


def _probe(section: str, depth: int, entries: int) -> Page:
    """Return a page whose texts would show a filter that treats pages differently."""
    toc = tuple((f'a{index}"&', f"Entry <{index}> & more") for index in range(entries))
    name = "pkg.mod_1-0a.html" if depth else "index.html"
    return Page(
        path="/".join([section] * depth + [name]),
        title='pkg.mod.f<"&>',
        description="What 'it' <does> & why",
        content='<h1>it</h1>\n<pre class="cv-src">  x = "&lt;b&gt;"\n\n\n</pre> <p>two  spaces</p>',
        toc=toc,
    )


def _cut(theme: Theme, section: str, depth: int, entries: int) -> Shell | None:
    # The one page at the root is the site's home, which themes treat in their own way: it must have its own address.
    path = "/".join([*[section] * depth, f"{_sentinel('Path')}.html"]) if depth else "index.html"
    text = theme.render(
        Page(
            path=path,
            title=_sentinel("Title"),
            description=_sentinel("Text"),
            content=f"<h1>{_sentinel('Content')}</h1>",
            toc=tuple((_sentinel(f"Anchor{i}"), _sentinel(f"Entry{i}")) for i in range(entries)),
        )
    )
    text = (text.replace(path, _sentinel("Path")) if depth else text).replace(
        f"<h1>{_sentinel('Content')}</h1>", _sentinel("Content")
    )
    found = [match[len(MARK) : -len("End")] for match in re.findall(_SENTINEL, text)]
    return Shell(tuple(re.split(_SENTINEL, text)), tuple(found)) if "Content" in found else None
