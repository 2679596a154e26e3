"""Source text → one HTML fragment per line, highlighted with the classes that Material colours."""

from __future__ import annotations

import io
import re
import tokenize
from html import escape
from itertools import groupby
from typing import Any

from sitegen.lexer import Unsure, lex

_NEWLINE = re.compile(r"\r\n|\r|\n")
# Pygments' tokens by the classes that Material colours; tokens in the colour of plain code need no span.
_CLASSES = (
    ("Token.Literal.String", "s"),
    ("Token.Literal.Number", "m"),
    ("Token.Comment", "c"),
    ("Token.Keyword", "k"),
    ("Token.Operator.Word", "k"),
    ("Token.Name.Function", "nf"),
    ("Token.Name.Class", "nc"),
)
# Characters that would hide or reorder what stands in the source are shown as a picture of themselves.
_VISIBLE = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
_VISIBLE |= dict.fromkeys([0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


def decode_source(data: bytes) -> str:
    """Return the text of a source file in the encoding that it declares, else UTF-8; bad bytes become U+FFFD."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding, "replace")
    except (LookupError, ValueError):  # a codec that makes no text, or that replaces nothing
        return data.decode("utf-8", "replace")


def split_lines(text: str) -> list[str]:
    """Split at `\\r\\n`, `\\r` and `\\n` only, as Python's own line numbers do; a last newline starts no line."""
    lines = _NEWLINE.split(text)
    if lines[-1] == "":
        lines.pop()
    return lines


def highlight_lines(text: str) -> list[str]:
    """Return one escaped HTML fragment per line of Python source; every span that opens on a line closes on it."""
    lines = split_lines(text)
    whole = "\n".join(lines)
    try:
        return lex(whole.translate(_VISIBLE)).split("\n") if lines else []
    except Unsure:
        return _by_pygments(whole)[: len(lines)]


def highlighted(data: bytes) -> tuple[str, ...]:
    """Return the highlighted lines of a source file's bytes."""
    return tuple(highlight_lines(decode_source(data)))


def _by_pygments(text: str) -> list[str]:
    from pygments.lexers.python import PythonLexer

    fragments: list[list[str]] = [[]]
    tokens = PythonLexer().get_tokens_unprocessed(text)
    for css, group in groupby(((_css_class(kind), value) for _, kind, value in tokens), key=lambda item: item[0]):
        for index, part in enumerate("".join(value for _, value in group).split("\n")):
            if index:
                fragments.append([])
            if part:
                shown = escape(part.translate(_VISIBLE), quote=False)
                fragments[-1].append(f'<span class="{css}">{shown}</span>' if css and not part.isspace() else shown)
    return ["".join(parts) for parts in fragments]


def _css_class(kind: Any) -> str:
    """Return the class that the lexer of our own gives to such a token, "" for plain text."""
    return next((css for parent, css in _CLASSES if str(kind).startswith(parent)), "")
