"""What `covatlas check` looks at: each rule yields what has drifted, where, and the command that repairs it."""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from instrument.errors import CovatlasError, counted
from instrument.record import SCHEMA as RECORD_SCHEMA
from instrument.record import decode_record
from sitegen.address import symbol_path
from sitegen.coverage_config import read_exclude
from sitegen.data import SCHEMA, inventory_artifact
from sitegen.generate import BuildOptions
from sitegen.inventory_file import drift, parse_artifact, read_artifact
from sitegen.model import Inventory
from sitegen.nights import FILE, Nights, read_nights
from sitegen.store import MADE_BY, toolchain
from sitegen.workflows import find_stale

MAX_ROWS = 100  # symbols that one run names; beyond it they are only counted


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not as it should be; a `warning` does not fail the check, `repair` is a command or ""."""

    rule: str
    sentence: str
    repair: str = ""
    file: str = ""
    line: int = 0
    level: Literal["error", "warning"] = "error"


@dataclass(frozen=True, slots=True)
class Ground:
    """What the rules look at: `root` is the repository, `inventory_file` and `profiles` may be absent."""

    root: Path
    build: BuildOptions
    inventory: Inventory
    inventory_file: Path | None
    profiles: Path


def rules(ground: Ground) -> Iterator[Drift]:
    """Yield everything that has drifted."""
    nights, wrong = _nights(ground.root)
    yield from wrong
    yield from of_inventory(ground)
    yield from of_coverage_config(ground.build, ground.inventory)
    if nights is not None:
        yield from of_profiles(ground, nights)
        yield from of_workflows(ground.root, nights)
    yield from of_addresses(ground.inventory)
    yield from of_site(ground.build.site_dir)
    yield from of_cache(ground.build.cache_dir)
    yield from of_records(ground.build.coverage_dir)


def _nights(root: Path) -> tuple[Nights | None, list[Drift]]:
    if not (root / FILE).exists():
        return None, []  # a project without nights has nothing to check of them
    try:
        return read_nights(root / FILE), []
    except CovatlasError as error:
        return None, [Drift("nights", str(error), file=FILE)]


# ── inventory ────────────────────────────────────────────────────────────────────────────────────────────────────


def of_inventory(ground: Ground) -> Iterator[Drift]:
    """Compare the inventory file with the source, symbol by symbol."""
    for file in ground.inventory.files:
        if file.problem:
            yield Drift("source", file.problem, file=_shown(ground, file.path))
    path = ground.inventory_file
    if path is None:
        return
    repair = f"covatlas inventory --output {shlex.quote(str(path))}"
    try:
        before = read_artifact(path)
    except CovatlasError as error:
        yield Drift("inventory", str(error), repair, str(path))
        return
    rows = list(drift(before, parse_artifact(inventory_artifact(ground.inventory).data, "the source")))
    for row in rows[:MAX_ROWS]:
        name, _, place = row.rpartition("  ")
        file, _, line = place.rpartition(":")
        at = (_shown(ground, file), int(line)) if name and line.isdigit() else ("", 0)
        yield Drift("inventory", f"{row} is not what {path} says", repair, *at)
    if len(rows) > MAX_ROWS:
        yield Drift("inventory", f"and {len(rows) - MAX_ROWS:,} more symbols", repair, str(path))


def _shown(ground: Ground, path: str) -> str:
    """Return a source's path as the repository has it."""
    for source in ground.build.sources:
        if path.split("/")[0] == source.name:
            return os.path.relpath(source.parent / path, ground.root).replace(os.sep, "/")
    return path


# ── coverage configuration ───────────────────────────────────────────────────────────────────────────────────────


def of_coverage_config(build: BuildOptions, inventory: Inventory) -> Iterator[Drift]:
    """Check that the coverage config can be read and that each of its patterns means something."""
    config = build.coverage_config
    if config is None:
        return
    try:
        read_exclude(config)
    except CovatlasError as error:
        yield Drift("coverage-config", str(error), file=str(config))
        return
    import coverage

    read = coverage.Coverage(config_file=str(config), data_file=None)
    packages, folders = _list(read, "source_pkgs"), _list(read, "source")
    for name in packages:
        if not _is_known(name, build):
            sentence = f"source_pkgs names {name!r}, which is neither a --source nor installed; mend or remove the line"
            yield Drift("coverage-config", sentence, file=str(config))
    for name in folders:
        if not Path(name).exists() and not _is_known(name, build):
            sentence = f"source names {name!r}, which is no directory and no package; mend or remove the line"
            yield Drift("coverage-config", sentence, file=str(config))
    files = [(file.path, _absolute(build, file.path)) for file in inventory.files]
    for key in ("omit", "include"):
        for pattern in _list(read, key):
            if not any(_matches(pattern, absolute) for _, absolute in files):
                sentence = f"{key} names {pattern!r}, which matches no source file; mend or remove the line"
                yield Drift("coverage-config", sentence, file=str(config))
    for source in build.sources if packages or folders else ():
        top = any(name.split(".")[0] == source.name for name in packages + folders)
        if not top and not any(source.resolve().is_relative_to(Path(name).resolve()) for name in folders):
            sentence = f"nothing of the package {source.name!r} is traced; add it to source_pkgs"
            yield Drift("coverage-config", sentence, file=str(config))


def _list(read: Any, key: str) -> list[str]:
    return list(read.get_option(f"run:{key}") or ())


