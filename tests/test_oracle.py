"""The fast finder beside coverage.py: equal statements, excluded lines, first lines and regions on real code.

A sample of the standard library here; with COVATLAS_WHOLE=1 (make test-all) every file of it and of pinned packages.
"""

from __future__ import annotations

import ast
import os
import random
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import pytest
from coverage.regions import code_regions

from sitegen.astdigest import read_facts
from sitegen.coverage_config import read_exclude
from sitegen.coverage_lines import KNOWN, Lines, find_fast, find_lines, find_slow
from sitegen.inventory import read_inventory, source_text
from sitegen.model import lines_of, mask_of
from sitegen.regions import find_regions
from sitegen.scan import Unsure, colon_in, logical_spans
from tests import atlas_support as support

WHOLE = bool(os.environ.get("COVATLAS_WHOLE"))
PACKAGES = Path(__file__).parent / "data" / "packages.txt"
PARTS = 12 if WHOLE else 3  # each well under a test's time limit
# Files with everything that is rare elsewhere: continuations, f-strings, patterns, decorators, encodings, sheer size.
ODD = (
    "turtle.py", "dataclasses.py", "traceback.py", "typing.py", "enum.py", "_pydecimal.py", "pydoc_data/topics.py",
    "test/test_grammar.py", "test/test_patma.py", "test/test_fstring.py", "test/test_syntax.py", "test/test_scope.py",
    "test/test_sys_settrace.py", "test/test_named_expressions.py", "test/test_type_params.py", "test/test_tabnanny.py",
    "encodings/cp1252.py", "this.py", "__hello__.py", "idlelib/configdialog.py",
)  # fmt: skip


@cache
def stdlib() -> tuple[Path, ...]:
    every = sorted(path for path in support.STDLIB.rglob("*.py") if "site-packages" not in path.parts)
    if WHOLE:
        return tuple(every)
    odd = [path for name in ODD if (path := support.STDLIB / name).is_file()]
    return (*odd, *random.Random(4).sample(every, 45))


@cache
def installed(root: Path) -> tuple[Path, ...]:
    """Install the pinned packages below `root` and return their files."""
    command = [sys.executable, "-m", "venv", str(root / "venv")]
    subprocess.run(command, check=True, capture_output=True)
    pins = [line for line in PACKAGES.read_text().splitlines() if line and not line.startswith("#")]
    pip = [str(root / "venv/bin/python"), "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *pins], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    (site,) = (root / "venv").glob("lib/python3*/site-packages")
    return tuple(path for path in sorted(site.rglob("*.py")) if path.relative_to(site).parts[0] != "pip")


def outcome(find: object, *args: object, **options: object) -> Lines | str:
    """Return what a finder finds; where the source does not compile, only that."""
    try:
        return find(*args, **options)  # type: ignore[operator]
    except Unsure:
        raise
    except Exception:  # coverage.py's parser and the compiler name the same fault in their own ways
        return "does not compile"


def compare(path: Path, exclude: str) -> tuple[str, list[str]]:
    """Return what became of a file ("fast", "slow", "no Python") and the differences found."""
    try:
        text = source_text(path.read_bytes())
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, LookupError):
        return "no Python", []
    slow = outcome(find_slow, text, str(path), exclude)
    fstrings = read_facts(tree).fstrings
    try:
        fast = outcome(find_fast, text, tree, str(path), exclude, fstrings=fstrings)
    except (Unsure, RecursionError):
        found = outcome(find_lines, text, tree, str(path), exclude, fstrings=fstrings)
        return "slow", [] if found == slow else [f"{path}: falls back to something else"]
    problems = [] if fast == slow else [f"{path}: {_difference(fast, slow)}"]
    theirs = {(region.kind, region.start): mask_of(region.lines) for region in code_regions(text)}
    ours = {
        ("class" if isinstance(node, ast.ClassDef) else "function", node.lineno): lines
        for node, lines in find_regions(tree).items()
    }
    return "fast", problems if ours == theirs else [*problems, f"{path}: regions differ"]


def _difference(fast: Lines | str, slow: Lines | str) -> str:
    if isinstance(fast, str) or isinstance(slow, str):
        return f"{str(fast)[:80]} is not {str(slow)[:80]}"
    for name in ("statements", "excluded", "docstrings"):
        ours, theirs = getattr(fast, name), getattr(slow, name)
        if ours != theirs:
            return f"{name}: {lines_of(ours & ~theirs)} too many, {lines_of(theirs & ~ours)} too few"
    return f"statements of many lines: {sorted(set(fast.spans) ^ set(slow.spans))}"


def check(files: tuple[Path, ...], sure: float) -> None:
    exclude = read_exclude(None)
    kinds, problems = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            kind, found = compare(path, exclude)
            kinds.append(kind)
            problems += found
    assert not problems, "\n".join(problems)
    assert kinds.count("fast") >= sure * (len(kinds) - kinds.count("no Python")) > 0


@pytest.mark.parametrize("part", range(PARTS))
def test_lines_and_regions_equal_coverage_on_the_standard_library(part: int) -> None:
    assert KNOWN, "this coverage.py is another release: compare its parser with the finder before KNOWN names it"
    check(stdlib()[part::PARTS], 0.97 if WHOLE else 0.5)


