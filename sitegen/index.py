"""What the cache knows: fingerprint → digest of the result, in one file that is only ever added to.

A record is key, digest and a check sum of both; a torn or damaged record is no record. Two builds at a time can only
add twice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

_MAGIC = b"covatlas index 1" + b"\n" * 56  # as long as a record, so that records stay aligned
_CHECK = 8
RECORD = 64 + _CHECK
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
        if found is None:
            return None
        self.used.add(raw)
        return found.hex()

    def put(self, key: str, digest: str) -> None:
        """Add a record; it is on disk after the next `flush`."""
        raw, found = bytes.fromhex(key), bytes.fromhex(digest)
        self.used.add(raw)
        if self._found.get(raw) != found:
            self._found[raw] = found
            self._pending.append(_record(raw, found))
            if len(self._pending) >= _BATCH:
                self.flush()

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
        """Add what another index, or this one, drained."""
        records, used = drained
        self._found.update((record[:32], record[32:64]) for record in records)
        self._pending += records
        self.used |= used

    def keys_of(self, digests: set[str]) -> set[str]:
        """Return the keys whose result is among `digests`."""
        return {key.hex() for key, digest in self._found.items() if digest.hex() in digests}

    def items(self) -> Iterable[tuple[str, str]]:
        """Yield (key, digest) of every record."""
        return ((key.hex(), digest.hex()) for key, digest in self._found.items())

    def rewrite(self, keys: set[str]) -> None:
        """Keep the records of `keys` only."""
        self._found = {key: digest for key, digest in self._found.items() if key.hex() in keys}
        self._pending = []
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(_MAGIC + b"".join(_record(key, digest) for key, digest in self._found.items()))
        os.replace(temporary, self._path)


def _record(key: bytes, digest: bytes) -> bytes:
    return key + digest + hashlib.sha256(key + digest).digest()[:_CHECK]


def _read(path: Path) -> dict[bytes, bytes]:
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    found = {}
    sha256 = hashlib.sha256
    for start in range(RECORD, len(data) - RECORD + 1, RECORD):
        key = data[start : start + 32]
        digest = data[start + 32 : start + 64]
        if sha256(key + digest).digest()[:_CHECK] == data[start + 64 : start + RECORD]:
            found[key] = digest
    return found
