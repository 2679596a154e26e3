"""The journal: a process's append-only, crash-safe file of finished traces, and the reading of any journal.

A journal is a text file, one record a line: the CRC-32 of the rest as eight hex digits, a space, and JSON
`{"c": context, "l": {path: [line, …]}, "s": slug}`. A torn or damaged line is left out and counted. The file is
locked (flock) while its process lives; one that nobody holds is recovered by whoever comes next.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import secrets
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from instrument.engine import Lines

FOLDER = "journal"
SUFFIX = ".journal"
OPEN_SUFFIX = ".open"
ROLL_BYTES = 32 * 1024 * 1024
_OPEN_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Record:
    """One finished trace, or a part of one."""

    slug: str
    context: str
    lines: dict[str, list[int]]


class Journal:
    """Append records of this process with one write each; the file is made at the first record."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER
        self._lock = threading.RLock()  # a finalizer may end a trace while a record is being written
        self._file = -1
        self._path: Path | None = None
        self._size = 0
        self._open: dict[str, int] = {}
        self._board: mmap.mmap | None = None

    def write(self, slug: str, context: str, lines: Lines) -> None:
        """Append one record; raise OSError if it cannot be written whole."""
        record = {"c": context, "l": {path: sorted(found) for path, found in lines.items()}, "s": slug}
        data = encode(record)
        with self._lock:
            if self._file < 0 or self._size + len(data) > ROLL_BYTES:
                self._begin()
            if os.write(self._file, data) != len(data):
                raise OSError(f"{self._path}: the disk took only a part of a record")
            self._size += len(data)

    def count(self, slug: str, step: int) -> None:
        """Change the number of open traces of `slug` that other processes can read beside the journal."""
        with self._lock:
            now = self._open.get(slug, 0) + step
            if now > 0:
                self._open[slug] = now
            else:
                self._open.pop(slug, None)
            if self._file < 0 and step > 0:
                self._begin()
            data = encode(self._open)
            if self._board is not None and len(data) <= _OPEN_BYTES:
                self._board[: len(data)] = data

    @property
    def open(self) -> dict[str, int]:
        """The open traces of this process per slug."""
        return dict(self._open)

    def roll(self) -> None:
        """Let go of the current file, so that it can be turned into shards; open counts move to the next one."""
        with self._lock:
            self.close()
            if self._open:
                self._begin()

    def close(self) -> None:
        """Let go of the current file; a later record begins the next one."""
        with self._lock:
            if self._file < 0 or self._path is None:
                return
            self._path.with_suffix(OPEN_SUFFIX).unlink(missing_ok=True)
            os.close(self._file)
            self._file, self._path, self._board = -1, None, None

    def after_fork(self) -> None:
        """Forget the parent's file in a forked child: closing our copy leaves the parent's lock in place."""
        self._lock = threading.RLock()
        self._open = {}
        if self._file >= 0:
            os.close(self._file)
        self._file, self._path, self._board = -1, None, None

    def _begin(self) -> None:
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{host()}.{os.getpid()}.{secrets.token_hex(4)}"
        hidden = self._folder / f"{name}.new"
        self._file = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        # Locked before it gets its name: nobody can take it for a leftover in between.
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._path = hidden.with_suffix(SUFFIX)
        self._size = 0
        board = self._path.with_suffix(OPEN_SUFFIX)
        with open(board, "w+b") as file:
            file.write(encode(self._open).ljust(_OPEN_BYTES, b"\n"))
            file.flush()
            self._board = mmap.mmap(file.fileno(), _OPEN_BYTES)
        os.rename(hidden, self._path)


def encode(value: object) -> bytes:
    """Return one journal line: checksum, space, JSON, newline."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> object:
    """Return the value of one journal line without its newline; raise ValueError if it is damaged."""
    if len(line) < 9 or line[8:9] != b" " or int(line[:8], 16) != zlib.crc32(line[9:]):
        raise ValueError("damaged line")
    return json.loads(line[9:])


def read_records(data: bytes) -> tuple[list[Record], int]:
    """Return the whole records of a journal's bytes and the number of damaged ones; a torn last line is no damage."""
    records: list[Record] = []
    damaged = 0
    for line in data.split(b"\n")[:-1]:
        try:
            value = decode(line)
            records.append(Record(value["s"], value["c"], value["l"]))  # type: ignore[index]
        except (ValueError, KeyError, TypeError):
            damaged += 1
    return records, damaged


def journals(directory: Path) -> list[Path]:
    """Return the journals of a coverage directory, live and left over."""
    return sorted((directory / FOLDER).glob(f"*{SUFFIX}"))


@contextmanager
def taken(path: Path) -> Iterator[bool]:
    """Try to take a journal that nobody holds; yield whether it is ours until the end of the block."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        # Somebody may have recovered and removed it between our open and our lock.
        yield path.exists()
    finally:
        os.close(file)


def open_traces(directory: Path) -> dict[str, int]:
    """Return the open traces per slug over all live processes of this directory."""
    total: dict[str, int] = {}
    for path in journals(directory):
        with taken(path) as left_over:
            if left_over:
                continue
        for slug, count in _read_board(path.with_suffix(OPEN_SUFFIX)).items():
            total[slug] = total.get(slug, 0) + count
    return total


def _read_board(path: Path) -> dict[str, int]:
    for _ in range(5):  # a write may be under way: its checksum tells
        try:
            value = decode(path.read_bytes().split(b"\n", 1)[0])
        except FileNotFoundError:
            return {}
        except ValueError:
            continue
        return value if isinstance(value, dict) else {}
    return {}


def host() -> str:
    """Return this machine's name, safe in a file name without dots."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in socket.gethostname()) or "host"
