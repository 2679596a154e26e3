"""What `covatlas verify` and `covatlas gc` do: hash everything that is kept, and keep the cache small."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from instrument.errors import Finding
from sitegen.entries import entry_path, is_whole
from sitegen.generate import BuildOptions, Say, new_staging
from sitegen.index import Index
from sitegen.publish import JOURNAL, TOKEN, read_token
from sitegen.store import used_lists

KEPT_BUILDS = 3  # whose results gc spares


def verify(options: BuildOptions, say: Say) -> None:
    """Hash every file of the site and every entry of the cache; raise Finding where one is not what it should be."""
    site, cache = options.site_dir, options.cache_dir
    found = list(_site_findings(site))
    damaged = [digest for digest in _entries(cache / "stages") if not is_whole(cache / "stages", digest)]
    found += [f"{entry_path(cache / 'stages', digest)}: the cache entry is damaged" for digest in damaged]
    for sentence in found:
        say(sentence)
    if found:
        raise Finding(
            f"{len(found)} of the files of {site} and {cache} are not what they should be; "
            "mend them with: covatlas build" + (" && covatlas gc" if damaged else "")
        )
    manifest = read_token(site) or {}
    say(f"{len(manifest)} files of {site} and {sum(1 for _ in _entries(cache / 'stages'))} cache entries are whole")


def _site_findings(site: Path) -> Iterator[str]:
    if (site / JOURNAL).exists():
        yield f"{site}: a build was killed while it published"
    manifest = read_token(site)
    if manifest is None:
        yield f"{site}: there is no whole site ({TOKEN} is missing or damaged)"
        return
    for path, digest in sorted(manifest.items()):
        try:
            data = (site / path).read_bytes() if (site / path).is_file() else None  # a pipe keeps whoever opens it
        except OSError:
            data = None
        if data is None:
            yield f"{site / path}: the file is missing"
        elif hashlib.sha256(data).hexdigest() != digest:
            yield f"{site / path}: the file was changed"


def _entries(stages: Path) -> Iterator[str]:
    """Yield the digest of every entry."""
    for folder in sorted((stages / "values").glob("??/")):
        for name in sorted(os.listdir(folder)):
            if not name.endswith(".tmp"):
                yield folder.name + name


@dataclass(frozen=True, slots=True)
class Collected:
    """What gc left and took: bytes and entries kept, entries and temporary files removed."""

    kept: int
    size: int
    removed: int
    temporary: int

    def __str__(self) -> str:
        """Return the closing line."""
        return (
            f"{self.kept} entries kept, {self.size / 1e6:.1f} MB; {self.removed} entries and {self.temporary} "
            "temporary files removed"
        )


def collect(options: BuildOptions, max_bytes: int | None) -> Collected:
    """Remove what the last builds did not use, damaged entries and left-over temporary files.

    With `max_bytes`, the results of older builds go too until the rest is no larger; the newest build's go last, all.
    """
    stages = options.cache_dir / "stages"
    if not stages.is_dir():
        return Collected(0, 0, 0, 0)
    temporary = _sweep(options.cache_dir)
    index = Index(stages / "index")
    records = dict(index.items())
    builds = [_keys(path) for path in used_files(stages)[:KEPT_BUILDS]]
    keys = set().union(*builds) & records.keys() if builds else set(records)
    while max_bytes is not None and _size(stages, {records[key] for key in keys}) > max_bytes and keys:
        builds = builds[:-1]
        keys = set().union(*builds) & records.keys() if builds else set()
    wanted = {records[key] for key in keys}
    removed = 0
    for digest in list(_entries(stages)):
        if digest not in wanted or not is_whole(stages, digest):
            _remove(entry_path(stages, digest))
            removed += 1
    index.rewrite(keys)
    for path in used_files(stages)[max(1, len(builds)) :]:
        path.unlink(missing_ok=True)
    kept = set(_entries(stages))
    return Collected(len(kept), _size(stages, kept), removed, temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _size(stages: Path, digests: set[str]) -> int:
    total = 0
    for digest in digests:
        try:
            total += entry_path(stages, digest).stat().st_size
        except OSError:
            continue  # a page's bytes are in the site, not here
    return total


def _sweep(cache: Path) -> int:
    """Remove temporary files and folders of builds that were killed."""
    left = [path for path in cache.rglob("*.tmp") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    before = len(list(cache.glob("staging-*")))
    shutil.rmtree(new_staging(cache), ignore_errors=True)
    return len(left) + before - len(list(cache.glob("staging-*")))


# ── what each build used ─────────────────────────────────────────────────────────────────────────────────────────


def used_files(stages: Path) -> list[Path]:
    """Return the lists of keys that builds used, the latest first."""
    return used_lists(stages)[::-1]


def _keys(path: Path) -> set[str]:
    data = path.read_bytes()
    return {data[start : start + 32].hex() for start in range(0, len(data) - 31, 32)}
