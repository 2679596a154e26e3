"""Combining: one playback only, nothing lost, damaged files named."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest
from click.testing import CliRunner

from instrument import recovery, shards
from instrument.errors import CovatlasError
from instrument.journal import Journal, Record
from sitegen.cli import main


def record(request: str, *lines: int, slug: str = "alps") -> Record:
    return Record(slug, f"profile:{slug}:{request}", {"/src/a.py": list(lines)})


def test_combine_unites_shards_live_journals_and_earlier_profile_data(tmp_path: Path) -> None:
    shards.write_shards(tmp_path, [record("x-1", 1, 2)])
    shards.combine(tmp_path, "alps")
    shards.write_shards(tmp_path, [record("x-1", 3), record("x-2/job", 4), record("other", 9, slug="coast")])
    live = Journal(tmp_path)
    live.write("alps", "profile:alps:x-3", {"/src/b.py": {7}})
    done = shards.combine(tmp_path, "alps")
    assert (done.contexts, done.requests, done.files, done.lines) == (3, 3, 2, 5)
    assert shards.read_data(tmp_path / "alps.coverage") == {
        "profile:alps:x-1": {"/src/a.py": {1, 2, 3}},
        "profile:alps:x-2/job": {"/src/a.py": {4}},
        "profile:alps:x-3": {"/src/b.py": {7}},
    }
    assert shards.shard_files(tmp_path, "alps") == []
    assert len(shards.shard_files(tmp_path, "coast")) == 1


def test_only_the_asked_playback_is_taken_and_the_rest_is_kept_aside(tmp_path: Path) -> None:
    shards.write_shards(tmp_path, [record("old-1", 1), record("new-1", 2)])
    live = Journal(tmp_path)
    live.write("alps", "profile:alps:old-2", {"/src/a.py": {3}})
    done = shards.combine(tmp_path, "alps", attempt="new")
    assert (done.lines, done.left_out) == (1, 2)
    kept = list((tmp_path / "aside" / "alps").rglob("alps.coverage*"))
    assert [sorted(shards.read_data(path)) for path in kept] == [["profile:alps:new-1", "profile:alps:old-1"]]


def test_plain_coverage_reads_profile_data(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("a = 1\nb = 2\n")
    shards.write_shards(tmp_path, [Record("alps", "profile:alps:x-1", {str(source): [1]})])
    shards.combine(tmp_path, "alps")
    command = [sys.executable, "-m", "coverage", "report", f"--data-file={tmp_path / 'alps.coverage'}"]
    report = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "50%" in report.stdout


def test_setting_aside_moves_everything_of_a_slug_and_keeps_the_last_few(tmp_path: Path) -> None:
    assert shards.set_aside(tmp_path, "alps") is None
    for number in range(5):
        shards.write_shards(tmp_path, [record(f"x-{number}", 1), record("y", 1, slug="alps-2")])
        (tmp_path / "alps.run.json").write_text("{}")
        assert shards.set_aside(tmp_path, "alps") == tmp_path / "aside" / "alps" / str(number + 1)
    assert not list(tmp_path.glob("alps.*"))
    assert len(shards.shard_files(tmp_path, "alps-2")) == 5
    assert sorted(path.name for path in (tmp_path / "aside" / "alps").iterdir()) == ["3", "4", "5"]


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + b"\0" * 200])
def test_a_damaged_shard_is_named_and_left_where_it_is(tmp_path: Path, content: bytes) -> None:
    shards.write_shards(tmp_path, [record("x-1", 1)])
    bad = tmp_path / "alps.coverage.host.1.bad"
    bad.write_bytes(content)
    done = shards.combine(tmp_path, "alps")
    assert done.lines == 1
    (sentence,) = done.damaged
    assert str(bad) in sentence
    assert bad.read_bytes() == content
    result = CliRunner().invoke(main, ["combine", "alps", "--coverage-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert str(bad) in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["Bad!"], "is refused"), (["nowhere"], "no data of profile 'nowhere'"), ([], "no data of any profile")],
)
def test_bad_input_of_combine(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(main, ["combine", *arguments, "--coverage-dir", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_combine_says_one_line_a_slug(tmp_path: Path) -> None:
    shards.write_shards(tmp_path, [record("x-1", 1, 2), record("x-1", 1, slug="coast")])
    result = CliRunner().invoke(main, ["combine", "--coverage-dir", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    assert [line.split(" →")[0] for line in result.stderr.splitlines()] == [
        "alps: 1 request, 1 file, 2 lines",
        "coast: 1 request, 1 file, 1 line",
    ]


def test_an_unknown_file_is_an_error_of_reading(tmp_path: Path) -> None:
    with pytest.raises(CovatlasError, match="empty"):
        (tmp_path / "x").touch()
        shards.read_data(tmp_path / "x")


COMBINE = """
import sys
from pathlib import Path
from instrument.shards import combine
for _ in range(4):
    combine(Path(sys.argv[1]), "alps")
