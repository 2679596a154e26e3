"""The pages on wiring and recording, run word for word: their files, the compose file's services, play and build."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from examples.ports import free_port

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TITLED = re.compile(r'^( *)```\w+ title="([^"]+)"\n(.*?)^\1```', re.MULTILINE | re.DOTALL)
# As root of namespaces of its own: the image at /srv/app, the volume at /mnt/coverage, another host name, other pids.
NAMESPACES = ["unshare", "--map-root-user", "--mount", "--uts", "--pid", "--fork", "--kill-child=SIGTERM"]
CONTAINED = """
set -e
hostname container
mount -t tmpfs none /srv && mkdir /srv/app && mount --bind "$IMAGE" /srv/app
mount -t tmpfs none /mnt && mkdir /mnt/coverage && mount --bind "$VOLUME" /mnt/coverage
cd /srv/app
exec "$@"
"""


def titled() -> dict[str, str]:
    """Return the files that the pages show, by the name in their title."""
    text = "".join((ROOT / "site_src" / page).read_text("utf-8") for page in ("wiring.md", "recording.md"))
    return {name: textwrap.dedent(body) for _, name, body in TITLED.findall(text)}


def compose(environment: dict[str, str]) -> dict[str, Any]:
    """Return the page's compose file with its variables filled in, as `docker compose config` would."""
    text, pattern = titled()["compose.yaml"], re.compile(r"\$\{(\w+)(?::-((?:[^${}]|\$\{\w+\})*))?\}")
    while pattern.search(text):
        text = pattern.sub(lambda found: environment.get(found[1]) or found[2] or "", text)
    return yaml.safe_load(text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in titled().items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "project"


def can_contain() -> bool:
    return subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode == 0


@contextmanager
def running(service: dict[str, Any], image: Path, volume: Path, log: Path, contained: bool) -> Iterator[None]:
    """Run a service's command in its environment; without namespaces, in the image's folder with the volume's path."""
    env = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(log.parent), **service["environment"]}
    env |= {"IMAGE": str(image), "VOLUME": str(volume)}
    command = shlex.split(service["command"])
    if contained:
        command = [*NAMESPACES, "bash", "-c", CONTAINED, "bash", *command]
    else:
        env["PROFILE_COVERAGE_DIR"] = str(volume)
    with log.open("ab") as file:
        process = subprocess.Popen(command, cwd=image, env=env, stdout=file, stderr=file, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def profile(project: Path) -> dict[str, Any]:
    return json.loads((project / "site/data/profiles/invoice.json").read_text())


def run(*command: str, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("contained", [False, True], ids=["in folders", "in namespaces"])
def test_the_pages_files_run_as_the_compose_file_says(
    project: Path, tmp_path: Path, redis_url: str, contained: bool
) -> None:
    if contained and not can_contain():
        pytest.skip("this system makes no namespaces")
    image, volume = tmp_path / "image/srv/app", tmp_path / "raw data"
    shutil.copytree(project, image)  # COPY . .
    volume.mkdir()
    log = tmp_path / "log"
    port = str(free_port())
    server = image / "gunicorn.conf.py"
    server.write_text(server.read_text().replace("8000", port))
    asked = {"ENABLE_PROFILE_COVERAGE": "1", "PROFILE_COVERAGE_DIR": str(volume), "HOME": str(tmp_path)}
    services = yaml.safe_load(
        yaml.safe_dump(compose(asked)["services"])
        .replace("8000", port)
        .replace("redis:6379", urlsplit(redis_url).netloc)
    )
    assert [services[name]["volumes"] for name in ("web", "worker")] == [[f"{volume}:/mnt/coverage"]] * 2
    with ExitStack() as stack:
        for name in ("web", "worker"):
            stack.enter_context(running(services[name], image, volume, log, contained))
        probe = [sys.executable, *services["web"]["healthcheck"]["test"][2:]]
        deadline = time.monotonic() + 120
        while subprocess.run(probe, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PROFILE_COVERAGE_DIR": str(volume)}
        url = f"http://127.0.0.1:{port}"
        said = run("covatlas", "play", "--all", "--trace-code", "--base-url", url, cwd=project, env=env)
        assert "invoice: passed, 1 request answered as recorded, 1 job, 2 files" in said, said + log.read_text()
        run("covatlas", "build", "--source", "shop", cwd=project, env=env)
    data = profile(project)
    covered = {symbol["id"] for symbol in data["symbols"] if symbol["covered"] and symbol["kind"] != "module"}
    assert covered == {"shop.app.create_app.<locals>.invoice", "shop.jobs.write_invoice", "shop.jobs.amount"}
    assert data["status"] == "passed"
    jobs = project / "shop/jobs.py"
    jobs.write_text(jobs.read_text().replace("450", "460"))
    run("covatlas", "build", "--source", "shop", cwd=project, env=env)
    certainty = {symbol["id"]: symbol["certainty"] for symbol in profile(project)["symbols"]}
    assert (certainty["shop.jobs.amount"], certainty["shop.app.create_app.<locals>.invoice"]) == ("stale", "body")


def test_the_first_trace_of_the_quick_start(project: Path, tmp_path: Path, redis_url: str) -> None:
    page = (
        (ROOT / "site_src/quick-start.md")
        .read_text("utf-8")
        .partition("## The first trace")[2]
        .partition("\nEvery option ")[0]
    )
    start, by_hand, recorded = re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    port = str(free_port())
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PROFILE_", "ENABLE_"))} | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "FLASK_APP": "shop.app",
        "FLASK_RUN_PORT": port,
        "RQ_REDIS_URL": redis_url,
        "REDIS_URL": redis_url,
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    healthy = f"for _ in $(seq 1200); do curl -sfo /dev/null http://127.0.0.1:{port}/health && break; sleep 0.1; done\n"
    script = f"set -e; trap 'kill $(jobs -p)' EXIT\n{start}{healthy}{by_hand}{recorded}"
    script = script.replace("127.0.0.1:5000/\n", f"127.0.0.1:{port}/health\n").replace("5000", port)
    script = script.replace("rq worker &", "rq worker shop &").replace("path/to/your_package", "shop")
    script, serving = re.subn(r"covatlas serve.*\n", "", script)  # which would not end
    said = run("bash", "-c", script, cwd=project, env=env)
    data = tmp_path / "data/covatlas/profiles"
    assert f"by-hand: 1 request, 1 file, 1 line → {data}/by-hand.coverage" in said
    assert "invoice: passed, 1 request answered as recorded, 1 job, 2 files" in said
    assert serving == 1 and (project / "site/profiles/by-hand.html").is_file()


def test_the_compose_file_is_what_compose_takes() -> None:
    schema = json.loads(
        (resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text("utf-8")
    )
    value = compose({"HOME": "/home/me"})
    assert value["services"]["web"]["volumes"] == ["/home/me/.local/share/covatlas/profiles:/mnt/coverage"]
    assert value["services"]["worker"]["environment"]["ENABLE_PROFILE_COVERAGE"] == "0"
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert not list(validator.iter_errors(value))
    assert list(validator.iter_errors({**value, "services": {"web": {"comand": "x"}}}))  # the schema can say no
