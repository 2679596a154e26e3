"""The command where an extra is not installed, options and their keys, and values that make no sense."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from instrument.errors import CovatlasError
from sitegen import config
from sitegen.cli import main
from sitegen.config import KEYS
from tests.site_support import project

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


# What one call is about: a project that set it for good would get something else than it asks for.
OF_ONE_CALL = {
    *("accept", "all", "artifacts", "bundle", "check", "dry-run", "due", "explain", "force", "format", "last"),
    *("output", "summary"),
}


def test_every_option_has_a_key_unless_it_is_about_one_call() -> None:
    options = {
        parameter.opts[-1].removeprefix("--"): (parameter.name or "").replace("_", "-")
        for command in main.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    without = {option for option, name in options.items() if name not in KEYS}
    assert without <= OF_ONE_CALL and not OF_ONE_CALL & KEYS.keys()


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [("clean", "true", "1"), ("trace-code", "false", '"no"'), ("off-budget", "3", "true"), ("max-bytes", "9", "9.5")],
)
def test_a_key_takes_its_type_and_no_other(tmp_path: Path, key: str, good: str, bad: str) -> None:
    write = (tmp_path / "pyproject.toml").write_text
    write(f"[tool.covatlas]\n{key} = {good}\n")
    assert key in config.load(tmp_path)
    write(f"[tool.covatlas]\n{key} = {bad}\n")
    with pytest.raises(CovatlasError, match=key):
        config.load(tmp_path)


def test_a_key_turns_a_flag_on_and_the_command_line_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shop = project(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.covatlas]\nclean = true\n")
    build = ["build", "--source", str(shop.sources[0]), "--coverage-dir", str(shop.coverage_dir), "--format", "json"]
    done = CliRunner().invoke(main, build)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["schema"], report["site"]) == (1, "site")
    assert 0 < report["rendered"] <= report["page_count"]
    assert "index.html" in report["written"] and not report["deleted"]
    assert not (tmp_path / "cache/stages").exists()
    again = json.loads(CliRunner().invoke(main, [*build, "--no-clean"]).stdout)
    assert (tmp_path / "cache/stages").exists() and not again["written"]


def test_no_negative_time_is_waited_for(tmp_path: Path) -> None:
    arguments = ("play", "a", "--base-url", "http://127.0.0.1:1", "--job-timeout", "-5")
    done = _run("import sys; from sitegen.cli import main; main(sys.argv[1:])", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "--job-timeout" in done.stderr
