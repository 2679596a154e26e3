"""The WSGI wrapper and the grace period alone: odd apps and bodies are served as without it, nothing leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROBE = """
import json, logging, os, sys, threading, time
from instrument.flask import ProfileCoverage, TraceRequests
from instrument.runtime import ensure
from tests.exact.work import work
runtime = ensure()
calls = []
def environ(method="GET", slug="alps", request="r-1"):
    return {"REQUEST_METHOD": method, "HTTP_X_PROFILE_TRACE": slug, "HTTP_X_PROFILE_REQUEST": request}
def start(status, headers, exc_info=None):
    calls.append(status)
    return lambda chunk: calls.append(chunk)
def serve(app, **options):
    found = []
    body = TraceRequests(app, runtime)(environ(**options), start)
    try:
        for chunk in body:
            found.append(chunk)
    finally:
        body.close()
    return found
def recorded():
    from instrument.journal import journals, read_records
    found = {}
    for path in journals(runtime.settings.coverage_dir):
        for record in read_records(path.read_bytes())[0]:
            found.setdefault(record.context.split(":", 2)[2], set()).update(*record.lines.values())
    return found
"""


def probe(tmp_path: Path, code: str, **env: str) -> tuple[dict, str]:
    """Run code in a traced process of its own; return the JSON that it prints, and its log."""
    config = tmp_path / "coverage.ini"
    config.write_text("[run]\nsource_pkgs = tests.exact.work\n")
    settings = {
        "ENABLE_PROFILE_COVERAGE": "1",
        "PROFILE_COVERAGE_DIR": str(tmp_path / "data"),
        "PROFILE_COVERAGE_CONFIG": str(config),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE + code], cwd=ROOT, env={**os.environ, **settings, **env}, capture_output=True,
        text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


ODD = """
class NoClose:
    def __iter__(self): work(3); return iter([b"a", b"b"])
class Sequence:  # as gunicorn's file wrapper: no __iter__
    def __getitem__(self, index):
        if index > 1: raise IndexError
        return b"s"
def twice(env, start):
    start("200 OK", [("Content-Length", "9")])
    try: raise ValueError("late")
    except ValueError: start("500 Oops", [("Content-Length", "4")], sys.exc_info())
    return [b"oops"]
def writes(env, start):
    write = start("200 OK", [("Content-Length", "2")])
    write(b"w")
    calls.append(("before", "w-2" in recorded()))
    work(7)
    write(b"x")
    calls.append(("after", "w-1" in recorded()))
    return []
def breaks(env, start):
    start("200 OK", [])
    def body():
        yield b"one"
        work(5)
        raise KeyError("mid")
    return body()
def simple(body, length=None):
    def app(env, start):
        start("200 OK", [("Content-Length", length)] if length else [])
        return body
    return app
found = {
    "noclose": [c.decode() for c in serve(simple(NoClose()), request="noclose")],
    "sequence": [c.decode() for c in serve(simple(Sequence()))],
    "twice": [c.decode() for c in serve(twice)],
    "writes": [c.decode() for c in serve(writes, request="w-1")],
    "head": [c.decode() for c in serve(simple([]), method="HEAD")],
    "badlength": [[c.decode() for c in serve(simple([b"x"], bad))] for bad in ("\\u00b2", "x", 5)],
}
try: serve(breaks, request="breaks")
except KeyError as error: found["breaks"] = str(error)
inner = TraceRequests(simple([b"i"]), runtime)
found["nested"] = [c.decode() for c in serve(inner)]
found["calls"] = [c.decode() if isinstance(c, bytes) else c for c in calls if c != "200 OK"]
found["open"] = runtime.journal.open
found["recorded"] = sorted(recorded())
print(json.dumps(found))
"""


def test_odd_apps_and_bodies_are_served_as_without_the_wrapper(tmp_path: Path) -> None:
    found, log = probe(tmp_path, ODD)
    assert found == {
        "noclose": ["a", "b"],
        "sequence": ["s", "s"],
        "twice": ["oops"],
        "writes": [],
        "head": [],
        "badlength": [["x"]] * 3,
        "breaks": "'mid'",
        "nested": ["i"],
        "calls": ["500 Oops", "w", ["before", False], "x", ["after", True]],
        "open": {},
        "recorded": ["breaks", "noclose", "w-1"],
    }
    assert log == ""


FLASK = """
from flask import Flask, send_file
app, other = Flask("one"), Flask("two")
@app.get("/")
def index(): return str(len(work(27)))
@app.get("/file")
def file(): return send_file(os.path.abspath("pyproject.toml"))
@app.get("/empty")
def empty(): return "", 204
ProfileCoverage(app)
wrapped = app.wsgi_app
ProfileCoverage(app)
ProfileCoverage(other)
app.wsgi_app = (lambda inner: lambda env, start: inner(env, start))(app.wsgi_app)
late = Flask("late")
late.test_client().get("/")
ProfileCoverage(late)  # it serves already: Flask would refuse a blueprint now
client = app.test_client()
headers = {"X-Profile-Trace": "alps", "X-Profile-Request": "r-1"}
print(json.dumps({
    "codes": [client.get(p, headers=headers, buffered=True).status_code for p in ("/", "/file", "/empty", "/none")],
    "head": client.head("/", headers=headers, buffered=True).status_code,
    "size": client.get("/file", headers=headers, buffered=True).data == open("pyproject.toml", "rb").read(),
    "late": late.test_client().get("/", headers=headers, buffered=True).status_code,
    "other": other.test_client().get("/", headers=headers, buffered=True).status_code,
    "recorded": sorted(recorded()), "open": runtime.journal.open,
}))
"""


def test_flask_apps_registered_twice_beside_each_other_and_late(tmp_path: Path) -> None:
    found, log = probe(tmp_path, FLASK)
    assert found == {
        "codes": [200, 200, 204, 404], "head": 200, "size": True, "late": 404, "other": 404, "recorded": ["r-1"],
        "open": {},
    }  # fmt: skip
    assert "tracing is off" not in log


GRACE = """
go = threading.Event()
def late():
    work(3)
    go.wait(60)
    work(7)
