"""What the cache knows: fingerprint → digest of the result, in one file that is only ever added to.

A record is key, digest and a check sum of both; a torn or damaged record is no record. Two builds at a time can only
add twice.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MAGIC = b"covatlas index 1" + b"\n" * 56  # as long as a record, so that records stay aligned
_CHECK = 8
RECORD = 64 + _CHECK
_PARTS = struct.Struct(f"32s{32 + _CHECK}s")  # key; digest and check sum
_BATCH = 2000  # records that a killed build may lose
Drained = tuple[list[bytes], set[bytes]]  # records, keys


class Index:
    """Keys and digests are sha256 in hex; `used` holds every key (raw) that was found or added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found = _read(path)
        self._pending: list[bytes] = []
        self.used: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: str) -> str | None:
        """Return the digest of the result under `key`."""
        raw = bytes.fromhex(key)
        found = self._found.get(raw)
        if found is None or _record(raw, found[:32])[32:] != found:
            return None
        self.used.add(raw)
        return found[:32].hex()

    def put(self, key: str, digest: str) -> None:
        """Add a record; it is on disk after the next `flush`."""
        raw = bytes.fromhex(key)
        self.used.add(raw)
        record = _record(raw, bytes.fromhex(digest))
        if self._found.get(raw) != record[32:]:
            self._found[raw] = record[32:]
            self._pending.append(record)
            if len(self._pending) >= _BATCH:
                self.flush()

    @contextmanager
    def noted(self) -> Iterator[set[bytes]]:
        """Yield a set that will have the keys that are used meanwhile."""
        before, self.used = self.used, set()
        try:
            yield self.used
        finally:
            self.used = before | self.used

    def use(self, keys: bytes) -> None:
        """Take keys, one after the other, for used."""
        self.used.update(keys[start : start + 32] for start in range(0, len(keys), 32))

    def flush(self) -> None:
        """Append what is pending in one write; raise OSError where that is refused."""
        if not self._pending:
            return
        data, self._pending = b"".join(self._pending), []
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "ab", buffering=0) as file:
            size = file.tell()
            if not size:
                data = _MAGIC + data
            elif size % RECORD:  # a write was torn: start on the grid again
                data = b"\n" * (RECORD - size % RECORD) + data
            file.write(data)

    def drain(self) -> Drained:
        """Return what was added and used since the last time, and forget that it was."""
        drained = self._pending, self.used
        self._pending, self.used = [], set()
        return drained

    def adopt(self, drained: Drained) -> None:
        """Add what the index of another process drained."""
        records, used = drained
        self._found.update((record[:32], record[32:]) for record in records)
        self._pending += records
        self.used |= used

    def items(self) -> Iterable[tuple[str, str]]:
        """Yield (key, digest) of every record."""
        for key, found in self._found.items():
            if _record(key, found[:32])[32:] == found:
                yield key.hex(), found[:32].hex()

    def rewrite(self, keys: set[str]) -> None:
        """Keep the records of `keys` only."""
        self._found = {key: found for key, found in self._found.items() if key.hex() in keys}
        self._pending = []
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(_MAGIC + b"".join(key + found for key, found in self._found.items()))
        os.replace(temporary, self._path)


def _record(key: bytes, digest: bytes) -> bytes:
    return key + digest + hashlib.sha256(key + digest).digest()[:_CHECK]


def _read(path: Path) -> dict[bytes, bytes]:
    """Return digest and check sum of each key; they are compared when one is asked for, which few ever are."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    return dict(_PARTS.iter_unpack(data[RECORD : len(data) // RECORD * RECORD]))
