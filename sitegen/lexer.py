"""Python text → HTML with a span per comment, string, number, keyword and defined name: one regular expression.

The boundaries are those of `tokenize`, as the tests prove on the standard library. Where the expression cannot be sure
(an unclosed string, an f-string that nests its own quotes), the text is left to Pygments.
"""

from __future__ import annotations

import re
from itertools import groupby
from keyword import kwlist

_DIGITS = r"[0-9](?:_?[0-9])*"
_NUMBER = (
    r"0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+"
    rf"|(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][-+]?{_DIGITS})?[jJ]?"
)
_PREFIX = r"(?:[bB][rR]?|[rR][bBfFtT]?|[uU]|[fFtT][rR]?)"
# A backslash hides the next character, in raw strings too.
_STRING = "|".join(
    rf"{quote * 3}(?:[^{quote}\\]++|\\.|{quote}(?!{quote}{quote}))*+{quote * 3}"
    rf"|{quote}(?:[^{quote}\\\n]++|\\.)*+{quote}"
    for quote in ('"', "'")
)


def _trie(words: list[str]) -> str:
    """Return a pattern of sorted words that looks at each letter once."""
    if words == [""]:
        return ""
    ends = words[0] == ""
    groups = groupby(filter(None, words), key=lambda word: word[0])
    tails = [first + _trie([word[1:] for word in group]) for first, group in groups]
    return f"(?:{'|'.join(tails)}){'?' if ends else ''}"


_KEYWORD = rf"{_trie(sorted(kwlist))}(?!\w)"
# Over escaped text: `&lt;` holds no quote, no `#` and no digit, so escaping first changes no boundary.
# What needs no span is skipped in one stride, up to a token that needs one.
_TOKEN = re.compile(
    rf"(?P<skip>(?:[^\w#\"'.]++|\.(?![0-9])|(?!{_KEYWORD}|{_PREFIX}[\"'])[^\W\d]\w*+|(?![0-9])\d)*+)"
    r"(?:(?P<head>(?:def|class)(?!\w))(?P<gap>[ \t]+)(?P<name>[^\W\d]\w*)"
    rf"|(?P<k>{_KEYWORD})"
    rf"|(?P<s>{_PREFIX}?(?:{_STRING}))"
    r"|(?P<c>\#[^\n]*)"
    rf"|(?P<m>{_NUMBER})"
    rf"|(?P<stray>{_PREFIX}?[\"'])"
    r"|(?P<end>\Z))",  # so that every match begins where the last one ended, never inside a name
    re.DOTALL,
)
_FIELD = re.compile(r"\{\{|\}\}|[{}\"']")


class Unsure(Exception):
    """The expression cannot tell where a token of this text ends."""


def lex(text: str) -> str:
    """Return the HTML of Python text whose lines end in `\\n`; no span crosses a line. Raises Unsure."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _TOKEN.sub(_marked, escaped)


def _marked(match: re.Match[str]) -> str:
    skip, kind = match["skip"], match.lastgroup
    if kind == "name":
        css = "nf" if match["head"] == "def" else "nc"
        return f'{skip}<span class="k">{match["head"]}</span>{match["gap"]}<span class="{css}">{match["name"]}</span>'
    if kind == "stray":
        raise Unsure
    if kind == "end":
        return skip
    token = match[kind]
    if kind == "s":
        if token[0] in "fFtTrR" and token[0:2].lower() not in ('r"', "r'", "rb"):
            _check_fields(token)
        if "\n" in token:
            return skip + "\n".join(f'<span class="s">{part}</span>' if part else "" for part in token.split("\n"))
    return f'{skip}<span class="{kind}">{token}</span>'


def _check_fields(token: str) -> None:
    """Raise Unsure if a replacement field is open at the end, or holds what may be quotes of its own."""
    depth = 0
    quote = token[-1]
    start = token.index(quote)
    size = 3 if token.startswith(quote * 3, start) else 1
    for match in _FIELD.finditer(token, start + size, len(token) - size):
        found = match[0]
        if depth and found in ("{{", "}}"):
            depth += 2 if found == "{{" else -2
        elif found == "{":
            depth += 1
        elif found == "}":
            depth -= 1
        elif depth and found == quote and size == 1:
            raise Unsure
    if depth:
        raise Unsure