@pytest.mark.skipif(not WHOLE, reason="make test-all compares the packages of tests/data/packages.txt")
@pytest.mark.parametrize("part", range(PARTS))
def test_lines_and_regions_equal_coverage_on_well_known_packages(
    part: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = installed(tmp_path_factory.getbasetemp())
    assert len(files) > 2900
    check(files[part::PARTS], 0.97)


SOURCES = {
    "comments inside": "x = (1,  # one (\n     2)  # two )\n# ( alone\ny = 1\n",
    "strings hold everything": "x = '(' + \"#\" + '\\'(' + '''\n#('\n''' + r'\\''\ny = 1\n",
    "continuations": "x = 1 + \\\n    2; y = (3,\n  4)\nz = 'a\\\nb'\nif x and \\\n   y:\n    z = 2\n",
    "continued into nothing": "x = 1 \\\n\ny = 2\n",
    "a suite on its line": "if 1: x = (1,\n  2); y = 3\nelse: z = 4\n",
    "a comment in an excluded suite": "if a:  # no\n    x = 1\n# c\n  # d\n    y = 2\nz = 3\n",
    "an excluded line in parentheses": "x = f(\n    1,  # no\n    2)\ny = 3\n",
    "an excluded lambda": "x = lambda: 0  # no\ny = 1\n",
    "an excluded slice": "x = a[1:2]  # no\nif x:\n    y = 1\n",
    "an excluded walrus": "@(x := d)  # no\ndef f():\n    return 1\n",
    "an excluded signature": "@d  # no\ndef f(a,\n      b):\n    return 1\nclass C(  # no\n  B):\n    x = 1\n",
    "an excluded case": "match x:\n case 1:\n  y = 1\n case z if z:  # no\n  y = 3\n case _:\n  y = 2  # no\n",
    "a case excluded in part": "match x:\n case 1:\n  y = 1\n case _:\n  y = 2  # no\n  z = 3\n",
    "a bare walrus": "@x := d  # no\ndef f():\n    return 1\n@x := d  # no\nclass C:\n    y = 1\nz = 2\n",
    "excluded twice": "if a:  # no\n    if b:  # no\n        c = 1\n    d = 2\ne = 3\n",
    "tabs": "if a:  # no\n\tif b:\n\t\tc = 1\n\td = 2\nif c:\n  if d:  # no\n   \te = 3\n  f = 4\n",
    "docstrings": "'''a\nb'''\ndef f():\n  'x'; y = 1\nclass C: 'doc'\ndef g():\n  '''a''' \\\n  'b'\n  return 1\n",
    "an f-string": "x = f'{a[\"b\"]!r:>{w}} {{}} {b}' f\"\"\"{\n c}\n\"\"\"\ny = (\n1)\n",
    "only comments": "# a\n\n# b\n",
    "nothing": "",
    "an ellipsis": "def f(): ...\ndef g(a,\n      b): ...\nclass P:\n    def m(self) -> int:\n        ...\n",
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("exclude", ["", "# no", r"\.\.\.", r"(?s)x = 1.*y", "y"])
def test_odd_source_equals_coverage(name: str, exclude: str) -> None:
    text = SOURCES[name]
    tree = ast.parse(text)
    assert find_lines(text, tree, "x.py", exclude) == find_slow(text, "x.py", exclude)


def test_what_an_expression_cannot_tell_is_left_to_the_tokenizer() -> None:
    for text in ("if a:\n  x = 1\n  \\\n  y = 2\n", "x = 1\\\n", "x = (\n"):
        with pytest.raises(Unsure):
            logical_spans(text, fstrings=True)
    nested = "x = f'{a['b']}'\n"
    if sys.version_info >= (3, 12):
        for text in (nested, "x = f'''{a['''\n''']}'''\n", 'x = f"{a[\'}\'] + b["c"]}"\n', "x = f'{\n1}'\n"):
            with pytest.raises(Unsure):
                logical_spans(text, fstrings=True)
            assert find_lines(text, ast.parse(text), "x.py", "") == find_slow(text, "x.py", "")
    else:
        assert logical_spans(nested, fstrings=True) == []


@pytest.mark.parametrize(
    ("text", "colon"),
    [("if x: # :", True), ("x = a[1:2]", False), ("x = {1: 2} # :", False), ("x = ':'", False), ("x: int = 1", True),
     ("@(a := b)", False), ("@a := b", False), ("lambda: 0", True), ("case {'a': 1}:", True)],
)  # fmt: skip
def test_a_colon_outside_brackets_begins_a_suite(text: str, colon: bool) -> None:
    assert colon_in(text) is colon


def test_large_files_are_ordinary_files() -> None:
    """A data module of 175,000 lines and a parser of half a megabyte: linear, not quadratic."""
    import time

    table = "TABLE = {\n" + "".join(f"    {n}: ({n}, 'x{n}'),\n" for n in range(175_000)) + "}\n"
    functions = "".join(
        f"def p_{n}(p):\n    'rule : a b c'\n    if p[{n}]:\n"
        "        p[0] = (p[1],\n                p[2])\n    return p\n"
        for n in range(5_500)
    )
    assert len(functions) > 530_000
    for text, statements, symbols in ((table, 1, 1), (functions, 22_000, 5_501)):
        start = time.process_time()  # of this process: the machine may be busy
        file = read_inventory("p/m.py", "p.m", text.encode(), read_exclude(None))
        lines_of(file.statements)
        seconds = time.process_time() - start
        assert (file.statements.bit_count(), len(file.symbols)) == (statements, symbols)
        assert seconds < 30, f"{seconds:.1f} s"
