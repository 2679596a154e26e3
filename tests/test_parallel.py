"""sitegen.parallel: what another process does is what this one would have done, also when that process is lost.

Each case runs in a process of its own: a test runner's has more than one thread, and then nothing is forked.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAD = """
import os, signal, sys, time
from pathlib import Path
from sitegen.parallel import beside, share_out
from sitegen.index import RECORD
from sitegen.store import DiskStore, NullStore
here = os.getpid()

def no_child_is_left():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
"""


def _run(code: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("jobs", "elsewhere"), [(1, False), (2, True)])
def test_a_task_beside_us_answers_once(jobs: int, elsewhere: bool) -> None:
    _run(
        f"""
with beside(lambda: (os.getpid(), "x" * 1_000_000), {jobs}) as wait:
    pid, text = wait()
    assert (pid, text) == wait()
assert (pid != here) is {elsewhere} and len(text) == 1_000_000 and no_child_is_left()
"""
    )


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)", "1 / 0"])
def test_a_task_whose_process_is_lost_is_done_here(end: str) -> None:
    _run(
        f"""
def task():
    if os.getpid() != here:
        {end}
    return "done"

with beside(task, 2) as wait:
    assert wait() == "done"
assert no_child_is_left()
"""
    )


def test_an_error_of_the_task_is_raised_where_it_is_asked_for() -> None:
    _run(
        """
try:
    with beside(lambda: 1 / 0, 2) as wait:
        wait()
except ZeroDivisionError:
    assert no_child_is_left()
else:
    sys.exit("no error")
"""
    )


def test_nobody_waits_for_a_task_that_is_not_asked_for() -> None:
    _run(
        """
began = time.monotonic()
try:
    with beside(lambda: time.sleep(30), 2):
        raise KeyError
except KeyError:
    assert time.monotonic() - began < 10 and no_child_is_left()
"""
    )


def test_the_other_process_ends_with_a_build_that_is_killed() -> None:
    _run(
        """
ours, theirs = os.pipe()
build = os.fork()
if not build:
    def task():
        os.write(theirs, b"began")
        time.sleep(60)
    with beside(task, 2) as wait:
        wait()
os.close(theirs)
assert os.read(ours, 5) == b"began"
os.kill(build, signal.SIGKILL)
os.waitpid(build, 0)
began = time.monotonic()
assert os.read(ours, 1) == b"" and time.monotonic() - began < 10  # nobody has its other end any more
"""
    )


def test_what_the_other_process_writes_down_is_known_here(tmp_path: Path) -> None:
    _run(
        """
def size(name): return len(name)

store = DiskStore(Path(sys.argv[1]), "t")
store.call(size, "pending")
def task(name): return store.call(size, name).value, os.getpid()
made = share_out(task, ["a", "bb"], ["ccc"], store, 2)
assert [value for value, _ in made] == [1, 2, 3]
assert [pid != here for _, pid in made] == [False, False, True]
assert all(store.look(size, name) is not None for name in ("pending", "a", "bb", "ccc"))
store.flush()
again = DiskStore(Path(sys.argv[1]), "t")
assert all(again.look(size, name) is not None for name in ("pending", "a", "bb", "ccc"))
assert (Path(sys.argv[1]) / "index").stat().st_size == RECORD * (1 + 4)  # each once
assert [value for value, _ in share_out(task, [], ["dd"], NullStore(), 1)] == [2]
""",
        str(tmp_path / "cache"),
    )
