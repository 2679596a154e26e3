"""The whole road: the sample app's recorded sessions in, the site out, with real processes and a real Redis.

The golden check derives which profile runs which symbol a second way: each profile alone, in one single-threaded
process, under plain `coverage run`, read by `coverage json`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from examples.stack import ROOT, Stack
from instrument import shards

APP = ROOT / "examples" / "watershed"
PROFILES = APP / "profiles"
SLUGS = sorted(path.name for path in PROFILES.iterdir())


def covatlas(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "sitegen.cli", *map(str, arguments)],
        cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@dataclass(frozen=True)
class Road:
    coverage_dir: Path
    site: Path
    played: str
    built: str

    def data(self, name: str) -> Any:
        return json.loads((self.site / "data" / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Every profile, played one after the other against threaded werkzeug and a forking RQ worker."""
    tmp_path = tmp_path_factory.mktemp("road")
    coverage_dir, site = tmp_path / "data", tmp_path / "site"
    with Stack("watershed", coverage_dir=coverage_dir, trace=True, work_dir=tmp_path / "work") as stack:
        played = covatlas(
            *("play", "--all", "--trace-code", "--base-url", stack.base_url),
            *("--coverage-dir", coverage_dir, "--profiles", PROFILES),
        )
    assert played.returncode == 0, played.stderr
    built = covatlas(
        *("build", "--source", APP / "watershed", "--coverage-dir", coverage_dir),
        *("--site-dir", site, "--cache-dir", tmp_path / "cache"),
    )
    assert built.returncode == 0, built.stderr
    yield Road(coverage_dir, site, played.stderr, built.stderr)


def golden(slug: str, tmp_path: Path, redis_url: str) -> set[str]:
    """Return the functions of the sample app that a profile runs, as plain coverage.py sees them."""
    Redis.from_url(redis_url).flushdb()
    config = tmp_path / "golden.ini"
    config.write_text(
        f"[run]\nsource = {APP / 'watershed'}\nparallel = true\ndata_file = {tmp_path / 'golden.coverage'}\n"
        "patch = subprocess\n[report]\nignore_errors = true\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ENABLE_", "PROFILE_"))}
    env |= {"REDIS_URL": redis_url, "PYTHONPATH": f"{APP}{os.pathsep}{ROOT}", "WATERSHED_DATA": str(tmp_path / "home")}
    server = subprocess.Popen(
        [sys.executable, "-m", "coverage", "run", f"--rcfile={config}", "-m", "tests.golden.alone"],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=(tmp_path / "alone.log").open("w"),
    )  # fmt: skip
    assert server.stdout is not None
    port = int(server.stdout.readline())
    played = covatlas("play", slug, "--base-url", f"http://127.0.0.1:{port}", "--profiles", PROFILES)
    requests.get(f"http://127.0.0.1:{port}/worked-off", timeout=120)
    server.send_signal(signal.SIGINT)
    assert server.wait(60) == 0, (tmp_path / "alone.log").read_text()
    assert played.returncode == 0, played.stderr
    combine = ["combine", f"--rcfile={config}", "--keep"]
    report = ["json", f"--rcfile={config}", "-q", "--contexts=^played$", "-o", str(tmp_path / "golden.json")]
    # A child process exists only because of the profile: everything in its data file counts as played.
    for file in tmp_path.glob("golden.coverage.*"):
        subprocess.run([sys.executable, "-c", LABEL, str(file)], check=True)
    for command in (combine, report):
        done = subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    files = json.loads((tmp_path / "golden.json").read_text())["files"]
    return {
        f"{name.removeprefix('examples/watershed/')}:{first_line(region)} {function.partition('@')[0]}"
        for name, found in files.items()
        for function, region in found["functions"].items()
        if function and region["executed_lines"]
    }


def first_line(region: dict[str, Any]) -> int:
    return min(region["executed_lines"] + region["missing_lines"])


LABEL = """
import sqlite3, sys
data = sqlite3.connect(sys.argv[1])
contexts = {name for (name,) in data.execute("select context from context")}
if "played" not in contexts:
    data.execute("update context set context = 'played' where context = ''")
    data.commit()
"""


@pytest.mark.parametrize("slug", SLUGS)
def test_each_profile_runs_the_symbols_that_plain_coverage_sees(
    slug: str, road: Road, redis_url: str, tmp_path: Path
) -> None:
    ours = {
        f"{symbol['file']}:{first_line(symbol)} {local_name(symbol)}"
        for symbol in road.data(f"profiles/{slug}.json")["symbols"]
        if symbol["covered"] and symbol["kind"] not in ("module", "class")
    }
    expected = golden(slug, tmp_path, redis_url)
    assert len(expected) > 5
    assert ours == expected


