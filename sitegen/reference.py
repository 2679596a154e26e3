"""The reference of commands and keys, made from the code: `python -m sitegen.reference > site_src/reference.md`."""

from __future__ import annotations

import inspect
import sys

import click

from instrument.settings import VARIABLES
from sitegen.cli import main
from sitegen.config import KEYS

HEAD = """\
# Commands, keys and variables

Made from the code by `python -m sitegen.reference > site_src/reference.md`; do not edit. A key stands in
`[tool.covatlas]` of the working directory's pyproject.toml and is the option of that name (`inventory` is `--output` of
`covatlas inventory`); the command line wins. Exit codes: 0 fine, 1 a finding, 2 usage or input error.

"""
_TYPES = {list: "list of strings", str: "string", int: "whole number", float: "number", bool: "true or false"}


def reference() -> str:
    """Return the page: keys with their types and commands, the app's variables, every command with its options."""
    commands = sorted(main.commands.items())
    used = {key: [name for name, command in commands if key.replace("-", "_") in _names(command)] for key in KEYS}
    rows = ["| key | type | commands |", "| --- | --- | --- |"]
    rows += [f"| `{key}` | {_TYPES[KEYS[key]]} | {', '.join(used[key])} |" for key in sorted(KEYS) if used[key]]
    sections = [HEAD + "## Keys\n\n" + "\n".join(rows) + "\n", _variables()]
    sections += [_section(name, command) for name, command in commands]
    return "\n".join(sections)


def _variables() -> str:
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    rows += [f"| `{name}` | {default} | {_cell(meaning)} |" for name, (default, meaning) in VARIABLES.items()]
    return "## Variables of the app\n\nThe RQ worker reads the same.\n\n" + "\n".join(rows) + "\n"


def _names(command: click.Command) -> set[str]:
    return {parameter.name or "" for parameter in command.params}


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"covatlas {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    rows = ["| option | meaning |", "| --- | --- |"]
    for parameter in command.params:
        told = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if told:
            rows.append(f"| `{_cell(told[0])}` | {_cell(told[1])} |")
    return (
        f"## covatlas {name}\n\n`covatlas {name} {usage}`\n\n{inspect.cleandoc(command.help or '')}\n\n"
        + "\n".join(rows)
        + "\n"
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
