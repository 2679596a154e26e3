"""`covatlas publish` against real git: what travels, what stays, who is asked, and what is refused."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from instrument.errors import CovatlasError
from sitegen import pages_branch
from sitegen.git import masked, scratch
from sitegen.pages_branch import NO_JEKYLL, PublishOptions, Pushed, publish_site
from sitegen.publish import JOURNAL, TOKEN, encode_token

ROOT = Path(__file__).parent.parent
ENV = {
    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org", "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org", "GIT_CONFIG_GLOBAL": os.devnull,
}  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Place:
    """A site directory and a bare repository to publish it to."""

    def __init__(self, root: Path) -> None:
        self.root, self.site, self.remote = root, root / "site", root / "remote.git"
        subprocess.run(["git", "init", "-q", "--bare", str(self.remote)], env=ENV, check=True)
        git(self.remote, "config", "uploadpack.allowFilter", "true")  # as GitHub has it
        self.options = PublishOptions(self.site, str(self.remote))
        self.said: list[str] = []
        self.write({"index.html": "home", "symbols/a.html": "a", "symbols/b.html": "b"})

    def write(self, files: dict[str, str]) -> None:
        """Make a whole site, as a build leaves it."""
        for path in [path for path in self.site.rglob("*") if path.is_file()]:
            path.unlink()
        for path, text in files.items():
            (self.site / path).parent.mkdir(parents=True, exist_ok=True)
            (self.site / path).write_text(text)
        manifest = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
        (self.site / TOKEN).write_bytes(encode_token(manifest))

    def publish(self, **changes: object) -> Pushed:
        return publish_site(replace(self.options, **changes), self.said.append)

    @property
    def tip(self) -> str:
        return git(self.remote, "rev-parse", "gh-pages")

    def files(self) -> dict[str, str]:
        names = git(self.remote, "ls-tree", "-r", "--name-only", "gh-pages").splitlines()
        return {name: git(self.remote, "show", f"gh-pages:{name}") for name in names if name != TOKEN}

    def objects(self) -> int:
        counted = dict(line.split(": ") for line in git(self.remote, "count-objects", "-v").splitlines())
        return int(counted["count"]) + int(counted["in-pack"])

    def by_hand(self, files: dict[str, str], message: str = "by hand") -> str:
        """Let somebody else push to the branch."""
        clone = self.root / f"clone-{len(list(self.root.iterdir()))}"
        git(self.root, "clone", "-q", str(self.remote), str(clone))
        known = git(clone, "branch", "-r")
        git(clone, "checkout", "-q", *(["gh-pages"] if "gh-pages" in known else ["--orphan", "gh-pages"]))
        for path, text in files.items():
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            (clone / path).write_text(text)
            git(clone, "add", path)
        git(clone, "commit", "-q", "-m", message)
        git(clone, "push", "-q", "origin", "gh-pages")
        return git(clone, "rev-parse", "HEAD")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_first_time_and_the_next(place: Place) -> None:
    first = place.publish()
    assert first.commit == place.tip and len(first.added) == 5
    assert place.files() == {"index.html": "home", "symbols/a.html": "a", "symbols/b.html": "b", NO_JEKYLL: ""}
    place.write({"index.html": "home", "symbols/a.html": "new", "symbols/c.html": "c"})
    before = place.objects()
    second = place.publish()
    assert (second.added, second.changed, second.deleted) == (
        ("symbols/c.html",), (TOKEN, "symbols/a.html"), ("symbols/b.html",))  # fmt: skip
    assert place.files() == {"index.html": "home", "symbols/a.html": "new", "symbols/c.html": "c", NO_JEKYLL: ""}
    assert place.objects() - before == 6  # three files, two folders, one commit: nothing else travelled
    assert git(place.remote, "rev-parse", "gh-pages~1") == first.commit


def test_a_remote_that_sends_all_or_nothing_will_do(place: Place) -> None:
    git(place.remote, "config", "uploadpack.allowFilter", "false")
    for number in range(4):
        place.write({"index.html": str(number), "same.html": "same"})
        place.publish(keep=2)
        assert place.files() == {"index.html": str(number), "same.html": "same", NO_JEKYLL: ""}


def test_equal_bytes_are_not_pushed_again(place: Place) -> None:
    place.publish()
    tip = place.tip
    assert place.publish().nothing and place.tip == tip
    assert "has these bytes already" in place.said[-1]


def test_a_dry_run_says_everything_and_pushes_nothing(place: Place) -> None:
    told = place.publish(dry_run=True)
    assert told.commit is None and len(told.added) == 5 and told.bytes > 0
    assert git(place.remote, "branch", "--list") == ""
    place.publish()
    tip = place.tip
    place.write({"index.html": "other"})
    assert place.publish(dry_run=True).deleted == ("symbols/a.html", "symbols/b.html") and place.tip == tip


def test_history_is_bounded(place: Place) -> None:
    for number in range(7):
        place.write({"index.html": str(number), "same.html": "same"})
        place.publish(keep=3)
        assert int(git(place.remote, "rev-list", "--count", "gh-pages")) == number % 3 + 1
        assert place.files() == {"index.html": str(number), "same.html": "same", NO_JEKYLL: ""}
    assert any("history starts anew" in sentence for sentence in place.said)


def test_somebody_elses_commits_are_never_dropped(place: Place) -> None:
    theirs = place.by_hand({"CNAME": "map.example.org"})
    place.publish(keep=2)
    assert "is not ours" in place.said[0]
    for number in range(5):
        place.write({"index.html": str(number)})
        place.publish(keep=2)
        log = git(place.remote, "log", "--format=%H", "gh-pages").splitlines()
        assert log[-1] == theirs and len(log) <= 3
        assert place.files()["CNAME"] == "map.example.org" and place.files()["index.html"] == str(number)
    again = place.by_hand({"robots.txt": "x"}, "another by hand")
    for number in range(5):
        place.write({"index.html": f"again {number}"})
        place.publish(keep=2)
        log = git(place.remote, "log", "--format=%H", "gh-pages").splitlines()
        assert again in log and theirs in log
    assert place.files()["robots.txt"] == "x"


def test_somebody_elses_files_are_replaced_only_with_force(place: Place) -> None:
    theirs = place.by_hand({"index.html": "theirs", "old/page.html": "theirs"})
    with pytest.raises(CovatlasError, match=r"Covatlas did not put there and would replace \('index.html'\)"):
        place.publish()
    assert place.tip == theirs
    place.publish(force=True)
    assert set(place.files()) == {"index.html", "symbols/a.html", "symbols/b.html", NO_JEKYLL}
    assert any("are replaced" in sentence for sentence in place.said)
    assert theirs in git(place.remote, "log", "--format=%H", "gh-pages")


@pytest.mark.parametrize("name", ["symbols", "index.html/deep.txt"])
def test_a_file_where_we_need_a_folder_is_in_the_way(place: Place, name: str) -> None:
    place.by_hand({name: "theirs"})
    with pytest.raises(CovatlasError, match="would replace"):
        place.publish()
    place.publish(force=True)
    assert place.files()["symbols/a.html"] == "a"


def test_a_change_by_hand_to_our_files_is_replaced_and_stays_in_the_history(place: Place) -> None:
    place.publish()
    theirs = place.by_hand({"index.html": "vandal"})
    place.publish()
    assert place.files()["index.html"] == "home"
    assert git(place.remote, "show", f"{theirs}:index.html") == "vandal"
    assert theirs in git(place.remote, "log", "--format=%H", "gh-pages") and "is not ours" in place.said[-2]


def test_who_comes_between_is_not_overwritten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.publish()
    place.write({"index.html": "mine"})
    real = pages_branch._stream

    def stream(*arguments: object):
        place.by_hand({"between.html": "theirs"})
        return real(*arguments)

    monkeypatch.setattr(pages_branch, "_stream", stream)
    with pytest.raises(CovatlasError, match="somebody pushed to gh-pages meanwhile; nothing was changed"):
        place.publish()
    assert place.files()["between.html"] == "theirs" and place.files()["index.html"] == "home"
    monkeypatch.undo()
    place.publish()
    assert place.files()["index.html"] == "mine" and place.files()["between.html"] == "theirs"


def test_two_first_publications_at_once_lose_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pages_branch._stream
    monkeypatch.setattr(pages_branch, "_stream", lambda *given: (place.by_hand({"x": "theirs"}), real(*given))[1])
    with pytest.raises(CovatlasError, match="meanwhile"):
        place.publish()
    assert place.files() == {"x": "theirs"}


@pytest.mark.parametrize("damage", ["no site", "torn", "changed", "missing"])
def test_a_site_that_is_not_whole_is_not_published(place: Place, damage: str) -> None:
    if damage == "no site":
        (place.site / TOKEN).unlink()
    elif damage == "torn":
        (place.site / JOURNAL).write_text("{}")
    elif damage == "changed":
        (place.site / "index.html").write_text("changed")
    else:
        (place.site / "index.html").unlink()
    with pytest.raises(CovatlasError, match="covatlas build"):
        place.publish()
    assert git(place.remote, "branch", "--list") == ""


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [("MAX_BYTES", "GitHub Pages takes 5; the largest are index.html"), ("MAX_FILE", "no file of more than 5"),
     ("MAX_FILES", "we publish 5 at most")],
)  # fmt: skip
def test_what_pages_would_not_take_is_said_first(
    place: Place, monkeypatch: pytest.MonkeyPatch, limit: str, sentence: str
) -> None:
    place.write({"index.html": "longest", **{f"{n}.html": "x" for n in range(9)}})
    monkeypatch.setattr(pages_branch, limit, 5)
    with pytest.raises(CovatlasError, match=sentence):
        place.publish(remote="/nowhere")  # not even asked


def test_remotes_that_are_none(place: Place) -> None:
    with pytest.raises(CovatlasError, match="cannot be reached"):
        place.publish(remote=str(place.root / "nothing.git"))
    with pytest.raises(CovatlasError, match="is no name, address or path"):
        place.publish(remote="--upload-pack=touch hacked")
    with pytest.raises(CovatlasError, match="is no name of a branch"):
        place.publish(branch="../main")


def refuse(place: Place, hook: str, *words: str) -> None:
    """Let a hook of the remote refuse every push with some lines."""
    path = place.remote / "hooks" / hook
    path.write_text("#!/bin/sh\n" + "".join(f"echo '{line}' >&2\n" for line in words) + "exit 1\n")
    path.chmod(0o755)


def test_a_hook_that_refuses_is_quoted_from_its_beginning(place: Place) -> None:
    place.publish()
    tip = place.tip
    place.write({"index.html": "other"})
    refuse(place, "pre-receive", "error: GH006: Protected branch update failed", "", "one", "two", "three", "four")
    with pytest.raises(CovatlasError) as error:
        place.publish()
    sentence = str(error.value)
    assert sentence.startswith(
        "the push to gh-pages was refused: [remote rejected] (pre-receive hook declined) error: GH0"
    )
    assert sentence.endswith("choose another --pages-branch") and "\n" not in sentence and "four" not in sentence
    assert place.tip == tip


def test_a_remote_that_takes_no_shortened_history_is_named(place: Place) -> None:
    place.publish()
    tip = place.tip
    git(place.remote, "config", "receive.denyNonFastForwards", "true")
    place.write({"index.html": "other"})
    with pytest.raises(CovatlasError, match=r"takes no shortened history of gh-pages .* raise --keep$"):
        place.publish(keep=1)
    assert place.tip == tip
    assert place.publish(keep=2).commit == place.tip


def test_a_branch_in_the_way_of_ours_is_nobody_who_came_between(place: Place) -> None:
    place.publish(branch="site")
    with pytest.raises(CovatlasError, match="'refs/heads/site' exists"):
        place.publish(branch="site/pages")


class _Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Ask for a password that nobody has."""
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *given: object) -> None:
        """Say nothing."""


