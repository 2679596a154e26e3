"""Values in the cache: one file per value, named by its digest, written in one rename and read with care."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

_MAGIC = b"covatlas2\n"
_START = len(_MAGIC) + hashlib.sha256().digest_size  # of the payload
# The modules whose dataclasses may be kept.
_ROOMS = ("before", "cells", "changes", "fragments", "frame", "frames", "model", "parts", "steps", "tables", "views")
HOMES = frozenset(f"sitegen.{name}" for name in _ROOMS)


def entry_path(folder: Path, digest: str) -> Path:
    """Return where the value with a digest is kept."""
    return folder / "values" / digest[:2] / digest[2:]


def read_entry(folder: Path, digest: str) -> tuple[bool, Any]:
    """Return (True, value) of an undamaged entry, else (False, None)."""
    data = _whole(folder, digest)
    if data is None:
        return False, None
    payload = io.BytesIO(data)  # no copy: some are large
    payload.seek(_START)
    try:
        return True, _Unpickler(payload).load()
    except Exception:  # whatever a forged payload makes the unpickler raise: a miss, the result is made again
        return False, None


def is_whole(folder: Path, digest: str) -> bool:
    """Return whether an entry is there and undamaged."""
    return _whole(folder, digest) is not None


def _whole(folder: Path, digest: str) -> bytes | None:
    try:
        data = _read(f"{folder}/values/{digest[:2]}/{digest[2:]}")
    except OSError:
        return None
    return data if data[:_START] == _MAGIC + _check(digest, memoryview(data)[_START:]) else None


def _read(path: str) -> bytes:
    """Return a file's bytes; what `open` asks the system besides is half of the time that a small file takes."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return os.read(handle, os.fstat(handle).st_size)
    finally:
        os.close(handle)


def _check(digest: str, payload: bytes | memoryview) -> bytes:
    check = hashlib.sha256(digest.encode())  # an entry in another's place is damaged
    check.update(payload)
    return check.digest()


def write_entry(folder: Path, digest: str, value: object) -> None:
    """Write an entry in one rename, so that no reader ever sees half of it."""
    payload = _dumps(value)
    home = f"{folder}/values/{digest[:2]}"
    temporary = f"{home}/.{digest[2:]}.{os.getpid()}.tmp"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    except FileNotFoundError:
        os.makedirs(home, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        with open(handle, "wb", buffering=0) as file:
            file.write(_MAGIC + _check(digest, payload) + payload)
        os.replace(temporary, f"{home}/{digest[2:]}")
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
        """Return (class, fields) of a dataclass that may be kept, else leave it to pickle."""
        kind = type(value)
        if is_dataclass(kind):
            if kind.__module__ not in HOMES:
                raise TypeError(f"{kind.__module__}.{kind.__qualname__}: nobody could read it back; see _ROOMS")
            return kind, tuple(getattr(value, name) for name in kind.__match_args__)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    """Makes values of our own model and nothing else: a forged entry can name no other code to run."""

    def find_class(self, module: str, name: str) -> type:
        """Return a dataclass that may be kept; refuse every other name."""
        home = sys.modules.get(module) if module in HOMES else None
        if home is None and module in HOMES:
            home = __import__(module, fromlist=[name])
        found = vars(home).get(name) if home is not None else None
        if isinstance(found, type) and is_dataclass(found) and found.__module__ == module:
            return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in the cache")
