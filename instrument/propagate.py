"""Propagation: threads, executors, forks and child Python processes inherit the trace that starts them.

Installed once per process, only with the flag on. Each patch does nothing on a thread that has no trace. A worker
thread of a pool never inherits: the submitted call carries its trace instead.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import thread as pool_threads
from typing import Any

from instrument.scope import Scope
from instrument.trace import Trace, Tracer, current

ChildEnvironment = Callable[[Trace], Mapping[str, str]]


def install(tracer: Tracer, child_environment: ChildEnvironment) -> Callable[[], None]:
    """Patch thread start, executor submit, Popen and os._exit; return a function that undoes it."""
    originals = [
        (threading.Thread, "start", threading.Thread.start),
        (concurrent.futures.ThreadPoolExecutor, "submit", concurrent.futures.ThreadPoolExecutor.submit),
        (subprocess.Popen, "__init__", subprocess.Popen.__init__),
        (os, "_exit", os._exit),
    ]
    threading.Thread.start = _start(tracer, threading.Thread.start)  # type: ignore[method-assign]
    pool = concurrent.futures.ThreadPoolExecutor
    pool.submit = _submit(tracer, pool.submit)  # type: ignore[method-assign]
    subprocess.Popen.__init__ = _popen(child_environment, subprocess.Popen.__init__)  # type: ignore[method-assign]
    os._exit = _exit(tracer, os._exit)

    def undo() -> None:
        for owner, name, original in originals:
            setattr(owner, name, original)

    return undo


def _start(tracer: Tracer, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        trace = current()
        if trace is None or getattr(self, "_target", None) is pool_threads._worker:
            return original(self)
        run = self.run

        def traced_run() -> None:
            try:
                with tracer.section(trace):
                    run()
            finally:
                self.__dict__.pop("run", None)  # the thread object points to itself through this closure
                tracer.release(trace)

        self.run = traced_run  # type: ignore[method-assign]
        tracer.hold(trace)
        try:
            original(self)
        except BaseException:
            self.__dict__.pop("run", None)
            tracer.release(trace)
            raise

    return start


def _submit(tracer: Tracer, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        trace = current()
        if trace is None:
            return original(self, fn, *args, **kwargs)

        def traced_call(*args: Any, **kwargs: Any) -> Any:
            with tracer.section(trace):
                return fn(*args, **kwargs)

        tracer.hold(trace)
        try:
            future = original(self, traced_call, *args, **kwargs)
        except BaseException:
            tracer.release(trace)
            raise
        future.add_done_callback(lambda _future: tracer.release(trace))  # runs for a cancelled call too
        return future

    return submit


def _popen(child_environment: ChildEnvironment, original: Callable[..., None]) -> Callable[..., None]:
    # `env` is the eleventh positional parameter of Popen after self: nobody passes it by position, but one may.
    position = 10

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        trace = current()
        if trace is not None:
            given = args[position] if len(args) > position else kwargs.get("env")
            env = {**(os.environ if given is None else given), **child_environment(trace)}
            if len(args) > position:
                args = (*args[:position], env, *args[position + 1 :])
            else:
                kwargs["env"] = env
        original(self, *args, **kwargs)

    return init


def _exit(tracer: Tracer, original: Callable[[int], None]) -> Callable[[int], None]:
    @functools.wraps(original)
    def leave(status: int) -> None:
        try:
            tracer.flush_all()  # atexit does not run now: forked children end here
        finally:
            original(status)

    return leave


def child_environment(scope: Scope, coverage_dir: str) -> ChildEnvironment:
    """Return a function from a trace to the environment that makes a child Python process record under its context.

    The child runs coverage.py's own process start-up with our configuration and writes its shard at its end.
    """
    config = scope.child_config()

    def environment(trace: Trace) -> dict[str, str]:
        return {
            "PROFILE_TRACE_SLUG": trace.slug,
            "PROFILE_TRACE_REQUEST": trace.request,
            "COVERAGE_PROCESS_CONFIG": config(trace.context, os.path.join(coverage_dir, f"{trace.slug}.coverage")),
        }

    return environment
