"""sitegen.highlight: one balanced, escaped fragment per line, saying exactly what the source says."""

from __future__ import annotations

import ast
import html
import io
import keyword
import os
import re
import sysconfig
import token
import tokenize
import warnings
from pathlib import Path

import pytest
from coverage.python import PythonFileReporter
from hypothesis import given
from hypothesis import strategies as st

from sitegen.highlight import _by_pygments, decode_source, highlight_lines, split_lines
from sitegen.lexer import Unsure, lex
from tests.atlas_support import TRICKY

STDLIB = Path(sysconfig.get_path("stdlib"))
_TAG = re.compile(r"<(/?)span(?: class=\"([a-z0-9]+)\")?>")


def _plain(fragment: str) -> str:
    depth = 0
    for close, _ in _TAG.findall(fragment):
        depth += -1 if close else 1
        assert depth in (0, 1)
    assert depth == 0
    text = _TAG.sub("", fragment)
    assert "<" not in text and ">" not in text
    return html.unescape(text)


@pytest.mark.parametrize("name", ["argparse.py", "typing.py", "csv.py", "json/scanner.py"])
def test_every_line_of_real_source_is_shown_as_it_is(name: str) -> None:
    text = (STDLIB / name).read_text("utf-8")
    assert [_plain(line) for line in highlight_lines(text)] == text.removesuffix("\n").split("\n")


def test_strings_over_lines_are_closed_and_reopened() -> None:
    assert highlight_lines('x = """a <b>\n\nc & d\n"""\n') == [
        'x = <span class="s">"""a &lt;b&gt;</span>',
        "",
        '<span class="s">c &amp; d</span>',
        '<span class="s">"""</span>',
    ]


def test_keywords_have_the_classes_that_material_colours() -> None:
    (line,) = highlight_lines("def f(): return None\n")
    assert '<span class="k">def</span>' in line and '<span class="nf">f</span>' in line


@given(st.text(alphabet="ab\"'\\#\n\r\t\x0b\x0c\x1c\x85\u2028\u2029<&>() :f{}", max_size=60))
def test_any_text_gives_as_many_lines_as_newlines_split(text: str) -> None:
    lines = highlight_lines(text)
    assert len(lines) == len(split_lines(text))
    shown = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
    assert [_plain(line) for line in lines] == [line.translate(shown) for line in split_lines(text)]


@pytest.mark.parametrize("data", [TRICKY.encode(), b"a = 1\r\nb = 2\rc = 3\n", b"x = 1", b"", b"\n\n"])
def test_lines_are_counted_as_coverage_counts_them(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_bytes(data)
    theirs = PythonFileReporter(str(path)).source().removesuffix("\n").split("\n") if data else []
    assert len(highlight_lines(decode_source(data))) == len(theirs)


def test_declared_encodings_are_read_and_bad_bytes_shown() -> None:
    assert decode_source("# -*- coding: latin-1 -*-\nx = 'Straße'\n".encode("latin-1")).endswith("'Straße'\n")
    assert decode_source(b"\xef\xbb\xbfx = 1\n") == "x = 1\n"
    assert decode_source(b"x = '\xff'\n") == "x = '\ufffd'\n"
    assert decode_source(b"# coding: no-such\nx = 1\n") == "# coding: no-such\nx = 1\n"


def test_characters_that_reorder_text_are_made_visible() -> None:
    (line,) = highlight_lines("x = '\u202e\x1b'\n")
    assert "\u202e" not in line and "\x1b" not in line and "␛" in line


# ── the lexer of our own ─────────────────────────────────────────────────────────────────────────────────────────

_SPAN = re.compile(r'<span class="(\w+)">(.*?)</span>')
_Spans = list[tuple[int, int, str, str]]


def _spans(fragments: list[str]) -> _Spans:
    """Return (line, column, class, text) of every span."""
    found = []
    for number, line in enumerate(fragments, 1):
        column = end = 0
        for match in _SPAN.finditer(line):
            column += len(html.unescape(line[end : match.start()]))
            shown = html.unescape(match[2])
            found.append((number, column, match[1], shown))
            column, end = column + len(shown), match.end()
    return found


def _tokenized(text: str) -> _Spans:
    """Return the same of what `tokenize` says; an f-string, which it splits from 3.12 on, is one string."""
    found: _Spans = []
    before, depth, start = "", 0, (0, 0)
    lines = text.split("\n")

    def add(css: str, first: tuple[int, int], last: tuple[int, int]) -> None:
        for row in range(first[0], last[0] + 1):
            left = first[1] if row == first[0] else 0
            part = lines[row - 1][left : last[1] if row == last[0] else None]
            if part:
                found.append((row, left, css, part))

    simple = {token.COMMENT: "c", token.STRING: "s", token.NUMBER: "m"}
    for item in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = token.tok_name[item.type]
        if kind == "FSTRING_START":
            start = start if depth else item.start
            depth += 1
        elif kind == "FSTRING_END":
            depth -= 1
            if not depth:
                add("s", start, item.end)
        elif not depth and item.type in simple:
            add(simple[item.type], item.start, item.end)
        elif not depth and item.type == token.NAME:
            if keyword.iskeyword(item.string):
                add("k", item.start, item.end)
            elif before in ("def", "class"):
                add("nf" if before == "def" else "nc", item.start, item.end)
        before = item.string
    return found


def test_its_spans_are_the_tokens_of_tokenize_on_the_standard_library() -> None:
    every = sorted(path for path in STDLIB.rglob("*.py") if "site-packages" not in path.parts)
    whole = os.environ.get("COVATLAS_WHOLE") == "1"
    compared = unsure = 0
    for path in every if whole else every[::29]:
        try:
            text = path.read_text("utf-8").replace("\f", " ")
            theirs = _tokenized(text)
            with warnings.catch_warnings(action="ignore"):
                ast.parse(text)  # to tokenize, Python 2's 0377 and 1L are two tokens; to a reader they are one number
        except (UnicodeDecodeError, SyntaxError, ValueError, tokenize.TokenError):
            continue
        try:
            assert _spans(lex(text).split("\n")) == theirs, path
            compared += 1
        except Unsure:
            unsure += 1
    assert compared > (1000 if whole else 40) and unsure < compared / 50


@pytest.mark.parametrize(
    "text",
    ["x = 'open\n", 'f"{d["key"]}"\n', 'f"{a}}}{d["x"]}"\n', "x = '''open\n", 'f"{x:{y["a"]}}"\n', 'rb"open\n'],
)
def test_it_is_unsure_rather_than_wrong(text: str) -> None:
    with pytest.raises(Unsure):
        lex(text)
    assert [_plain(line) for line in highlight_lines(text)] == [text.removesuffix("\n")]


@pytest.mark.parametrize("text", ["f'{d[\"key\"]}'", "f'{{literal}} {x!r:>{w}}'", 'rf"\\{x}"', "Rb'x'", "rB''"])
def test_it_is_sure_of_plain_formatted_strings(text: str) -> None:
    assert _spans([lex(text)]) == [(1, 0, "s", text)]


def test_pygments_gives_the_same_classes() -> None:
    text = "def f(x):\n    # why\n    if x is None and not 1.5:\n        return 'a'\nclass C: pass\n"
    assert _by_pygments(text)[:5] == lex(text).split("\n")[:5]
