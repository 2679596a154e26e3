"""Runs git in a repository of its own with the working directory's credentials; no secret gets into a message."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from instrument.errors import CovatlasError

# What of the working directory's repository is needed to reach its remote, as actions/checkout leaves it there.
_ACCESS = re.compile(r"(http|credential|url|core\.sshcommand|ssh)(\.|$)", re.IGNORECASE)
_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_BEFORE = re.compile(r"remote: ?|!\t[^\t]*\t")  # what git puts before the words of others, and of its own verdict
_NOISE = (
    "hint:", "warning:", "To ", "Done", "error: failed to push some refs", "Please make sure", "and the repository",
)  # fmt: skip
_IDENTITY = {"GIT_AUTHOR_NAME": "Covatlas", "GIT_AUTHOR_EMAIL": "covatlas@users.noreply.github.com",
             "GIT_COMMITTER_NAME": "Covatlas", "GIT_COMMITTER_EMAIL": "covatlas@users.noreply.github.com"}  # fmt: skip


class GitError(CovatlasError):
    """Say what git refused to do."""


class Git:
    """A scratch repository whose `origin` is the remote; commands run in the working directory."""

    def __init__(self, directory: Path, url: str, access: dict[str, str]) -> None:
        self.directory, self.url = directory, url
        self._env = {**_clean(), **_IDENTITY, **access, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}

    def run(self, *arguments: str) -> bytes:
        """Return what a command writes; raise GitError with what it says where it fails."""
        done = self.ask(*arguments)
        if done.returncode:
            raise GitError(f"git {arguments[0]} failed for {masked(self.url)}: {reason(done.stderr)}")
        return done.stdout

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command that may fail."""
        command = ["git", f"--git-dir={self.directory}", *arguments]
        try:
            return subprocess.run(command, capture_output=True, env=self._env, check=False)
        except OSError as error:
            raise GitError(f"git cannot be run ({error.strerror}); install it") from None

    def feed(self, chunks: Iterable[bytes], *arguments: str) -> None:
        """Run a command that reads the chunks, which need never be in memory together."""
        with tempfile.TemporaryFile() as errors:
            command = ["git", f"--git-dir={self.directory}", *arguments]
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=errors, stderr=errors, env=self._env
            ) as process:
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError):  # its exit code and its words say why it ended
                    for chunk in chunks:
                        process.stdin.write(chunk)
                    process.stdin.close()
            if process.returncode:
                errors.seek(0)
                raise GitError(f"git {arguments[0]} failed for {masked(self.url)}: {reason(errors.read())}")

    def line(self, *arguments: str) -> str:
        """Return the one line that a command writes."""
        return self.run(*arguments).decode().strip()


@contextlib.contextmanager
def scratch(remote: str) -> Iterator[Git]:
    """Yield a scratch repository for a remote's name, address or path."""
    url, access = _url(remote), _access()
    with tempfile.TemporaryDirectory(prefix="covatlas-git-") as folder:
        git = Git(Path(folder) / "scratch.git", url, access)
        git.run("init", "--quiet", "--bare", *_format(git), str(git.directory))
        git.run("config", "remote.origin.url", url)
        git.run("config", "gc.auto", "0")
        yield git


def _format(git: Git) -> list[str]:
    """Return the option for the remote's object format, which its tips show."""
    found = subprocess.run(["git", "ls-remote", "--quiet", git.url], capture_output=True, env=git._env, check=False)
    if found.returncode:
        raise GitError(f"the remote {masked(git.url)} cannot be reached: {reason(found.stderr)}")
    tip = found.stdout.split(b"\t")[0]
    return ["--object-format=sha256"] if len(tip) == 64 else []


def masked(text: str) -> str:
    """Return text without the user and password of any address in it."""
    return _SECRET.sub("***", text)


def reason(output: bytes) -> str:
    """Return the sentences of git, of ssh or of the remote's hooks that say what went wrong, without secrets."""
    lines = [_BEFORE.sub("", line).strip() for line in output.decode("utf-8", "replace").splitlines()]
    told = list(dict.fromkeys(line for line in lines if line and not line.startswith(_NOISE)))
    return masked(" ".join(told[:3]))[:500] or "it says nothing"


def _url(remote: str) -> str:
    if not remote or remote.startswith("-"):
        raise CovatlasError(f"remote {remote!r} is no name, address or path of a repository; name one with --remote")
    found = subprocess.run(
        ["git", "remote", "get-url", "--push", remote], capture_output=True, text=True, env=_clean(), check=False
    )
    return found.stdout.strip() if found.returncode == 0 else remote


def _access() -> dict[str, str]:
    """Return the settings of the working directory's repository that open its remote, as variables for git.

    They come behind those that the environment has of its own, as a CI hands over credentials.
    """
    command = ["git", "config", "--local", "--includes", "--list", "-z"]
    found = subprocess.run(command, capture_output=True, env=_clean(), check=False)
    items = [os.fsdecode(item) for item in found.stdout.split(b"\0") if item] if found.returncode == 0 else []
    # A key without a value stands for yes, and an empty value for no.
    pairs = [(key, value if equals else "true") for key, equals, value in (item.partition("\n") for item in items)]
    count = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isdecimal() else 0
    kept = [pair for pair in pairs if _ACCESS.match(pair[0])]
    env = {"GIT_CONFIG_COUNT": str(first + len(kept))}
    for number, (key, value) in enumerate(kept, first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def _clean() -> dict[str, str]:
    """Return the environment without the repository that a hook may have set."""
    drop = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
    return {key: value for key, value in os.environ.items() if key not in drop}
