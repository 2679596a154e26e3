"""The documentation: links and images lead somewhere, commands parse, code blocks can be read, everything is told."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from markdown.extensions.toc import slugify

from instrument.playback.profile import _KEYS
from instrument.settings import VARIABLES
from sitegen.cli import main
from sitegen.config import KEYS
from sitegen.nights import parse_nights
from sitegen.reference import reference

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "site_src").glob("*.md"), *ROOT.glob("*.md"), ROOT / "tests/README.md"])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\s*(?:[A-Z_]+=(?:\"[^\"]*\"|\S)+ )*covatlas ([a-z]+)\b(.*)")
Check = Callable[[str, Path], Iterator[str]]


def blocks(text: str) -> Iterator[tuple[str, str]]:
    for _, language, body in FENCE.findall(text):
        yield language, textwrap.dedent(body)


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {slugify(re.sub(r"[`*]|<[^>]+>", "", title), "-") for title in titles}


def links(text: str, page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere."""
    for target in LINK.findall(FENCE.sub("", text)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            if not path.startswith("https://"):
                yield target
            continue
        found = page.parent / path if path else page
        if not found.exists() or (anchor and anchor not in anchors(found.read_text("utf-8") if path else text)):
            yield target


def images(text: str, page: Path) -> Iterator[str]:
    """Yield the images that do not exist, are another host's, or have nothing to be read instead of them."""
    for told, target in IMAGE.findall(FENCE.sub("", text)):
        if not told.strip() or not (page.parent / target.partition("#")[0]).is_file():
            yield target


def commands(text: str, page: Path) -> Iterator[str]:
    """Yield the commands in blocks that `covatlas` would refuse, and those in the text that it does not have."""
    for language, body in blocks(text):
        if language in ("", "bash", "sh", "console"):
            for line in body.replace("\\\n", " ").splitlines():
                yield from _refused(line.removeprefix("$ ").partition("  #")[0])
    for line in re.findall(r"`([^`\n]*covatlas [a-z][^`\n]*)`", FENCE.sub("", text)):
        yield from _unknown(line)


def _parts(line: str) -> Iterator[tuple[str, str, str]]:
    for part in re.split(r"&&|\|\||;", line):
        found = COMMAND.match(part)
        if found:
            yield part, *found.groups()


def _refused(line: str) -> Iterator[str]:
    for part, name, rest in _parts(line):
        try:
            main.commands[name].make_context(name, shlex.split(rest, comments=True), resilient_parsing=False)
        except (KeyError, click.ClickException) as error:
            yield f"{part}: {error!r}"


def _unknown(line: str) -> Iterator[str]:
    for part, name, rest in _parts(line):
        command = main.commands.get(name)
        known = (
            {option for item in command.params for option in (*item.opts, *item.secondary_opts)} if command else set()
        )
        words = shlex.split(re.sub(r"[\[\]…]", " ", rest), posix=False)
        if command is None or {word.partition("=")[0] for word in words if word.startswith("--")} - known - {"--help"}:
            yield part


def _lines_of_json(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


READERS: dict[str, Callable[[str], Any]] = {
    "python": ast.parse,
    "yaml": yaml.safe_load,
    "ini": configparser.ConfigParser().read_string,
    "toml": tomllib.loads,
    "json": _lines_of_json,
    # Shown, and read by nobody here.
    "": str, "bash": str, "docker": str, "nginx": str,
}  # fmt: skip


def code(text: str, page: Path) -> Iterator[str]:
    """Yield the code blocks that cannot be read, or are of a language that nobody reads."""
    for language, body in blocks(text):
        try:
            READERS[language](body)
        except (KeyError, ValueError, SyntaxError, yaml.YAMLError, configparser.Error) as error:
            yield f"{language}: {error!r}"


def proofs(text: str, page: Path) -> Iterator[str]:
    """Yield the test files that are named and do not exist."""
    yield from (name for name in re.findall(r"tests/[\w/]+\.py", text) if not (ROOT / name).is_file())


CHECKS: dict[Check, str] = {  # check → a page's text that it must complain of
    links: "[one](nowhere.md) [two](#no-such-title) [three](faq.md#no-such-title) [four](http://example.com)",
    images: "![](images/flow.svg) ![told](images/none.png) ![told](https://example.com/x.png)",
    commands: "```\ncovatlas plant\ncovatlas build --nothing\n$ covatlas play --all\n```\n`covatlas serve --nothing`",
    code: "```python\ndef\n```\n```yaml\na: [\n```\n```ini\nx\n```\n```toml\nx\n```\n```json\n{\n```\n```rust\n```",
    proofs: "`tests/test_nothing.py`",
}


@pytest.mark.parametrize("page", NAMES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_pages_are_sound(check: Check, page: str) -> None:
    assert not list(check((ROOT / page).read_text("utf-8"), ROOT / page))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_each_check_can_complain(check: Check) -> None:
    planted = CHECKS[check]
    faults = {links: 4, images: 3, commands: 4, code: 6, proofs: 1}
    assert len(list(check(planted, ROOT / "site_src/planted.md"))) == faults[check]


def test_every_page_is_in_the_navigation() -> None:
    def pages(nav: Any) -> Iterator[str]:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from [item] if isinstance(item, str) else pages(item)

    listed = list(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]))
    assert sorted(listed) == sorted(page.name for page in PAGES if page.parent.name == "site_src")


def test_every_variable_is_told() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "instrument").rglob("*.py"))
    assert set(re.findall(r'"((?:PROFILE_COVERAGE|ENABLE_PROFILE)_[A-Z_]+)"', sources)) == set(VARIABLES)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert not [name for name in VARIABLES if name not in readme and f"`{name[16:]}`" not in readme]


def test_every_key_of_a_profile_is_told() -> None:
    (example,) = (body for kind, body in blocks((ROOT / "site_src/recording.md").read_text("utf-8")) if kind == "toml")
    assert set(tomllib.loads(example)) == set(_KEYS)


def test_the_symptoms_are_what_the_code_says() -> None:
    rows = []
    for page in ("quick-start.md", "nights.md"):
        text = (ROOT / "site_src" / page).read_text("utf-8")
        rows += re.findall(r"^\| ([^|]+) \|", text.partition("\n## When ")[2].partition("\n## ")[0], re.MULTILINE)
    said = [words for row in rows for words in re.findall("`([^`]+)`|“([^”]+)”", row)]
    pieces = [piece for words in said for piece in re.split(r"…|\d+|\b[AB]\b", "".join(words)) if piece.strip(" ,")]
    files = [
        path
        for room in ("instrument", "sitegen")
        for path in (ROOT / room).rglob("*.*")
        if path.suffix in (".py", ".yml")
    ]
    sources = "".join(path.read_text("utf-8") for path in files)
    assert len(pieces) > 15
    assert not [piece for piece in pieces if piece not in sources]


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
    example, *_ = (block for language, block in blocks(text) if language == "yaml")
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
