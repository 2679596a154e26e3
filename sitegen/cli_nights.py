"""The sub-commands of `covatlas` that run the nights: workflows, collect, publish, check, perf."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sitegen.generate import BuildOptions

Command = Callable[..., None]


def _say(message: str) -> None:
    click.echo(message, err=True)


def _show(text: str) -> None:
    click.echo(text, nl=False)


def add_to(
    main: click.Group, with_build_options: Callable[[Command], Command],
    build_options: Callable[[dict[str, Any]], BuildOptions],
) -> None:  # fmt: skip
    """Add the sub-commands; those that build take the options of `build` too."""

    @main.command()
    @click.option("--check", is_flag=True, help="Change nothing; show what is stale as a diff and exit with 1.")
    def workflows(check: bool) -> None:
        """Make .github/workflows and README's profile table from playback-profiles.yml."""
        from sitegen.workflows import write_workflows

        write_workflows(Path(), check, _say, _show)

    @main.command()
    @with_build_options
    @click.option("--artifacts", required=True, metavar="DIR", help="What the playbacks uploaded, a folder each.")
    @click.option("--due", type=click.Choice(["nightly", "weekly"]), default="nightly", show_default=True)
    @click.option("--last", metavar="PATH", help="The last night's bundle, or the folder that it is in.")
    @click.option("--bundle", metavar="FILE", default="covatlas-night.zip", show_default=True)
    @click.option("--summary", metavar="FILE", help="Append a Markdown summary to this file.")
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
    def collect(
        artifacts: str, due: str, last: str | None, bundle: str, summary: str | None, form: str, **given: Any
    ) -> None:
        """Check what a night's playbacks uploaded, carry forward what is missing, build the map and bundle it."""
        from sitegen.collect import CollectOptions, collect_night

        options = CollectOptions(
            build=build_options(given),
            root=Path(),
            artifacts=Path(artifacts),
            due=due,
            last=Path(last) if last else None,
            bundle=Path(bundle),
            summary=Path(summary) if summary else None,
        )
        record = collect_night(options, _say)
        if form == "json":
            click.echo(json.dumps(record, indent=1, sort_keys=True))
