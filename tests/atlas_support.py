"""Makes real source trees and real coverage.py data for the tests of the generator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path
from typing import Any

from sitegen.model import SiteConfig
from sitegen.snapshot import SnapshotOptions

CONFIG = SiteConfig(title="Test", repo_url="", branch="main", source_prefix="")
STDLIB = Path(sysconfig.get_path("stdlib"))

# Every way of writing definitions and statements that has its own rule somewhere in coverage.py's parser or regions.
TRICKY = '''\
"""Module docstring,
over two lines."""
from __future__ import annotations
import functools, contextlib
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from decimal import Decimal
    def only_for_types() -> Decimal: ...
TEXT = "\x85 \u2028 no line ends, only \\
a continued one"
TABLE = {
    "a": 1,
    "b": (lambda x:
          x + 1),
}
def keep(*args, **kwargs):
    def decorate(function):
        @functools.wraps(function)
        def inner(*a, **k):
            return function(*a, **k)
        return inner
    return decorate
@keep(
    1,
    two=2,
)
@keep()
def decorated(a,
              b=len("default"),
              c=(lambda: 3)):
    """Docstring.

    More of it.
    """
    value = (a +
             b)
    return [
        item
        for item in range(value)
        if item
    ]
def one_liner(): return 1
def one_liner_over_lines(a,
                         b=2): return (a,
    b)
def only_doc():
    """Nothing to run."""
def only_doc_one_line(): "Nothing to run."
def dots(): ...
def twice():
    return 1
def twice():
    def inside():
        return 2
    def inside():
        return 3
    return inside()
if len(TEXT) > 3:
    def chosen():
        return "if"
else:
    def chosen():
        return "else"
try:
    import no_such_module_anywhere
except ImportError:
    def fallback():
        return "except"
else:
    def fallback():
        return "try"
finally:
    def last():
        return "finally"
with contextlib.suppress(ValueError):
    class InWith:
        size = 3
        def method(self):
            return self.size
for _index in range(2):
    def looped(): return 1
class Base:
    """Class docstring."""
    counter = 0
    table = [
        1,
        2,
    ]
    def __init__(self, x=1):
        self.x = x
        self._y = None
    @property
    def y(self):
        return self._y
    @y.setter
    def y(self, value):
        if value is None:
            raise ValueError(
                "none"
            )
        self._y = value
    @functools.cached_property
    def cached(self): return 5
    @staticmethod
    def static():
        def helper(): return 1
        return helper()
    class Nested:
        def deep(self):
            class Local:
                z = 1
                def deepest(self):
                    return 1
            return Local().deepest()
        flag = True
    async def later(self):
        async with Manager() as m:
            async for item in m:
                yield item
    def excluded(self):  # pragma: no cover
        x = 1
        return x
    if counter == 0:
        def conditional(self):
            return 0
class Manager:
    async def __aenter__(self): return self
    async def __aexit__(self, *args): return False
    def __aiter__(self):
        self.left = 2
        return self
    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return self.left
class Empty: pass
class Constants:
    A = 1
    B = 2
def matching(value):
    match value:
        case {"kind": "point",
              "x": x}:
            def point(): return x
            return point()
        case [first, *_]:
            return first
        case str() as text if text:
            return text
        case _:  # pragma: no cover
            return None
def generator(n):
    i = 0
    while i < n:
        i += 1
        if i == 2:
            continue
        yield (
            i
        )
    else:
        return "done"
def closure():
    total = 0
    def add(n):
        nonlocal total
        total += n
        return total
    add(1); add(2)
    return (lambda: total)()
def raising():
    try:
        raise KeyError("x")
    except (KeyError,
            ValueError) as error:
        return repr(error)
    finally:
        _ = "finally"
def never_run():
    x = 1
    if x:  # pragma: no cover
        x = 2
    return x
@keep()
class Decorated:
    def run(self):
        return 1
'''
FILES = {
    "__init__.py": "",
    "tricky.py": TRICKY,
    "crlf.py": "X = 1\r\ndef f(a,\r\n      b=2):\r\n    '''doc'''\r\n    return (a,\r\n            b)\r\n",
    "feed.py": "X = 1\n\x0c\ndef f():\n    y = 1\n\x0c\n    return y\n",
    "no_end.py": "def f():\n    return 1",
    "blank.py": "\n\n# only a comment\n",
    "only_doc.py": '"""Only a docstring."""\n',
    "constants.py": "A = 1\nB = (\n    2\n)\n",
    "never.py": "def gone():\n    a = 1\n    return a\n\n\nclass Never:\n    def one(self):\n        return 1\n",
    "library/__init__.py": "",
    "namespace/inside.py": "def f():\n    return 1\n\n\ndef g():\n    return 2\n",
}
BYTES = {
    "latin.py": "# -*- coding: latin-1 -*-\ndef f():\n    return 'Straße'\n".encode("latin-1"),
    "bom.py": b"\xef\xbb\xbfdef f():\n    return 1\n",
}
STDLIB_FILES = ("argparse", "csv", "dataclasses", "textwrap", "difflib", "configparser", "fractions", "shlex")
STDLIB_NEVER_RUN = ("ast", "enum", "unittest/mock")

DRIVERS = {
    "tricky-most": """
        from pkg import tricky, crlf, feed, latin, bom, constants, only_doc, blank
        import asyncio
        tricky.decorated(1); tricky.one_liner(); tricky.one_liner_over_lines(1); tricky.twice(); tricky.chosen()
        tricky.fallback(); tricky.InWith().method(); tricky.looped(); tricky.Decorated().run()
        base = tricky.Base(); base.y = 3; base.y; base.cached; base.static(); base.Nested().deep(); base.excluded()
        async def main():
            return [item async for item in base.later()]
        asyncio.run(main())
        tricky.matching({"kind": "point", "x": 1}); tricky.matching([1]); list(tricky.generator(3))
        tricky.closure(); tricky.raising(); crlf.f(1); feed.f(); latin.f(); bom.f()
        """,
    "tricky-imports": "import pkg.tricky, pkg.crlf, pkg.no_end",
    "library": """
        from pkg import argparse, csv, dataclasses, textwrap, difflib, configparser, fractions, shlex
        from pkg import json
        import io
        from pkg.namespace import inside
        inside.f()
        parser = argparse.ArgumentParser(prog="x", description="d" * 200)
        parser.add_argument("--x", type=int, choices=[1, 2]); parser.add_argument("rest", nargs="*")
        parser.parse_args(["--x", "1", "a"]); parser.format_help()
        @dataclasses.dataclass(frozen=True, slots=True, order=True)
        class Point:
            x: int
            y: list = dataclasses.field(default_factory=list)
        repr(Point(1)); dataclasses.asdict(Point(1)); dataclasses.replace(Point(1), x=2)
        list(csv.DictReader(io.StringIO("a,b\\n1,2\\n"))); csv.Sniffer().sniff("a;b\\n1;2\\n")
        json.dumps({"a": [1, None, 1.5]}, indent=1); json.loads('{"a": [1, "x"]}')
        textwrap.dedent(textwrap.fill("word " * 40)); list(difflib.unified_diff(["a"], ["b"]))
        config = configparser.ConfigParser(); config.read_string("[a]\\nb = %(c)s\\nc = 1\\n"); config["a"]["b"]
        fractions.Fraction("1/3") + 1; shlex.split("a 'b c'")
        """,
}


def write_tree(root: Path) -> Path:
    """Write the package `pkg` with hand-made and stdlib modules below `root` and return its directory."""
    package = root / "pkg"
    for name, text in FILES.items():
        write(package / name, text.encode("utf-8"))
    for name, data in BYTES.items():
        write(package / name, data)
    for name in STDLIB_FILES:
        write(package / f"{name}.py", (STDLIB / f"{name}.py").read_bytes())
    for name in STDLIB_NEVER_RUN:
        write(package / "library" / f"{name.replace('/', '_')}.py", (STDLIB / f"{name}.py").read_bytes())
    shutil.copytree(STDLIB / "json", package / "json", ignore=shutil.ignore_patterns("__pycache__"))
    return package


def write(path: Path, data: bytes) -> Path:
    """Write one file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def run_coverage(root: Path, *args: str) -> None:
    """Run the coverage command in `root`; fail with its output."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in [name for name in environment if name.startswith(("COVERAGE", "COV_"))]:
        del environment[name]
    command = [sys.executable, "-m", "coverage", *args]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


def record(root: Path, slug: str, driver: str, *options: str, config: Path | None = None) -> Path:
    """Run a driver script under plain coverage.py and return the data file `<root>/data/<slug>.coverage`."""
    script = write(root / "drivers" / f"{slug}.py", textwrap.dedent(driver).encode())
    data = root / "data" / f"{slug}.coverage"
    data.parent.mkdir(exist_ok=True)
    rc = str(config) if config else os.devnull
    run_coverage(root, "run", f"--rcfile={rc}", f"--data-file={data}", "--source=pkg", *options, str(script))
    return data


def coverage_json(root: Path, data: Path, config: Path | None = None, include: str = "*") -> dict[str, Any]:
    """Return what `coverage json` says of a data file: {path: file}, of the paths that match `include`."""
    out = root / f"{data.name}.json"
    rc = str(config) if config else os.devnull
    run_coverage(root, "json", f"--rcfile={rc}", f"--data-file={data}", f"--include={include}", "-o", str(out), "-q")
    return json.loads(out.read_text())["files"]


def options(root: Path, **changes: Any) -> SnapshotOptions:
    """Return the options that read `root`/pkg and `root`/data."""
    values: dict[str, Any] = {"sources": (root / "pkg",), "coverage_dir": root / "data", "config": CONFIG, **changes}
    return SnapshotOptions(**values)
