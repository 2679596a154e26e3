"""Source bytes → FileInventory: what a file defines, found without running it.

Statements, excluded lines, multi-line statements and region lines are coverage.py's own (its parser is the engine, so
they are exact by construction); names, kinds and spans come from `ast` over the same text.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from coverage.exceptions import CoverageException
from coverage.parser import PythonParser
from coverage.phystokens import source_encoding
from coverage.regions import STATEMENT_FIELDS, code_regions

from sitegen.model import FileInventory, Inventory, Kind, Symbol, mask_of

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_PROPERTIES = frozenset({"property", "cached_property", "abstractproperty"})
_ACCESSORS = frozenset({"getter", "setter", "deleter"})
# What decoding, `ast`, `tokenize` and the compiler raise for text that is no Python (RecursionError: nested too deep).
_NOT_PYTHON = (SyntaxError, ValueError, LookupError, RecursionError, MemoryError, CoverageException)


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
    text = data.decode(source_encoding(data))
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
    """Walks the definitions of one file beside coverage.py's parse of the same text."""

    def __init__(self, path: str, module: str, text: str, exclude: str) -> None:
        self.path, self.module, self.text = path, module, text
        self.tree = ast.parse(text)
        self.parser = PythonParser(text=text, filename=path, exclude=exclude)
        self.parser.parse_source()
        self.statements = mask_of(self.parser.statements)
        # Two definitions cannot start on one line, so the position names a region; its dotted name does not.
        self.regions = {(region.kind, region.start): mask_of(region.lines) for region in code_regions(text)}

    def read(self, digest: str) -> FileInventory:
        inner, body = self._children(self.tree, self.module, "module")
        last = max(1, self.text.count("\n"))
        doc = self._doc(self.tree)
        top = Symbol(
            self.module, _leaf(self.module), "module", None, 1, last, doc, (), False, self.statements, body
        )  # fmt: skip
        multiline = tuple(sorted((line, first) for line, first in self.parser.multiline_map.items() if line != first))
        return FileInventory(
            path=self.path,
            module=self.module,
            digest=digest,
            statements=self.statements,
            excluded=mask_of(self.parser.excluded),
            multiline=multiline,
            symbols=(top, *inner),
            docstrings=mask_of(self.parser.first_lines(self.parser.raw_docstrings)),
        )

    def _children(self, node: ast.AST, parent: str, parent_kind: Kind) -> tuple[list[Symbol], int]:
        """Return the symbols inside `node` in source order and the bodies of all functions among them."""
        found: list[Symbol] = []
        bodies = 0
        seen: Counter[str] = Counter()
        nested = parent_kind not in ("module", "class")
        for child in sorted(_definitions(node), key=lambda child: child.lineno):
            seen[child.name] += 1
            twin = f"~{seen[child.name]}" if seen[child.name] > 1 else ""
            name = f"{parent}.{'<locals>.' if nested else ''}{child.name}{twin}"
            kind = _kind(child, parent_kind)
            inner, inside = self._children(child, name, kind)
            symbol = self._symbol(child, name, parent, kind, inside)
            bodies |= inside | symbol.body
            found += [symbol, *inner]
        return found, bodies

    def _symbol(self, node: _Definition, name: str, parent: str, kind: Kind, inside: int) -> Symbol:
        region = self.regions["class" if kind == "class" else "function", node.lineno]
        statements = region & self.statements
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
            doc=self._doc(node),
            decorators=tuple(_clean(ast.unparse(item)) for item in node.decorator_list),
            is_async=isinstance(node, ast.AsyncFunctionDef),
            statements=statements,
            body=body,
        )

    @staticmethod
    def _doc(node: ast.Module | _Definition) -> str:
        doc = (ast.get_docstring(node) or "").strip()
        return _clean(doc.split("\n", 1)[0].strip())


def _definitions(node: ast.AST) -> Iterator[_Definition]:
    """Yield the functions and classes whose nearest enclosing definition is `node`."""
    for field in STATEMENT_FIELDS:
        for child in getattr(node, field, ()):
            if isinstance(child, _Definition):
                yield child
            else:
                yield from _definitions(child)


def _kind(node: _Definition, parent: Kind) -> Kind:
    if isinstance(node, ast.ClassDef):
        return "class"
    if parent != "class":
        return "function"
    for item in node.decorator_list:
        name = item.attr if isinstance(item, ast.Attribute) else item.id if isinstance(item, ast.Name) else ""
        if name in _PROPERTIES or (name in _ACCESSORS and isinstance(item, ast.Attribute)):
            return "property"
    return "method"
