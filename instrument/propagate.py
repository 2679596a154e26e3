"""Propagation: threads, executors, pools and child processes inherit the trace that starts them.

Installed once per process, only with the flag on. Each patch does nothing on a thread that has no trace, and makes
the original call if it cannot do its part.
"""

from __future__ import annotations

import concurrent.futures
import functools
import logging
import multiprocessing.pool
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from instrument.children import ChildEnvironment
from instrument.pools import Part, carrying, part_of, serve, submitting
from instrument.trace import Tracer, current

log = logging.getLogger("covatlas")
_Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def install(tracer: Tracer, child_environment: ChildEnvironment) -> Callable[[], None]:
    """Patch what starts threads and processes or hands over calls; return a function that undoes it."""
    undone: list[tuple[Any, str, Any]] = []
    for owner, name, wrap in _patches(tracer, child_environment):
        try:
            original = getattr(owner, name)
            setattr(owner, name, wrap(original))
        except (AttributeError, TypeError, ValueError) as error:  # another Python, or somebody else's patch
            log.warning("covatlas: %s is not followed here: %s", name, error)
        else:
            undone.append((owner, name, original))
    serve(tracer)

    def undo() -> None:
        serve(None)
        for owner, name, original in reversed(undone):
            setattr(owner, name, original)

    return undo


def _patches(tracer: Tracer, child: ChildEnvironment) -> list[tuple[Any, str, _Wrap]]:
    threads = concurrent.futures.ThreadPoolExecutor
    pool = multiprocessing.pool.Pool
    callbacks = ("func", "callback", "error_callback")
    found: list[tuple[Any, str, _Wrap]] = [
        (threading.Thread, "start", functools.partial(_start, tracer)),
        (threads, "submit", functools.partial(submitting, tracer, another_process=False)),
        (threads, "__init__", _carry("initializer")),
        (concurrent.futures.Future, "add_done_callback", _carry("fn")),
        (pool, "__init__", _carry("initializer")),
        (pool, "apply_async", _carry(*callbacks)),
        (pool, "_map_async", _carry(*callbacks)),
        (pool, "imap", _carry("func", "iterable")),
        (pool, "imap_unordered", _carry("func", "iterable")),
        (subprocess.Popen, "__init__", functools.partial(_with_environment, child, 11)),
        (os, "execv", functools.partial(_execv, tracer)),
        (os, "execve", functools.partial(_execve, tracer, child)),
        (os, "posix_spawn", functools.partial(_with_environment, child, 2)),
        (os, "posix_spawnp", functools.partial(_with_environment, child, 2)),
        (os, "_exit", functools.partial(_last_words, tracer)),
    ]
    try:
        processes = concurrent.futures.ProcessPoolExecutor
    except ImportError:  # a Python without semaphores has none
        return found
    return [
        *found,
        (processes, "submit", functools.partial(submitting, tracer, another_process=True)),
        (processes, "__init__", _carry("initializer")),
    ]


def _carry(*names: str) -> _Wrap:
    return lambda original: carrying(original, *names)


def _start(tracer: Tracer, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        trace = current()
        if trace is None or _serves_everybody(self):
            return original(self)
        part = part_of(tracer, trace)
        try:
            put_back = _run_inside(self, part)
        except Exception as error:  # no Thread.__init__, or a `run` that is no method: the original says so
            part.end()
            log.debug("covatlas: a thread is not traced: %s", error)
            return original(self)
        try:
            return original(self)
        except BaseException:
            put_back()
            part.end()
            raise

    return start


def _run_inside(thread: threading.Thread, part: Part) -> Callable[[], None]:
    """Let the thread run as a part of its trace; return a function that gives it its own `run` back."""
    own = thread.__dict__.get("run")  # some set it on the instance
    run = thread.run

    def traced_run() -> None:
        try:
            part.run(run)
        finally:
            put_back()  # also because the thread points to itself through this closure
            part.end()

    def put_back() -> None:
        if thread.__dict__.get("run") is traced_run:
            del thread.__dict__["run"]
            if own is not None:
                thread.__dict__["run"] = own

    if not thread._started.is_set():  # type: ignore[attr-defined]  # a second start raises, and must change nothing
        thread.__dict__["run"] = traced_run
    return put_back


def _serves_everybody(thread: threading.Thread) -> bool:
    # A multiprocessing.Queue's feeder pickles for whoever puts next, not for the trace of the first put.
    return getattr(getattr(thread, "_target", None), "__module__", "") == "multiprocessing.queues"


def _with_environment(child: ChildEnvironment, position: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `original` whose `env`, given by position or by name, tells a child Python process to record."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        trace = current()
        if trace is not None:
            try:
                by_position = len(args) > position
                given = args[position] if by_position else kwargs.get("env")
                env = {**(os.environ if given is None else given), **child(trace)}
                if by_position:
                    args = (*args[:position], env, *args[position + 1 :])
                else:
                    kwargs = {**kwargs, "env": env}
            except Exception as error:  # whatever it is, the child must start
                log.warning("covatlas: a child process is not traced: %s", error)
        return original(*args, **kwargs)

    return call


def _execve(tracer: Tracer, child: ChildEnvironment, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return an os.execve that writes first: nothing of this process goes on after it."""
    followed = _with_environment(child, 2, original)

    @functools.wraps(original)
    def execve(*args: Any, **kwargs: Any) -> Any:
        _flush(tracer)
        return followed(*args, **kwargs)

    return execve


def _execv(tracer: Tracer, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def execv(path: Any, argv: Any, /) -> Any:
        if current() is not None:
            return os.execve(path, argv, os.environ)  # which puts our variables in
        _flush(tracer)
        return original(path, argv)

    return execv


def _last_words(tracer: Tracer, original: Callable[[int], None]) -> Callable[[int], None]:
    @functools.wraps(original)
    def leave(status: int) -> None:
        _flush(tracer)  # atexit does not run now: forked children end here
        original(status)

    return leave


def _flush(tracer: Tracer) -> None:
    try:
        tracer.flush_all()
    except Exception:  # whatever it is, the process must end as it was told to
        log.exception("covatlas: the last lines of process %d are lost", os.getpid())
