"""Source text → logical lines, by one regular expression instead of a tokenizer: where statements of many lines begin.

A logical line is what ends in a NEWLINE token: `x = (1,` and the lines after it up to `)` are one. The text must be
Python that parses; what the expression cannot tell for sure raises Unsure, and the caller asks coverage.py's tokenizer.
"""

from __future__ import annotations

import re
import sys

_TRIPLE = r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""' + "|" + r"'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
_SINGLE = r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"' + "|" + r"'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
_COMMENT = r"\#[^\n]*"
_REST = _COMMENT + r"|[(\[{]|[)\]}]|\n|\\\n"
_TOKENS = re.compile(rf"{_TRIPLE}|{_SINGLE}|{_REST}|[\"'\\]", re.DOTALL)
# With the prefix of an f-string, where its text may hold quotes of its own kind (CPython 3.12+).
_PREFIXED = re.compile(
    rf"(?:(?<![\w])(?:[fF][rR]?|[rR][fF]))?(?:{_TRIPLE}|{_SINGLE})|{_REST}|[\"'\\]", re.DOTALL
)  # fmt: skip
# A line that begins with its continuation: its first token stands on a later line. Or one with nothing after it.
_ODD_CONTINUATION = re.compile(r"^[ \t\f]*\\\n|\\\n[ \t\f]*(?:\#|$)", re.MULTILINE)
# The text of an f-string as CPython 3.11 knew them: quotes and braces in its fields only in pairs, no line ends.
_FIELD = r"""(?:[^{}'"\\\n]|'[^'{}\\\n]*'|"[^"{}\\\n]*")"""
_OLD_FSTRING = re.compile(
    rf"(?>\{{\{{|\}}\}}|[^{{}}]+|\{{{_FIELD}*(?:\{{{_FIELD}*\}}{_FIELD}*)*\}})*", re.DOTALL
)  # fmt: skip
_COLON = re.compile(rf"{_TRIPLE}|{_SINGLE}|{_COMMENT}|[(\[{{]|[)\]}}]|:(?!=)", re.DOTALL)
_WORDS = re.compile(rf"({_TRIPLE}|{_SINGLE})|({_COMMENT}|\\\n|\s+)|([^\s\"'\#\\]+|.)", re.DOTALL)


class Unsure(Exception):
    """Say that the text has something that only a tokenizer can take apart."""


def logical_spans(text: str, *, fstrings: bool) -> list[tuple[int, int]]:
    """Return (first, last) of every logical line that has more than one line, in order.

    `fstrings` says whether the text has f-strings. Raises Unsure.
    """
    if "\\\n" in text and _ODD_CONTINUATION.search(text):
        raise Unsure("a line begins with a continuation, or continues with nothing but a comment")
    nested = fstrings and sys.version_info >= (3, 12)
    spans = []
    line, first, depth = 1, 0, 0  # first: of the statement of many lines that is open, 0 for none
    for token in (_PREFIXED if nested else _TOKENS).findall(text):
        if token == "\n":
            if depth:
                first = first or line
            elif first:
                spans.append((first, line))
                first = 0
            line += 1
        elif token in "([{":
            depth += 1
        elif token in ")]}":
            depth -= 1
        elif token[0] == "#":
            continue
        elif len(token) == 1:
            raise Unsure("a quote or backslash that begins no string")
        else:
            if nested and token[0] in "fFrR":
                _check_fstring(token)
            ends = token.count("\n")
            if ends:
                first = first or line
                line += ends
    if depth or first:
        raise Unsure("brackets that do not close")
    return spans


def _check_fstring(token: str) -> None:
    quote = token[-1]
    body = token[token.index(quote) :]
    size = 3 if body.startswith(quote * 3) and len(body) >= 6 else 1
    if not _OLD_FSTRING.fullmatch(body[size:-size]):
        raise Unsure("an f-string that may hold its own quotes")


def colon_in(text: str) -> bool:
    """Return whether a logical line has a colon outside all brackets, strings and comments."""
    depth = 0
    for token in _COLON.findall(text):
        if token == ":":
            if not depth:
                return True
        elif token in "([{":
            depth += 1
        elif token in ")]}":
            depth -= 1
    return False


def one_line(text: str) -> str:
    """Return an expression's source on one line, without comments and without blanks inside brackets' ends."""
    words: list[str] = []
    for string, gap, word in _WORDS.findall(text):
        if gap:
            if words and words[-1][-1:] not in (" ", "(", "[", "{"):
                words.append(" ")
            continue
        if words and words[-1] == " " and word[:1] and word[0] in ")]}":
            words.pop()
        words.append(" ".join(string.split("\n")) if string else word)
    return "".join(words).strip()
