"""Snapshot → plan of stages → Atlas: reads like a table of contents. Every stage is pure and memoised by its arguments.

A plan holds what is known about each file and profile by digest; a value is read or made when somebody asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sitegen.address import module_data_path, symbol_path
from sitegen.attribution import RawLines, attribute, called_lines, strangers
from sitegen.fingerprint import Known, digest, plain
from sitegen.inventory import join_inventory, read_inventory
from sitegen.matrix import build_matrix, find_gaps
from sitegen.model import (
    Atlas,
    FileCoverage,
    FileInventory,
    Gone,
    Inventory,
    Previous,
    ProfileData,
    ProfileHead,
    ProfileInput,
    SiteConfig,
    Snapshot,
    SourceText,
    Symbol,
)
from sitegen.parallel import spread_stages
from sitegen.previous import find_gone, identities
from sitegen.profiles import read_profile
from sitegen.steps import FileSteps, read_steps, trace_lines
from sitegen.store import NullStore, Store, derive

Lines = tuple[int, str | None, tuple[int, ...]]  # raw lines, digest of the source as it ran if known, lines per trace
Recorded = tuple[str, bool, Lines]  # slug, whether its playback failed, what it ran of a file
Steps = tuple[tuple[str, Known[tuple[FileSteps, ...]]], ...]  # slug, what its steps ran of all files
Names = tuple[tuple[str, str | None], ...]  # id and parent of each symbol of a file


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One source file: its bytes, what profiles recorded of it, and the digest of its coverage."""

    path: str
    module: str  # its id
    source: Known[bytes]
    inventory: Known[FileInventory]
    recorded: tuple[tuple[str, bool, Known[Lines]], ...]
    steps: Steps  # of the profiles in `recorded`
    digest: str

    def coverage(self) -> Known[FileCoverage]:
        """Return the file's coverage, made once somebody asks."""
        return Known(digest=self.digest, load=lambda: cover(self.inventory.value, plain(self.recorded)))


@dataclass(frozen=True, slots=True)
class Plan:
    """All files by path, all profiles by slug."""

    config: SiteConfig
    files: tuple[FilePlan, ...]
    heads: tuple[Known[ProfileHead], ...]
    slugs: tuple[str, ...]
    commit: str | None
    previous: Known[Previous | None]
    gone: Known[tuple[Gone, ...]]  # what the previous site had and this one has not


def plan_of(snapshot: Snapshot, store: Store, jobs: int = 1) -> Plan:
    """Join source and profile data; a changed file or profile redoes its own stages and what depends on them."""
    sources = {source.path: source.data for source in snapshot.sources}
    inventories, renamed = _named(_inventories(snapshot.sources, snapshot.exclude, store, jobs), store)
    modules = {source.path: source.module for source in snapshot.sources} | renamed
    profiles = _profiles(snapshot, store, jobs)
    recorded: dict[str, list[tuple[str, bool, Known[Lines]]]] = {path: [] for path in inventories}
    steps = {slug: store.call(read_steps, profile) for slug, profile in profiles.items()}
    for slug, profile in profiles.items():
        failed, lines = store.call(lines_of_profile, profile).value
        for path, found, own in lines:
            recorded[path].append((slug, failed, Known(own, found)))
    return Plan(
        config=snapshot.config,
        files=tuple(
            FilePlan(
                *(path, modules[path], sources[path], inventory, tuple(own)),
                tuple((run[0], steps[run[0]]) for run in own),
                derive(cover, inventory, tuple(own)).digest,
            )
            for (path, inventory), own in zip(inventories.items(), recorded.values(), strict=True)
        ),
        heads=tuple(store.call(head_of_profile, profile) for profile in profiles.values()),
        slugs=tuple(profiles),
        commit=snapshot.commit,
        previous=(previous := Known(snapshot.previous)),
        gone=_gone(previous, inventories, snapshot.commit, store),
    )


def build_atlas(snapshot: Snapshot, store: Store) -> Atlas:
    """Return everything that is known, joined, in memory at once."""
    plan = plan_of(snapshot, store)
    files = tuple(file.coverage().value for file in plan.files)
    return Atlas(
        config=plan.config,
        files=files,
        profiles=tuple(head.value for head in plan.heads),
        matrix=build_matrix(plan.slugs, files),
        gaps=find_gaps(files),
    )


def _gone(
    previous: Known[Previous | None], inventories: dict[str, Known[FileInventory]], commit: str | None, store: Store
) -> Known[tuple[Gone, ...]]:
    if previous.value is None:
        return Known(())
    return store.call(find_gone, previous, tuple(store.call(identities, item) for item in inventories.values()), commit)


# ── inventory ────────────────────────────────────────────────────────────────────────────────────────────────────


def inventory_of(sources: tuple[SourceText, ...], exclude: str, store: Store) -> Inventory:
    """Return what the sources define, one stage a file."""
    return join_inventory(tuple(store.memo(read_inventory, s.path, s.module, s.data, exclude) for s in sources))


