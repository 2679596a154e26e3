"""`kill -9` at any point of `covatlas build`, with its workers or alone: the next build makes the site of a clean one.

A process that has imported the command already forks once per build, so that the random points lie in the build itself.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sitegen.publish import JOURNAL, TOKEN, read_token
from tests.atlas_support import record, write
from tests.process_support import ROOT, fast_folder, tree

POINTS = 200 if os.environ.get("COVATLAS_WHOLE") == "1" else 50
MODULES = 48  # enough for two processes
FORKER = """
import os, signal, sys
import sitegen.cli, sitegen.site, sitegen.engine, sitegen.with_mkdocs
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        os.setsid()
        sys.stdin.close()
        os._exit(sitegen.cli.main(line.split("\\0")[:-1], standalone_mode=False) or 0)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


class Builds:
    """A project of two versions, its site and cache of the first, and builds that may be killed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.temporary = root / "tmp"
        self.temporary.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), "GITHUB_SHA": "c0ffee"}
        with (root / "messages").open("wb") as messages:
            self.process = subprocess.Popen(
                [sys.executable, "-c", FORKER], cwd=root, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages,
            )  # fmt: skip
        self.write(1)
        record(root, "one", "import pkg.m1, pkg.m2, pkg.m3\npkg.m2.f(1)\npkg.m3.f(2)\n")
        assert self.run() == 0
        for name in ("site", "cache"):
            shutil.copytree(root / name, root / "first" / name)
        self.trees = {1: tree(root / "site")}
        self.write(2)
        assert self.run("build", "--clean", "--site-dir", "clean", "--cache-dir", "fresh") == 0
        self.trees[2] = tree(root / "clean")

    def write(self, version: int) -> None:
        """Write the source: in every module another constant, in the second version a module less and one more."""
        shutil.rmtree(self.root / "pkg", ignore_errors=True)
        write(self.root / "pkg" / "__init__.py", b"")
        for number in range(version, MODULES + version):
            text = f"def f(x):\n    return x + {version * number}\n"
            write(self.root / "pkg" / f"m{number}.py", text.encode())

    def reset(self) -> None:
        """Go back to the site and cache of the first version."""
        for name in ("site", "cache"):
            shutil.rmtree(self.root / name, ignore_errors=True)
            shutil.copytree(self.root / "first" / name, self.root / name)

    def start(self, *args: str) -> int:
        """Start a command, `build` if none is given, and return its process id."""
        given = [*(args or ["build"]), "--source", "pkg", "--coverage-dir", "data", "--title", "Title", "--jobs", "2"]
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\0".join([*given, "\n"]))
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self) -> int:
        """Return the wait status of the build that was started."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def run(self, *args: str) -> int:
        """Run a command, `build` if none is given, to its end."""
        self.start(*args)
        return self.wait()

    def stray(self, *more: str) -> list[str]:
        """Return what killed builds left of temporary folders and files, and of `more`."""
        patterns = ("site/**/*.covatlas-tmp", "tmp/*", *more)
        return [path.name for pattern in patterns for path in self.root.glob(pattern)]

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def builds() -> Iterator[Builds]:
    with tempfile.TemporaryDirectory(dir=fast_folder()) as folder:  # each point copies a site and a cache
        made = Builds(Path(folder))
        yield made
        made.close()


def _publishing(builds: Builds) -> bool:
    return (builds.root / "site" / JOURNAL).exists()


def _kill(builds: Builds, delay: float, begin: Callable[[], bool], group: bool = True) -> bool:
    """Start a build and kill it `delay` seconds after `begin` is true; return whether it was still running."""
    pid = builds.start()
    while not begin() and Path(f"/proc/{pid}").exists():  # it may publish while nobody looks
        time.sleep(0.0003)
    time.sleep(delay)
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
    return builds.wait() == signal.SIGKILL


def _check_what_a_reader_sees(builds: Builds) -> bool:
    """Fail unless the site is wholly one build's or says that it is being written; return whether it says so."""
    site = builds.root / "site"
    if (site / JOURNAL).exists():
        return True
    token, found = read_token(site), tree(site)
    assert token is not None and token == {path: found[path] for path in found if path != TOKEN}
    assert found in builds.trees.values()
    return False


@pytest.mark.timeout(1800)
def test_after_kills_at_random_points_the_next_build_is_a_clean_one(
    builds: Builds, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(POINTS)
    builds.reset()
    assert builds.run() == 0 and tree(builds.root / "site") == builds.trees[2]  # the source is of the second
    whole = 2.0  # seconds of a build, the shortest so far: a busy machine makes some of them last longer
    killed = torn = done = 0
    for point in range(5 * POINTS):
        if point >= POINTS and killed > POINTS / 2 and torn > POINTS / 25:  # enough of them struck
            break
        if point % 5 == 0:
            builds.reset()  # a cache that does not know the second version; else one that knows both
        version = 2 - point % 5 % 2
        builds.write(version)
        for _ in range(rng.choice((1, 1, 1, 2))):  # a second one dies on what the first left
            if point % 3:
                killed += _kill(builds, rng.uniform(0, whole), lambda: True)
            else:
                killed += _kill(builds, rng.uniform(0, 0.003), lambda: _publishing(builds))
            torn += _check_what_a_reader_sees(builds)
        begin = time.monotonic()
        assert builds.run() == 0
        whole = min(whole, time.monotonic() - begin)
        done += 1
        assert tree(builds.root / "site") == builds.trees[version], point
        assert read_token(builds.root / "site") == builds.trees[version]
        assert builds.stray() == []
    # A build that has nothing to do looks for nothing in the cache: there gc clears up.
    assert builds.run("gc") == 0 and builds.stray("cache/staging-*", "cache/**/*.tmp") == []
    with capsys.disabled():
        print(f"\n{done} points: {killed} builds killed in {whole:.2f} s, {torn} of them while they published")
    assert killed > POINTS / 2 and torn > POINTS / 25


def test_workers_do_not_outlive_a_build_that_is_killed_alone(builds: Builds) -> None:
    builds.write(2)
    for _ in range(20):  # a busy machine may let it come to its end before we have looked
        builds.reset()
        shutil.rmtree(builds.root / "cache" / "stages")  # all is to be made: by workers
        pid = builds.start()
        while len(workers := _session(pid) - {pid}) < 2 and Path(f"/proc/{pid}").exists():
            time.sleep(0.001)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if builds.wait() == signal.SIGKILL and len(workers) >= 2:
            break
    else:
        pytest.fail("no build was killed while it had workers")
    end = time.monotonic() + 60
    while _session(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert _session(pid) == set()
    assert builds.run() == 0
    assert tree(builds.root / "site") == builds.trees[2] and builds.stray() == []


def _session(leader: int) -> set[int]:
    """Return the living processes of a session."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.add(int(path.name))
    return found
