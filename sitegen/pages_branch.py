"""What `covatlas publish` does: a whole site → one commit on a branch of a git remote, and nothing else is touched."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from instrument.errors import CovatlasError, counted
from sitegen.generate import Say
from sitegen.git import Git, GitError, reason, scratch
from sitegen.nights_table import is_branch
from sitegen.publish import JOURNAL, TOKEN, manifest_digest, read_token

# What GitHub Pages and GitHub take: a site of 1 GB, a file of 100 MiB. The number of files is a limit of our own.
MAX_BYTES = 1_000_000_000
MAX_FILE = 100 * 1024**2
MAX_FILES = 200_000
KEEP = 30
NO_JEKYLL = ".nojekyll"
# A commit and its trees, without the bytes of the files: most of them are the ones that we have.
_SHALLOW = ("fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", "origin")
_BETWEEN = (b"stale info", b"fetch first", b"cannot lock ref", b"reference already")
_TRAILER = re.compile(r"^Covatlas-(Site|Depth|Base): ([0-9a-f]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """Which site goes where; of our own commits the branch keeps `keep`."""

    site_dir: Path
    remote: str
    branch: str = "gh-pages"
    keep: int = KEEP
    dry_run: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was pushed, or would be: paths, and the bytes of those that travel; `commit` None where nothing was."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    bytes: int
    commit: str | None
    cut: bool = False  # older commits of ours were dropped

    @property
    def nothing(self) -> bool:
        """Return whether the branch has these bytes already."""
        return not (self.added or self.changed or self.deleted)

    def __str__(self) -> str:
        """Return the numbers in words."""
        return (
            f"{len(self.added):,} added, {len(self.changed):,} changed, {len(self.deleted):,} deleted, "
            f"{self.bytes / 1e6:.1f} MB to send"
        )


@dataclass(frozen=True, slots=True)
class _Tip:
    """The branch as it is: `depth` of our commits above `base`, the last commit that is not ours (None: no such)."""

    commit: str
    files: Mapping[str, str]  # path → id of its bytes
    ours: bool
    depth: int
    base: str | None
    listed: frozenset[str]  # paths that Covatlas put there


def publish_site(options: PublishOptions, say: Say) -> Pushed:
    """Push the site; raise CovatlasError, with the branch as it was, where it is torn, too large or not ours."""
    if wrong := is_branch(options.branch):
        raise CovatlasError(f"branch {options.branch!r} {wrong}; name one with --pages-branch")
    manifest = whole_site(options.site_dir)
    check_limits(options.site_dir, manifest)
    with scratch(options.remote) as git:
        tip = _fetch(git, options.branch)
        ids = _ids(options.site_dir, manifest, git)
        kept = _foreign(tip, ids, options, say)
        pushed = _difference(options, tip, ids, kept)
        if pushed.nothing:
            say(f"{options.branch} has these bytes already: nothing is pushed")
            return pushed
        if options.dry_run:
            say(f"Would push to {options.branch}: {pushed}")
            return pushed
        return _push(git, options, tip, ids, kept, pushed, say)


# ── the site ─────────────────────────────────────────────────────────────────────────────────────────────────────


def whole_site(site_dir: Path) -> dict[str, str]:
    """Return path → sha256 of a whole site's files; raise CovatlasError for a torn one."""
    manifest = read_token(site_dir)
    if manifest is None or (site_dir / JOURNAL).exists():
        raise CovatlasError(f"{site_dir}: there is no whole site to publish; make it with: covatlas build")
    return manifest


def check_limits(site_dir: Path, manifest: Mapping[str, str]) -> None:
    """Raise CovatlasError where GitHub Pages would not take the site."""
    try:
        sizes = sorted(((site_dir / path).stat().st_size, path) for path in manifest)
    except OSError as error:
        raise CovatlasError(f"{error.filename}: the file is missing; make the site anew with: covatlas build") from None
    total = sum(size for size, _ in sizes)
    if sizes and sizes[-1][0] > MAX_FILE:
        size, path = sizes[-1]
        raise CovatlasError(f"{site_dir / path} has {size:,} bytes; GitHub takes no file of more than {MAX_FILE:,}")
    if total > MAX_BYTES:
        largest = ", ".join(f"{path} ({size:,})" for size, path in sizes[:-4:-1])
        raise CovatlasError(
            f"{site_dir}: the site has {total:,} bytes, GitHub Pages takes {MAX_BYTES:,}; the largest are {largest}"
        )
    if len(sizes) > MAX_FILES:
        raise CovatlasError(f"{site_dir}: the site has {len(sizes):,} files, we publish {MAX_FILES:,} at most")


