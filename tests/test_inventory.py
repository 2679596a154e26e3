"""Inventory: names, kinds, spans and bodies of what a file defines; files that are no Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sitegen.coverage_lines import find_slow
from sitegen.inventory import join_inventory, read_inventory, source_text
from sitegen.model import FileInventory, lines_of
from tests import atlas_support as support


def read(source: str | bytes, path: str = "pkg/m.py", module: str = "pkg.m", exclude: str = "") -> FileInventory:
    data = source.encode() if isinstance(source, str) else source
    return read_inventory(path, module, data, exclude)


def test_ids_kinds_and_parents_of_every_way_to_define() -> None:
    file = read(support.TRICKY, "pkg/tricky.py", "pkg.tricky")
    assert file.problem is None
    kinds = {symbol.id.removeprefix("pkg.tricky."): symbol.kind for symbol in file.symbols}
    expected = {
        "pkg.tricky": "module",
        "only_for_types": "function",
        "keep.<locals>.decorate.<locals>.inner": "function",
        "twice": "function",
        "twice~2": "function",
        "twice~2.<locals>.inside": "function",
        "twice~2.<locals>.inside~2": "function",
        "chosen": "function",
        "chosen~2": "function",
        "fallback": "function",
        "fallback~2": "function",
        "last": "function",
        "InWith.method": "method",
        "Base": "class",
        "Base.y": "property",
        "Base.y~2": "property",
        "Base.cached": "property",
        "Base.static": "method",
        "Base.static.<locals>.helper": "function",
        "Base.Nested.deep.<locals>.Local": "class",
        "Base.Nested.deep.<locals>.Local.deepest": "method",
        "Base.conditional": "method",
        "matching.<locals>.point": "function",
    }
    assert {name: kinds.get(name) for name in expected} == expected
    assert len(kinds) == len(file.symbols)
    ids = {symbol.id for symbol in file.symbols}
    assert file.symbols[0].parent is None
    assert all(symbol.parent in ids for symbol in file.symbols[1:])
    assert [symbol.first for symbol in file.symbols] == sorted(symbol.first for symbol in file.symbols)


def test_a_try_statement_numbers_twins_in_source_order() -> None:
    clauses = ("try", "except E", "else", "finally")
    source = "".join(f"{clause}:\n    def f(): a = 1\n" for clause in clauses)
    symbols = read(source).symbols[1:]
    assert [(symbol.id, symbol.first) for symbol in symbols] == [
        ("pkg.m.f", 2), ("pkg.m.f~2", 4), ("pkg.m.f~3", 6), ("pkg.m.f~4", 8),
    ]  # fmt: skip


def test_span_decorators_docstring_and_async() -> None:
    head = "@first\n@second(\n    1,\n)\nasync def f(a,\n            b=2):\n"
    source = head + "    '''  Say it.\n\n    More.'''\n    x = 1\n    return x\n"
    symbol = read(source).symbols[1]
    assert (symbol.first, symbol.last) == (1, 11)
    assert symbol.decorators == ("first", "second(1,)")
    assert symbol.doc == "Say it."
    assert symbol.is_async
    assert lines_of(symbol.statements) == lines_of(symbol.body) == [10, 11]


@pytest.mark.parametrize(
    ("source", "statements", "body"),
    [
        ("def f(): return 1\n", [1], []),
        ("def f(a,\n      b=1): return a\n", [], []),
        ("def f(): x = 1; return (x,\n    1)\n", [1], []),
        ("def f(a,\n      b=len('x')):\n    x = 1\n    return (x,\n            a)\n", [3, 4], [3, 4]),
        ("@d(\n  1)\ndef f():\n    def g(a=1):\n        return 1\n    return g\n", [4, 6], [4, 6]),
        ("def f():\n    def g(): return 1\n    return g\n", [3], [3]),
        ("def f():\n    '''doc'''\n", [], []),
        ("def f():\n    x = 1\n    if x:  # no\n        x = 2\n    return x\n", [2, 5], [2, 5]),
    ],
)
def test_a_body_has_no_signature_line(source: str, statements: list[int], body: list[int]) -> None:
    symbol = read(source, exclude="# no").symbols[1]
    assert lines_of(symbol.statements) == statements
    assert lines_of(symbol.body) == body


def test_the_body_of_a_class_and_a_module_is_that_of_the_functions_inside() -> None:
    source = "X = 1\nclass A:\n    y = 2\n    def one(self): return 1\n    def two(self):\n        return 2\n"
    source += "    class B:\n        def three(self):\n            return 3\n"
    source += "def outer():\n    def inner():\n        return 4\n"
    symbols = {symbol.name: symbol for symbol in read(source).symbols}
    assert lines_of(symbols["m"].body) == [6, 9, 11, 12]
    assert lines_of(symbols["outer"].body) == [11]
    assert lines_of(symbols["A"].statements) == [4, 6]  # coverage.py: a nested class's lines are its own
    assert lines_of(symbols["A"].body) == [6]
    assert lines_of(symbols["B"].body) == [9]
    assert lines_of(symbols["m"].statements) == list(range(1, 13))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"def f(:\n", "invalid syntax, line 1"),
        (b"x = 1\n\0\n", "null byte"),
        (b"# coding: nonsense\n", "unknown encoding"),
        (b"x = '\xff'\n", "encoding"),
        (b"return 1\n", "'return' outside function"),
        (b"def f():\n\tx\n        y\n", "tab"),
        (b"x = " + b"(" * 300 + b")" * 300, ""),
        (b"x = " + b"-" * 100_000 + b"1", ""),
        (b"x = a" + b".b" * 20_000, ""),
        (b"'''never closed\n", ""),
    ],
)
def test_a_file_that_is_no_python_is_an_entry_with_a_problem(data: bytes, reason: str) -> None:
    file = read(data)
    assert file.problem is not None
    assert file.problem.startswith("pkg/m.py: cannot be read as Python (")
    assert "\n" not in file.problem
    assert reason in file.problem
    assert [(symbol.id, symbol.kind, symbol.statements) for symbol in file.symbols] == [("pkg.m", "module", 0)]
    assert file.digest


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_end_as_python_ends_them(ends: str) -> None:
    text = "X = '\x85\u2028\x1c'\x0c\ndef f():\n    '''\v'''\n    return 1\n".replace("\n", ends)
    file = read(text)
    assert (file.symbols[0].last, file.symbols[1].first, file.symbols[1].last) == (4, 2, 4)
    assert lines_of(file.statements) == [1, 2, 4]


def test_a_docstring_that_utf8_cannot_write_is_cleaned_or_named() -> None:
    file = read('def f():\n    "a \\ud800 b"\n    return 1\n')
    if file.problem is None:
        assert file.symbols[1].doc == "a ? b"
    else:  # CPython 3.13 does not compile it
        assert "surrogates" in file.problem


def test_later_lines_of_a_statement_are_mapped_to_its_first() -> None:
    file = read("x = (1,\n     2,\n\n     3)\ny = 1\nz = '''a\nb'''\n")
    assert file.spans == ((1, 4), (6, 7))
    assert file.multiline == ((2, 1), (3, 1), (4, 1), (7, 6))


def test_the_text_is_the_one_that_coverage_parses() -> None:
    assert source_text(b"a\r\nb\rc\x0cd") == "a\nb\nc d\n"
    assert source_text(b"") == ""
    assert source_text("# coding: latin-1\n'ß'".encode("latin-1")) == "# coding: latin-1\n'ß'\n"
    assert source_text(b"\xef\xbb\xbfx") == "x\n"


def test_an_empty_file_has_only_its_module() -> None:
    file = read("", "pkg/__init__.py", "pkg")
    assert file.problem is None
    assert [(symbol.id, symbol.first, symbol.last, symbol.statements) for symbol in file.symbols] == [("pkg", 1, 1, 0)]


def test_ids_are_unique_across_files() -> None:
    files = (
        read("def a():\n    def x(): pass\nclass b:\n    def c(self): pass\ndef c(): pass\n", "pkg/__init__.py", "pkg"),
        read("def f(): pass\n", "pkg/a.py", "pkg.a"),
        read("def c(): pass\n", "pkg/b.py", "pkg.b"),
        read("def f(): pass\n", "pkg/b/__init__.py", "pkg.b"),
    )
    for order in (files, files[::-1]):
        inventory = join_inventory(order)
        assert [file.path for file in inventory.files] == sorted(file.path for file in files)
        found = {file.path: [symbol.id for symbol in file.symbols] for file in inventory.files}
        assert found == {
            "pkg/__init__.py": ["pkg", "pkg.a~2", "pkg.a~2.<locals>.x", "pkg.b~3", "pkg.b~3.c", "pkg.c"],
            "pkg/a.py": ["pkg.a", "pkg.a.f"],
            "pkg/b.py": ["pkg.b~2", "pkg.b~2.c"],
            "pkg/b/__init__.py": ["pkg.b", "pkg.b.f"],
        }
        parents = {symbol.id: symbol.parent for file in inventory.files for symbol in file.symbols}
        assert parents["pkg.a~2.<locals>.x"] == "pkg.a~2"
        assert parents["pkg.b~2.c"] == "pkg.b~2"
        assert max(Counter(name for names in found.values() for name in names).values()) == 1


# ── digests, branches, decorators ────────────────────────────────────────────────────────────────────────────────

ONE = (
    "import a\n\n\n@d\ndef f(x, y=1):\n    'doc'\n    if x:\n        return (x +\n                y)\n"
    "    return [1, 2.5, None, ...]\n"
)  # fmt: skip


def digests(source: str) -> dict[str, str]:
    return {symbol.name: symbol.digest for symbol in read(source).symbols}


@pytest.mark.parametrize(
    "source",
    [
        "# comment\n\n" + ONE,
        ONE.replace("    'doc'\n", '    """doc"""  # why\n\n'),
        ONE.replace("(x +\n                y)", "x + y"),
        ONE.replace("\n", "\r\n"),
        ONE.replace("[1, 2.5, None, ...]", "[0x1, 25e-1, None, ..., ]"),
        "\ufeff" + ONE,
    ],
)
def test_layout_comments_and_moved_lines_do_not_change_a_digest(source: str) -> None:
    assert digests(source) == digests(ONE)


@pytest.mark.parametrize(
    "source",
    [
        ONE.replace("@d\n", "@e\n"),
        ONE.replace("y=1", "y=True"),
        ONE.replace("x +", "x -"),
        ONE.replace("2.5", "2"),
        ONE.replace("'doc'", "'dog'"),
        ONE.replace("return (", "yield ("),
        ONE.replace("x, y=1", "x, *, y=1"),
        ONE.replace("def f", "async def f"),
    ],
)
def test_what_a_function_says_changes_its_digest_and_its_modules(source: str) -> None:
    ours, before = digests(source), digests(ONE)
    assert ours["f"] != before["f"]
    assert ours["m"] != before["m"]


def test_a_renamed_definition_keeps_its_digest_and_what_is_around_it_does_not() -> None:
    before = digests("class A:\n    def one(self):\n        return 1\n")
    after = digests("class A:\n    def two(self):\n        return 1\n")
    assert before["one"] == after["two"]
    assert before["A"] != after["A"] and before["m"] != after["m"]
    assert before["A"] == digests("class B:\n    def one(self):\n        return 1\n")["B"]


def test_a_digest_tells_names_texts_and_nesting_apart() -> None:
    bodies = ("x = 'ab', 'c'", "x = 'a', 'bc'", "x = ab, c", "x = ('ab', ('c',))", "x = b'ab', 'c'", "x = f'{ab}', 'c'",
              "x = f'{ab!r}', 'c'", "x = f'{ab:c}', 'c'", "x, y = ab, c", "x = 'ab' 'c'", "x = -1", "x = 1j",
              "match x:\n case None: pass", "match x:\n case True: pass", "match x:\n case 1: pass", "import a.b",
              "from . import a", "from .. import a", "from a import a", "import a as b", "global x")  # fmt: skip
    found = [read(f"{body}\n").symbols[0].digest for body in bodies]
    assert len(set(found)) == len(bodies)


def test_a_neighbours_change_leaves_a_symbols_digest() -> None:
    before = digests("class A:\n    def one(self):\n        return 1\n    def two(self):\n        return 2\n")
    after = digests("class A:\n    def one(self):\n        return 3\n    def two(self):\n        return 2\n")
    assert {name for name in before if before[name] != after[name]} == {"m", "A", "one"}


def test_branches_are_counted_where_statements_are() -> None:
    source = (
        "if a:\n    pass\nelif b:\n    pass\n"
        "class C:\n    def m(self):\n        for x in y:\n            z = 1 if x else 2\n"
        "        def inner():\n            while x:\n                pass\n"
        "        return [i for i in y]\n"
        "def f():\n    try:\n        g()\n    except E:\n        pass\n    match a:\n"
        "        case 1:\n            b()\n        case _:  # no\n            c()\n"
    )
    found = {symbol.id: symbol.branches for symbol in read(source, exclude="# no").symbols}
    assert found == {"pkg.m": 8, "pkg.m.C": 4, "pkg.m.C.m": 3, "pkg.m.C.m.<locals>.inner": 1, "pkg.m.f": 2}


def test_decorators_are_shown_as_written_on_one_line() -> None:
    source = "@a.b\n@c(  # why\n    x,\n    'two  \\\n words',\n    ü=[ 1 ],\n)\n@(yield_ := d)\ndef f(): pass\n"
    assert read(source).symbols[1].decorators == ("a.b", "c(x, 'two  \\  words', ü=[1],)", "yield_ := d")


# ── the same on every version ────────────────────────────────────────────────────────────────────────────────────

ROOT = Path(__file__).parent.parent
# The environments of `make` and `make test-all`, and any others that the variable names.
VENVS = [*ROOT.glob(".venv*"), *map(Path, filter(None, os.environ.get("COVATLAS_VENVS", "").split(os.pathsep)))]
INTERPRETERS = {
    version: venv / "bin" / "python"
    for version in ("3.11", "3.12", "3.13")
    for venv in VENVS
    if sys.version_info[:2] != tuple(map(int, version.split(".")))
    and (venv / f"lib/python{version}/site-packages/orjson").is_dir()
}
# Code that the compiler can prove dead has lines in one version and not in another, and so in coverage.py: not here.
PORTABLE = r'''
x = f'{a!r:>{w}} {b=} {{}}' 'tail' f"""{c:%H:%M}
{d}"""
y = 'a' 'b', u'c', b'd', 1_000, 1e300, 0xff, 1j, '\u2028', '𝒳', 10 ** 5000
@d(f'{a}', *b, # c
   e=(1,))
def f(a, /, b: int = 1, *c, d=2, **e) -> None:
    """Doc	line.
    """
    try:
        with a as b, c:
            return lambda: (yield)
    except* E as e:
        raise
    finally:
        del a
    assert a, b
    while a:
        break
    else:
        pass
'''


def inventory_by(python: str, package: Path) -> bytes:
    command = [python, "-m", "sitegen.cli", "inventory", "--source", str(package), "--format", "json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, cwd=package.parent, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("version", INTERPRETERS)
def test_the_inventory_is_byte_equal_on_every_version(version: str, tmp_path: Path) -> None:
    package = support.write_tree(tmp_path)
    support.write(package / "portable.py", PORTABLE.encode())
    for name in ("argparse", "typing", "turtle", "inspect", "_pydecimal"):
        support.write(package / f"{name}.py", (support.STDLIB / f"{name}.py").read_bytes())
    pythons = (sys.executable, str(INTERPRETERS[version]))
    # What a newer version alone parses is an entry with its reason on the older one: such files are left out.
    for python in pythons:
        for file in json.loads(inventory_by(python, package))["files"]:
            if file["problem"]:
                assert file["path"] in ("pkg/typing.py", "pkg/turtle.py", "pkg/dataclasses.py")
                (tmp_path / file["path"]).unlink(missing_ok=True)
    ours, theirs = (inventory_by(python, package) for python in pythons)
    assert ours == theirs
    assert sum(len(file["symbols"]) for file in json.loads(ours)["files"]) > 800


def test_what_coverages_own_parser_cannot_read_is_no_python() -> None:
    with pytest.raises(ValueError, match="Couldn't parse"):
        find_slow("def broken(:\n", "p.py", "")
