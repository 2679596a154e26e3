"""The only writer of the site: makes a directory equal to a manifest, and touches nothing that is not ours."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from instrument.errors import CovatlasError
from sitegen.statcache import hash_file

TOKEN = ".covatlas.json"  # written last: the tree is whole and these files are ours
JOURNAL = ".covatlas.writing.json"  # there while we write: the tree may be torn, these files are ours
SCHEMA = 1
_TEMPORARY = ".covatlas-tmp"


class SiteChanged(CovatlasError):
    """Say that another build published since this one looked at the site: what differs is not what was staged."""


@dataclass(frozen=True, slots=True)
class Published:
    """What one publication did: paths that were written, paths that were deleted, and the digest of the token."""

    written: tuple[str, ...]
    deleted: tuple[str, ...]
    token: str


@contextmanager
def alone(site_dir: Path, present: Mapping[str, str]) -> Iterator[None]:
    """Let no other build publish meanwhile; raise SiteChanged if one did since `present` was looked at."""
    with suppress(OSError):  # `publish` says what is wrong with the place
        site_dir.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(site_dir, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        now = {path: hash_file(site_dir / path) for path in (TOKEN, JOURNAL) if _is_entry(site_dir / path)}
        if now != {path: present[path] for path in (TOKEN, JOURNAL) if path in present}:
            raise SiteChanged(f"{site_dir}: another build published it meanwhile; run this one again")
        yield
    finally:
        os.close(handle)


def _is_entry(path: Path) -> bool:
    """Return whether there is anything but a folder: what may be among the files of a site."""
    return path.is_symlink() or (path.exists() and not path.is_dir())


def publish(site_dir: Path, manifest: Mapping[str, str], present: Mapping[str, str], staging: Path) -> Published:
    """Make `site_dir` hold exactly `manifest` (posix path → sha256) beside what others put there.

    `present` are the digests of the files in it; those that differ are renamed from below `staging`, and files that an
    earlier publication made and this one does not are deleted. Raises CovatlasError before anything is touched when
    the directory holds files of foreign making and no token, or a foreign file where one of ours must go.
    """
    stray = left_over(present)
    ours = _claim(site_dir, manifest, present.keys() - {TOKEN, *stray})
    differing = sorted(path for path, found in manifest.items() if present.get(path) != found)
    token = encode_token(manifest)
    digest = hashlib.sha256(token).hexdigest()
    gone = sorted(ours - manifest.keys())
    if not (differing or gone or stray) and present.get(TOKEN) == digest:
        return Published((), (), digest)
    try:
        site_dir.mkdir(parents=True, exist_ok=True)
        _replace(site_dir / JOURNAL, _encode({"schema": SCHEMA, "files": [*manifest, *gone]}))
        (site_dir / TOKEN).unlink(missing_ok=True)
        for path in stray - {JOURNAL}:
            (site_dir / path).unlink(missing_ok=True)
        deleted = tuple(path for path in gone if _delete(site_dir, path))
        for path in differing:
            _move(f"{staging}/{path}", f"{site_dir}/{path}")
        _write_token(site_dir, token, differing)
        (site_dir / JOURNAL).unlink()
    except OSError as error:
        raise CovatlasError(
            f"{site_dir}: the site cannot be written ({error}); mend that or choose --site-dir"
        ) from None
    return Published(tuple(differing), deleted, digest)


def left_over(paths: Iterable[str]) -> set[str]:
    """Return what a publication that was killed left among the files of a site."""
    return {path for path in paths if path == JOURNAL or path.endswith(_TEMPORARY)}


def encode_token(manifest: Mapping[str, str]) -> bytes:
    """Return the token: the digest of each file and, for the whole, of the manifest."""
    files = _encode(dict(manifest)).rstrip()
    return _encode({"schema": SCHEMA, "digest": hashlib.sha256(files).hexdigest(), "files": orjson.Fragment(files)})


def manifest_digest(digests: Mapping[str, str]) -> str:
    """Return the digest of a manifest (path → sha256 in hex): of its JSON with sorted keys."""
    return hashlib.sha256(_encode(dict(digests)).rstrip()).hexdigest()


def read_token(site_dir: Path) -> dict[str, str] | None:
    """Return the manifest of a whole site, None where there is none."""
    try:
        value = orjson.loads((site_dir / TOKEN).read_bytes())
        files = value["files"]
        return files if manifest_digest(files) == value["digest"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _claim(site_dir: Path, manifest: Mapping[str, str], found: set[str]) -> set[str]:
    """Return which of the files that were found in `site_dir` we made, or refuse the directory."""
    if site_dir.exists() and not site_dir.is_dir():
        raise CovatlasError(f"{site_dir}: not a directory; choose another --site-dir")
    listed = _listed(site_dir / JOURNAL) or _listed(site_dir / TOKEN)
    if listed is None:
        foreign = sorted(found - manifest.keys())
        if foreign:
            raise CovatlasError(
                f"{site_dir}: holds files that Covatlas did not make ({foreign[0]!r} and {len(foreign) - 1} more); "
                "choose another --site-dir or empty this one"
            )
        return found
    if not found <= listed:
        _refuse_obstacles(site_dir, manifest, found - listed)
    clash = sorted((found - listed) & manifest.keys())
    if clash:
        raise CovatlasError(
            f"{site_dir / clash[0]}: Covatlas did not make this file and would overwrite it; move it away"
        )
    return listed & found  # never a path that is not below site_dir, whatever a token says


def _refuse_obstacles(site_dir: Path, manifest: Mapping[str, str], found: set[str]) -> None:
    """Refuse a file or link where a folder must be, which could lead anywhere, and a folder where a file must be."""
    folders = {path.rpartition("/")[0] for path in manifest}
    above = {
        "/".join(parts[:end]) for parts in (path.split("/") for path in folders) for end in range(1, len(parts) + 1)
    }
    for path in sorted(found & above):
        raise CovatlasError(f"{site_dir / path}: is no folder, and pages lie below it; move it away")
    below = {path.rpartition("/")[0] for path in found} & manifest.keys()
    for path in sorted(below):
        raise CovatlasError(f"{site_dir / path}: is a folder where a page of that name lies; move it away")


def _listed(path: Path) -> set[str] | None:
    try:
        files = orjson.loads(path.read_bytes())["files"]
        return set(files) if isinstance(files, dict) else {item for item in files if isinstance(item, str)}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a torn token proves nothing: the directory is judged by what it holds


def _delete(site_dir: Path, path: str) -> bool:
    target = site_dir / path
    try:
        target.unlink()
    except FileNotFoundError:
        return False
    for folder in target.parents:
        if folder == site_dir:
            break
        try:
            folder.rmdir()
        except OSError:
            break  # not empty
    return True


def _move(source: str, target: str) -> None:
    """Rename a staged file to its place; from another file system it is copied beside its place first."""
    try:
        os.replace(source, target)
        return
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EXDEV):
            raise
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        temporary = f"{target}.{os.getpid()}{_TEMPORARY}"
        shutil.copyfile(source, temporary)
        os.replace(temporary, target)


def _write_token(site_dir: Path, token: bytes, written: Sequence[str]) -> None:
    """Write the token once the disk's clock has moved on from the last file's time: only so are times believed."""
    newest = (site_dir / written[-1]).stat().st_ctime_ns if written else 0
    for _ in range(50):
        _replace(site_dir / TOKEN, token)
        if (site_dir / TOKEN).stat().st_mtime_ns > newest:
            return
        time.sleep(0.001)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def _encode(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
