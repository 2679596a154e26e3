"""sitegen.highlight: one balanced, escaped fragment per line, saying exactly what the source says."""

from __future__ import annotations

import html
import re
import sysconfig
from pathlib import Path

import pytest
from coverage.python import PythonFileReporter
from hypothesis import given
from hypothesis import strategies as st

from sitegen.highlight import decode_source, highlight_lines, split_lines
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
    first, second, third = highlight_lines('x = """a <b>\nc & d\n"""\n')
    assert first.endswith('<span class="s2">&quot;&quot;&quot;a &lt;b&gt;</span>') or first.endswith(
        "a &lt;b&gt;</span>"
    )
    assert second.startswith("<span class=") and second.endswith("c &amp; d</span>")
    assert _plain(third) == '"""'


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