def _ids(site_dir: Path, manifest: Mapping[str, str], git: Git) -> dict[str, str]:
    """Return path → git's id of each file to publish; raise CovatlasError for one that is not what was built."""
    kind = git.line("rev-parse", "--show-object-format")
    ids = {NO_JEKYLL: _id(b"", kind)}
    for path in (*manifest, TOKEN):
        data = (site_dir / path).read_bytes()
        if path != TOKEN and hashlib.sha256(data).hexdigest() != manifest[path]:
            raise CovatlasError(f"{site_dir / path}: the file was changed; make the site anew with: covatlas build")
        ids[path] = _id(data, kind)
    return ids


def _id(data: bytes, kind: str) -> str:
    return hashlib.new(kind, b"blob %d\0" % len(data) + data).hexdigest()


# ── the branch ───────────────────────────────────────────────────────────────────────────────────────────────────


def _fetch(git: Git, branch: str) -> _Tip | None:
    """Return the branch as it is, without the bytes of its files; None where there is no such branch."""
    reference = f"refs/heads/{branch}"
    if not git.run("ls-remote", "--quiet", "origin", reference):
        return None
    git.run(*_SHALLOW, f"+{reference}:refs/heads/tip")
    commit = git.line("rev-parse", "refs/heads/tip")
    found = dict(_TRAILER.findall(git.run("log", "-1", "--format=%B", commit).decode("utf-8", "replace")))
    files = {}
    for entry in git.run("ls-tree", "-r", "-z", commit).split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        files[path.decode("utf-8", "surrogateescape")] = about.split()[2].decode()
    ours = "Site" in found and "Depth" in found
    return _Tip(
        commit=commit,
        files=files,
        ours=ours,
        depth=int(found["Depth"]) if ours else 0,
        base=found.get("Base") if ours else commit,
        listed=_listed(git, commit) if TOKEN in files else frozenset(),
    )


def _listed(git: Git, commit: str) -> frozenset[str]:
    try:
        return frozenset(json.loads(git.run("cat-file", "blob", f"{commit}:{TOKEN}"))["files"]) | {TOKEN, NO_JEKYLL}
    except (ValueError, KeyError, TypeError):
        return frozenset()


def _foreign(tip: _Tip | None, ids: Mapping[str, str], options: PublishOptions, say: Say) -> frozenset[str]:
    """Return the files of the branch that are not ours and stay; refuse where one stands in our way."""
    if tip is None:
        return frozenset()
    if not tip.ours:
        say(f"the last commit of {options.branch}, {tip.commit[:12]}, is not ours; it stays in the history below ours")
    foreign = {path for path in tip.files if path not in tip.listed}
    folders = {path[:at] for path in ids for at in range(len(path)) if path[at] == "/"}
    clash = sorted(
        path for path in foreign
        if (path in ids and tip.files[path] != ids[path]) or path in folders or _below(path, ids)
    )  # fmt: skip
    if clash and not options.force:
        raise CovatlasError(
            f"{options.branch} holds {counted(len(clash), 'file')} that Covatlas did not put there and would replace "
            f"({clash[0]!r}); choose another --pages-branch, or replace all that is there with --force"
        )
    if options.force and foreign:
        say(f"{counted(len(foreign), 'file')} of {options.branch} that Covatlas did not put there are replaced")
        return frozenset()
    return frozenset(foreign)


def _below(path: str, ids: Mapping[str, str]) -> bool:
    """Return whether a folder of the path is a file of ours."""
    return any(path[:at] in ids for at in range(len(path)) if path[at] == "/")


