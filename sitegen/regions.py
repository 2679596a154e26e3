"""Syntax tree → the lines of each function and class, exactly as coverage.py's regions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_FIELDS = ("body", "orelse", "finalbody", "handlers", "cases")


def definitions(node: ast.AST) -> Iterator[Definition]:
    """Yield the functions and classes whose nearest enclosing definition is `node`."""
    stack = [node]
    while stack:
        held = stack.pop()
        for field in _FIELDS:
            items = getattr(held, field, None)
            if items.__class__ is not list:
                continue
            for child in items:
                if isinstance(child, Definition):
                    yield child
                elif child.__class__ not in _PLAIN:
                    stack.append(child)


# Statements that hold no other statements: most of a file.
_PLAIN = frozenset(
    {
        ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Raise, ast.Import, ast.ImportFrom, ast.Pass,
        ast.Assert, ast.Delete, ast.Break, ast.Continue, ast.Global, ast.Nonlocal,
    }
)  # fmt: skip


def find_regions(tree: ast.Module) -> dict[ast.AST, int]:
    """Return the mask of lines of each function and class, comments and blank lines included.

    Of a function its body without the functions inside; of a class the bodies of its methods without nested classes.
    """
    regions: dict[ast.AST, int] = {}
    _visit(tree, (), regions)
    return regions


def _visit(node: ast.AST, above: tuple[Definition, ...], regions: dict[ast.AST, int]) -> None:
    for child in sorted(definitions(node), key=lambda child: child.lineno):
        lines = 0
        if not isinstance(child, ast.ClassDef):
            lines = _range(child.body[0].lineno, child.body[-1].end_lineno or 0)
            if above and isinstance(above[-1], ast.ClassDef):
                regions[above[-1]] |= lines
            outer = next((item for item in reversed(above) if not isinstance(item, ast.ClassDef)), None)
            if outer is not None:
                regions[outer] &= ~lines
        regions[child] = lines
        _visit(child, (*above, child), regions)
        if isinstance(child, ast.ClassDef):
            for item in above:
                if isinstance(item, ast.ClassDef):
                    regions[item] &= ~regions[child]


def _range(first: int, last: int) -> int:
    return (1 << last + 1) - (1 << first)