def _inventories(
    sources: tuple[SourceText, ...], exclude: str, store: Store, jobs: int
) -> dict[str, Known[FileInventory]]:
    def read(source: SourceText) -> Known[FileInventory]:
        return store.call(read_inventory, source.path, source.module, source.data, exclude)

    def named(source: SourceText) -> str:
        file = read(source)
        store.call(symbol_paths, file)
        return store.call(names_only, file).digest

    known = {s.path: store.look(read_inventory, s.path, s.module, s.data, exclude) for s in sources}
    todo = [] if isinstance(store, NullStore) else [source for source in sources if known[source.path] is None]
    spread_stages(named, todo, store, jobs)
    return {s.path: known[s.path] or read(s) for s in sorted(sources, key=lambda source: source.path)}


def _named(
    inventories: dict[str, Known[FileInventory]], store: Store
) -> tuple[dict[str, Known[FileInventory]], dict[str, str]]:
    """Return the inventories with ids that are unique over all files, as `join_inventory` says, and renamed modules."""
    bare = tuple(store.call(names_only, inventory) for inventory in inventories.values())
    names = dict(store.call(new_names, bare).value)
    named = {
        path: store.call(with_names, inventory, names[path]) if path in names else inventory
        for path, inventory in inventories.items()
    }
    return named, {path: own[0][0] for path, own in names.items()}


def names_only(file: FileInventory) -> FileInventory:
    """Return the inventory with the names of its symbols and nothing else: what joining depends on."""
    symbols = tuple(Symbol(s.id, "", "module", s.parent, 0, 0, "", (), False, 0, 0) for s in file.symbols)
    return FileInventory(file.path, file.module, "", 0, 0, (), symbols)


def symbol_paths(file: FileInventory) -> tuple[str, ...]:
    """Return the paths of a file's own pages and of their twin."""
    pages = (symbol_path(symbol.id, symbol.kind) for symbol in file.symbols)
    return (*pages, module_data_path(file.symbols[0].id))


def new_names(bare: tuple[FileInventory, ...]) -> tuple[tuple[str, Names], ...]:
    """Return, for each file whose symbols must be renamed, its path and their ids and parents."""
    found = []
    for before, after in zip(bare, join_inventory(bare).files, strict=True):
        if before.symbols != after.symbols:
            found.append((after.path, tuple((symbol.id, symbol.parent) for symbol in after.symbols)))
    return tuple(found)


def with_names(file: FileInventory, names: Names) -> FileInventory:
    """Return the inventory with other ids and parents."""
    symbols = (
        replace(symbol, id=name, parent=above) for symbol, (name, above) in zip(file.symbols, names, strict=True)
    )
    return replace(file, symbols=tuple(symbols))


# ── profiles ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _profiles(snapshot: Snapshot, store: Store, jobs: int) -> dict[str, Known[ProfileData]]:
    # Paths only: were the bytes among the arguments, one changed file would read every profile again.
    tree = Known(tuple(sorted((source.path, source.absolute) for source in snapshot.sources)))
    given = sorted(snapshot.profiles, key=lambda profile: profile.slug)

    def read(profile: ProfileInput) -> str:
        known = store.call(read_profile, profile, tree)
        for stage in (read_steps, lines_of_profile, head_of_profile):
            store.call(stage, known)
        return known.digest

    todo = [profile for profile in given if store.look(read_profile, profile, tree) is None]
    spread_stages(read, [] if isinstance(store, NullStore) else todo, store, jobs, fewest=4)
    return {profile.slug: store.call(read_profile, profile, tree) for profile in given}


def head_of_profile(profile: ProfileData) -> ProfileHead:
    """Return who a profile is."""
    return profile.head


def lines_of_profile(profile: ProfileData) -> tuple[bool, tuple[tuple[str, str, Lines], ...]]:
    """Return whether the playback failed and, of each file, path, digest of its lines, and lines.

    The digest, since every build asks for that of every profile × file.
    """
    digests, traces = dict(profile.sources), trace_lines(profile)
    lines = ((path, (mask, digests.get(path), traces.get(path, ()))) for path, mask in profile.files)
    return profile.head.status == "failed", tuple((path, digest(own), own) for path, own in lines)


# ── attribution ──────────────────────────────────────────────────────────────────────────────────────────────────


def cover(file: FileInventory, recorded: tuple[Recorded, ...]) -> FileCoverage:
    """Return a file's coverage; stale where another source ran or, without a digest, lines where nothing can run."""
    raw = []
    for slug, failed, (lines, source, traces) in recorded:
        stale = source != file.digest if source is not None else bool(strangers(file, lines))
        raw.append(RawLines(slug, lines, failed, stale, called_lines(file, traces)))
    return attribute(file, tuple(raw))
