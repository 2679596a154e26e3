"""Snapshot → Atlas: reads like a table of contents. Every stage is pure and memoised by what it is given."""

from __future__ import annotations

from dataclasses import replace

from sitegen.attribution import RawLines, attribute, strangers
from sitegen.inventory import join_inventory, read_inventory
from sitegen.matrix import build_matrix, find_gaps
from sitegen.model import Atlas, FileCoverage, FileInventory, Inventory, ProfileData, Snapshot, SourceText
from sitegen.profiles import read_profile
from sitegen.store import Store


def build_atlas(snapshot: Snapshot, store: Store) -> Atlas:
    """Join source and profile data; a changed file or profile redoes its own stages and what depends on them."""
    inventory = inventory_of(snapshot.sources, snapshot.exclude, store)
    profiles = _profiles(snapshot, inventory, store)
    files = _attribution(inventory, profiles, store)
    slugs = tuple(profile.head.slug for profile in profiles)
    return Atlas(
        config=snapshot.config,
        files=files,
        profiles=tuple(profile.head for profile in profiles),
        matrix=build_matrix(slugs, files),
        gaps=find_gaps(files),
    )


def inventory_of(sources: tuple[SourceText, ...], exclude: str, store: Store) -> Inventory:
    """Return what the sources define, one stage a file."""
    return join_inventory(
        tuple(store.memo(read_inventory, source.path, source.module, source.data, exclude) for source in sources)
    )


def _profiles(snapshot: Snapshot, inventory: Inventory, store: Store) -> tuple[ProfileData, ...]:
    # Paths only: were the bytes among the arguments, one changed file would read every profile again.
    tree = tuple(sorted((source.path, source.absolute) for source in snapshot.sources))
    files = {file.path: file for file in inventory.files}
    return tuple(
        _with_stale(store.memo(read_profile, profile, tree), files)
        for profile in sorted(snapshot.profiles, key=lambda profile: profile.slug)
    )


def _with_stale(profile: ProfileData, files: dict[str, FileInventory]) -> ProfileData:
    """Name the files that changed since: another digest than recorded or, unknown, lines where nothing can run."""
    digests = dict(profile.sources)
    stale = []
    for path, lines in profile.files:
        file = files[path]
        if digests[path] != file.digest if path in digests else strangers(file, lines):
            stale.append(path)
    return replace(profile, stale=tuple(stale))


def _attribution(inventory: Inventory, profiles: tuple[ProfileData, ...], store: Store) -> tuple[FileCoverage, ...]:
    recorded: dict[str, list[RawLines]] = {file.path: [] for file in inventory.files}
    for profile in profiles:
        failed = profile.head.status == "failed"
        for path, lines in profile.files:
            recorded[path].append(RawLines(profile.head.slug, lines, failed, path in profile.stale))
    return tuple(store.memo(attribute, file, tuple(recorded[file.path])) for file in inventory.files)
