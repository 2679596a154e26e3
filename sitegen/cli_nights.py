"""The sub-commands of `covatlas` that run the nights: workflows, collect, publish, check, perf."""

from __future__ import annotations

from pathlib import Path

import click


def _say(message: str) -> None:
    click.echo(message, err=True)


def _show(text: str) -> None:
    click.echo(text, nl=False)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; show what is stale as a diff and exit with 1.")
def workflows(check: bool) -> None:
    """Make .github/workflows and README's profile table from playback-profiles.yml."""
    from sitegen.workflows import write_workflows

    write_workflows(Path(), check, _say, _show)


def add_to(main: click.Group) -> None:
    """Add the sub-commands."""
    main.add_command(workflows)