def app(env, start):
    start("200 OK", [("Content-Length", "1")])
    threading.Thread(target=late).start()
    return [b"x"]
serve(app)
before = dict(runtime.journal.open)
end = time.monotonic() + 60
while runtime.journal.open and time.monotonic() < end: time.sleep(0.02)
at_close = len(recorded()["r-1"])
after = dict(runtime.journal.open)
go.set()
for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon: thread.join()
def watchers(): return [t.name for t in threading.enumerate() if t.name == "covatlas-grace"]
while watchers() and time.monotonic() < end: time.sleep(0.02)
runtime.tracer.flush_all()
print(json.dumps({"before": before, "after": after, "late": len(recorded()["r-1"]) - at_close, "lines": at_close > 0,
    "watchers": watchers()}))
"""


def test_a_trace_that_never_ends_is_closed_and_says_so_once(tmp_path: Path) -> None:
    found, log = probe(tmp_path, GRACE, PROFILE_COVERAGE_GRACE="1.5")
    assert found == {"before": {"alps": 1}, "after": {}, "late": 0, "lines": True, "watchers": []}
    assert log.count("closed 1 traces that were still held 1.5 s") == 1


LEAK = """
import gc, resource
def app(env, start):
    start("200 OK", [("Content-Length", "1")])
    work(27)
    return [b"x"]
def size():
    gc.collect()
    with open("/proc/self/statm") as file: return int(file.read().split()[1]) * resource.getpagesize()
for number in range(2000): serve(app, request=f"a-{number}")
memory, files, objects = size(), len(os.listdir("/proc/self/fd")), len(gc.get_objects())
for number in range(10000): serve(app, request=f"b-{number}")
print(json.dumps({"memory": size() - memory, "files": len(os.listdir("/proc/self/fd")) - files,
    "objects": len(gc.get_objects()) - objects}))
"""


def test_ten_thousand_traced_requests_leak_nothing(tmp_path: Path) -> None:
    found, _ = probe(tmp_path, LEAK)
    assert found["files"] == 0
    assert found["objects"] < 500
    assert found["memory"] < 2_000_000


SIGNAL = """
from instrument import journal
real, struck = journal.os.write, []
def interrupted(file, data):
    if not struck:
        struck.append(1)
        raise TimeoutError("the app's own alarm")
    return real(file, data)
def app(env, start):
    start("200 OK", [("Content-Length", "1")])
    work(3)
    journal.os.write = interrupted
    return [b"x"]
runtime.journal.write("alps", "profile:alps:first", {})
try: print(json.dumps({"answer": len(serve(app))}))
except TimeoutError as error:
    print(json.dumps({"error": str(error), "problem": runtime.problem, "recorded": sorted(recorded())}))
"""


def test_an_alarm_that_strikes_while_we_write_reaches_the_app_and_loses_no_line(tmp_path: Path) -> None:
    found, log = probe(tmp_path, SIGNAL)
    assert found == {"error": "the app's own alarm", "problem": None, "recorded": ["first", "r-1"]}
    assert log == ""


HORSES = """
most = 0
for number in range(300):
    for _ in range(3): runtime.job_loaded()  # as the worker does, which loads a job more than once
    child = os.fork()
    if child == 0:
        trace = runtime.open_job("alps", f"r-{number}", "job")
        with runtime.tracer.section(trace): work(7)
        runtime.tracer.end(trace)
        os._exit(0)
    os.waitpid(child, 0)
    most = max(most, len(os.listdir(runtime.settings.coverage_dir / "journal")))
from instrument.shards import combine
print(json.dumps({"few": most < 2 * (64 + 64), "contexts": combine(runtime.settings.coverage_dir, "alps").contexts}))
"""


def test_the_journals_of_work_horses_do_not_pile_up(tmp_path: Path) -> None:
    assert probe(tmp_path, HORSES)[0] == {"few": True, "contexts": 300}
