"""Child Python processes: the environment that makes one record, and the way its shard comes in once it has ended.

A child runs coverage.py's own process start-up with our configuration. It writes its shard at its end, in several
steps, so it writes into a folder of its own: what lies there belongs to the process that the file's name tells.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instrument.scope import Scope

if TYPE_CHECKING:
    from instrument.trace import Trace

log = logging.getLogger("covatlas")
FOLDER = "children"
ChildEnvironment = Callable[["Trace"], Mapping[str, str]]
# coverage.py's suffix of parallel data: host (newer versions: with _ for dots), process id, random, digest.
_SHARD = re.compile(r"(?P<slug>[a-z0-9_-]+)\.coverage\.(?P<host>.+)\.(?:pid)?(?P<pid>[0-9]+)\.X\w+(?:\.H[^.]*)?")
# A process of another machine or container cannot be asked; a shard is written within milliseconds.
_ELSEWHERE_SECONDS = 60
# Linux refuses a longer environment variable, and with it the whole child.
_LONGEST = 100_000


def child_environment(scope: Scope, coverage_dir: str) -> ChildEnvironment:
    """Return a function from a trace to the environment that makes a child Python process record under its context."""
    config = scope.child_config()
    folder = Path(coverage_dir) / FOLDER

    def environment(trace: Trace) -> dict[str, str]:
        folder.mkdir(exist_ok=True)
        text = config(trace.context, str(folder / f"{trace.slug}.coverage"))
        if len(text) > _LONGEST:
            raise ValueError(f"the coverage configuration is too long for an environment variable ({len(text)} bytes)")
        return {
            "PROFILE_TRACE_SLUG": trace.slug,
            "PROFILE_TRACE_REQUEST": trace.request,
            "COVERAGE_PROCESS_CONFIG": text,
        }

    return environment


def adopt(directory: Path) -> int:
    """Move the shards of children that have ended into the coverage directory; return how many.

    A child of this host is asked, so whoever ran one calls this too when its trace ends: others only see its age.
    It needs no lock, for it only renames what is complete.
    """
    moved = 0
    for path in sorted((directory / FOLDER).glob("*.coverage.*")):
        name = _SHARD.fullmatch(path.name)
        if name is None or not _complete(path, name["host"], int(name["pid"])):
            continue
        try:
            os.replace(path, directory / path.name)
            moved += 1
        except FileNotFoundError:  # somebody else moved it meanwhile
            continue
    return moved


def _complete(path: Path, host: str, pid: int) -> bool:
    if host.replace(".", "_") == socket.gethostname().replace(".", "_"):
        return _ended(pid)
    try:
        return time.time() - path.stat().st_mtime > _ELSEWHERE_SECONDS
    except FileNotFoundError:
        return False


def _ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    try:  # it may have ended without anybody having waited for it
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists()
