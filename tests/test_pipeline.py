"""The pipeline: one atlas from every store, minimal rework, the same bytes in every process."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from instrument.record import RunRecord, encode_record
from sitegen.data import data_artifacts
from sitegen.fingerprint import fingerprint, stage_name
from sitegen.model import Atlas, Snapshot
from sitegen.pipeline import build_atlas, plan_of
from sitegen.snapshot import read_snapshot
from sitegen.store import DiskStore, MemoryStore, NullStore
from tests import atlas_support as support

MODULES = {
    "__init__.py": "",
    "work.py": "def add(a, b):\n    # sums\n    return a + b\n\n\ndef idle():\n    return 0\n",
    "more.py": "from pkg import work\n\n\nclass Box:\n    def open(self):\n        return work.add(1, 2)\n",
    "alone.py": "def alone():\n    return 1\n",
}
RUNS = {"first": "from pkg import work; work.add(1, 2)", "second": "from pkg.more import Box; Box().open()"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded")
    for name, text in MODULES.items():
        support.write(root / "pkg" / name, text.encode())
    for slug, driver in RUNS.items():
        support.record(root, slug, driver)
    return root


@pytest.fixture
def root(recorded: Path, tmp_path: Path) -> Path:
    for name in ("pkg", "data"):
        shutil.copytree(recorded / name, tmp_path / "moved" / name)
    return tmp_path / "moved"


def snapshot(root: Path) -> Snapshot:
    return read_snapshot(support.options(root, commit="c0ffee"))


class Counting(MemoryStore):
    """Keeps results and counts the stages that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.ran: Counter[str] = Counter()

    def call(self, stage: Callable[..., Any], *args: object) -> Any:
        key = fingerprint("", stage, args)
        name = stage_name(stage).rpartition(".")[2]
        if key not in self.seen and name in ("read_inventory", "read_profile"):
            self.seen.add(key)
            self.ran[name] += 1
        return super().call(stage, *args)

    def rework(self, snapshot: Snapshot) -> dict[str, int]:
        self.ran.clear()
        assert build_atlas(snapshot, self) == build_atlas(snapshot, NullStore())
        new = {file.digest for file in plan_of(snapshot, self).files} - self.seen
        self.seen |= new
        return dict(self.ran) | ({"cover": len(new)} if new else {})


def certainty(atlas: Atlas, slug: str, symbol: str) -> str | None:
    for file in atlas.files:
        for item in file.symbols:
            if item.symbol.id == symbol:
                return next((cell.certainty for cell in item.cells if cell.slug == slug), None)
    raise AssertionError(symbol)


def test_a_moved_tree_is_joined_with_its_data(root: Path) -> None:
    atlas = build_atlas(snapshot(root), NullStore())
    assert [head.slug for head in atlas.profiles] == ["first", "second"]
    assert certainty(atlas, "first", "pkg.work.add") == certainty(atlas, "second", "pkg.more.Box.open") == "body"
    assert certainty(atlas, "first", "pkg.more.Box.open") is None
    assert [gap.id for gap in atlas.gaps.modules] == ["pkg.alone"]
    assert [gap.id for gap in atlas.gaps.symbols] == ["pkg.alone.alone", "pkg.work.idle"]


def test_every_store_gives_the_same_atlas(root: Path, tmp_path: Path) -> None:
    taken = snapshot(root)
    clean = build_atlas(taken, NullStore())
    said: list[str] = []

    def disk() -> Atlas:
        store = DiskStore(tmp_path / "cache", "t", said.append)
        atlas = build_atlas(taken, store)
        store.flush()
        return atlas

    assert disk() == clean
    assert disk() == clean
    entries = sorted(path for path in (tmp_path / "cache" / "values").rglob("*") if path.is_file())
    assert len(entries) > 4 + 2 + 4
    for position, entry in enumerate(entries):
        content = entry.read_bytes()
        entry.write_bytes([b"", content[:-3], content[:60] + b"x" + content[61:]][position % 3])
    assert disk() == clean
    for entry in entries[::2]:
        entry.unlink()
    assert disk() == clean
    entries = [entry for entry in entries if entry.exists()]
    for first, second in zip(entries[::2], entries[1::2], strict=False):
        first_content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(first_content)
    assert disk() == clean
    index = tmp_path / "cache" / "index"
    content = index.read_bytes()
    for damaged in (b"", content[:-30], content[:200] + b"x" + content[201:], b"junk" + content, content + b"torn"):
        index.write_bytes(damaged)
        assert disk() == clean
    assert said == []


