"""Makes a small project with hostile names, real profile data and run records, for the tests of the site."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

from instrument.record import JobRun, RequestRun, RunRecord, write_record
from sitegen.data import data_artifacts
from sitegen.generate import BuildOptions, prepare
from sitegen.highlight import highlighted
from sitegen.model import Artifact, Page
from sitegen.module_data import module_artifact
from sitegen.pages import symbol_sheet, whole_sheets
from sitegen.parts import file_part
from sitegen.pipeline import build_atlas, plan_of
from sitegen.render import Renderer
from sitegen.serve import bind
from sitegen.symbol_pages import file_views
from sitegen.tables import route_uses
from sitegen.together import shown_head
from sitegen.whole import Whole
from tests.atlas_support import record, write

OWN_CONFIG = """\
site_name: Own
theme: {name: material, font: false}
plugins:
  - covatlas:
      source: [pkg]
      coverage_dir: data
"""
HOSTILE = "<script>window.hacked = 1</script>"
FILES = {
    "__init__.py": "",
    "cart.py": '''\
"""What is bought."""
import functools


class Cart:
    """Items and their sum."""

    tax = 0.2

    def __init__(self, items):
        self.items = list(
            items
        )

    @property
    def total(self):
        def price(item):
            return item * (1 + self.tax)

        return sum(price(item) for item in self.items)

    def discount(self, rate):
        if rate > 1:
            raise ValueError("rate")
        return self.total * (1 - rate)

    def debug(self):  # pragma: no cover
        print(self.items)


class cart:
    def only_here(self):
        return 1


async def nul():
    return None


def never(a, b):
    return a + b
''',
    "hostile.py": f'"""{HOSTILE} & co."""\n\n\ndef trick():\n    """</span></pre>{HOSTILE}"""\n'
    f'    x = "</pre>{HOSTILE}"\n'
    '    return x + "\u202e"\n',
    f"odd {HOSTILE.replace('/', '')}.py": "def f():\n    return 1\n",
    "imported.py": "def not_called():\n    return 3\n",
    "deep/inner.py": "def work():\n    return 2\n",
    "unused.py": "class Unused:\n    def one(self):\n        return 1\n",
    "broken.py": "def f(:\n",
}
DRIVERS = {
    "alpha": "from pkg import hostile\nfrom pkg.cart import Cart\nCart([1, 2]).total\nhostile.trick()\n",
    "beta": "import pkg.imported\nfrom pkg.cart import Cart, cart\nCart([1]).discount(0.5)\ncart().only_here()\n",
    "gamma": "from pkg.deep.inner import work\nwork()\n",
}


def project(root: Path) -> BuildOptions:
    """Write the package and its data below `root`: alpha passed, gamma failed, beta has no run record."""
    for name, text in FILES.items():
        write(root / "pkg" / name, text.encode())
    for slug, driver in DRIVERS.items():
        record(root, slug, driver)
    request = RequestRun("a-1", "GET", f"/cart?q={HOSTILE}", "/cart", 200, 200, True, 3.5)
    failed = RequestRun("a-2", "POST", "/cart", None, 200, 0, False, 1.0)
    job = JobRun("job-1", "a-1", "pkg.deep.inner.work", "finished", 1)
    made = partial(
        RunRecord, attempt="a", started="2026-01-02T03:04:05Z", base_url="http://127.0.0.1:1", commit="c0ffee"
    )
    write_record(
        root / "data",
        made(
            slug="alpha", status="passed", attempts=2, finished="2026-01-02T03:04:08Z", duration_s=3.25,
            title=f"Buys {HOSTILE}", description="Fills a cart", requests=(request,), jobs=(job,),
        ),
    )  # fmt: skip
    write_record(
        root / "data",
        made(
            slug="gamma", status="failed", attempts=1, finished="2026-01-02T03:04:08Z", duration_s=1.0,
            requests=(failed,), problems=(f"POST /cart: no answer {HOSTILE}",),
        ),
    )  # fmt: skip
    return BuildOptions(
        sources=(root / "pkg",),
        coverage_dir=root / "data",
        site_dir=root / "site",
        cache_dir=root / "cache",
        repo_url="https://github.com/org/repo",
        title="Shop",
    )


@dataclass(frozen=True)
class Generated:
    """What the data makes of the site, in memory: pages before they are stamped, and the twins made from the whole."""

    pages: tuple[Page, ...]
    artifacts: tuple[Artifact, ...]


def generated(options: BuildOptions) -> Generated:
    """Return the pages and artifacts of a project."""
    prepared = prepare(replace(options, clean=True), lambda message: None)
    plan = plan_of(prepared.snapshot, prepared.store)
    atlas = build_atlas(prepared.snapshot, prepared.store)
    sources = {source.path: highlighted(source.data.value) for source in prepared.snapshot.sources}
    renderer = Renderer(dict(prepared.snapshot.templates))
    sheets = [
        symbol_sheet(view)
        for file in atlas.files
        for view in file_views(file, sources[file.inventory.path], atlas.config)
    ]
    heads = tuple(shown_head(head.value) for head in plan.heads)
    routes = route_uses(tuple(head.value for head in plan.heads))
    parts = tuple(file_part(file, ()) for file in atlas.files)
    sheets += whole_sheets(Whole(atlas.config, heads, parts, atlas.matrix, atlas.gaps, routes, None))
    twins = (module_artifact(file, ()) for file in atlas.files)  # what reached them is test_module_data's matter
    return Generated(tuple(map(renderer.page, sheets)), (*data_artifacts(atlas, prepared.snapshot.commit), *twins))


class Html(HTMLParser):
    """Reads a page: links, ids, tags; fails on tags that are not closed in turn."""

    VOID = frozenset({"meta", "link", "br", "input", "img", "hr", "wbr", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")
            assert not name.startswith("on"), (tag, name)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, (tag, self._open, self.getpos())
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a site on a free port; yield its address."""
    server = bind(folder, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
