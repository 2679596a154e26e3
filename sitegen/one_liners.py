"""Functions whose body begins on a signature line, `def f(): return 1`: when does the line show a call?

Their line runs when they are defined and when they are called, and no line tells the two apart. Witnesses do: lines
that must run before, in the same frame, whenever the function is defined. A frame belongs to one trace, so where the
function's line ran in a trace and a witness did not, the function was called in it. Where all witnesses ran too, or
there are none, nothing can be told, and the certainty stays `import-only`.
"""

from __future__ import annotations

import ast

from sitegen.coverage_lines import docstring_of

_MOST = 8  # witnesses kept: one that only a definition runs is enough
_Function = ast.FunctionDef | ast.AsyncFunctionDef
# Statements that no run of their block can pass without running their line, under any version or option of CPython:
# no constants, `pass`, `assert`, bare annotations, `try:` or tests that the compiler decides.
_RUNS = (
    ast.Import, ast.ImportFrom, ast.Assign, ast.AugAssign, ast.Delete, ast.ClassDef, ast.FunctionDef,
    ast.AsyncFunctionDef, ast.For, ast.AsyncFor, ast.With, ast.AsyncWith,
)  # fmt: skip
_TESTS = (ast.Call, ast.Attribute, ast.Compare, ast.Subscript)
_SUITES = ("body", "orelse", "finalbody")

Witnesses = tuple[int, ...]


def find_one_liners(tree: ast.Module, spans: tuple[tuple[int, int], ...]) -> tuple[tuple[int, Witnesses], ...]:
    """Return (line of the `def`, witnesses) of every function whose body begins on a signature line, in order."""
    first_of = {line: first for first, last in spans for line in range(first, last + 1)}
    found: list[tuple[int, Witnesses]] = []
    # A block of statements, the witnesses of its beginning, the function whose frame runs it.
    todo: list[tuple[list[ast.stmt], Witnesses, _Function | None]] = [(tree.body, (), None)]
    while todo:
        body, before, frame = todo.pop()
        for node in body:
            if isinstance(node, _Function):
                head = node.lineno
                if first_of.get(node.body[0].lineno, node.body[0].lineno) != first_of.get(head, head):
                    if any(map(_holds_statements, node.body)):
                        todo.append((node.body, (), node))
                elif len(node.body) > 1 or docstring_of(node) is None:
                    decorators = tuple(item.lineno for item in node.decorator_list)
                    witnesses = (*decorators, *(() if frame and _suspends(frame) else before))
                    found.append((head, tuple(sorted({first_of.get(line, line) for line in witnesses}))))
            elif _holds_statements(node):
                todo += [(suite, _with(before, node), frame) for suite in _suites(node)]
            before = _with(before, node)
    return tuple(sorted(found))


def _with(before: Witnesses, node: ast.stmt) -> Witnesses:
    """Return the witnesses with the node's line, if it is one; the latest stay, and the surest are kept longest."""
    runs = isinstance(node, _RUNS)
    runs = runs or (isinstance(node, ast.If | ast.While) and isinstance(node.test, _TESTS))
    runs = runs or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant))
    if not runs:
        return before
    if len(before) >= _MOST and not isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef):
        return before
    decorators = getattr(node, "decorator_list", None)
    return (*before, decorators[0].lineno if decorators else node.lineno)[-_MOST:]


def _holds_statements(node: ast.stmt) -> bool:
    return hasattr(node, "body") or isinstance(node, ast.Match)


def _suites(node: ast.stmt) -> list[list[ast.stmt]]:
    """Return the blocks of statements inside a compound statement."""
    found: list[list[ast.stmt]] = [suite for field in _SUITES if (suite := getattr(node, field, None))]
    found += [item.body for item in getattr(node, "handlers", ())]
    found += [item.body for item in getattr(node, "cases", ())]
    return found


def _suspends(function: _Function) -> bool:
    """Return whether the frame may go on in another trace: a generator or coroutine (rather too often than missed)."""
    if isinstance(function, ast.AsyncFunctionDef):
        return True
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))
