"""The house: imports only point down, the app never meets the generator, and no room outgrows its walls."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = sorted([*(ROOT / "instrument").rglob("*.py"), *(ROOT / "sitegen").rglob("*.py")])
SITE_ONLY = ("mkdocs", "material", "jinja2", "orjson", "watchdog", "pygments")
# What the generator may take from the app's side: values and raw data, nothing that traces.
SHARED = {f"instrument.{name}" for name in ("errors", "files", "record", "settings", "shards", "slug")}
# The app's side from the ground up: a room imports only rooms on lower floors.
FLOORS = [
    {"instrument.errors"},
    {"instrument.slug", "instrument.files"},
    {"instrument.record", "instrument.settings", "instrument.scope"},
    {"instrument.engine"},
    {"instrument.engine.parking"},
    {
        "instrument.engine.ctrace",
        "instrument.engine.pure",
        "instrument.engine.sysmon",
        "instrument.trace",
        "instrument.journal",
    },
    {"instrument.children", "instrument.forks"},
    {"instrument.pools", "instrument.recovery", "instrument.caps", "instrument.grace"},
    {"instrument.propagate", "instrument.shards"},
    {"instrument.runtime"},
    {"instrument.jobs"},
    {"instrument.rq"},
    {"instrument.control"},
    {"instrument.flask"},
    {"instrument"},
]
MAX_LINES = 320
MAX_FUNCTION = 60


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, at_import_time: bool) -> set[str]:
    """Return the dotted modules a file imports: all of them, or only what importing it runs."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.level == 0 and child.module:
                found.update({child.module, *(f"{child.module}.{alias.name}" for alias in child.names)})
            if at_import_time and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if at_import_time and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            visit(child)

    visit(ast.parse(path.read_text("utf-8")))
    return found


NAMES = {module_name(path): path for path in PRODUCT}


def ours(path: Path, **options: bool) -> set[str]:
    return {name for name in imports(path, **options) if name in NAMES}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_module_keeps_its_size(name: str) -> None:
    text = NAMES[name].read_text("utf-8")
    assert len(text.split("\n")) <= MAX_LINES, f"{name} has outgrown its room: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION, f"{name}.{node.name} has {length} lines: split it"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_module_says_what_lives_there(name: str) -> None:
    assert ast.get_docstring(ast.parse(NAMES[name].read_text("utf-8"))), f"{name} has no docstring"


@pytest.mark.parametrize("name", sorted(name for name in NAMES if name.startswith("instrument")))
def test_the_app_side_knows_no_generator(name: str) -> None:
    for found in imports(NAMES[name], at_import_time=False):
        assert found.split(".")[0] not in ("sitegen", *SITE_ONLY), f"{name} imports {found}"
        if not name.startswith("instrument.playback"):
            assert not found.startswith("instrument.playback"), f"{name} imports {found}"


@pytest.mark.parametrize("name", sorted(name for name in NAMES if name.startswith("sitegen")))
def test_the_generator_takes_only_values_from_the_app_side(name: str) -> None:
    if name in ("sitegen.cli", "sitegen.cli_nights"):
        return  # the command alone may reach every room
    for found in ours(NAMES[name], at_import_time=False):
        assert not found.startswith("instrument.") or found in SHARED, f"{name} imports {found}"


def test_the_app_side_stands_on_its_floors() -> None:
    height = {name: floor for floor, names in enumerate(FLOORS) for name in names}
    app_side = {name for name in NAMES if name.startswith("instrument") and "playback" not in name}
    assert app_side == height.keys(), "a new module needs a floor"
    for name in sorted(app_side):
        for found in ours(NAMES[name], at_import_time=True) - {"instrument"}:
            assert height[found] < height[name], f"{name} imports {found}, which is not below it"


def test_no_circles() -> None:
    graph = {name: ours(path, at_import_time=True) - {name} for name, path in NAMES.items()}
    while True:
        leaves = {name for name, found in graph.items() if not found & graph.keys()}
        if not leaves:
            break
        graph = {name: found for name, found in graph.items() if name not in leaves}
    assert not graph, f"these import each other in a circle: {sorted(graph)}"


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("instrument", ("flask", "rq", "redis", "coverage", "requests", *SITE_ONLY)),
        ("instrument.flask", ("coverage", "rq", "redis", "requests", "mkdocs", "material")),
        ("instrument.runtime", ("flask", "rq", "redis", "requests", *SITE_ONLY)),
        ("instrument.rq", ("flask", "coverage", *SITE_ONLY)),
        ("instrument.playback.play", ("flask", "rq", *SITE_ONLY)),
        ("sitegen.cli", ("flask", "rq", "coverage", "requests", *SITE_ONLY)),
        ("sitegen.pipeline", ("flask", "rq", "redis", "requests", "mkdocs", "material")),
    ],
)
def test_importing_a_module_loads_nothing_that_its_users_lack(module: str, forbidden: tuple[str, ...]) -> None:
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & set(forbidden)
