"""A whole night without GitHub: the generated workflows really run, with a real app, Redis, git and browser."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, expect

from examples.ports import free_port
from sitegen.nights import FILE, read_nights
from sitegen.workflows import write_workflows
from tests.actions_runner import Job, Runner

ROOT = Path(__file__).parent.parent
NIGHTLY = ".github/workflows/covatlas-nightly.yml"
TWO = ("sign-in", "look-around")
THREE = (*TWO, "new-run")
IDENTITY = {
    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    **{f"GIT_{who}_{what}": "nights@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=IDENTITY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Repository:
    """A bare origin, and a clone in which somebody works: this repository's last commit with fewer profiles."""

    def __init__(self, root: Path, slugs: tuple[str, ...], publish: str, perf: bool = False) -> None:
        self.origin, self.clone = root / "origin.git", root / "clone"
        git(ROOT, "clone", "-q", "--no-hardlinks", "--single-branch", str(ROOT), str(self.clone))
        git(self.clone, "checkout", "-q", "-B", "main")
        value = yaml.safe_load((self.clone / FILE).read_text("utf-8").replace("8321", str(free_port())))
        value["app"]["install"] = "python -c 'import sitegen; print(sitegen.__file__)'"
        value["profiles"] = [row for row in value["profiles"] if row["slug"] in slugs]
        value["publish"] = {"to": publish}
        value["perf"] = {"profiles": [slugs[0]], "pairs": 3} if perf else {}
        (self.clone / FILE).write_text(yaml.safe_dump(value), "utf-8")
        write_workflows(self.clone, False, lambda message: None, lambda text: None)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.origin)], env=IDENTITY, check=True)
        git(self.clone, "remote", "set-url", "origin", str(self.origin))
        self.push("Fewer profiles")

    def push(self, message: str) -> None:
        """Commit all that changed and push it."""
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "-q", "-m", message)
        git(self.clone, "push", "-q", "origin", "main")

    @property
    def slugs(self) -> tuple[str, ...]:
        """The profiles that are listed."""
        return tuple(profile.slug for profile in read_nights(self.clone / FILE).profiles)


def story(jobs: dict[str, Job]) -> str:
    return "\n".join(f"===== {name}: {job.result}\n" + "\n".join(job.log) for name, job in jobs.items())


def results(jobs: dict[str, Job]) -> dict[str, str]:
    return {name: job.result for name, job in jobs.items()}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def forget_bundles(runner: Runner) -> None:
    """Let the bundles of all nights so far expire."""
    for path in runner.artifacts.glob("*/covatlas-bundle.zip"):
        path.unlink()


def nights_told(history: str) -> int:
    return len(json.loads(history)["nights"])


def published(repository: Repository, target: Path) -> Path:
    git(repository.origin, "worktree", "add", "--force", "-f", "--detach", str(target), "gh-pages")
    return target


def test_a_night_is_played_collected_published_and_read(tmp_path: Path, browser: Browser) -> None:
    repository = Repository(tmp_path, TWO, "branch")
    runner = Runner(tmp_path / "actions", repository.origin, {"ENABLE_PROFILE_COVERAGE": "1"})
    jobs = runner.run(NIGHTLY)
    expected = {**{f"playback ({slug})": "success" for slug in TWO}, "atlas": "success", "publish": "success"}
    assert results(jobs) == expected, story(jobs)
    assert str(jobs["atlas"].workspace) in story(jobs)  # the clone's own code ran, not this one
    summary = (jobs["atlas"].workspace.parent / "summary.md").read_text("utf-8")
    assert summary.startswith("## Covatlas, nightly of") and "`look-around` | fresh | tonight" in summary
    assert {path.stem for path in (runner.artifacts / "1").iterdir()} == {
        "playback-sign-in", "playback-look-around", "covatlas-bundle", "covatlas-site"}  # fmt: skip
    site = published(repository, tmp_path / "published")
    assert (site / ".nojekyll").exists()
    with served(site) as url:
        page = browser.new_page()
        failed: list[str] = []
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
        page.goto(f"{url}/index.html")
        page.get_by_role("link", name="look-around", exact=True).first.click()
        expect(page.locator("h1")).to_have_text("look-around")
        expect(page.locator("td code").first).to_be_visible()
        page.close()
    assert not failed
    forget_bundles(runner)
    jobs = runner.run(NIGHTLY)
    assert results(jobs) == expected, story(jobs)
    assert nights_told(git(repository.origin, "show", "gh-pages:data/history.json")) == 2  # of the published map


