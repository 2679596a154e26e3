"""Memo of pure stages: NullStore forgets, MemoryStore keeps for a process, DiskStore keeps in the cache directory.

A result is found again by the fingerprint of (toolchain, stage, arguments) and by nothing else, so a cache can only
save time: whatever is missing, damaged or unreadable is made again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import pickle
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sitegen import model
from sitegen.fingerprint import digest, fingerprint

Result = TypeVar("Result")
_MAGIC = b"covatlas1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size
_LIBRARIES = ("coverage", "jinja2", "markupsafe", "mkdocs", "mkdocs-material", "orjson", "pygments")
_RUNTIME = ("errors.py", "record.py", "slug.py")  # the modules of `instrument` that the generator computes with


class Store(Protocol):
    """Where results of stages are kept."""

    def memo(self, stage: Callable[..., Result], *args: object) -> Result:
        """Return `stage(*args)`, made now or found from an earlier call with equal arguments."""
        ...


class NullStore:
    """Keeps nothing: every stage runs."""

    def memo(self, stage: Callable[..., Result], *args: object) -> Result:
        """Return `stage(*args)`."""
        return stage(*args)


class MemoryStore:
    """Keeps results for as long as it lives."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def memo(self, stage: Callable[..., Result], *args: object) -> Result:
        """Return `stage(*args)`, run once per arguments."""
        key = fingerprint("", stage, args)
        if key not in self._kept:
            self._kept[key] = stage(*args)
        return self._kept[key]


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


class DiskStore:
    """Keeps results in files named by fingerprint; a directory that cannot be written is said once and left alone."""

    def __init__(self, path: Path, toolchain: str, say: Callable[[str], None] = _to_stderr) -> None:
        self._path = path
        self._toolchain = toolchain
        self._say = say
        self._writable = True

    def memo(self, stage: Callable[..., Result], *args: object) -> Result:
        """Return `stage(*args)`, read from its entry or run and written."""
        key = fingerprint(self._toolchain, stage, args)
        entry = self._path / key[:2] / key[2:]
        kept, value = _read(entry)
        if kept:
            return value
        value = stage(*args)
        if self._writable:
            self._write(entry, value)
        return value

    def _write(self, entry: Path, value: object) -> None:
        try:
            _write(entry, value)
        except OSError as error:
            self._writable = False
            self._say(
                f"the cache {self._path} cannot be written ({error.strerror or error}), so this build keeps nothing; "
                "mend the directory or name another --cache-dir"
            )


def toolchain() -> str:
    """Return the digest of what turns inputs into results besides arguments: own code, Python, libraries."""
    here = Path(__file__).parent
    sources = [*sorted(here.rglob("*.py")), *(here.parent / "instrument" / name for name in _RUNTIME)]
    code = tuple((path.relative_to(here.parent).as_posix(), path.read_bytes()) for path in sources)
    return digest((code, platform.python_implementation(), sys.version, _versions()))


def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append((name, ""))
    return tuple(found)


# ── entries ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(entry: Path) -> tuple[bool, Any]:
    """Return (True, value) of an undamaged entry, else (False, None)."""
    try:
        data = entry.read_bytes()
    except OSError:
        return False, None
    start = len(_MAGIC) + _DIGEST_SIZE
    payload = data[start:]
    if data[:start] != _MAGIC + hashlib.sha256(payload).digest():
        return False, None
    try:
        return True, _Unpickler(io.BytesIO(payload)).load()
    except Exception:  # whatever a forged payload makes the unpickler raise: a miss, the result is made again
        return False, None


def _write(entry: Path, value: object) -> None:
    """Write an entry in one rename, so that no reader ever sees half of it."""
    payload = _dumps(value)
    entry.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=entry.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(payload).digest() + payload)
        os.replace(temporary, entry)
    except BaseException:
        os.unlink(temporary)
        raise


def _dumps(value: object) -> bytes:
    out = io.BytesIO()
    _Pickler(out, protocol=5).dump(value)
    return out.getvalue()


class _Pickler(pickle.Pickler):
    """Writes a value of our model as its class and fields: read back three times as fast as dataclasses' own state."""

    def reducer_override(self, value: Any) -> Any:
        """Return (class, fields) of a dataclass of `sitegen.model`, else leave it to pickle."""
        kind = type(value)
        if kind.__module__ == model.__name__ and is_dataclass(kind):
            return kind, tuple(getattr(value, name) for name in kind.__match_args__)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    """Makes values of our own model and nothing else: a forged entry can name no other code to run."""

    def find_class(self, module: str, name: str) -> type:
        """Return a dataclass of `sitegen.model`; refuse every other name."""
        found = vars(model).get(name) if module == model.__name__ else None
        if isinstance(found, type) and is_dataclass(found) and found.__module__ == model.__name__:
            return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in the cache")
