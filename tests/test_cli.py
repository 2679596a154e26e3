"""The command where an extra is not installed, and where an option's value makes no sense."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# What the core alone has not got; the finder stands where pip would not have put these packages.
CORE_ONLY = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"requests", "rich", "mkdocs", "material", "jinja2", "orjson", "watchdog", "pygments"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from sitegen.cli import main
main(sys.argv[1:])
"""


def _run(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environ = {"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=environ, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("play", ("play", "a", "--base-url", "http://127.0.0.1:1")),
        ("site", ("inventory", "--source", "pkg")),
        ("site", ("build", "--source", "pkg")),
        ("site", ("serve", "--source", "pkg")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_command_names_the_extra_that_brings_all_it_needs(
    tmp_path: Path, extra: str, arguments: tuple[str, ...]
) -> None:
    done = _run(CORE_ONLY, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert f"pip install 'covatlas[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_no_negative_time_is_waited_for(tmp_path: Path) -> None:
    arguments = ("play", "a", "--base-url", "http://127.0.0.1:1", "--job-timeout", "-5")
    done = _run("import sys; from sitegen.cli import main; main(sys.argv[1:])", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "--job-timeout" in done.stderr
