"""The documentation: links lead somewhere, commands and options exist, code blocks can be read, keys are all told."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import click
import jsonschema
import pytest
import yaml

from sitegen.cli import main
from sitegen.config import KEYS
from sitegen.nights import parse_nights
from sitegen.reference import reference

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "site_src").glob("*.md"), *ROOT.glob("*.md"), ROOT / "tests/README.md"])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    for _, language, text in FENCE.findall((ROOT / page).read_text("utf-8")):
        yield language, textwrap.dedent(text)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for target in LINK.findall(FENCE.sub("", (ROOT / page).read_text("utf-8"))):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            assert path.startswith("https://"), target
            continue
        found = folder / path if path else ROOT / page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def commands(page: str) -> Iterator[str]:
    for language, text in blocks(page):
        if language in ("", "bash", "sh", "console"):
            yield from (line.partition("  #")[0] for line in text.replace("\\\n", " ").splitlines())
    yield from re.findall(r"`([^`\n]*covatlas [a-z][^`\n]*)`", FENCE.sub("", (ROOT / page).read_text("utf-8")))


@pytest.mark.parametrize("page", NAMES)
def test_commands_and_their_options_exist(page: str) -> None:
    for line in commands(page):
        for part in re.split(r"&&|\|\||;", line):
            found = re.match(r"\s*(?:[A-Z_]+=\S+ )*covatlas ([a-z]+)\b(.*)", part)
            if not found:
                continue
            name, rest = found.groups()
            command = main.commands.get(name)
            assert isinstance(command, click.Command), f"{page}: {part}"
            options = {
                option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
            }
            for word in shlex.split(re.sub(r"[\[\]]", " ", rest), posix=False):
                if word.startswith("--"):
                    assert word.partition("=")[0] in options | {"--help"}, f"{page}: {part}"


@pytest.mark.parametrize("page", NAMES)
def test_code_blocks_can_be_read(page: str) -> None:
    for language, text in blocks(page):
        if language == "python":
            ast.parse(text)
        elif language in ("yaml", "yml"):
            assert yaml.safe_load(text) is not None
        elif language == "ini":
            configparser.ConfigParser().read_string(text)


def test_the_reference_is_what_the_code_says() -> None:
    made = (ROOT / "site_src/reference.md").read_text("utf-8")
    assert made == reference(), "make it anew: python -m sitegen.reference > site_src/reference.md"
    assert all(f"## covatlas {name}\n" in made for name in main.commands) and all(
        f"| `{key}` |" in made for key in KEYS
    )


def test_the_tests_of_the_checklist_exist() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "site_src/opt-in.md").read_text("utf-8"))
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    own = re.findall(r"^def (test_\w+)", (ROOT / "tests/test_optin.py").read_text("utf-8"), re.MULTILINE)
    assert set(own) <= set(named) and all(f"def {name}(" in sources for name in named)


def test_the_example_of_the_nights_is_right_and_every_key_is_told() -> None:
    text = (ROOT / "site_src/nights.md").read_text("utf-8")
    (example,) = (block for language, block in blocks("site_src/nights.md") if language == "yaml")
    assert parse_nights(example, "example").due("weekly")[0].slug == "full-run"
    source = (ROOT / "sitegen/nights.py").read_text("utf-8")
    for keys in re.findall(r'\.end\("([^"]+)"\)', source):
        for key in keys.split(", "):
            assert re.search(rf"[`.]{re.escape(key)}[`.\[]", text), key


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_issue_forms_are_what_github_takes(form: Path) -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas/vendor/github-issue-forms.json"
    validator = jsonschema.Draft7Validator(json.loads(schema.read_text("utf-8")))
    value = yaml.safe_load(form.read_text("utf-8"))
    assert not list(validator.iter_errors(value))
    assert list(validator.iter_errors({**value, "body": [{"type": "nothing"}]}))  # the schema can say no