def test_a_remote_that_does_not_let_us_in_says_why(place: Place) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(
            CovatlasError, match=r"http://\*\*\*@127.* cannot be reached: .*Authentication failed"
        ) as error:
            place.publish(remote=f"http://user:secret@127.0.0.1:{server.server_port}/o/r.git")
        server.shutdown()
    assert "secret" not in str(error.value) and "\n" not in str(error.value)
    if not shutil.which("ssh"):
        return
    with socket.socket() as closed:  # bound and not listening: nobody answers there
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(CovatlasError, match="Connection refused"):
            place.publish(remote=f"ssh://git@127.0.0.1:{closed.getsockname()[1]}/o/r.git")


def test_no_secret_is_said() -> None:
    assert masked("to https://x-access-token:ghs_abc@github.com/o/r failed") == "to https://***@github.com/o/r failed"
    with pytest.raises(CovatlasError) as error, scratch("http://user:secret@127.0.0.1:1/x.git"):
        pass
    assert "secret" not in str(error.value)


def test_the_working_directorys_credentials_are_used_and_nothing_is_written_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = place.root / "work"
    subprocess.run(["git", "init", "-q", str(work)], env=ENV, check=True)
    git(work, "remote", "add", "origin", str(place.remote))
    git(work, "config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic abc")
    git(work, "config", "alias.push", "!touch hacked")
    before = {path: path.read_bytes() for path in (work / ".git").rglob("*") if path.is_file()}
    monkeypatch.chdir(work)
    with scratch("origin") as found:
        assert found.line("config", "--get", "http.https://github.com/.extraheader") == "AUTHORIZATION: basic abc"
    place.publish(remote="origin")
    assert place.files()["index.html"] == "home"
    assert {path: path.read_bytes() for path in (work / ".git").rglob("*") if path.is_file()} == before


