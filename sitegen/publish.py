"""The only writer of the site: makes a directory equal to a manifest, and touches nothing that is not ours."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from instrument.errors import CovatlasError

TOKEN = ".covatlas.json"  # written last: the tree is whole and these files are ours
JOURNAL = ".covatlas.writing.json"  # there while we write: the tree may be torn, these files are ours
SCHEMA = 1
_TEMPORARY = ".covatlas-tmp"


@dataclass(frozen=True, slots=True)
class Published:
    """What one publication did: paths that were written, paths that were deleted, and all paths of the site."""

    written: tuple[str, ...]
    deleted: tuple[str, ...]
    paths: tuple[str, ...]


def publish(site_dir: Path, outputs: Mapping[str, Callable[[], bytes]]) -> Published:
    """Make `site_dir` hold exactly `outputs` (posix path → its bytes when asked for) beside what others put there.

    Only files that differ are written, each under a temporary name and renamed; files that an earlier publication made
    and this one does not are deleted. Raises CovatlasError before anything is touched when the directory holds
    files of foreign making and no token, or a foreign file where one of ours must go.
    """
    ours = _claim(site_dir, outputs)
    known = sorted(ours | set(outputs))
    try:
        site_dir.mkdir(parents=True, exist_ok=True)
        _replace(site_dir / JOURNAL, _encode({"schema": SCHEMA, "files": known}))
        (site_dir / TOKEN).unlink(missing_ok=True)
        for left_over in site_dir.rglob(f"*{_TEMPORARY}"):  # of a publication that was killed
            left_over.unlink()
        deleted = tuple(path for path in sorted(ours - set(outputs)) if _delete(site_dir, path))
        written: list[str] = []
        digests: dict[str, str] = {}
        for path in sorted(outputs):
            data = outputs[path]()
            digests[path] = hashlib.sha256(data).hexdigest()
            if _read(site_dir / path) != data:
                _replace(site_dir / path, data)
                written.append(path)
        encoded = _encode({"schema": SCHEMA, "digest": manifest_digest(digests), "files": digests})
        _replace(site_dir / TOKEN, encoded)
        (site_dir / JOURNAL).unlink()
    except OSError as error:
        raise CovatlasError(
            f"{site_dir}: the site cannot be written ({error}); mend that or choose --site-dir"
        ) from None
    return Published(tuple(written), deleted, tuple(sorted(outputs)))


def manifest_digest(digests: Mapping[str, str]) -> str:
    """Return the digest of a manifest (path → sha256 in hex)."""
    lines = "".join(f"{digests[path]} {path}\n" for path in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def _claim(site_dir: Path, outputs: Mapping[str, object]) -> set[str]:
    """Return the paths in `site_dir` that we made, or refuse the directory."""
    if site_dir.exists() and not site_dir.is_dir():
        raise CovatlasError(f"{site_dir}: not a directory; choose another --site-dir")
    listed = _listed(site_dir / JOURNAL) or _listed(site_dir / TOKEN)
    present = _files(site_dir) - {TOKEN, JOURNAL}
    if listed is None:
        foreign = sorted(present - set(outputs))
        if foreign:
            raise CovatlasError(
                f"{site_dir}: holds files that Covatlas did not make ({foreign[0]!r} and {len(foreign) - 1} more); "
                "choose another --site-dir or empty this one"
            )
        return present
    clash = sorted((present - listed) & set(outputs))
    if clash:
        raise CovatlasError(
            f"{site_dir / clash[0]}: Covatlas did not make this file and would overwrite it; move it away"
        )
    return listed & present  # never a path that is not below site_dir, whatever a token says


def _files(site_dir: Path) -> set[str]:
    found = set()
    for folder, _, names in os.walk(site_dir):
        base = Path(folder).relative_to(site_dir).as_posix()
        prefix = "" if base == "." else base + "/"
        found.update(prefix + name for name in names if not name.endswith(_TEMPORARY))
    return found


def _listed(path: Path) -> set[str] | None:
    data = _read(path)
    if data is None:
        return None
    try:
        files = json.loads(data)["files"]
        return {item for item in files if isinstance(item, str)}
    except (ValueError, KeyError, TypeError):
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


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def _encode(value: object) -> bytes:
    return (json.dumps(value, indent=0, sort_keys=True) + "\n").encode()