def _is_known(name: str, build: BuildOptions) -> bool:
    parts = name.split(".")
    for source in build.sources:
        inside = source.joinpath(*parts[1:])
        if source.name == parts[0] and (inside.is_dir() or inside.with_name(inside.name + ".py").is_file()):
            return True
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _absolute(build: BuildOptions, path: str) -> str:
    roots = {source.name: source.parent for source in build.sources}
    return str((roots.get(path.split("/")[0], Path()) / path).absolute())


def _matches(pattern: str, absolute: str) -> bool:
    from coverage.files import GlobMatcher, prep_patterns

    return GlobMatcher(prep_patterns([pattern]), "check").match(absolute)


# ── nights ───────────────────────────────────────────────────────────────────────────────────────────────────────


def of_profiles(ground: Ground, nights: Nights) -> Iterator[Drift]:
    """Compare the profiles that are listed with those that are recorded, and the routes with both."""
    folder = ground.profiles
    recorded = {path.name for path in folder.iterdir() if _is_profile(path)} if folder.is_dir() else set()
    listed = {profile.slug: profile for profile in nights.profiles}
    for slug in sorted(listed.keys() - recorded):
        yield Drift("profiles", f"{slug} is listed but not recorded in {folder}; record it, or take it out", file=FILE)
    for slug in sorted(recorded - listed.keys()):
        yield Drift("profiles", f"{slug} is recorded but not listed; add it to {FILE}", file=f"{folder}/{slug}")
    for slug in sorted(recorded & listed.keys()):
        kind = "har" if list((folder / slug).glob("*.har")) else "events"
        if listed[slug].kind != kind:
            yield Drift(
                "profiles", f"{slug} is listed as {listed[slug].kind} but recorded as {kind}; mend kind", file=FILE
            )
        title = _title(folder / slug / "profile.toml")
        if title not in (None, listed[slug].title):
            said = f"{slug} is called {listed[slug].title!r} in the list and {title!r} in its profile.toml"
            yield Drift("profiles", f"{said}; call it one thing", file=FILE)


def _is_profile(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_"))


def _title(path: Path) -> Any:
    try:
        return tomllib.loads(path.read_text("utf-8")).get("title")
    except (OSError, ValueError):
        return None  # none there, or one that `covatlas play` names


def of_workflows(root: Path, nights: Nights) -> Iterator[Drift]:
    """Compare the generated workflows and README's table with the list."""
    try:
        stale = find_stale(root, nights)
    except CovatlasError as error:
        yield Drift("workflows", str(error))
        return
    for item in stale:
        path = item.path.relative_to(root).as_posix()
        how = "is missing" if item.now is None else "must go" if item.wanted is None else "is stale"
        yield Drift("workflows", f"{path} {how}: {FILE} says something else", "covatlas workflows", path)


# ── map, cache, data ─────────────────────────────────────────────────────────────────────────────────────────────


def of_addresses(inventory: Inventory) -> Iterator[Drift]:
    """Find symbols whose pages would have one address, also on a disk that ignores case."""
    symbols = [(symbol.id, symbol.kind, file.path) for file in inventory.files for symbol in file.symbols]
    yield from collisions((name, symbol_path(name, kind), path) for name, kind, path in symbols)


def collisions(addresses: Iterable[tuple[str, str, str]]) -> Iterator[Drift]:
    """Yield each (symbol, address, file) whose address another symbol has already."""
    owner: dict[str, str] = {}
    for name, address, path in addresses:
        first = owner.setdefault(address.casefold(), name)
        if first != name:
            yield Drift("addresses", f"{name} and {first} would both have the page {address}; rename one", file=path)


def of_site(site_dir: Path) -> Iterator[Drift]:
    """Look at a built site, if there is one: its schemas, and routes that no profile requests."""
    for path in sorted((site_dir / "data").glob("*.json")):
        try:
            value = json.loads(path.read_bytes())
            schema = value["schema"]
        except (OSError, ValueError, KeyError, TypeError):
            yield Drift("versions", f"{path} cannot be read", "covatlas build", str(path))
            continue
        if schema != SCHEMA:
            sentence = f"{path} has schema {schema!r:.20}, this Covatlas writes {SCHEMA}"
            yield Drift("versions", sentence, "covatlas build", str(path))
        elif path.name == "routes.json":
            yield from _routes(value)


def _routes(value: dict[str, Any]) -> Iterator[Drift]:
    alone = [route for route in value.get("routes", ()) if not route.get("profiles")]
    for route in alone[:MAX_ROWS]:
        sentence = f"no profile requests the route {', '.join(route['methods'])} {route['rule']}"
        yield Drift("routes", sentence, level="warning")
    if len(alone) > MAX_ROWS:
        yield Drift("routes", f"and {counted(len(alone) - MAX_ROWS, 'more route')}", level="warning")


def of_cache(cache_dir: Path) -> Iterator[Drift]:
    """Say that the cache, if there is one, is of another toolchain; it can only cost time, so this is a warning."""
    try:
        maker = (cache_dir / "stages" / "used" / MADE_BY).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return  # no build has finished here
    if maker != toolchain():
        sentence = "made by another Covatlas, Python or library: the next build makes everything anew"
        yield Drift("versions", sentence, "covatlas build && covatlas gc", str(cache_dir), level="warning")


def of_records(coverage_dir: Path) -> Iterator[Drift]:
    """Check that the run records of the coverage directory, if there are any, are of this version."""
    for path in sorted(coverage_dir.glob("*.run.json")):
        try:
            decode_record(path.read_bytes(), str(path))
        except (OSError, CovatlasError, RecursionError) as error:
            slug = path.name.removesuffix(".run.json")
            repair = f"covatlas play {slug} --trace-code --base-url URL"
            yield Drift("versions", f"{error} (this Covatlas reads schema {RECORD_SCHEMA})", repair, str(path))
