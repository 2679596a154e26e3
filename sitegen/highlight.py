"""Source text → one HTML fragment per line, highlighted with Material's Pygments classes."""

from __future__ import annotations

import io
import re
import tokenize
from html import escape
from itertools import groupby

from pygments.lexers.python import PythonLexer
from pygments.token import STANDARD_TYPES, Token

_NEWLINE = re.compile(r"\r\n|\r|\n")
# Tokens in the colour of plain code need no span: that is half of the bytes.
_PLAIN = frozenset({"", "n", "p", "w", "err", "esc", "o"})
# Characters that would hide or reorder what stands in the source are shown as a picture of themselves.
_VISIBLE = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
_VISIBLE |= dict.fromkeys([0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


def decode_source(data: bytes) -> str:
    """Return the text of a source file in the encoding that it declares, else UTF-8; bad bytes become U+FFFD."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = "utf-8-sig"
    return data.decode(encoding, "replace")


def split_lines(text: str) -> list[str]:
    """Split at `\\r\\n`, `\\r` and `\\n` only, as Python's own line numbers do; a last newline starts no line."""
    lines = _NEWLINE.split(text)
    if lines[-1] == "":
        lines.pop()
    return lines


def highlight_lines(text: str) -> list[str]:
    """Return one escaped HTML fragment per line of Python source; every span that opens on a line closes on it."""
    lines = split_lines(text)
    fragments: list[list[str]] = [[]]
    tokens = PythonLexer().get_tokens_unprocessed("\n".join(lines))
    for css, group in groupby(((_css_class(kind), value) for _, kind, value in tokens), key=lambda item: item[0]):
        for index, part in enumerate("".join(value for _, value in group).split("\n")):
            if index:
                fragments.append([])
            if part:
                shown = escape(part.translate(_VISIBLE), quote=False)
                fragments[-1].append(
                    shown if css in _PLAIN or part.isspace() else f'<span class="{css}">{shown}</span>'
                )
    return ["".join(parts) for parts in fragments][: len(lines)]


def highlighted(data: bytes) -> tuple[str, ...]:
    """Return the highlighted lines of a source file's bytes: a stage, for it is the slowest step of a page."""
    return tuple(highlight_lines(decode_source(data)))


def _css_class(kind: object) -> str:
    while kind not in STANDARD_TYPES and kind is not Token:
        kind = kind.parent  # type: ignore[attr-defined]
    return STANDARD_TYPES.get(kind, "")  # type: ignore[call-overload]
