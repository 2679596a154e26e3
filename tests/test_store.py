"""Stores: a result is found again or made again, never wrong, and a forged entry runs nothing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sitegen.entries import _MAGIC, _check
from sitegen.model import Artifact, Gap, Gaps
from sitegen.store import DiskStore, MemoryStore, NullStore, toolchain

calls: list[tuple[object, ...]] = []


def make(name: str, size: int) -> Gaps:
    calls.append((name, size))
    return Gaps((Gap(name, "module", "p.py", 1, size),), ())


def make_plain(*args: object) -> object:
    calls.append(args)
    return ("text", b"bytes", 1 << 300, None, True, 1.5, (Artifact("p", b"d"),))


def forged(*args: object) -> object:
    calls.append(args)
    return "made"


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


def entries(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != "index")


def digest_of(entry: Path) -> str:
    return entry.parent.name + entry.name


def disk(path: Path, toolchain: str) -> DiskStore:
    return DiskStore(path, toolchain, pytest.fail)


def done(store: DiskStore, *args: object) -> object:
    made = store.memo(*args)  # type: ignore[arg-type]
    store.flush()
    return made


def test_null_runs_and_memory_keeps() -> None:
    memory = MemoryStore()
    for store, runs in ((NullStore(), 2), (memory, 1)):
        calls.clear()
        assert store.memo(make, "a", 1) == store.memo(make, "a", 1)
        assert len(calls) == runs
    assert memory.memo(make, "a", 2) != memory.memo(make, "a", 1)


def test_disk_keeps_across_stores_in_sharded_folders(tmp_path: Path) -> None:
    made = done(disk(tmp_path, "t"), make, "a", 1)
    (entry,) = entries(tmp_path)
    assert len(entry.parent.name) == 2
    assert len(entry.parent.name + entry.name) == 64
    assert DiskStore(tmp_path, "t").memo(make, "a", 1) == made
    assert len(calls) == 1
    done(disk(tmp_path, "t"), make, "a", 2)
    done(disk(tmp_path, "u"), make, "a", 1)
    assert len(calls) == 3
    assert len(entries(tmp_path)) == 2  # the same value under two keys


def test_plain_values_come_back_equal_and_of_their_types(tmp_path: Path) -> None:
    store = DiskStore(tmp_path, "t")
    first = done(store, make_plain, 1)
    second = DiskStore(tmp_path, "t").memo(make_plain, 1)
    assert len(calls) == 1
    assert first == second
    assert list(map(type, first)) == list(map(type, second))


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other magic", "folder", "swapped"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    store = DiskStore(tmp_path, "t")
    good = done(store, make, "a", 1)
    (entry,) = entries(tmp_path)
    content = entry.read_bytes()
    if damage == "folder":
        entry.unlink()
        entry.mkdir()
    elif damage == "swapped":
        entry.write_bytes(_MAGIC + _check("00" * 32, content[len(_MAGIC) + 32 :]) + content[len(_MAGIC) + 32 :])
    else:
        flipped = bytes([content[-1] ^ 1])
        bad = {"empty": b"", "cut": content[:-1], "flipped": content[:-1] + flipped, "other magic": b"x" + content[1:]}
        entry.write_bytes(bad[damage])
    said: list[str] = []
    assert DiskStore(tmp_path, "t", said.append).memo(make, "a", 1) == good
    assert len(calls) == 2
    if damage != "folder":
        assert entry.read_bytes() == content
    assert [file for file in entries(tmp_path) if file.name.startswith(".")] == []


@dataclass(frozen=True, slots=True)
class Stray:
    number: int


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("payload", ["reduce", "builtin", "nested name", "garbage"])
def test_a_forged_entry_with_a_right_digest_runs_nothing(tmp_path: Path, payload: str) -> None:
    store = DiskStore(tmp_path / "cache", "t")
    done(store, forged, 1)
    (entry,) = entries(tmp_path)
    trap = tmp_path / "trap"
    data = {
        "reduce": pickle.dumps(Evil(trap)),
        "builtin": f"cbuiltins\neval\n(S'__import__(\"os\").mkdir({str(trap)!r})'\ntR.".encode(),
        "nested name": b"\x80\x04\x8c\x0dsitegen.model\x8c\x1cdataclass.__globals__.__name__\x93.",
        "garbage": b"\x80\x05\xff\xff",
    }[payload]
    entry.write_bytes(_MAGIC + _check(digest_of(entry), data) + data)
    assert DiskStore(tmp_path / "cache", "t").memo(forged, 1) == "made"
    assert len(calls) == 2
    assert not trap.exists()


def test_a_value_that_nobody_could_read_back_is_refused_when_it_is_written(tmp_path: Path) -> None:
    # It would be made anew by every build, and nobody would know why builds are slow.
    with pytest.raises(TypeError, match="nobody could read it back"):
        DiskStore(tmp_path, "t").keep(Stray(1), forged, 1)  # type: ignore[arg-type]


def test_a_cache_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    said: list[str] = []
    store = DiskStore(blocked / "cache", "t", said.append)
    assert store.memo(make, "a", 1) == store.memo(make, "a", 1)
    assert store.memo(make, "b", 1).modules[0].id == "b"
    (sentence,) = said
    assert str(blocked / "cache") in sentence
    assert sentence.endswith("mend the directory or name another --cache-dir")


def test_the_toolchain_is_the_same_in_every_process_and_place(tmp_path: Path) -> None:
    code = "from sitegen.store import toolchain; print(toolchain())"
    root = Path(__file__).parent.parent
    found = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=place, check=True, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        ).stdout.strip()
        for place, seed in ((root, "1"), (tmp_path, "2"))
    }  # fmt: skip
    assert found == {toolchain()}
