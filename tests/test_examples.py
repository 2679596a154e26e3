"""The sample app does what its recordings say, and the recordings are valid and hold no secrets."""

from __future__ import annotations

import ast
import json
import re
import time
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser
from redis import Redis
from rq import Queue
from rq.job import Job

from examples.record import record_session
from examples.scrub import SCRUBBED, scrub_har, scrub_value
from examples.stack import ROOT, Stack
from examples.watershed.sessions import SESSIONS
from instrument.playback.profile import known_slugs, load_profile

APP = ROOT / "examples" / "watershed" / "watershed"
FOLDERS = sorted(path.parent for path in (ROOT / "examples").glob("*/profiles/*/profile.toml"))
HARS = sorted((ROOT / "examples").glob("*/profiles/*/*.har"))
EVENTS = sorted((ROOT / "examples").glob("*/profiles/*/capture/events.jsonl"))
TOKEN = re.compile(r'name="csrf_token" value="(\w+)"')


def name(path: Path) -> str:
    return path.relative_to(ROOT / "examples").as_posix()


# ── recordings ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_session_is_recorded() -> None:
    assert known_slugs(ROOT / "examples" / "watershed" / "profiles") == sorted(session.slug for session in SESSIONS)
    assert len([path for path in HARS if "watershed" in path.parts]) >= 7
    assert len([path for path in HARS if "httpbin" in path.parts]) >= 4
    assert len(EVENTS) == 1


@pytest.mark.parametrize("path", HARS, ids=name)
def test_har_is_valid(path: Path) -> None:
    log = json.loads(path.read_text("utf-8"))["log"]
    assert log["version"] == "1.2"
    assert log["creator"]["name"] == "Playwright" and log["creator"]["version"]
    assert log["entries"]
    for entry in log["entries"]:
        assert datetime.fromisoformat(entry["startedDateTime"]).tzinfo
        assert entry["time"] >= 0
        assert {"send", "wait", "receive"} <= entry["timings"].keys() and "cache" in entry
        sent, got = entry["request"], entry["response"]
        assert {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"} <= set(
            sent
        )
        assert {"status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL"} <= set(got)
        assert {"size", "mimeType"} <= got["content"].keys()
        # A page that was left before it had loaded would be recorded without an answer.
        assert got["status"] > 0 and "_failureText" not in got
    assert path.stat().st_size < 200_000


