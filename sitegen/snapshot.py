"""The only reader of inputs: source, profile data, run records, coverage config, templates and commit → Snapshot."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from instrument.errors import CovatlasError
from instrument.slug import SlugError, parse_slug
from sitegen.coverage_config import read_rules
from sitegen.fingerprint import Known
from sitegen.model import ProfileInput, SiteConfig, Snapshot, SourceText
from sitegen.previous import read_previous
from sitegen.store import NullStore, Store

_DATA = ".coverage"
_RECORD = ".run.json"


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """Where the inputs are; `coverage_config` None means coverage.py's defaults, `commit` None means look it up.

    `previous` is the directory of an earlier site, `site_dir` the one to be built.
    """

    sources: tuple[Path, ...]
    coverage_dir: Path
    config: SiteConfig
    coverage_config: Path | None = None
    commit: str | None = None
    previous: Path | None = None
    site_dir: Path | None = None


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


def read_snapshot(
    options: SnapshotOptions, say: Callable[[str], None] = _to_stderr, store: Store | None = None
) -> Snapshot:
    """Read every input of a build once; `say` gets one sentence for each thing left out.

    `store` may know what coverage.py says of its configuration.

    Raises CovatlasError where there is no source, no profile data, or something cannot be read.
    """
    sources = read_sources(options.sources, say)
    exclude, aliases = read_rules(options.coverage_config, store or NullStore())
    return Snapshot(
        config=options.config,
        exclude=exclude,
        sources=sources,
        profiles=read_profile_inputs(options.coverage_dir, say, aliases),
        templates=read_templates(),
        commit=options.commit or os.environ.get("GITHUB_SHA") or _head(options.sources[0]),
        previous=read_previous(options.previous, options.site_dir, say) if options.previous else None,
    )


# ── source ───────────────────────────────────────────────────────────────────────────────────────────────────────


def read_sources(directories: tuple[Path, ...], say: Callable[[str], None] = _to_stderr) -> tuple[SourceText, ...]:
    """Return the `.py` files of package directories, sorted by path; paths start at the package's own name."""
    found: list[SourceText] = []
    for root in _roots(directories):
        name = os.path.basename(root)
        real = os.path.realpath(root)
        files = [SourceText(f"{name}/{path}", _module(f"{name}/{path}"), where, Known(data))
                 for path, where, data in _python_files(real, "", say)]  # fmt: skip
        if not files:
            raise CovatlasError(f"{root}: no Python file below this directory; name a package directory with --source")
        found += files
    return tuple(sorted(found, key=lambda source: source.path))


def _roots(directories: tuple[Path, ...]) -> list[str]:
    """Return the absolute package directories without repeats; refuse what is missing, nested or equally named."""
    if not directories:
        raise CovatlasError("no source directory is named; name the package's directory with --source DIR")
    roots: list[str] = []
    for directory in directories:
        root = os.path.abspath(directory)
        if not os.path.isdir(root):
            what = "is not a directory" if os.path.lexists(root) else "does not exist"
            raise CovatlasError(f"source directory {directory} {what}; name the package's directory with --source DIR")
        if os.path.realpath(root) not in map(os.path.realpath, roots):
            roots.append(root)
    for first in roots:
        for second in roots:
            if first != second and os.path.realpath(second).startswith(os.path.realpath(first) + os.sep):
                raise CovatlasError(f"source directory {second} lies inside {first}; name only one of them")
            if first < second and os.path.basename(first) == os.path.basename(second):
                raise CovatlasError(
                    f"source directories {first} and {second} have the same name; name only one of them"
                )
    return roots


def _python_files(directory: str, prefix: str, say: Callable[[str], None]) -> Iterator[tuple[str, str, bytes]]:
    """Yield (path below the root, absolute path, bytes) of regular `.py` files; directory links are not entered."""
    try:
        with os.scandir(directory) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(directory, error) from None
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _python_files(entry.path, f"{prefix}{entry.name}/", say)
        elif entry.name.endswith(".py") and _is_file(entry):
            if not _writable_name(entry.path):
                say(f"{os.fsencode(entry.path)!r} is left out: its name is not UTF-8; rename the file")
                continue
            try:
                yield prefix + entry.name, entry.path, _read(entry.path)
            except OSError as error:
                raise _unreadable(entry.path, error) from None


def _read(path: str) -> bytes:
    """Return a file's bytes, in half of the time of `Path.read_bytes`: every build reads every file."""
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether it is a regular file or a link to one: pipes, sockets and dangling or looping links are not."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _writable_name(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _unreadable(path: object, error: OSError) -> CovatlasError:
    if isinstance(error, NotADirectoryError):
        return CovatlasError(f"{path}: is not a directory; name one")
    return CovatlasError(f"{path}: cannot be read ({error.strerror or error}); mend its permissions")


# ── profile data ─────────────────────────────────────────────────────────────────────────────────────────────────


def read_profile_inputs(
    directory: Path, say: Callable[[str], None] = _to_stderr, aliases: tuple[tuple[str, str], ...] = ()
) -> tuple[ProfileInput, ...]:
    """Return the data files and run records in a coverage directory, per slug, sorted."""
    nothing = CovatlasError(
        f"no profile data in {directory}: play a profile with --trace-code first, or name --coverage-dir"
    )
    try:
        with os.scandir(directory) as scan:
            names = sorted(entry.name for entry in scan if not entry.name.startswith(".") and _is_file(entry))
    except FileNotFoundError:
        raise nothing from None
    except OSError as error:
        raise _unreadable(directory, error) from None
    data: dict[str, list[tuple[str, Known[bytes]]]] = {}
    records: dict[str, bytes] = {}
    for name in names:
        slug, is_record = _slug_of(name)
        if slug is None:
            continue
        try:
            parse_slug(slug)
        except SlugError as error:
            say(f"{directory / name} is left out: {error}")
            continue
        try:
            content = (directory / name).read_bytes()
        except OSError as error:
            raise _unreadable(directory / name, error) from None
        if is_record:
            records[slug] = content
        else:
            data.setdefault(slug, []).append((name, Known(content)))
    if not data:
        raise nothing
    slugs = sorted(data.keys() | records.keys())
    return tuple(ProfileInput(slug, tuple(data.get(slug, ())), records.get(slug), aliases) for slug in slugs)


def _slug_of(name: str) -> tuple[str | None, bool]:
    """Return (what stands where the slug should, whether the file is a run record), (None, …) for other files."""
    if name.endswith(_RECORD):
        return name.removesuffix(_RECORD), True
    slug, found, rest = name.partition(_DATA)
    return (slug if found and (not rest or rest.startswith(".")) else None), False


# ── templates, commit ─────────────────────────────────────────────────────────────────────────────────────────────────


def read_templates() -> tuple[tuple[str, str], ...]:
    """Return (name, text) of the page templates that the package carries, sorted by name."""
    return tuple(sorted(_texts(resources.files("sitegen") / "templates", "")))


def _texts(directory: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for item in directory.iterdir() if directory.is_dir() else ():
        if item.name.startswith((".", "__")):
            continue
        if item.is_dir():
            yield from _texts(item, f"{prefix}{item.name}/")
        else:
            yield prefix + item.name, item.read_text("utf-8")


def _head(directory: Path) -> str | None:
    """Return the commit that is checked out where the source lies, None where git cannot tell."""
    command = ["git", "-C", str(directory), "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
