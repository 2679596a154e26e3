"""Digests of the files of a site, without reading those that are surely as they were; and whether all of them are.

A file's digest is believed while size, inode, modification and change time are those that were seen after it was
written, and both times lie before the completion token's, which is written last, by the same clock. A file as young as
the token could have been changed again in the same tick: it is read, as git does it.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"covatlas stat 3\n"
_HEAD = struct.Struct("<32sqq")  # digest of the token, number of files, time of the newest in ns
_STAT = struct.Struct("=qqqQ")
Stat = bytes  # packed: size, modification and change time in ns, inode


@dataclass(frozen=True, slots=True)
class Present:
    """The files below a directory, their digests and stats; `read` counts those that had to be read.

    `token` is the token's digest where no file that was saved changed since, whatever others put there, else "".
    """

    digests: Mapping[str, str]
    read: int
    stats: Mapping[str, Stat]
    token: str = ""


def look_at(site_dir: Path, token: str, memory: Path) -> Present:
    """Return the digest of every file below `site_dir`; `token` is the file written last, `memory` what was saved."""
    stats = stats_below(site_dir)
    body = _read(memory) if token in stats else b""
    found = {token: hash_file(site_dir / token)} if token in stats else {}
    missing = True
    if body and body[:32].hex() == found[token]:
        paths, digests, saved, newest = _parts(body)
        young = _STAT.unpack(stats[token])[1]
        for number, path in enumerate(paths):
            stat = saved[_STAT.size * number : _STAT.size * (number + 1)]
            if stats.get(path) == stat and (newest < young or _newest(stat) < young):
                found[path] = digests[64 * number : 64 * (number + 1)]
        missing = len(found) <= len(paths)
    read = 1 if found else 0
    for path in stats.keys() - found.keys():
        found[path] = hash_file(site_dir / path)
        read += 1
    return Present(found, read, stats, "" if missing else found[token])


def save(
    site_dir: Path, token: str, memory: Path, digests: Mapping[str, str], stats: Mapping[str, Stat] | None = None
) -> None:
    """Remember the files of a site that was just made and whose token stands; failing to is only slower.

    `stats` may be older than a change that somebody else made meanwhile: then the next build reads that file.
    """
    stats = stats_below(site_dir) if stats is None else stats
    paths = [path for path in digests if path in stats and path != token]
    saved = b"".join([stats[path] for path in paths])
    body = b"".join(
        (
            _HEAD.pack(bytes.fromhex(hash_file(site_dir / token)), len(paths), _newest(saved)),
            bytes.fromhex("".join([digests[path] for path in paths])),
            saved,
            "\0".join(paths).encode("utf-8", "surrogateescape"),
        )
    )
    temporary = memory.with_name(f".{memory.name}.{os.getpid()}.tmp")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(_MAGIC + hashlib.sha256(body).digest() + body)
        os.replace(temporary, memory)
    except OSError:
        return  # the next build reads the files


def memory_of(cache_dir: Path, site_dir: Path) -> Path:
    """Return where a site directory's stat cache is kept."""
    name = hashlib.sha256(os.fsencode(site_dir.resolve())).hexdigest()[:16]
    return cache_dir / "sites" / name


def stats_below(site_dir: Path) -> dict[str, Stat]:
    """Return the stat of every file below a directory."""
    found: dict[str, Stat] = {}
    folders = [("", str(site_dir))]
    while folders:
        prefix, folder = folders.pop()
        try:
            scan = os.scandir(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        with scan:
            for entry in scan:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{prefix}{entry.name}/", entry.path))
                else:
                    found[prefix + entry.name] = _of(entry.stat(follow_symlinks=False))
    return found


def stats_after(site_dir: Path, before: Mapping[str, Stat], written: Iterable[str]) -> dict[str, Stat]:
    """Return the stats of a directory in which only `written` changed since `before`."""
    return {**before, **{path: _of(os.lstat(f"{site_dir}/{path}")) for path in written}}


def _of(stat: os.stat_result) -> Stat:
    return _STAT.pack(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def _newest(stats: bytes) -> int:
    """Return the latest time in packed stats."""
    fields = memoryview(stats).cast("q").tolist()
    return max(fields[1::4] + fields[2::4], default=0)


def hash_file(path: Path) -> str:
    """Return a regular file's sha256; anything else has none, so it never is what it should be."""
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _read(memory: Path) -> bytes:
    try:
        data = memory.read_bytes()
    except OSError:
        return b""
    start = len(_MAGIC) + 32
    body = data[start:]
    return body if data[:start] == _MAGIC + hashlib.sha256(body).digest() else b""


def _parts(body: bytes) -> tuple[list[str], str, bytes, int]:
    """Return paths, digests in hex and packed stats one after the other, and the time of the newest file."""
    _, count, newest = _HEAD.unpack_from(body)
    stats = _HEAD.size + 32 * count
    names = stats + _STAT.size * count
    paths = body[names:].decode("utf-8", "surrogateescape").split("\0") if count else []
    return paths, body[_HEAD.size : stats].hex(), body[stats:names], newest