def test_what_the_environment_says_of_git_counts_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a CI hands over credentials; what the working directory says is not forgotten for it."""
    work = place.root / "work"
    git(place.root, "init", "-q", str(work))
    git(work, "config", f"url.{place.root}/.insteadOf", "https://example.invalid/there/")
    monkeypatch.chdir(work)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{place.root}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://example.invalid/here/")
    assert place.publish(remote="https://example.invalid/here/remote.git").commit == place.tip
    assert place.publish(remote="https://example.invalid/there/remote.git").nothing


def test_an_odd_configuration_of_the_working_directory_is_read_as_git_reads_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = place.root / "work"
    git(place.root, "init", "-q", str(work))
    with (work / ".git" / "config").open("ab") as file:
        file.write(b"[user]\n name = Jos\xe9\n[http]\n sslVerify\n userAgent = \xe9\n")
    monkeypatch.chdir(work)
    assert place.publish().commit == place.tip
    with scratch(str(place.remote)) as scratched:
        assert scratched.line("config", "--type=bool", "http.sslVerify") == "true"


def test_the_command(place: Place) -> None:
    command = [sys.executable, "-m", "sitegen.cli", "publish", "--remote", str(place.remote), "--format", "json"]
    environ = {**ENV, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=place.root, env=environ, capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["commit"] == place.tip, done.stderr
    (place.site / TOKEN).unlink()
    done = subprocess.run(command, cwd=place.root, env=environ, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