@pytest.mark.parametrize("path", HARS, ids=name)
def test_har_holds_no_secret(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "session=" not in text.replace(f"session={SCRUBBED}", "")
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", text)  # a signed session, wherever it may stand
    for entry in json.loads(text)["log"]["entries"]:
        for message in (entry["request"], entry["response"]):
            assert all(cookie["value"] == SCRUBBED for cookie in message["cookies"])
            for header in message["headers"]:
                if header["name"].lower() in ("cookie", "authorization"):
                    assert header["value"] == SCRUBBED


@pytest.mark.parametrize("path", EVENTS, ids=name)
def test_events_have_a_request_and_a_response_each(path: Path) -> None:
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    asked = {event["id"]: event for event in events if event["stage"] == "request"}
    answered = {event["id"]: event for event in events if event["stage"] == "response"}
    assert asked.keys() == answered.keys() and len(asked) >= 5
    for key, event in answered.items():
        assert event["ok"] is (event["status"] < 400)
        assert event["endpoint"] == asked[key]["endpoint"] and event["method"] == asked[key]["method"]
    bodies = [event["requestMeta"]["jsonPayload"] for event in asked.values() if event["requestMeta"]]
    assert {"name": "ida"} in bodies


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_profile_loads_and_its_expected_failures_exist(folder: Path) -> None:
    profile = load_profile(folder.parent, folder.name)
    assert profile.title != folder.name and profile.description
    assert profile.requests and not profile.foreign and not profile.unsent
    for function in tomllib.loads((folder / "profile.toml").read_text("utf-8")).get("expected_failed_jobs", ()):
        module, _, job = function.rpartition(".")
        tree = ast.parse((APP.parent / f"{module.replace('.', '/')}.py").read_text("utf-8"))
        assert job in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_scrub_takes_secrets_and_leaves_the_rest() -> None:
    message = {
        "headers": [
            {"name": "Cookie", "value": "session=abc"},
            {"name": "Set-Cookie", "value": "session=abc; HttpOnly; Path=/\nother=def; Path=/"},
            {"name": "Authorization", "value": "Basic YQ=="},
            {"name": "Accept", "value": "*/*"},
        ],
        "cookies": [{"name": "session", "value": "abc"}],
    }
    form = {
        "mimeType": "application/x-www-form-urlencoded",
        "text": "csrf_token=t0&password=hunter2&note=a+b",
        "params": [{"name": "csrf_token", "value": "t0"}, {"name": "password", "value": "hunter2"}],
    }
    body = {"mimeType": "application/json", "text": '{"user": {"password": "hunter2", "id": 7}}'}
    entries: list[dict[str, Any]] = [
        {"request": {**message, "postData": form}, "response": message},
        {"request": {"headers": [], "postData": body}, "response": {"headers": []}},
    ]
    scrub_har({"log": {"entries": entries}})
    text = json.dumps(entries)
    assert not any(secret in text for secret in ("abc", "def;", "YQ==", "hunter2"))
    assert message["headers"][1]["value"] == f"session={SCRUBBED}; HttpOnly; Path=/\nother={SCRUBBED}; Path=/"
    assert message["headers"][3]["value"] == "*/*"
    assert form["text"] == f"csrf_token=t0&password={SCRUBBED}&note=a+b"
    assert json.loads(body["text"]) == {"user": {"password": SCRUBBED, "id": 7}}
    assert scrub_value([{"api_key": "k"}, "k"]) == [{"api_key": SCRUBBED}, "k"]


@pytest.mark.parametrize("slug", ["sign-in", "api-tour"])
def test_recording_again_gives_the_same_requests(slug: str, tmp_path: Path, browser: Browser) -> None:
    session = next(session for session in SESSIONS if session.slug == slug)
    with Stack("watershed") as stack:
        record_session(browser, stack.base_url, session, tmp_path / slug)
    again = load_profile(tmp_path, slug)
    committed = load_profile(ROOT / "examples" / "watershed" / "profiles", slug)
    assert [(r.method, r.path, r.answer.status) for r in again.requests] == [
        (r.method, r.path, r.answer.status) for r in committed.requests
    ]
    assert (again.title, again.description) == (committed.title, committed.description)


# ── the sample app ────────────────────────────────────────────────────────────────────────────────────────────────


class User:
    """A signed-in user of the running app."""

    def __init__(self, base_url: str, user: str) -> None:
        self.base_url = base_url
        self.http = requests.Session()
        self.form("/login", name=user)

    def form(self, path: str, **fields: str) -> requests.Response:
        """Load a form, fill it in and send it."""
        found = TOKEN.findall(self.http.get(self.base_url + path, timeout=60).text)
        return self.http.post(self.base_url + path, data={"csrf_token": found[-1], **fields}, timeout=60)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.http.request(method, self.base_url + path, json=body, timeout=60)

    def create_run(self) -> str:
        """Create a run and return its id."""
        fields = {"name": "creek", "station": "tahoe", "soil": "palouse", "cover": "wheat", "years": "2"}
        return self.form("/runs/new", **fields).url.rsplit("/", 1)[1]


@pytest.fixture(scope="module")
def app():
    with Stack("watershed", trace=False) as stack:
        yield stack


@pytest.fixture
def user(app: Stack) -> User:
    return User(app.base_url, "ada")


def wait_for_end_of_jobs(app: Stack, job_id: str) -> tuple[Queue, Job]:
    """Return the queue and a job as they are when the worker has nothing left to do."""
    queue = Queue("watershed", connection=Redis.from_url(app.redis_url))
    deadline = time.monotonic() + 120
    job = Job.fetch(job_id, connection=queue.connection)
    while job.get_status(refresh=True) not in ("finished", "failed") or len(queue) or len(queue.started_job_registry):
        assert time.monotonic() < deadline, app.tail("worker-1")
        time.sleep(0.05)
    job.refresh()
    return queue, job


def test_jobs_enqueue_jobs_until_the_run_is_done(app: Stack, user: User) -> None:
    run = user.create_run()
    started = user.call("POST", f"/api/runs/{run}/start")
    assert started.status_code == 202
    ended = user.call("GET", f"/api/runs/{run}/end").json()
    assert ended["done"] and ended["run"]["state"] == "done"
    assert [slope["number"] for slope in ended["hillslopes"]] == [1, 2, 3, 4]
    assert all(slope["soil_loss_t"] > 0 for slope in ended["hillslopes"])
    queue, job = wait_for_end_of_jobs(app, started.json()["job"])
    assert job.return_value() == 4
    finished = [Job.fetch(key, connection=queue.connection) for key in queue.finished_job_registry.get_job_ids()]
    names = [done.func_name.rsplit(".", 1)[1] for done in finished if done.args[0] == run]
    assert sorted(names) == ["finish", *["simulate_hillslope"] * 4, "start"]


def test_preview_agrees_with_the_jobs(user: User) -> None:
    run = user.create_run()
    user.call("POST", f"/api/runs/{run}/start")
    slopes = user.call("GET", f"/api/runs/{run}/end").json()["hillslopes"]
    page = user.call("GET", f"/runs/{run}/preview").text
    for slope in slopes:
        assert f"<td>{slope['runoff_mm']} mm</td><td>{slope['soil_loss_t']} t</td>" in page


def test_busy_station_succeeds_at_the_second_attempt(app: Stack, user: User) -> None:
    job_id = user.call("POST", "/api/stations/moscow/refresh").json()["job"]
    _, job = wait_for_end_of_jobs(app, job_id)
    assert job.get_status() == "finished" and job.return_value() == 4.2
    assert job.retries_left == 1  # of 2
    assert "StationBusy: moscow is busy" in app.tail("worker-1", 500)


def test_tiles_fail_for_good(app: Stack, user: User) -> None:
    job_id = user.call("POST", "/api/tiles", {"run": user.create_run()}).json()["job"]
    _, job = wait_for_end_of_jobs(app, job_id)
    assert job.get_status() == "failed"
    assert "NoTileServer" in job.latest_result().exc_string


def test_hydrograph_is_streamed_without_a_size(user: User) -> None:
    answer = user.call("GET", f"/reports/{user.create_run()}/hydrograph.csv")
    assert "Content-Length" not in answer.headers
    lines = answer.text.splitlines()
    assert lines[0] == "day,runoff_mm" and len(lines) > 5


def test_calibration_finds_the_curve_number_that_made_the_storms(user: User) -> None:
    # Runoff by curve number 80: retention 63.5 mm.
    storms = {rain: (rain - 12.7) ** 2 / (rain + 50.8) for rain in (20, 45, 60, 80)}
    body = {"rain_mm": list(storms), "runoff_mm": list(storms.values())}
    assert user.call("POST", "/api/calibration", body).json() == {"curve_number": 80.0}


def test_treatments_differ(user: User) -> None:
    body = {
        "station": "tahoe",
        "soil": "vertisol",
        "cover": "forest",
        "treatments": ["thinning", "burn", "mulched-burn"],
    }
    loss = user.call("POST", "/api/treatments", body).json()["soil_loss_t"]
    assert loss["burn"] > loss["mulched-burn"] > loss["thinning"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/no/such/page", None, 404),
        ("GET", "/runs/00000000-0000-4000-8000-000000000000", None, 404),
        ("GET", "/api/stations/atlantis/forecast", None, 404),
        ("GET", "/api/stations/nearest?lat=x", None, 422),
        ("POST", "/api/texture", {"sand": 90, "clay": 40}, 422),
        ("POST", "/api/treatments", {"station": "moscow"}, 422),
        ("POST", "/api/calibration", {"rain_mm": [1], "runoff_mm": []}, 422),
        ("POST", "/api/calibration", {"rain_mm": ["wet"], "runoff_mm": [1]}, 422),
        ("POST", "/api/texture", [], 422),
        ("POST", "/api/session", [], 422),
        ("POST", "/api/session", {}, 422),
        ("POST", "/logout", None, 400),
    ],
)
def test_bad_input_is_answered(user: User, method: str, path: str, body: Any, status: int) -> None:
    assert user.call(method, path, body).status_code == status


def test_forms_need_the_token_and_the_api_a_user(app: Stack, user: User) -> None:
    assert user.http.post(f"{app.base_url}/runs/new", data={"csrf_token": "stale"}, timeout=60).status_code == 400
    assert requests.post(f"{app.base_url}/login", data={"csrf_token": "", "name": "eve"}, timeout=60).status_code == 400
    assert requests.post(f"{app.base_url}/api/calibration", json={}, timeout=60).status_code == 401
    stranger = User(app.base_url, "berta")
    assert stranger.call("GET", f"/runs/{user.create_run()}").status_code == 404
