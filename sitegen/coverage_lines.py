"""Source text → statements, excluded lines, docstrings and statements of many lines, exactly as coverage.py finds them.

coverage.py's own parser is the oracle and, wherever the fast finder here cannot be sure, the engine. The finder asks
the same questions of the same syntax tree and of the same compiler, but compiles the tree that is already there and
reads logical lines with one regular expression. `tests/test_oracle.py` compares the two over whole libraries.
"""

from __future__ import annotations

import ast
import re
import sys
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

from sitegen.model import mask_of
from sitegen.scan import Unsure, colon_in, logical_spans
from sitegen.versions import versions

# The finder repeats the rules of this release's parser; under any other, coverage.py's own is asked.
KNOWN = re.fullmatch(r"7\.17\.\w+", versions(("coverage",))["coverage"]) is not None and sys.version_info < (3, 14)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)
_FIELDS = ("body", "orelse", "finalbody", "handlers", "cases")  # every field that can hold statements


@dataclass(frozen=True, slots=True)
class Lines:
    """Masks of a file's lines; `spans` are (first, last) of its statements of many lines, in order."""

    statements: int
    excluded: int
    docstrings: int
    spans: tuple[tuple[int, int], ...]


def find_lines(text: str, tree: ast.Module, path: str, exclude: str, *, fstrings: bool = True) -> Lines:
    """Return the lines of a file, from `tree` and `text`; `fstrings` may say that the text has none.

    Raises what coverage.py's parser and the compiler raise for text that does not compile.
    """
    if KNOWN:
        try:
            return find_fast(text, tree, path, exclude, fstrings=fstrings)
        except (Unsure, RecursionError):
            pass
    return find_slow(text, path, exclude)


def find_slow(text: str, path: str, exclude: str) -> Lines:
    """Return the lines of a file as coverage.py's own parser finds them."""
    from coverage.exceptions import CoverageException  # hardly ever needed, and a tenth of a small build to import
    from coverage.parser import PythonParser

    parser = PythonParser(text=text, filename=path, exclude=exclude)
    try:
        parser.parse_source()
    except CoverageException as error:
        raise ValueError(str(error)) from error
    last: dict[int, int] = {}
    for line, first in parser.multiline_map.items():
        last[first] = max(line, last.get(first, 0))
    return Lines(
        statements=mask_of(parser.statements),
        excluded=mask_of(parser.excluded),
        docstrings=mask_of(parser.first_lines(parser.raw_docstrings)),
        spans=tuple(sorted(last.items())),
    )


def find_fast(text: str, tree: ast.Module, path: str, exclude: str, *, fstrings: bool = True) -> Lines:
    """Return the same lines without a tokenizer; raises Unsure where only coverage.py can tell."""
    spans = logical_spans(text, fstrings=fstrings)
    first_of = {line: first for first, last in spans for line in range(first, last + 1)}
    code = compile(tree, path, "exec", dont_inherit=True)
    raw = {line for part in _codes(code) for _, _, line in part.co_lines() if line} if tree.body else set()
    matched = _matching(exclude, text, first_of) if exclude else set()
    excluded = _with_suites(text, matched, first_of) if matched else matched
    docstrings = _docstrings_and_exclusions(tree, raw, excluded)
    ignored = excluded | docstrings
    statements = {first_of.get(line, line) for line in raw - ignored} - ignored
    return Lines(
        statements=mask_of(statements),
        excluded=mask_of(excluded),
        docstrings=mask_of({first_of.get(line, line) for line in docstrings}),
        spans=tuple(spans),
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    stack = [code]
    while stack:
        code = stack.pop()
        stack += [item for item in code.co_consts if isinstance(item, CodeType)]
        yield code


def _matching(exclude: str, text: str, first_of: dict[int, int]) -> set[int]:
    """Return the lines that match the expression, each as the first of its statement."""
    found: set[int] = set()
    place, number = 0, 0
    for match in re.finditer(exclude, text, flags=re.MULTILINE):
        start, end = match.span()
        number += text.count("\n", place, start)
        place = start
        last = number + text.count("\n", start, end)
        found.update(first_of.get(line, line) for line in range(number + 1, last + 2))
    return found


def _with_suites(text: str, matched: set[int], first_of: dict[int, int]) -> set[int]:
    """Return the excluded lines with the suites that an excluded line with a colon begins."""
    lines = text.split("\n")
    starts = _starts(lines, first_of)
    excluded = set(matched)
    ends = {first: line for line, first in first_of.items()}  # the last line of each statement wins
    for first in sorted(matched):
        position = bisect_left(starts, first)
        if position == len(starts) or starts[position] != first:
            continue  # a comment or blank line
        if not colon_in("\n".join(lines[first - 1 : ends.get(first, first)])):
            continue
        depth = _column(lines[first - 1])
        for line in starts[position + 1 :]:
            if _column(lines[line - 1]) <= depth:
                break
            excluded.add(line)
    return excluded


def _starts(lines: list[str], first_of: dict[int, int]) -> list[int]:
    """Return the first line of every logical line, sorted."""
    found = []
    for number, line in enumerate(lines, 1):
        text = line.lstrip()
        if text and text[0] != "#" and first_of.get(number, number) == number:
            found.append(number)
    return found


def _column(line: str) -> int:
    """Return how far a line is indented, tabs reaching to the next multiple of eight."""
    return len((line[: len(line) - len(line.lstrip())]).expandtabs(8))


def statement_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """Yield `root` and every statement, `except` clause and `case` below it."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        for field in _FIELDS:
            items = getattr(node, field, None)
            if items.__class__ is list:
                stack += [item for item in items if isinstance(item, _HOLDERS)]


def docstring_of(node: ast.AST) -> ast.Expr | None:
    """Return the statement that is the docstring of a module, class or function."""
    body: list[ast.stmt] = getattr(node, "body", [])
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first
    return None


def _docstrings_and_exclusions(tree: ast.Module, raw: set[int], excluded: set[int]) -> set[int]:
    """Return the docstrings' lines; add to `excluded` what decorators, signatures and `case _` carry along."""
    docstrings: set[int] = set()
    for node in statement_nodes(tree):
        if isinstance(node, _Definition | ast.Module):
            doc = docstring_of(node)
            if doc is not None:
                docstrings.update(range(doc.lineno, (doc.end_lineno or doc.lineno) + 1))
        if not excluded:
            continue
        if isinstance(node, _Definition):
            first = min((item.lineno for item in node.decorator_list), default=node.lineno)
            if not excluded.isdisjoint(range(first, node.lineno + 1)):
                excluded.update(range(first, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.match_case) and _irrefutable(node):
            inside = raw & _range(node.body)
            if inside and inside <= excluded:
                excluded.update(range(node.pattern.lineno, (node.pattern.end_lineno or 0) + 1))
    return docstrings


def _range(body: list[ast.stmt]) -> set[int]:
    return set(range(body[0].lineno, (body[-1].end_lineno or 0) + 1))


def _irrefutable(case: ast.match_case) -> bool:
    if case.guard is not None:
        return False
    pattern = case.pattern
    while isinstance(pattern, ast.MatchOr):
        pattern = pattern.patterns[-1]
    while isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        pattern = pattern.pattern
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None
