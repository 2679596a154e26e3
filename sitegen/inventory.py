"""Source bytes → FileInventory: what a file defines, found without running it.

Statements, excluded lines, statements of many lines and regions are exactly coverage.py's (`coverage_lines`,
`regions`); names, kinds, spans and digests come from one syntax tree of the same text.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
import warnings
from collections import Counter
from dataclasses import replace
from functools import cached_property

from sitegen.astdigest import read_facts
from sitegen.coverage_lines import docstring_of, find_lines
from sitegen.model import FileInventory, Inventory, Kind, Symbol
from sitegen.one_liners import find_one_liners
from sitegen.regions import Definition, definitions, find_regions
from sitegen.scan import one_line

_PROPERTIES = frozenset({"property", "cached_property", "abstractproperty"})
_ACCESSORS = frozenset({"getter", "setter", "deleter"})
# What decoding, `ast`, `tokenize` and the compiler raise for text that is no Python (RecursionError: nested too deep).
_NOT_PYTHON = (SyntaxError, ValueError, LookupError, RecursionError, MemoryError)


def read_inventory(path: str, module: str, data: bytes, exclude: str) -> FileInventory:
    """Return what one source file defines; a file that is no Python has `problem` set and only its module symbol.

    `exclude` is one regular expression of lines to exclude, as coverage.py joins its list; "" excludes nothing.
    """
    digest = hashlib.sha256(data).hexdigest()
    try:
        text = source_text(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in the app's source is not this command's business
            return _Reader(path, module, text, exclude).read(digest)
    except _NOT_PYTHON as error:
        lines = max(1, data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n"))
        symbol = Symbol(module, _leaf(module), "module", None, 1, lines, "", (), False, 0, 0)
        problem = f"{path}: cannot be read as Python ({_reason(error)})"
        return FileInventory(path, module, digest, 0, 0, (), (symbol,), problem)


def source_text(data: bytes) -> str:
    """Return the text of a source file as coverage.py reads it: `\\n` line ends, no form feeds, a last line end.

    Raises SyntaxError for an unknown encoding, UnicodeDecodeError for bytes that are not in it.
    """
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\f", b" ")
    text = data.decode(tokenize.detect_encoding(io.BytesIO(data).readline)[0])
    return text if not text or text.endswith("\n") else text + "\n"


def join_inventory(files: tuple[FileInventory, ...]) -> Inventory:
    """Return the files sorted by path with every symbol id unique across them.

    A package's `__init__.py` may define a name that a submodule also has, and `a.py` may stand beside `a/`: modules
    keep their id, packages before plain modules, and the later twin gets `~2` with all that it contains.
    """
    files = tuple(sorted(files, key=lambda file: file.path))
    taken: set[str] = set()
    modules: dict[str, str] = {}
    for file in sorted(files, key=lambda file: (not file.path.endswith("/__init__.py"), file.path)):
        modules[file.path] = _free(file.module, taken)
    return Inventory(tuple(_renamed(file, modules[file.path], taken) for file in files))


def _free(wanted: str, taken: set[str]) -> str:
    number, chosen = 1, wanted
    while chosen in taken:
        number += 1
        chosen = f"{wanted}~{number}"
    taken.add(chosen)
    return chosen


def _renamed(file: FileInventory, module: str, taken: set[str]) -> FileInventory:
    names = {file.module: module}
    symbols = [replace(file.symbols[0], id=module)]
    for symbol in file.symbols[1:]:
        parent = symbol.parent or file.module
        names[symbol.id] = _free(names[parent] + symbol.id.removeprefix(parent), taken)
        symbols.append(replace(symbol, id=names[symbol.id], parent=names[parent]))
    return file if tuple(symbols) == file.symbols else replace(file, symbols=tuple(symbols))


def _leaf(module: str) -> str:
    return module.rpartition(".")[2]


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{error.msg}, line {error.lineno}"
    return " ".join(str(error).split()) or type(error).__name__


def _clean(text: str) -> str:
    """Replace lone surrogates, which an escape in a docstring can make and UTF-8 cannot write."""
    return text.encode("utf-8", "replace").decode()


class _Reader:
    """Walks the definitions of one file; masks of lines are those of coverage.py's regions."""

    def __init__(self, path: str, module: str, text: str, exclude: str) -> None:
        self.path, self.module, self.text = path, module, text
        self.tree = ast.parse(text)
        self.facts = read_facts(self.tree)
        self.lines = find_lines(text, self.tree, path, exclude, fstrings=self.facts.fstrings)
        self.regions = find_regions(self.tree)

    def read(self, digest: str) -> FileInventory:
        inner, body, branches = self._children(self.tree, self.module, "module")
        lines = self.lines
        top = Symbol(
            id=self.module,
            name=_leaf(self.module),
            kind="module",
            parent=None,
            first=1,
            last=max(1, self.text.count("\n")),
            doc=_doc(self.tree),
            decorators=(),
            is_async=False,
            statements=lines.statements,
            body=body,
            branches=branches + self._branches(self.tree),
            digest=self.facts.digests[self.tree],
        )
        return FileInventory(
            path=self.path,
            module=self.module,
            digest=digest,
            statements=lines.statements,
            excluded=lines.excluded,
            spans=lines.spans,
            symbols=(top, *inner),
            docstrings=lines.docstrings,
            one_liners=find_one_liners(self.tree, lines.spans),
        )

    def _children(self, node: ast.AST, parent: str, parent_kind: Kind) -> tuple[list[Symbol], int, int]:
        """Return the symbols inside `node` in source order, the bodies of all functions among them, their branches."""
        found: list[Symbol] = []
        bodies = branches = 0
        seen: Counter[str] = Counter()
        nested = parent_kind not in ("module", "class")
        for child in sorted(definitions(node), key=lambda child: child.lineno):
            seen[child.name] += 1
            twin = f"~{seen[child.name]}" if seen[child.name] > 1 else ""
            name = f"{parent}.{'<locals>.' if nested else ''}{child.name}{twin}"
            kind = _kind(child, parent_kind)
            inner, inside, below = self._children(child, name, kind)
            symbol = self._symbol(child, name, parent, kind, inside, below)
            bodies |= inside | symbol.body
            branches += below + self._branches(child)
            found += [symbol, *inner]
        return found, bodies, branches

    def _symbol(self, node: Definition, name: str, parent: str, kind: Kind, inside: int, below: int) -> Symbol:
        statements = self.regions[node] & self.lines.statements
        first = min((item.lineno for item in node.decorator_list), default=node.lineno)
        # A statement stands at its first line, so what shares lines with the signature stands at the `def` line.
        body = statements & (inside if kind == "class" else ~(1 << node.lineno))
        return Symbol(
            id=name,
            name=node.name,
            kind=kind,
            parent=parent,
            first=first,
            last=node.end_lineno or node.lineno,
            doc=_doc(node),
            decorators=tuple(self._decorator(item) for item in node.decorator_list),
            is_async=isinstance(node, ast.AsyncFunctionDef),
            statements=statements,
            body=body,
            branches=self._branches(node) + (below if kind == "class" else 0),
            digest=self.facts.digests[node],
        )

    def _branches(self, node: ast.AST) -> int:
        """Return how many branches are a definition's own, without excluded ones and nested definitions'."""
        excluded = self.lines.excluded
        return sum(not excluded >> line & 1 for line in self.facts.branches[node])

    def _decorator(self, node: ast.expr) -> str:
        """Return a decorator as written, on one line: what `ast.unparse` makes of it differs between versions."""
        if isinstance(node, ast.Name):
            return node.id
        return _clean(one_line(self._segment(node)))

    def _segment(self, node: ast.expr) -> str:
        lines = self.text_lines[node.lineno - 1 : node.end_lineno]
        # Columns are offsets into the line's UTF-8.
        lines[-1] = lines[-1].encode()[: node.end_col_offset].decode()
        lines[0] = lines[0].encode()[node.col_offset :].decode()
        return "\n".join(lines)

    @cached_property
    def text_lines(self) -> list[str]:
        return self.text.split("\n")


def _doc(node: ast.Module | Definition) -> str:
    """Return the first line of a docstring, as `inspect.cleandoc` would show it."""
    doc = docstring_of(node)
    if doc is None:
        return ""
    assert isinstance(doc.value, ast.Constant)
    return _clean(doc.value.value.expandtabs().strip().split("\n", 1)[0].strip())


def _kind(node: Definition, parent: Kind) -> Kind:
    if isinstance(node, ast.ClassDef):
        return "class"
    if parent != "class":
        return "function"
    for item in node.decorator_list:
        name = item.attr if isinstance(item, ast.Attribute) else item.id if isinstance(item, ast.Name) else ""
        if name in _PROPERTIES or (name in _ACCESSORS and isinstance(item, ast.Attribute)):
            return "property"
    return "method"
