"""The journal survives what kills its process; a torn or damaged line costs that line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from instrument import journal, shards
from instrument.journal import Journal, read_records

HOLDER = """
import sys, time
from pathlib import Path
from instrument.journal import Journal
mine = Journal(Path(sys.argv[1]))
mine.count("alps", 1)
mine.write("alps", "profile:alps:r-1", {"/src/a.py": {1, 5}})
print("ready", flush=True)
time.sleep(60)
"""

# Journals that nobody recovered yet must not keep the reader so long that it always comes too late.
ROLLER = """
import sys, time
from pathlib import Path
from instrument.journal import Journal
mine = Journal(Path(sys.argv[1]))
mine.count("alps", 1)
for number in range(1200):
    if number == 300:
        print("rolling", flush=True)
    if number >= 300:
        time.sleep(0.001)
    mine.roll()
"""


def records(directory: Path) -> list[journal.Record]:
    return [record for path in journal.journals(directory) for record in read_records(path.read_bytes())[0]]


def test_a_record_is_on_disk_when_write_returns(tmp_path: Path) -> None:
    mine = Journal(tmp_path)
    mine.write("alps", "profile:alps:r-1", {"/src/a.py": {3, 1}})
    assert records(tmp_path) == [journal.Record("alps", "profile:alps:r-1", {"/src/a.py": [1, 3]})]


def test_a_torn_last_line_is_left_out_and_a_damaged_one_is_counted(tmp_path: Path) -> None:
    whole = journal.encode({"s": "a", "c": "profile:a:r", "l": {}})
    assert read_records(whole + whole[:-5]) == ([journal.Record("a", "profile:a:r", {})], 0)
    assert read_records(whole.replace(b"profile", b"profane") + whole) == ([journal.Record("a", "profile:a:r", {})], 1)
    assert read_records(b"\xff\n\n" + journal.encode([1]) + whole)[1] == 3


def test_a_live_journal_cannot_be_taken_and_a_left_over_one_is_recovered(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    assert shards.recover(tmp_path) == 0
    assert journal.open_traces(tmp_path) == {"alps": 1}
    combined = shards.combine(tmp_path, "alps")
    assert (combined.contexts, combined.lines) == (1, 2), "combine reads a live journal without taking it"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert journal.open_traces(tmp_path) == {}
    assert shards.recover(tmp_path) == 1
    assert list((tmp_path / journal.FOLDER).iterdir()) == []
    assert [path.name.split(".")[:2] for path in shards.shard_files(tmp_path, "alps")] == [["alps", "coverage"]]


def test_a_forked_child_writes_its_own_journal(tmp_path: Path) -> None:
    mine = Journal(tmp_path)
    mine.write("alps", "profile:alps:parent", {})
    child = os.fork()
    if child == 0:
        mine.after_fork()
        mine.write("alps", "profile:alps:child", {})
        os._exit(0)
    os.waitpid(child, 0)
    assert len(journal.journals(tmp_path)) == 2
    assert shards.recover(tmp_path) == 1, "the child's; the parent still holds its own"
    mine.write("alps", "profile:alps:later", {})
    assert [record.context for record in records(tmp_path)] == ["profile:alps:parent", "profile:alps:later"]


def test_a_long_journal_rolls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ROLL_BYTES", 200)
    mine = Journal(tmp_path)
    for number in range(5):
        mine.write("alps", f"profile:alps:r-{number}", {"/src/a.py": {number}})
    assert len(journal.journals(tmp_path)) > 1
    assert len(records(tmp_path)) == 5
    shards.recover(tmp_path)
    assert shards.combine(tmp_path, "alps").contexts == 5


def test_open_counts_follow_the_traces(tmp_path: Path) -> None:
    mine = Journal(tmp_path)
    mine.count("alps", 1)
    mine.count("alps", 1)
    mine.count("coast", 1)
    assert journal.open_traces(tmp_path) == {"alps": 2, "coast": 1}
    mine.count("alps", -1)
    mine.roll()
    mine.count("coast", -1)
    assert journal.open_traces(tmp_path) == {"alps": 1}


def test_a_disk_that_takes_half_a_record_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Journal(tmp_path)
    mine.write("alps", "profile:alps:r-1", {})
    monkeypatch.setattr(os, "write", lambda file, data: len(data) - 1)
    with pytest.raises(OSError, match="only a part"):
        mine.write("alps", "profile:alps:r-2", {})


def test_recovery_is_done_once_by_two_at_a_time(tmp_path: Path) -> None:
    mine = Journal(tmp_path)
    for number in range(50):
        mine.write("alps", f"profile:alps:r-{number}", {"/src/a.py": {number + 1}})
    mine.roll()
    code = "import sys; from pathlib import Path; from instrument.shards import recover; recover(Path(sys.argv[1]))"
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(shards.shard_files(tmp_path, "alps")) == 1
    assert shards.combine(tmp_path, "alps").lines == 50


KILLED = """
import os, signal, sys
from pathlib import Path
from instrument import journal
rename = os.rename
os.rename = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
journal.Journal(Path(sys.argv[1])).write("alps", "profile:alps:r-1", {})
"""


def test_what_killed_processes_left_is_swept_and_what_live_ones_use_is_not(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    folder = tmp_path / journal.FOLDER
    assert sorted(path.suffix for path in folder.iterdir()) == [".new", ".open"]
    (tmp_path / ".alps.coverage.vm.1.ab.cd.tmp").write_bytes(b"half")
    (tmp_path / ".alps.coverage.ab.tmp-journal").write_bytes(b"half")
    (folder / "vm.1.ab.open").write_bytes(b"")
    young, old = tmp_path / ".alps.run.json.1.tmp", tmp_path / ".alps.run.json.2.tmp"
    young.touch()
    old.touch()
    os.utime(old, (1, 1))
    live = Journal(tmp_path)
    live.count("alps", 1)
    assert shards.recover(tmp_path) == 0
    assert sorted(path.suffix for path in folder.iterdir()) == [".journal", ".open"]
    assert journal.open_traces(tmp_path) == {"alps": 1}
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [young], "it may be of a live process"


def test_a_beginning_journal_survives_somebody_who_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Journal(tmp_path)
    real, calls = journal.fcntl.flock, []

    def sweep_first(file: int, kind: int) -> None:
        if not calls:
            calls.append(file)
            shards.recover(tmp_path)  # between the making of the file and its lock
        real(file, kind)

    monkeypatch.setattr(journal.fcntl, "flock", sweep_first)
    mine.write("alps", "profile:alps:r-1", {"/src/a.py": {1}})
    assert [record.context for record in records(tmp_path)] == ["profile:alps:r-1"]


def test_half_a_record_does_not_spoil_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Journal(tmp_path)
    mine.write("alps", "profile:alps:r-1", {})
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:10]))
    with pytest.raises(OSError, match="only a part"):
        mine.write("alps", "profile:alps:r-2", {})
    monkeypatch.undo()
    mine.write("alps", "profile:alps:r-3", {})  # another thread was on its way
    assert [record.context for record in records(tmp_path)] == ["profile:alps:r-1", "profile:alps:r-3"]


def test_a_deleted_journal_is_an_error(tmp_path: Path) -> None:
    mine = Journal(tmp_path)
    mine.write("alps", "profile:alps:r-1", {})
    shutil.rmtree(tmp_path)
    with pytest.raises(OSError, match="deleted while the app ran"):
        mine.write("alps", "profile:alps:r-2", {})


def test_the_board_of_a_failed_process_has_no_open_traces(tmp_path: Path) -> None:
    mine = Journal(tmp_path)
    mine.count("alps", 1)
    mine.refuse()
    mine.fail("the disk is full")
    assert journal.boards(tmp_path) == [journal.Board({}, "the disk is full", 1)]


def test_rolling_never_hides_an_open_trace(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ROLLER, str(tmp_path)], stdout=subprocess.PIPE) as roller:
        assert roller.stdout and roller.stdout.readline() == b"rolling\n"
        seen = set()
        while roller.poll() is None:
            found = journal.open_traces(tmp_path).get("alps", 0)
            if roller.poll() is None:  # else it may be gone
                seen.add(found)
    assert seen and 0 not in seen