def _difference(
    options: PublishOptions, tip: _Tip | None, ids: Mapping[str, str], kept: frozenset[str]
) -> Pushed:  # fmt: skip
    before = tip.files if tip else {}
    added = tuple(sorted(path for path in ids if path not in before))
    changed = tuple(sorted(path for path in ids if path in before and before[path] != ids[path]))
    deleted = tuple(sorted(path for path in before if path not in ids and path not in kept))
    size = sum((options.site_dir / path).stat().st_size for path in (*added, *changed) if path != NO_JEKYLL)
    return Pushed(added, changed, deleted, size, None)


# ── the commit ───────────────────────────────────────────────────────────────────────────────────────────────────


def _push(git: Git, options: PublishOptions, tip: _Tip | None, ids: Mapping[str, str], kept: frozenset[str],
          pushed: Pushed, say: Say) -> Pushed:  # fmt: skip
    cut = tip is not None and tip.depth >= options.keep
    base = tip.base if tip else None
    parent = (base if cut else tip.commit) if tip else None
    if cut and base:  # where our commits begin: the others below it are not ours to drop
        git.run(*_SHALLOW, base)
    depth = 1 if cut or tip is None else tip.depth + 1
    manifest = whole_site(options.site_dir)
    message = f"Publish the map\n\nCovatlas-Site: {manifest_digest(manifest)}\nCovatlas-Depth: {depth}\n"
    message += f"Covatlas-Base: {base}\n" if base else ""
    tree = git.line("rev-parse", f"{tip.commit}^{{tree}}") if tip else None
    stream = _stream(options.site_dir, message, parent, tree, pushed)
    git.feed(stream, "fast-import", "--quiet", "--date-format=now", "--force")
    commit = git.line("rev-parse", "refs/heads/new")
    expected = tip.commit if tip else ""
    # With a lease the branch is replaced only while it is what we saw: nobody's commit is lost, whoever comes between.
    done = git.ask("push", "--quiet", "--porcelain", f"--force-with-lease=refs/heads/{options.branch}:{expected}",
                   "origin", f"{commit}:refs/heads/{options.branch}")  # fmt: skip
    if done.returncode:
        raise _refusal(options.branch, done.stdout + done.stderr, cut)
    say(f"Pushed {commit[:12]} to {options.branch}: {pushed}")
    if cut:
        say(f"the branch had {counted(tip.depth if tip else 0, 'commit')} of ours; its history starts anew")
    return Pushed(pushed.added, pushed.changed, pushed.deleted, pushed.bytes, commit, cut)


def _refusal(branch: str, words: bytes, cut: bool) -> GitError:
    """Return why a push was refused, and what to do about it."""
    said = reason(words)
    if (
        any(sign in words for sign in _BETWEEN) and b"; cannot create" not in words
    ):  # a branch of such a name is in the way
        return GitError(f"somebody pushed to {branch} meanwhile; nothing was changed, publish again")
    if cut and (b"non-fast-forward" in words or b"force-push" in words):
        return GitError(f"the remote takes no shortened history of {branch} ({said}); allow it, or raise --keep")
    return GitError(f"the push to {branch} was refused: {said}; allow it there, or choose another --pages-branch")


def _stream(site_dir: Path, message: str, parent: str | None, tree: str | None, pushed: Pushed) -> Iterator[bytes]:
    """Yield git's import stream of the commit: the branch's tree with what differs; the rest is not even read."""
    text = message.encode()
    yield b"commit refs/heads/new\ncommitter Covatlas <covatlas@users.noreply.github.com> now\n"
    yield b"data %d\n%s\n" % (len(text), text)
    if parent:
        yield f"from {parent}\n".encode()
    if tree:
        yield b'M 040000 %s ""\n' % tree.encode()
    for path in pushed.deleted:
        yield b"D " + _quoted(path) + b"\n"
    for path in (*pushed.added, *pushed.changed):
        data = b"" if path == NO_JEKYLL else (site_dir / path).read_bytes()
        yield b"M 100644 inline " + _quoted(path) + b"\ndata %d\n%s\n" % (len(data), data)


def _quoted(path: str) -> bytes:
    data = path.encode("utf-8", "surrogateescape").replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + data + b'"'