@pytest.mark.skipif(not os.environ.get("COVATLAS_WHOLE"), reason="installs from the registry; COVATLAS_WHOLE=1 does")
def test_what_is_installed_is_all_that_the_check_needs(tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(ROOT), str(tmp_path / "origin.git"))
    git(tmp_path / "origin.git", "update-ref", "refs/heads/main", "HEAD")
    runner = Runner(tmp_path / "actions", tmp_path / "origin.git", {}, fresh=True)
    jobs = runner.run(NIGHTLY.replace("nightly", "check"))
    assert results(jobs) == {"check": "success"} and "Nothing has drifted" in story(jobs), story(jobs)


def test_without_the_flag_profiles_are_played_and_nothing_is_traced(tmp_path: Path) -> None:
    repository = Repository(tmp_path, TWO[:1], "pages")
    runner = Runner(tmp_path / "actions", repository.origin, {})
    jobs = runner.run(NIGHTLY)
    assert results(jobs) == {"playback (sign-in)": "success"}, story(jobs)
    assert "sign-in: passed" in story(jobs)
    assert not list((jobs["playback (sign-in)"].temp / "covatlas/data").iterdir())


def test_an_app_that_does_not_start_is_said_at_once_with_its_log(tmp_path: Path) -> None:
    repository = Repository(tmp_path, TWO[:1], "pages")
    value = yaml.safe_load((repository.clone / FILE).read_text("utf-8"))
    value["app"]["start"] = "echo no database here; exit 3"
    (repository.clone / FILE).write_text(yaml.safe_dump(value), "utf-8")
    write_workflows(repository.clone, False, lambda message: None, lambda text: None)
    repository.push("Break the start")
    runner = Runner(tmp_path / "actions", repository.origin, {"ENABLE_PROFILE_COVERAGE": "1"})
    jobs = runner.run(NIGHTLY)
    told = story({"playback (sign-in)": jobs["playback (sign-in)"]})
    assert jobs["playback (sign-in)"].result == "failure" and "no database here" in told and "::error::" in told
    assert "-- Upload the profile data" in told  # the log is what one needs now
    assert jobs["atlas"].result == "failure" and "publish" not in jobs  # a first night without any data has no map


@pytest.mark.skipif(not os.environ.get("COVATLAS_WHOLE"), reason="a night and a week; COVATLAS_WHOLE=1 runs them")
def test_a_week_carries_on_from_the_night_and_pages_are_deployed(tmp_path: Path) -> None:
    repository = Repository(tmp_path, ("sign-in", "calibrate"), "pages")
    runner = Runner(
        tmp_path / "actions", repository.origin, {"ENABLE_PROFILE_COVERAGE": "1", "UPLOAD_FULL_REPORTS": "1"}
    )
    jobs = runner.run(NIGHTLY)
    assert results(jobs) == {"playback (sign-in)": "success", "atlas": "success", "publish": "success"}, story(jobs)
    assert not (runner.pages / "profiles/calibrate.html").exists()
    full = {path.stem for path in (runner.artifacts / "1").iterdir() if path.stem.startswith("full-")}
    assert full == {"full-playback-sign-in", "full-site"}
    for path in (path for path in runner.caches.rglob("*") if path.is_file()):  # a damaged cache only costs time
        if path.name == ".covatlas.json":
            path.rename(path.with_name("left.html"))  # a torn site with a page that is nobody's
        elif "stages" in path.parts:
            path.write_bytes(path.read_bytes()[:50] + b"torn")
    jobs = runner.run(NIGHTLY.replace("nightly", "weekly"))
    assert "the map is made once more, without the restored cache" in story(jobs)
    assert results(jobs) == {"playback (calibrate)": "success", "atlas": "success", "publish": "success"}, story(jobs)
    summary = (jobs["atlas"].workspace.parent / "summary.md").read_text("utf-8")
    assert "`sign-in` | kept | 0 days" in summary and "`calibrate` | fresh | tonight" in summary
    assert (runner.pages / "profiles/sign-in.html").exists() and (runner.pages / "profiles/calibrate.html").exists()
    assert (runner.pages / ".covatlas.json").exists()  # hidden files travel too
    assert nights_told((runner.pages / "data/history.json").read_text("utf-8")) == 2
    forget_bundles(runner)  # for a fortnight nothing ran: the past then is that of the published map
    jobs = runner.run(NIGHTLY)
    assert nights_told((runner.pages / "data/history.json").read_text("utf-8")) == 3, story(jobs)


def measured(jobs: dict[str, Job]) -> str:
    """Return the table of the performance sample; what it decides on a busy machine is its own affair."""
    summary = (jobs["perf"].workspace.parent / "summary.md").read_text("utf-8")
    assert summary.startswith("### What tracing costs") and "null control" in summary
    assert (jobs["perf"].workspace / "artifacts/perf-baseline.json").is_file()
    jobs["perf"].result = "success"
    return summary


