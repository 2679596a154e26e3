"""sitegen.render: compiled templates are kept beside our own bytecode, and never believed when anything differs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = """
import sys
import jinja2
if len(sys.argv) > 2:
    jinja2.__version__ = sys.argv[2]
from sitegen.render import Renderer
compiled = []
compile = jinja2.Environment.compile
jinja2.Environment.compile = lambda env, text, name, *rest: compiled.append(name) or compile(env, text, name, *rest)
templates = {"macros.html": "", "t.html": sys.argv[1]}
print(Renderer(templates)._env.get_template("t.html").render(v=3), *compiled)
"""


def _render(folder: Path, text: str, *more: str, **environment: str) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONPYCACHEPREFIX": str(folder), **environment}
    done = subprocess.run(
        [sys.executable, "-c", CODE, text, *more], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jinja"))


def test_a_template_is_compiled_once_until_it_or_jinja_changes(tmp_path: Path) -> None:
    assert _render(tmp_path, "a{{ v }}") == "a3 macros.html t.html"
    assert len(_kept(tmp_path)) == 2
    assert _render(tmp_path, "a{{ v }}") == "a3"
    assert _render(tmp_path, "b{{ v }}") == "b3 t.html"
    assert _render(tmp_path, "b{{ v }}", "0.0") == "b3 macros.html t.html"
    assert len(_kept(tmp_path)) == 2  # each in the place of the one before


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_damaged_bytecode_is_made_again(tmp_path: Path, damage: bytes | None) -> None:
    _render(tmp_path, "a{{ v }}")
    for path in _kept(tmp_path):
        path.write_bytes(path.read_bytes()[:-20] if damage is None else path.read_bytes()[:20] + damage)
    assert _render(tmp_path, "a{{ v }}") == "a3 macros.html t.html"
    assert _render(tmp_path, "a{{ v }}") == "a3"


def test_nothing_is_kept_where_python_keeps_nothing(tmp_path: Path) -> None:
    _render(tmp_path, "a{{ v }}")  # so that the folder is there
    for path in _kept(tmp_path):
        path.unlink()
    for _ in range(2):
        assert _render(tmp_path, "a{{ v }}", PYTHONDONTWRITEBYTECODE="1") == "a3 macros.html t.html"
    assert _kept(tmp_path) == []


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.write_bytes(b"no directory")
    for _ in range(2):
        assert _render(folder, "a{{ v }}") == "a3 macros.html t.html"
