"""The `covatlas` command: options in, one room called, a sentence and an exit code out."""

from __future__ import annotations

import atexit
import errno
import sys
from collections.abc import Callable
from dataclasses import replace
from gc import freeze
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from instrument.errors import CovatlasError, Finding
from sitegen import cli_link, cli_nights, config

if TYPE_CHECKING:
    from sitegen.generate import BuildOptions

EXTRAS = {  # module that is missing → the extra that brings it
    "requests": "play",
    "rich": "play",
    "mkdocs": "site",
    "material": "site",
    "jinja2": "site",
    "orjson": "site",
    "watchdog": "site",
    "yaml": "site",
    "pygments": "site",
}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Group(click.Group):
    """Turn every expected failure into one sentence on stderr and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CovatlasError as error:
            click.echo(f"covatlas: {error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            raise  # whoever read our output went away: click ends quietly
        except OSError as error:
            place = error.filename2 or error.filename or "the system"
            mend = "make room there" if error.errno in FULL else "mend that, or name another place,"
            click.echo(f"covatlas: {place}: {error.strerror or error}; {mend} and run it again", err=True)
            ctx.exit(2)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").split(".")[0])
            if extra is None:
                raise
            click.echo(
                f"covatlas: this command needs the package {error.name!r}; install it with: "
                f"pip install 'covatlas[{extra}]'",
                err=True,
            )
            ctx.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="covatlas")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Say which recorded user session runs which code.

    Every option that is not about one call has a key in [tool.covatlas] of the working directory's pyproject.toml;
    the command line wins.
    Exit codes: 0 fine, 1 finding, 2 usage or input error.
    """
    if ctx.resilient_parsing:
        return
    options = {key.replace("-", "_"): value for key, value in config.load(Path.cwd()).items()}
    ctx.default_map = dict.fromkeys(main.commands, options)


def _coverage_dir(value: str | None) -> Path:
    from instrument.settings import coverage_dir

    return Path(value) if value else coverage_dir()


def _needs(*packages: str) -> None:
    """Raise ModuleNotFoundError now for a package that is imported only where a page must be rendered."""
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)


def _say(message: str) -> None:
    click.echo(message, err=True)


@main.command()
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option("--all", "every", is_flag=True, help="Play every profile of the profiles directory.")
@click.option("--base-url", required=True, help="Where the app runs, as http://127.0.0.1:5000.")
@click.option(
    "--trace-code/--no-trace-code", help="Send X-Profile-Trace, so that the app records what each profile runs."
)
@click.option("--coverage-dir", help="Where the app writes its data. [default: PROFILE_COVERAGE_DIR]")
@click.option("--profiles", default="profiles", show_default=True, help="Directory with a folder per profile.")
@click.option(
    "--job-timeout",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="Seconds to wait for a profile's RQ jobs.",
)
def play(slugs: tuple[str, ...], every: bool, base_url: str, trace_code: bool, coverage_dir: str | None,
         profiles: str, job_timeout: int) -> None:  # fmt: skip
    """Replay recorded profiles against a running app."""
    from instrument.playback.play import PlayOptions, play_profiles

    play_profiles(
        PlayOptions(
            slugs=slugs,
            every=every,
            base_url=base_url,
            trace_code=trace_code,
            coverage_dir=_coverage_dir(coverage_dir),
            profiles=Path(profiles),
            job_timeout=job_timeout,
        ),
        say=_say,
    )


@main.command()
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option("--coverage-dir", help="Where the app writes its data. [default: PROFILE_COVERAGE_DIR]")
def combine(slugs: tuple[str, ...], coverage_dir: str | None) -> None:
    """Combine the shards and journals of profiles into <slug>.coverage, also while the app still runs."""
    from instrument.shards import combine_all

    combine_all(_coverage_dir(coverage_dir), slugs, say=_say)


