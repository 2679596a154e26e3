"""The sub-command `covatlas link`: the address of a symbol's page, for a pull request or a comment."""

from __future__ import annotations

import json
from pathlib import Path

import click


def add_to(main: click.Group) -> None:
    """Add the sub-command."""

    @main.command()
    @click.argument("target", metavar="SYMBOL|FILE[:LINE]")
    @click.option("--source", multiple=True, metavar="DIR", help="A package directory; may be given more than once.")
    @click.option("--coverage-config", metavar="FILE", help="[default: coverage.profile-playback.ini if there is one]")
    @click.option("--cache-dir", metavar="DIR", default="cache", show_default=True, help="Where builds keep results.")
    @click.option("--site-url", metavar="URL", help="Where the site is published. [default: mkdocs.yml's site_url]")
    @click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
    def link(target: str, source: tuple[str, ...], coverage_config: str | None, cache_dir: str,
             site_url: str | None, form: str) -> None:  # fmt: skip
        """Print the address of a symbol's page in the map, found in the source as it is now.

        SYMBOL is an id as pkg.climate.Climate.build, or the end of one. The path of FILE may begin further up, as
        src/pkg/climate.py:120, or further down. Exits with 1 where nothing, or more than one thing, is meant.
        """
        from sitegen.coverage_config import read_exclude
        from sitegen.generate import options_from
        from sitegen.link import answer_value, checked_site_url, find_target, finding_of
        from sitegen.own_config import read_settings
        from sitegen.pipeline import inventory_of
        from sitegen.snapshot import read_sources
        from sitegen.store import DiskStore, NullStore, toolchain

        own = None if site_url else read_settings(Path("mkdocs.yml")).get("site_url")
        base = checked_site_url(site_url or (own if isinstance(own, str) else ""))
        values = {"source": source, "coverage-config": coverage_config, "cache-dir": cache_dir}
        options = options_from(values, Path())
        stages = options.cache_dir / "stages"  # of builds; a link alone needs no cache
        store = DiskStore(stages, toolchain(), lambda message: None) if stages.is_dir() else NullStore()
        sources = read_sources(options.sources, lambda message: None)
        answer = find_target(inventory_of(sources, read_exclude(options.coverage_config), store), target)
        if form == "json":
            click.echo(json.dumps(answer_value(answer, target, base), indent=1))
        if answer.problem:
            raise finding_of(answer)
        if form == "text":
            click.echo(base + answer.places[0].address)
