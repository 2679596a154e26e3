"""The sub-commands of `covatlas` that run the nights: workflows, collect, publish, check, perf."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sitegen.generate import BuildOptions

Command = Callable[..., None]
Options = Callable[[dict[str, Any]], "BuildOptions"]


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


@click.command()
@click.option("--site-dir", metavar="DIR", default="site", show_default=True, help="The site that build made.")
@click.option("--remote", default="origin", show_default=True, help="A remote's name, address or path.")
@click.option("--pages-branch", default="gh-pages", show_default=True, help="The branch that holds the site.")
@click.option("--keep", type=click.IntRange(min=1), default=30, show_default=True,
              help="Commits of ours that the branch keeps.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files of the branch that Covatlas did not put there.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be pushed; push nothing.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def publish(site_dir: str, remote: str, pages_branch: str, keep: int, force: bool, dry_run: bool, form: str) -> None:
    """Push the site to a branch of a git remote, as one commit of what changed."""
    from sitegen.pages_branch import PublishOptions, publish_site

    pushed = publish_site(PublishOptions(Path(site_dir), remote, pages_branch, keep, dry_run, force), _say)
    if form == "json":
        click.echo(json.dumps(asdict(pushed), sort_keys=True))


@click.command()
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option("--all", "every", is_flag=True, help="Measure every profile of the profiles directory.")
@click.option("--base-url", required=True, help="Where the app runs, as http://127.0.0.1:5000.")
@click.option("--profiles", default="profiles", show_default=True, help="Directory with a folder per profile.")
@click.option("--pairs", type=click.IntRange(min=3), default=7, show_default=True, help="Rounds of each profile.")
@click.option("--job-timeout", type=click.IntRange(min=0), default=60, show_default=True)
@click.option("--output", metavar="FILE", default="artifacts/perf-baseline.json", show_default=True,
              help="The record, with the baseline of an earlier one.")  # fmt: skip
@click.option("--summary", metavar="FILE", help="Append the table, as Markdown, to this file.")
@click.option("--off-budget", type=click.FloatRange(min=0), default=5, show_default=True, help="Percent.")
@click.option("--traced-budget", type=click.FloatRange(min=0), default=25, show_default=True, help="Percent.")
@click.option("--accept", is_flag=True, help="Take this measurement as the baseline.")
def perf(
    slugs: tuple[str, ...], every: bool, base_url: str, profiles: str, pairs: int, job_timeout: int, output: str,
    summary: str | None, off_budget: float, traced_budget: float, accept: bool,
) -> None:  # fmt: skip
    """Say what tracing costs: play profiles with and without it in turn, against the same server."""
    from instrument.playback.perf import PerfOptions, measure

    options = PerfOptions(
        slugs=slugs,
        every=every,
        base_url=base_url,
        profiles=Path(profiles),
        pairs=pairs,
        output=Path(output),
        summary=Path(summary) if summary else None,
        job_timeout=job_timeout,
        off_budget=off_budget / 100,
        traced_budget=traced_budget / 100,
        accept=accept,
    )
    measure(options, _say)


def _collect(with_options: Callable[[Command], Command], options_of: Options) -> click.Command:
    @click.command()
    @with_options
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
            build=options_of(given),
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

    return collect


def _check(with_options: Callable[[Command], Command], options_of: Options) -> click.Command:
    @click.command()
    @with_options
    @click.option("--inventory", metavar="FILE", help="An inventory file that must say what the source says.")
    @click.option("--profiles", default="profiles", show_default=True, help="Directory with a folder per profile.")
    @click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
    def check(inventory: str | None, profiles: str, form: str, **given: Any) -> None:
        """Find what has drifted: inventory, coverage config, profiles, workflows, addresses, versions."""
        from sitegen.check import check_all, conclude, told

        options = options_of(given)
        found = check_all(Path(), options, Path(inventory) if inventory else None, Path(profiles), _say)
        _show(told(found, form))
        conclude(found, _say)

    return check


def add_to(main: click.Group, with_options: Callable[[Command], Command], options_of: Options) -> None:
    """Add the sub-commands; those that build take the options of `build` too."""
    for command in (workflows, publish, perf, _collect(with_options, options_of), _check(with_options, options_of)):
        main.add_command(command)