def local_name(symbol: dict[str, Any]) -> str:
    """Return a symbol's name within its module, as coverage.py spells it."""
    module = symbol["file"].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return symbol["id"].removeprefix(f"{module}.").replace(".<locals>.", ".").partition("~")[0]


def test_combining_works_while_four_gunicorn_workers_and_the_rq_worker_run(road: Road, tmp_path: Path) -> None:
    coverage_dir = tmp_path / "data"
    with Stack("watershed", coverage_dir=coverage_dir, trace=True, server="gunicorn", workers=4, threads=2) as stack:
        for _ in range(2):  # the second playback replaces the first, though the same processes still hold its journals
            played = covatlas(
                *("play", "full-run", "calibrate", "--trace-code", "--base-url", stack.base_url),
                *("--coverage-dir", coverage_dir, "--profiles", PROFILES),
            )
            assert played.returncode == 0, played.stderr
        combined = covatlas("combine", "--coverage-dir", coverage_dir)
        assert combined.returncode == 0, combined.stderr
        assert stack.processes["server"].poll() is None
        found = {slug: shards.read_data(coverage_dir / f"{slug}.coverage") for slug in ("full-run", "calibrate")}
    for slug, contexts in found.items():
        record = json.loads((coverage_dir / f"{slug}.run.json").read_text())
        assert record["attempts"] == 2
        assert {context.split(":")[2].split("-")[0] for context in contexts} == {record["attempt"]}
        alone = shards.read_data(road.coverage_dir / f"{slug}.coverage")
        assert united(contexts) == united(alone), "however many processes serve it, a profile runs the same lines"


def united(contexts: shards.Contexts) -> dict[str, set[int]]:
    files: dict[str, set[int]] = {}
    for lines_by_path in contexts.values():
        for path, lines in lines_by_path.items():
            files.setdefault(path, set()).update(lines)
    return files


def test_the_site_has_a_page_for_everything_and_its_numbers_agree(road: Road) -> None:
    matrix, gaps = road.data("matrix.json"), road.data("gaps.json")
    assert matrix["profiles"] == SLUGS
    assert set(matrix["status"].values()) == {"passed"}
    inventory = road.data("inventory.json")
    for slug in SLUGS:
        profile = road.data(f"profiles/{slug}.json")
        covered = {symbol["id"] for symbol in profile["symbols"] if symbol["covered"]}
        assert covered == {matrix["symbols"][index] for index in matrix["covered"][slug]}
        assert profile["summary"]["lines_covered"] == sum(len(f["executed_lines"]) for f in profile["files"].values())
        assert (road.site / "profiles" / f"{slug}.html").is_file()
    assert len(list((road.site / "symbols").glob("*.html"))) + len(list((road.site / "modules").glob("*.html"))) == len(
        matrix["symbols"]
    )
    assert {file["module"] for file in inventory["files"]} >= {"watershed.model.rational", "watershed.climate.stations"}
    assert "watershed.model.rational" in {gap["id"] for gap in gaps["modules"]}, "never imported, so never run"


def test_the_profiles_differ_as_the_sample_promises(road: Road) -> None:
    matrix = road.data("matrix.json")
    covered = {slug: set(indexes) for slug, indexes in matrix["covered"].items()}
    assert covered["sign-in"] < covered["full-run"], "one is contained in another"
    assert covered["calibrate"] & covered["preview"], "some overlap"
    others = set().union(*(symbols for slug, symbols in covered.items() if slug != "calibrate"))
    assert covered["calibrate"] - others, "one reaches code that no other reaches"


def test_nothing_is_written_into_the_tree(road: Road) -> None:
    assert not list(APP.rglob("*.coverage*"))
    assert not list(ROOT.glob("*.coverage*"))


def test_every_covered_symbol_is_reached_by_a_recorded_request_or_job(road: Road) -> None:
    ways = [
        (way["profile"], twin["symbols"][index], way)
        for path in sorted((road.site / "data" / "modules").glob("*.json"))
        for twin in [json.loads(path.read_text())]
        for way in twin["ways"]
        for index in way["symbols"]
    ]
    assert {way["job"] for _, _, way in ways} > {""} and all(way["request"] > 0 for _, _, way in ways)
    for slug in SLUGS:
        symbols = [item for item in road.data(f"profiles/{slug}.json")["symbols"] if item["covered"]]
        assert {name for owner, name, _ in ways if owner == slug} == {item["id"] for item in symbols}
        page = (road.site / "profiles" / f"{slug}.html").read_text()
        first = sum(map(int, re.findall(r"first reached (\d+) function", page)))
        assert first == sum(item["kind"] not in ("module", "class") for item in symbols)
