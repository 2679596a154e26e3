"""Page views + Jinja2 templates → the HTML content of a page; everything that is not Markup is escaped."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from html import escape
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup

from sitegen import address
from sitegen.model import Page
from sitegen.views import WHY, WORDS, hundredths

STEPS = 9
_HERE = Path(__file__)
_BLANK = re.compile(r"\n[ \t\n]*\n")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page before it is rendered: a frozen view, its template, and what the page's shell shows."""

    template: str
    path: str
    title: str
    description: str
    view: Any
    toc: tuple[tuple[str, str], ...] = ()


class _Compiled(jinja2.FileSystemBytecodeCache):
    """Keeps compiled templates where Python keeps this module's bytecode: who may write there may change it anyway."""

    def get_source_checksum(self, source: str) -> str:
        """Return what bytecode depends on: the text, how the environment below is set up, and Jinja2."""
        parts = source.encode("utf-8", "surrogatepass"), _HERE.read_bytes(), jinja2.__version__.encode()
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load what is there and whole."""
        try:
            super().load_bytecode(bucket)
        except Exception:  # whatever damaged bytes make pickle and marshal raise: the template is compiled again
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write, where that is allowed."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled() -> _Compiled | None:
    if sys.dont_write_bytecode:
        return None
    beside = Path(cache_from_source(str(_HERE)))
    return _Compiled(str(beside.parent), f"%s.{sys.implementation.cache_tag}.jinja")


class Renderer:
    """Renders content fragments from templates given as text (name → text)."""

    def __init__(self, templates: Mapping[str, str]) -> None:
        self._env = jinja2.Environment(
            loader=jinja2.DictLoader(dict(templates)),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            bytecode_cache=_compiled(),
        )
        self._env.globals.update(
            symbol_path=address.symbol_path,
            package_path=address.package_path,
            profile_path=address.profile_path,
            profile_data_path=address.profile_data_path,
            WORDS=WORDS,
            WHY=WHY,
        )
        self._env.filters.update(
            percent=percent,
            count=thousands,
            plural=plural,
            bar=bar_width,
            dotted=dotted,
            step=step,
            tenth=tenth,
        )
        self._env.globals["m"] = self._env.get_template("macros.html").module  # once: an import costs each page 20 µs

    def page(self, sheet: Sheet) -> Page:
        """Render a sheet's view (the template's `v`) as its page."""
        template = self._env.get_template(sheet.template)
        if type(template.globals) is not dict:
            template.globals = dict(template.globals)  # a chain of maps would be walked for every page
        html = template.render(v=sheet.view, href=partial(address.link, sheet.path))
        content = _BLANK.sub("\n", html).strip("\n")
        return Page(sheet.path, sheet.title, sheet.description, content, sheet.toc)


def percent(part: int, whole: int) -> str:
    """Return `part` of `whole` in words."""
    return f"{hundredths(part, whole)} %" if whole else "–"


def bar_width(part: int, whole: int) -> str:
    """Return the width of a bar in percent, as CSS wants it."""
    return f"{100 * part / whole:.3g}%" if whole else "0"


def step(part: int, whole: int) -> int:
    """Return the step of a heat map: 0 for nothing, STEPS for all, the others between."""
    if not part:
        return 0
    return STEPS if part >= whole else min(STEPS - 1, 1 + part * (STEPS - 1) // whole)


def tenth(number: float) -> str:
    """Return a coordinate with one digit after the point, as short as it can be."""
    return f"{number:.1f}".removesuffix(".0")


def thousands(number: int) -> str:
    """Return a whole number with narrow spaces between its groups of three: 20 000."""
    return f"{number:,}".replace(",", "\u202f")


def dotted(name: str) -> Markup:
    """Return a dotted name that may break after its dots."""
    return Markup(escape(name).replace(".", ".<wbr>"))


def plural(number: int, word: str) -> str:
    """Return `1 line` or `2 lines`."""
    if number == 1:
        return f"1 {word}"
    return f"{thousands(number)} {word[:-1] + 'ies' if word.endswith('y') else word + 's'}"