@main.command()
@click.option("--source", multiple=True, metavar="DIR", help="A package directory; may be given more than once.")
@click.option("--coverage-config", help="Coverage config whose excluded lines count. [default: coverage.py's own]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--output", "inventory", metavar="FILE", help="Write the inventory there, as JSON. [key: inventory]")
@click.option("--check", is_flag=True, help="Compare that file with the source instead, symbol by symbol.")
@click.pass_context
def inventory(ctx: click.Context, source: tuple[str, ...], coverage_config: str | None, form: str,
              inventory: str | None, check: bool) -> None:  # fmt: skip
    """Say what the source defines, found without running it: a line per module, class and function."""
    from sitegen.coverage_config import read_exclude
    from sitegen.data import inventory_artifact, inventory_text
    from sitegen.inventory_file import drift, parse_artifact, read_artifact, write_artifact
    from sitegen.pipeline import inventory_of
    from sitegen.snapshot import read_sources
    from sitegen.store import NullStore

    sources = read_sources(tuple(map(Path, source)), say=_say)
    found = inventory_of(sources, read_exclude(Path(coverage_config) if coverage_config else None), NullStore())
    for file in found.files:
        if file.problem:
            _say(f"covatlas: {file.problem}")
    if check and not inventory:
        raise CovatlasError("no inventory file is named to check; name it with --output FILE")
    if check or (inventory and ctx.get_parameter_source("form") is ParameterSource.DEFAULT):
        path, data = Path(inventory or ""), inventory_artifact(found).data
        if not check:
            write_artifact(path, data)
            return _say(f"Wrote {sum(len(file.symbols) for file in found.files)} symbols to {path}")
        rows = list(drift(read_artifact(path), parse_artifact(data, "the source")))
        click.echo("".join(f"{row}\n" for row in rows), nl=False)
        if rows:
            raise Finding(f"{path}: {len(rows)} differences from the source; write it anew with covatlas inventory")
        return _say(f"{path} says what the source says")
    click.echo(inventory_text(found) if form == "text" else inventory_artifact(found).data, nl=False)


_BUILD_OPTIONS = (
    click.option("--source", multiple=True, metavar="DIR", help="A package directory; may be given more than once."),
    click.option("--coverage-dir", metavar="DIR", help="Where the profile data is. [default: PROFILE_COVERAGE_DIR]"),
    click.option("--coverage-config", metavar="FILE", help="[default: coverage.profile-playback.ini if there is one]"),
    click.option("--site-dir", metavar="DIR", default="site", show_default=True, help="Where the site goes."),
    click.option("--cache-dir", metavar="DIR", default="cache", show_default=True, help="Where results are kept."),
    click.option("--title", help="The map's name. [default: the package's]"),
    click.option("--repo-url", help="The repository's web address, for links to the source."),
    click.option("--branch", default="main", show_default=True, help="The branch that those links name."),
    click.option("--source-prefix", help="From the repository's root to the package directory's parent, as src/."),
    click.option("--previous", metavar="DIR", help="The site of the night before, to compare with."),
    click.option("--clean/--no-clean", help="Ignore the cache and make everything anew."),
    click.option("--jobs", type=click.IntRange(min=0), default=0, help="Processes. [default: one per core]"),
)


def _with_build_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_BUILD_OPTIONS):
        command = option(command)
    return command


def _build_options(given: dict[str, Any]) -> BuildOptions:
    from sitegen.generate import options_from

    clean = given.pop("clean")
    values = {name.replace("_", "-"): value for name, value in given.items()}
    return replace(options_from(values, Path()), clean=clean)


@main.command()
@_with_build_options
@click.option("--explain", is_flag=False, flag_value="", metavar="[PAGE]",
              help="Say why each page, or one, was made or not.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def build(explain: str | None, form: str, **given: Any) -> None:
    """Build the site from source and profile data; only what changed is written."""
    from sitegen.site import build_site

    _needs("jinja2", "mkdocs")
    atexit.register(freeze)  # or the last collection looks at millions of values that end with the process anyway
    report = build_site(_build_options(given), _say)
    if explain is not None or form == "json":
        from sitegen.explain import explained, summed_up

        click.echo(summed_up(report) if explain is None else explained(report, explain, form), nl=False)
    _say(f"Built {report}")


@main.command()
@_with_build_options
def verify(**given: Any) -> None:
    """Hash every file of the site and of the cache; exit with 1 where one is not what it should be."""
    from sitegen.upkeep import verify as verify_site

    verify_site(_build_options(given), _say)


@main.command()
@_with_build_options
@click.option("--max-bytes", type=click.IntRange(min=0), help="Let older builds' results go until it is no larger.")
def gc(max_bytes: int | None, **given: Any) -> None:
    """Remove from the cache what the last builds did not use."""
    from sitegen.upkeep import collect

    _say(str(collect(_build_options(given), max_bytes)))


@main.command()
@_with_build_options
@click.option("--port", type=int, default=8000, show_default=True, help="Port on this machine, 0 for a free one.")
def serve(port: int, **given: Any) -> None:
    """Build the site, show it on this machine, and build again when an input changes."""
    from sitegen.serve import serve_site

    serve_site(_build_options(given), port, _say)


cli_link.add_to(main)
cli_nights.add_to(main, _with_build_options, _build_options)

if __name__ == "__main__":
    sys.exit(main())