def test_rework_is_only_what_changed(root: Path) -> None:
    store = Counting()
    taken = snapshot(root)
    assert store.rework(taken) == {"read_inventory": 4, "read_profile": 2, "cover": 4}
    assert store.rework(taken) == {}
    assert store.rework(replace(taken, commit="other")) == {}
    support.write(root / "pkg/work.py", MODULES["work.py"].replace("return 0", "return 555").encode())
    assert store.rework(snapshot(root)) == {"read_inventory": 1, "cover": 1}
    data = (root / "data/second.coverage").read_bytes()
    support.write(root / "data/first.coverage", data)
    # Both ran the same lines of work.py: of the two files that `first` runs now, only more.py has other lines.
    assert store.rework(snapshot(root)) == {"read_profile": 1, "cover": 1}
    support.write(root / "pkg/new.py", b"X = 1\n")
    assert store.rework(snapshot(root)) == {"read_inventory": 1, "read_profile": 2, "cover": 1}
    assert store.rework(replace(snapshot(root), exclude="return 555"))["read_inventory"] == 5


def test_a_playback_that_failed_is_failed_in_each_cell(root: Path) -> None:
    record = RunRecord("first", "failed", "a", 1, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 1.0, "http://x")
    support.write(root / "data/first.run.json", encode_record(record))
    atlas = build_atlas(snapshot(root), NullStore())
    assert certainty(atlas, "first", "pkg.work.add") == "failed"
    assert certainty(atlas, "second", "pkg.work.add") == "body"


def test_a_source_that_is_not_the_recorded_one_is_stale(root: Path) -> None:
    text = (root / "pkg/work.py").read_bytes()
    record = RunRecord(
        "first", "passed", "a", 1, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", 1.0, "http://x",
        sources={"/elsewhere/pkg/work.py": hashlib.sha256(text).hexdigest()},
    )  # fmt: skip
    support.write(root / "data/first.run.json", encode_record(record))
    assert certainty(build_atlas(snapshot(root), NullStore()), "first", "pkg.work.add") == "body"
    support.write(root / "pkg/work.py", text.replace(b"return 0", b"return 1"))
    atlas = build_atlas(snapshot(root), NullStore())
    assert certainty(atlas, "first", "pkg.work.add") == "stale"
    assert certainty(atlas, "second", "pkg.work.add") == "body"  # without a record the lines still fit


def test_lines_that_fit_no_statement_are_stale_without_a_record(root: Path) -> None:
    text = (root / "pkg/work.py").read_bytes()
    support.write(root / "pkg/work.py", text.replace(b"    # sums\n    return a + b\n", b"    return a + b\n    # x\n"))
    atlas = build_atlas(snapshot(root), NullStore())
    assert certainty(atlas, "first", "pkg.work") == certainty(atlas, "second", "pkg.work") == "stale"
    assert certainty(atlas, "second", "pkg.more.Box.open") == "body"


def test_a_damaged_profile_is_failed_and_named_and_the_others_stand(root: Path) -> None:
    support.write(root / "data/first.coverage", b"")
    atlas = build_atlas(snapshot(root), NullStore())
    assert (atlas.profiles[0].status, atlas.profiles[1].status) == ("failed", "unknown")
    assert atlas.profiles[0].problems == ("first.coverage: the data file is empty; play the profile again",)
    assert certainty(atlas, "second", "pkg.work.add") == "body"


SCRIPT = """
import sys
from pathlib import Path
from sitegen.data import data_artifacts
from sitegen.pipeline import build_atlas, plan_of
from sitegen.snapshot import read_snapshot
from sitegen.store import DiskStore
from tests import atlas_support as support
root, cache = Path(sys.argv[1]), Path(sys.argv[2])
snapshot = read_snapshot(support.options(root, commit="c0ffee"))
for artifact in data_artifacts(build_atlas(snapshot, DiskStore(cache, "t")), snapshot.commit):
    sys.stdout.buffer.write(artifact.path.encode() + b"\\n" + artifact.data)
"""


def test_artifacts_do_not_depend_on_the_process(root: Path, tmp_path: Path) -> None:
    home = Path(__file__).parent.parent
    found = set()
    for seed, zone, place, cache in (
        ("0", "UTC", home, "one"),
        ("1", "Asia/Tokyo", tmp_path, "two"),
        ("2", "America/New_York", root, "one"),
    ):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": str(home), "LC_ALL": "C"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(root), str(tmp_path / cache)],
            cwd=place, env=environment, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        found.add(done.stdout)
    taken = snapshot(root)
    here = b"".join(
        artifact.path.encode() + b"\n" + artifact.data
        for artifact in data_artifacts(build_atlas(taken, NullStore()), taken.commit)
    )
    assert found == {here}
    assert str(root).encode() not in here