"""
ROLLER = """
import sys
from pathlib import Path
from instrument.journal import Journal
mine = Journal(Path(sys.argv[1]))
for number in range(200):
    mine.write("alps", f"profile:alps:{sys.argv[2]}-{number}", {"/src/a.py": {number + 1}})
    if number % 7 == 0:
        mine.roll()
    if number == 50:
        print("ready", flush=True)
"""


def run(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE)


def contexts(directory: Path) -> dict[str, set[int]]:
    done = shards.combine(directory, "alps")
    assert done.path is not None and done.damaged == ()
    return {context: files["/src/a.py"] for context, files in shards.read_data(done.path).items()}


def test_combining_while_others_combine_recover_and_roll_their_journals(tmp_path: Path) -> None:
    rolling = [run(ROLLER, tmp_path, name) for name in ("x", "y")]
    for process in rolling:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    both = [run(COMBINE, tmp_path) for _ in range(2)]
    while any(process.poll() is None for process in rolling):
        shards.recover(tmp_path)
        shards.combine(tmp_path, "alps")
    assert [process.wait(60) for process in [*both, *rolling]] == [0, 0, 0, 0]
    assert contexts(tmp_path) == {f"profile:alps:{name}-{n}": {n + 1} for name in ("x", "y") for n in range(200)}
    assert [path.name for path in tmp_path.iterdir() if path.name != "journal"] == ["alps.coverage"]
    assert list((tmp_path / "journal").iterdir()) == []


def combine_until(directory: Path, last: int) -> int:
    """Combine in a fork that is killed at its line number `last` of our code; return how many lines it has run."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def trace(frame: FrameType, event: str, _arg: object) -> object:
            nonlocal count
            if Path(frame.f_code.co_filename).parent.name != "instrument":
                return None
            if event == "line":
                count += 1
                if count == last:
                    os.write(writer, b"%d" % count)
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        shards.combine(directory, "alps")
        os.write(writer, b"%d" % count)
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as file:
        return int(file.read())


def test_a_combine_killed_at_any_point_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)
    want = {}
    whole = 0
    for count in range(30):
        for name in ("one", "two"):
            shards.write_shards(tmp_path, [record(f"{name}{count}-{n}", n + 1) for n in range(2)])
        left = Journal(tmp_path)
        left.write("alps", f"profile:alps:left-{count}", {"/src/a.py": {count + 1}})
        left.close()
        want |= {f"profile:alps:{name}{count}-{n}": {n + 1} for name in ("one", "two") for n in range(2)}
        want[f"profile:alps:left-{count}"] = {count + 1}
        if count % 6 == 0:  # how many lines is the whole?
            copy = tmp_path / "copy"
            shutil.copytree(tmp_path, copy)
            whole = combine_until(copy, 0)
            shutil.rmtree(copy)
        point = chance.randint(1, whole)
        assert combine_until(tmp_path, point) == point
        if count % 3 == 0:
            assert contexts(tmp_path) == want
    assert contexts(tmp_path) == want
    assert [path.name for path in tmp_path.iterdir() if path.name != "journal"] == ["alps.coverage"], "and no leftover"
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_damaged_earlier_combination_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "alps.coverage").write_bytes(b"not a database")
    shards.write_shards(tmp_path, [record("x-1", 1)])
    done = shards.combine(tmp_path, "alps")
    assert (done.lines, len(done.damaged)) == (1, 1)
    (kept,) = (tmp_path / "aside" / "alps").rglob("alps.coverage")
    assert kept.read_bytes() == b"not a database"


def test_a_combine_waits_for_another_one_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "WAIT_S", 0.1)
    shards.write_shards(tmp_path, [record("x-1", 1)])
    with recovery.locked(tmp_path, 0) as ours:
        assert ours
        with pytest.raises(CovatlasError, match="in use by another command"):
            shards.combine(tmp_path, "alps")
        assert shards.recover(tmp_path) == 0, "the app does not wait: it leaves the work to the other"
    assert shards.combine(tmp_path, "alps").lines == 1


def test_a_damaged_run_record_stops_its_own_profile_only(tmp_path: Path) -> None:
    shards.write_shards(tmp_path, [record("x-1", 1), record("x-1", 1, slug="coast")])
    (tmp_path / "alps.run.json").write_text('{"schema": 99}')
    result = CliRunner().invoke(main, ["combine", "--coverage-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "alps.run.json: this run record has another schema" in result.stderr
    assert (tmp_path / "coast.coverage").exists()
    assert not (tmp_path / "alps.coverage").exists() and shards.shard_files(tmp_path, "alps")
