"""Definition → digest of what it says: comments, blank lines, layout, moved lines and its own name do not change it.

The walk over the syntax tree is our own, because what `ast.dump` and `ast.unparse` print differs between versions of
CPython. For source that CPython 3.11 to 3.13 all parse, the digests are the same on each.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from typing import Any

_VERSION = "covatlas syntax 2"
_Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Every way to go on from a place: a branch more each.
_DECISIONS = (
    ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case, ast.comprehension,
)  # fmt: skip
# `ctx` follows from where a node stands; `kind` is the u of u"…"; type comments are comments.
_LEFT_OUT = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_END = object()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the walk finds: per definition (by its node) a digest and the lines of its branches, nested ones apart."""

    digests: dict[ast.AST, str]
    branches: dict[ast.AST, tuple[int, ...]]
    fstrings: bool


def read_facts(tree: ast.Module) -> Facts:
    """Return the facts of a module and of every definition in it; a digest covers what is nested inside."""
    digests: dict[ast.AST, str] = {}
    branches: dict[ast.AST, tuple[int, ...]] = {}
    fstrings = False
    out: list[str] = [_VERSION]
    lines: list[int] = []
    outer: list[tuple[ast.AST, list[str], list[int]]] = []  # definitions that are open, with what was before them
    todo: list[Any] = []
    _push(tree, out, todo)
    pop = todo.pop
    while todo:
        node = pop()
        kind = node.__class__
        if kind is str:
            out.append(f"'{len(node)}:{node}")
        elif kind is ast.Name:
            out.append(f"N{len(node.id)}:{node.id}")
        elif kind is ast.Constant:
            out.append(_constant(node.value))
        elif kind is list:
            out.append(f"[{len(node)}")
            todo += reversed(node)
        elif node is None or kind is bool:  # MatchSingleton has the value itself
            out.append(f"c{node};")
        elif kind is int:  # ImportFrom.level, FormattedValue.conversion and the like
            out.append(f"i{node};")
        elif node is _END:
            definition, before, above = outer.pop()
            digests[definition], branches[definition] = _digest(out), tuple(lines)
            out, lines = before, above
            out.append(f"D{digests[definition]}")
        elif kind is ast.JoinedStr:
            fstrings = True
            out.append("F")
            todo.append(_fstring_values(node))
        else:
            if kind in _DECISIONS:
                lines.append(_line(node))
            if kind in _Definition:
                out.append(f"n{len(node.name)}:{node.name}")  # of what is around it: a renamed one keeps its own digest
                outer.append((node, out, lines))
                out, lines = [], []
                todo.append(_END)
            _push(node, out, todo)
    digests[tree], branches[tree] = _digest(out), tuple(lines)
    return Facts(digests, branches, fstrings)


_FIELDS: dict[type, tuple[str, tuple[str, ...]]] = {}


def _push(node: ast.AST, out: list[str], todo: list[Any]) -> None:
    """Write a node's name and put its fields on the stack, the first on top."""
    kind = node.__class__
    known = _FIELDS.get(kind)
    if known is None:
        left_out = _LEFT_OUT | {"name"} if kind in _Definition else _LEFT_OUT
        names = tuple(reversed([name for name in kind._fields if name not in left_out]))
        known = _FIELDS[kind] = f"({kind.__name__}", names
    out.append(known[0])
    for name in known[1]:
        value = getattr(node, name, None)
        # 3.12 added type parameters, 3.13 their defaults; empty format specifications changed: nothing is no field.
        if name in ("type_params", "default_value"):
            if value:
                todo.append(value)
        elif name == "format_spec":
            todo.append(value if value is None or _fstring_values(value) else None)
        else:
            todo.append(value)


def _fstring_values(node: ast.JoinedStr) -> list[ast.expr]:
    """Return an f-string's parts with neighbouring texts joined and empty ones left out, as no version splits them."""
    values: list[ast.expr] = []
    for value in node.values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            if not value.value:
                continue
            if values and isinstance(values[-1], ast.Constant):
                values[-1] = ast.Constant(values[-1].value + value.value)
                continue
        values.append(value)
    return values


def _constant(value: Any) -> str:
    kind = value.__class__
    if kind is str:
        return f"s{len(value)}:{value}"
    if kind is int:
        return f"i{value:x};"
    if kind is bytes:
        return f"b{value.hex()};"
    return f"c{value!r};"  # float, complex, None, True, False, ...


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _line(node: Any) -> int:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno
    return node.target.lineno if isinstance(node, ast.comprehension) else node.lineno
