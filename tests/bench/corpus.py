"""`python -m tests.bench.corpus DIR SYMBOLS PROFILES`: a package of real Python source with real coverage data files.

Modules of the standard library are copied under package names until the wanted number of symbols is reached. A profile
runs some areas of the package: the import lines of their modules and, of some functions, the lines that a run would
leave, taken from the compiled code; stored by coverage.py itself, a context per request, with a run record.
"""

from __future__ import annotations

import ast
import hashlib
import random
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType

from coverage import CoverageData

from instrument.record import RequestRun, RunRecord, write_record

STDLIB = Path(sysconfig.get_path("stdlib"))
LEFT_OUT = {"site-packages", "test", "tests", "idle_test", "lib2to3", "__pycache__", "__phello__", "ensurepip"}
AREA = 6  # modules that are run together
REQUESTS = 8


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where a generated corpus lies and how many symbols its package has."""

    package: Path
    data: Path
    symbols: int


@cache
def _modules() -> tuple[tuple[str, bytes, int], ...]:
    """Return (path below the library, bytes, number of symbols) of the library's modules."""
    found = []
    for path in sorted(STDLIB.rglob("*.py")):
        name = path.relative_to(STDLIB)
        if LEFT_OUT & set(name.parts) or not all(part.isidentifier() for part in name.with_suffix("").parts):
            continue
        data = path.read_bytes()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(data)
        except (SyntaxError, ValueError):
            continue
        definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found.append((name.as_posix(), data, 1 + sum(isinstance(node, definitions) for node in ast.walk(tree))))
    return tuple(found)


def write_package(root: Path, symbols: int) -> tuple[Path, int]:
    """Write `root`/corpus with at least `symbols` symbols; return its folder and their number."""
    package, count, copy = root / "corpus", 0, 0
    while count < symbols:
        for name, data, size in _modules():
            if count >= symbols:
                break
            target = package / f"part{copy}" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            count += size
        copy += 1
    return package, count


def _code(code: CodeType) -> Iterator[CodeType]:
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield item
            yield from _code(item)


@cache
def _runs(data: bytes) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Return the lines that importing a module runs, and those of each function in the order of its code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = compile(data, "module.py", "exec", dont_inherit=True)

    def lines(item: CodeType) -> tuple[int, ...]:
        return tuple(sorted({line for _, _, line in item.co_lines() if line}))

    imported = set(lines(code))
    functions = []
    for item in _code(code):
        if item.co_flags & 0x2 or item.co_name.startswith("<"):  # CO_NEWLOCALS: a function, not a class body
            functions.append(lines(item)[1:])
        else:
            imported.update(lines(item))
    return tuple(sorted(imported)), tuple(function for function in functions if function)


def write_profiles(package: Path, data: Path, profiles: int, seed: int = 1) -> None:
    """Write `profiles` data files and run records of `package` into `data`, the same for the same seed."""
    data.mkdir(parents=True, exist_ok=True)
    sources = {str(path): path.read_bytes() for path in sorted(package.rglob("*.py"))}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sources.items()}
    names = list(sources)
    areas = [names[start : start + AREA] for start in range(0, len(names), AREA)]
    common = random.Random(seed).sample(areas, max(1, len(areas) // 25))  # what every profile runs
    for number in range(profiles):
        rng = random.Random(f"{seed} {number}")
        chosen = common + rng.sample(areas, max(1, len(areas) // 8))
        _write_profile(data, f"profile-{number:03}", [name for area in chosen for name in area], sources, digests, rng)


def _write_profile(
    folder: Path, slug: str, names: list[str], sources: dict[str, bytes], digests: dict[str, str], rng: random.Random
) -> None:
    contexts: dict[str, dict[str, set[int]]] = {f"profile:{slug}:{index:04x}": {} for index in range(REQUESTS)}
    for name in dict.fromkeys(names):
        imported, functions = _runs(sources[name])
        called = [function for function in functions if rng.random() < 0.5]
        for context in rng.sample(sorted(contexts), rng.randint(1, 3)):
            lines = contexts[context].setdefault(name, set())
            lines.update(imported)
            for function in called:
                lines.update(function[: rng.randint(1, len(function))])
    path = folder / f"{slug}.coverage"
    path.unlink(missing_ok=True)
    store = CoverageData(basename=str(path))
    for context, files in contexts.items():
        store.set_context(context)
        store.add_lines({name: sorted(lines) for name, lines in files.items()})
    store.close()
    requests = tuple(
        RequestRun(f"{index:04x}", "GET", f"/area/{index}", "/area/<int:id>", 200, 200, True, 5.0)
        for index in range(REQUESTS)
    )
    kept = {name: digests[name] for name in dict.fromkeys(names)}
    write_record(
        folder,
        RunRecord(slug, "passed", f"{slug}-", 1, "2026-01-02T03:04:05Z", "2026-01-02T03:04:09Z", 4.0,
                  "http://127.0.0.1:1", title=f"Profile {slug}", requests=requests, sources=kept),
    )  # fmt: skip


def write_corpus(root: Path, symbols: int, profiles: int) -> Corpus:
    """Write a package and its profile data below `root`."""
    package, count = write_package(root, symbols)
    write_profiles(package, root / "data", profiles)
    return Corpus(package, root / "data", count)


if __name__ == "__main__":
    made = write_corpus(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    print(f"{made.symbols} symbols in {made.package}, data in {made.data}")
