"""The journal: a process's append-only, crash-safe file of finished traces, and the board beside it.

A journal is a text file, one record a line: the CRC-32 of the rest as eight hex digits, a space, and JSON
`{"c": context, "l": {path: [line, …]}, "s": slug}`. A torn or damaged line is left out and counted. The file is
locked (flock) while its process lives; one that nobody holds is recovered by whoever comes next. The board is one
such line of JSON, `{"open": {slug: count}, "problem": why, "refused": count}`, overwritten in place.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from instrument.engine import Lines

FOLDER = "journal"
SUFFIX = ".journal"
OPEN_SUFFIX = ".open"
NEW_SUFFIX = ".new"
ROLL_BYTES = 32 * 1024 * 1024
_BOARD_BYTES = 4096  # written at once, so that later changes find their place on a full disk
_to_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode  # json.dumps makes a new one at each call
# File descriptors of locks that this process holds for a moment; a forked child lets go of its copies.
passing: set[int] = set()


@dataclass(frozen=True, slots=True)
class Record:
    """One finished trace, or a part of one."""

    slug: str
    context: str
    lines: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Board:
    """What a process says of itself: open traces per slug, refused traces, why it does not trace."""

    open: dict[str, int] = field(default_factory=dict)
    problem: str | None = None
    refused: int = 0


class Journal:
    """Append records of this process with one write each; the file is made when there is something to say.

    Every method raises OSError, with its errno set, if the disk does not take what it must.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER
        self._lock = threading.RLock()  # a finalizer may end a trace while a record is being written
        self._files: tuple[int, int, Path] | None = None  # journal, board, path of the journal
        self._size = 0
        self._open: dict[str, int] = {}
        self._problem: str | None = None
        self.refused = 0

    def write(self, slug: str, context: str, lines: Lines) -> None:
        """Append one record."""
        data = encode({"c": context, "l": {path: sorted(found) for path, found in lines.items()}, "s": slug})
        with self._lock:
            if self._files is None or self._size + len(data) > ROLL_BYTES:
                self._begin()
            file, _, path = self._files  # type: ignore[misc]
            if os.fstat(file).st_nlink == 0:
                raise OSError(errno.ENOENT, "the journal was deleted while the app ran", str(path))
            if os.write(file, data) != len(data):
                with suppress(OSError):  # what another thread writes meanwhile must not follow half a record
                    os.ftruncate(file, self._size)
                raise OSError(errno.ENOSPC, "the disk took only a part of a record", str(path))
            self._size += len(data)

    def count(self, slug: str, step: int) -> None:
        """Change the number of open traces of `slug` on the board."""
        with self._lock:
            now = self._open.get(slug, 0) + step
            if now > 0:
                self._open[slug] = now
            else:
                self._open.pop(slug, None)
            self._show(begin=step > 0)

    def refuse(self) -> None:
        """Count a refused trace on the board."""
        with self._lock:
            self.refused += 1
            self._show(begin=True)

    def fail(self, problem: str) -> None:
        """Say on the board that this process traces no more; nobody waits for its open traces."""
        with self._lock:
            self._open, self._problem = {}, problem
            try:
                self._show(begin=False)
            except OSError:  # the disk is full or gone: no board is better than an old one
                with suppress(OSError):
                    self.close()

    @property
    def open(self) -> dict[str, int]:
        """The open traces of this process per slug."""
        return dict(self._open)

    def roll(self) -> None:
        """Let go of the current file, so that it can be turned into shards; the board moves to the next one."""
        with self._lock:
            if self._open or self.refused or self._problem:
                self._begin()
            else:
                self.close()

    def close(self) -> None:
        """Let go of the current file; a later record begins the next one."""
        with self._lock:
            files, self._files = self._files, None
            if files is not None:
                _let_go(*files)

    def after_fork(self) -> None:
        """Forget the parent's file in a forked child: closing our copy leaves the parent's lock in place."""
        self._lock = threading.RLock()
        self._open, self._problem, self.refused = {}, None, 0
        files, self._files = self._files, None
        inherited = [*passing, *(files[:2] if files else ())]
        passing.clear()
        for file in inherited:
            with suppress(OSError):
                os.close(file)

    def _show(self, *, begin: bool) -> None:
        if self._files is None:
            if begin:
                self._begin()
            return
        _, board, path = self._files
        data = self._board_line()
        if os.pwrite(board, data, 0) != len(data):
            raise OSError(errno.ENOSPC, "the disk took only a part of the board", str(path))

    def _board_line(self) -> bytes:
        return encode({"open": self._open, "problem": self._problem, "refused": self.refused})

    def _begin(self) -> None:
        for chance in (2, 1, 0):
            try:
                files = self._new_files()
                break
            except (FileNotFoundError, BlockingIOError):
                # Somebody who cleans up may take our file for a leftover before it is locked.
                if not chance:
                    raise
        old, self._files, self._size = self._files, files, 0
        if old is not None:  # only now: whoever adds up the boards must find our open traces on one of them
            _let_go(*old)

    def _new_files(self) -> tuple[int, int, Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        hidden = self._folder / f"{host()}.{os.getpid()}.{secrets.token_hex(4)}{NEW_SUFFIX}"
        path, board_path = hidden.with_suffix(SUFFIX), hidden.with_suffix(OPEN_SUFFIX)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        made: list[int] = []
        try:
            made.append(os.open(hidden, flags | os.O_APPEND, 0o644))
            # Locked before it gets its name: nobody can take it for a leftover in between.
            fcntl.flock(made[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.append(os.open(board_path, flags, 0o644))
            data = self._board_line().ljust(_BOARD_BYTES, b"\n")
            if os.write(made[1], data) != len(data):
                raise OSError(errno.ENOSPC, "the disk took only a part of the board", str(board_path))
            os.rename(hidden, path)
        except BaseException:  # a signal handler's too: half a beginning must not be written to
            for file in made:
                os.close(file)
            for left in (hidden, board_path):
                with suppress(OSError):
                    left.unlink(missing_ok=True)
            raise
        return made[0], made[1], path


def _let_go(file: int, board: int, path: Path) -> None:
    with suppress(OSError):  # the next one who recovers removes it
        path.with_suffix(OPEN_SUFFIX).unlink(missing_ok=True)
    os.close(board)
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)  # a child that is being forked right now may have a copy
    os.close(file)


def encode(value: object) -> bytes:
    """Return one journal line: checksum, space, JSON, newline."""
    text = _to_json(value).encode()
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
def taken(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[bool]:
    """Try to take a journal that nobody holds; yield whether it is ours until the end of the block."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # gone, or another user's
        yield False
        return
    passing.add(file)
    ours = False
    try:
        with suppress(OSError):
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            ours = True
        # Somebody may have recovered and removed it between our open and our lock.
        yield ours and path.exists()
    finally:
        if ours:
            fcntl.flock(file, fcntl.LOCK_UN)  # a child that was forked meanwhile may have a copy
        passing.discard(file)
        os.close(file)


def boards(directory: Path) -> list[Board]:
    """Return the boards of all live processes of this directory that have something to say."""
    before: list[Path] | None = None
    found: dict[Path, Board] = {}
    last: dict[str, Board] = {}  # of each process, what it said when it was last heard
    for _ in range(100):
        # Boards, not journals: those that were rolled wait in their hundreds, and meanwhile the next one rolls.
        now = _board_paths(directory / FOLDER)
        if now == before:
            return list(found.values())
        # A process that rolls its journal has the next board before the last one goes: look until no board is new.
        before, found = now, {path: board for path in now if (board := _live_board(path)) is not None}
        last.update((path.name.rsplit(".", 2)[0], board) for path, board in found.items())
    return list(last.values())  # somebody rolls faster than we look


def _board_paths(folder: Path) -> list[Path]:
    try:  # a fifth of the time of a glob
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(OPEN_SUFFIX))
    except FileNotFoundError:
        return []


def _live_board(path: Path) -> Board | None:
    board, journal = _read_board(path), path.with_suffix(SUFFIX)
    if board == Board():
        return None  # not worth a lock, which could be in the way of somebody who recovers
    with taken(journal, fcntl.LOCK_SH) as left_over:
        return board if not left_over and journal.exists() else None


def open_traces(directory: Path) -> dict[str, int]:
    """Return the open traces per slug over all live processes of this directory."""
    total: dict[str, int] = {}
    for board in boards(directory):
        for slug, count in board.open.items():
            total[slug] = total.get(slug, 0) + count
    return total


def _read_board(path: Path) -> Board:
    for _ in range(5):  # a write may be under way: its checksum tells
        try:
            return Board(**decode(path.read_bytes().split(b"\n", 1)[0]))  # type: ignore[arg-type]
        except FileNotFoundError:
            return Board()
        except (ValueError, TypeError):
            continue
    return Board()


def host() -> str:
    """Return this machine's name, safe in a file name without dots."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in socket.gethostname()) or "host"