# Beside the app: once a playback of new-run has failed, its recording is mended, and the next attempt passes.
MENDED_LATER = """\
(until grep -q '^new-run: failed' "$ARTIFACT_DIR/logs/play.log"; do sleep 0.05; done
sed -i 's/"status": 418/"status": 200/' examples/watershed/profiles/new-run/session.har) 2> /dev/null &
"""


@pytest.mark.skipif(not os.environ.get("COVATLAS_WHOLE"), reason="two whole nights; COVATLAS_WHOLE=1 runs them")
def test_two_nights(tmp_path: Path, browser: Browser) -> None:
    """Night 2 has a profile that fails, one that fails at first, a changed source file and a corrupt artifact."""
    repository = Repository(tmp_path, THREE, "branch", perf=True)
    runner = Runner(tmp_path / "actions", repository.origin, {"ENABLE_PROFILE_COVERAGE": "1"})
    jobs = runner.run(NIGHTLY)
    measured(jobs)
    assert set(results(jobs).values()) == {"success"}, story(jobs)
    first = git(repository.origin, "rev-parse", "gh-pages")
    for slug in ("sign-in", "new-run"):
        har = repository.clone / "examples/watershed/profiles" / slug / "session.har"
        har.write_text(re.sub(r'"status": 200', '"status": 418', har.read_text("utf-8"), count=1), "utf-8")
    value = yaml.safe_load((repository.clone / FILE).read_text("utf-8"))
    value["app"]["start"] = MENDED_LATER + value["app"]["start"]
    value["profiles"] = [row | ({"retries": 5} if row["slug"] == "new-run" else {}) for row in value["profiles"]]
    (repository.clone / FILE).write_text(yaml.safe_dump(value), "utf-8")
    write_workflows(repository.clone, False, lambda message: None, lambda text: None)
    source = repository.clone / "examples/watershed/watershed/soils/texture.py"
    source.write_text(source.read_text("utf-8") + "\n\ndef tonight():\n    return 1\n", "utf-8")
    repository.push("A night like that")
    runner.after_upload = lambda name, path: (
        path.write_bytes(path.read_bytes()[:-700]) if name == "playback-look-around" else None
    )
    jobs = runner.run(NIGHTLY)
    del jobs["perf"]  # it plays the profile that fails now
    assert results(jobs) == {
        "playback (sign-in)": "failure", "playback (look-around)": "success", "playback (new-run)": "success",
        "atlas": "failure", "publish": "success"}, story(jobs)  # fmt: skip
    summary = (jobs["atlas"].workspace.parent / "summary.md").read_text("utf-8")
    assert "(partial)" in summary and "`sign-in` carried" in summary and "its archive is damaged" in summary
    assert "`new-run` | flaky | tonight" in summary and "`new-run` is flaky: it passed after" in summary
    assert "new-run failed and is played again (1 of 5)" in "\n".join(jobs["playback (new-run)"].log)
    # What is carried is of the source before: in the changed file it says nothing any more, elsewhere it still holds.
    lost = re.findall(r"^- (watershed\S+)$", summary.replace("\\", ""), re.MULTILINE)
    assert lost and all(name.startswith("watershed.soils.texture") for name in lost), summary
    site = published(repository, tmp_path / "published")
    told = json.loads((site / "data/build.json").read_text("utf-8"))["profiles"]
    assert "carried forward: the playback failed" in told["sign-in"]["problems"][0]
    assert "its archive is damaged" in told["look-around"]["problems"][0] and not told["new-run"]["problems"]
    changed = set(git(repository.origin, "diff", "--name-only", first, "gh-pages").splitlines())
    symbols = {path for path in changed if path.startswith("symbols/")}
    assert "symbols/watershed.soils.texture.tonight.html" in symbols
    assert all(path.startswith("symbols/watershed.soils") for path in symbols), symbols
    with served(site) as url:
        page = browser.new_page()
        page.goto(f"{url}/profiles/sign-in.html")
        assert "carried forward" in page.locator(".cv-banner").inner_text()
        page.goto(f"{url}/index.html")
        assert "carried forward" in page.locator("main, article").first.inner_text()
        page.close()
    # Night 3: nothing new, all well again: the marks go.
    git(repository.clone, "revert", "--no-edit", "HEAD")
    git(repository.clone, "push", "-q", "origin", "main")
    runner.after_upload = lambda name, path: None
    jobs = runner.run(NIGHTLY)
    assert re.search(r"untraced against the baseline \| \d", measured(jobs))  # the cache brought the first night's
    assert set(results(jobs).values()) == {"success"}, story(jobs)
    told = json.loads(git(repository.origin, "show", "gh-pages:data/build.json"))["profiles"]
    assert not any(profile["problems"] for profile in told.values())
