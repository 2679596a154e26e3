"""Memo of pure stages: NullStore forgets, MemoryStore keeps for a process, DiskStore keeps in the cache directory.

A result is found again by the fingerprint of (toolchain, stage, arguments) and by nothing else, so a cache can only
save time: whatever is missing, damaged or unreadable is made again. Arguments may be Known: then only their digest is
looked at, and a result that is found is not read until somebody asks for its value.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sitegen.entries import read_entry, write_entry
from sitegen.fingerprint import Known, digest, fingerprint, plain
from sitegen.index import Index
from sitegen.versions import versions

Item = TypeVar("Item")
Result = TypeVar("Result")
_LIBRARIES = (
    "coverage", "jinja2", "markdown", "markupsafe", "mkdocs", "mkdocs-material", "orjson", "pygments",
    "pymdown-extensions", "pyyaml",
)  # fmt: skip
KEPT_LISTS = 4
MADE_BY = "toolchain"  # beside the lists: the toolchain of the last build, for `covatlas check`
_RUNTIME = ("errors.py", "record.py", "slug.py")  # the modules of `instrument` that the generator computes with


def derive(stage: Callable[..., Result], *args: object) -> Known[Result]:
    """Return `stage(*args)`, known by its arguments, made when its value is asked for and kept nowhere."""
    return Known(digest=fingerprint("", stage, args), load=lambda: stage(*map(plain, args)))


class Store(Protocol):
    """Where results of stages are kept."""

    def call(self, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Return `stage(*args)`, made now or known from an earlier call with equal arguments."""
        ...

    def memo(self, stage: Callable[..., Result], *args: object) -> Result:
        """Return the value of `call`."""
        ...

    def look(self, stage: Callable[..., Result], *args: object) -> Known[Result] | None:
        """Return `stage(*args)` if it is known from an earlier call."""
        ...

    def at(self, found: str, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Return `stage(*args)`, of which the digest is known."""
        ...

    def keep(self, value: Result, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Take `value` for the result of `stage(*args)`."""
        ...

    def note(self, stage: Callable[..., object], args: tuple[object, ...], found: str | None = None) -> str | None:
        """Return the digest noted for a stage and arguments, or note `found` as that."""
        ...


class NullStore:
    """Keeps nothing: every stage runs."""

    def call(self, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Return `stage(*args)`."""
        return Known(stage(*map(plain, args)))

    def memo(self, stage: Callable[..., Result], *args: object) -> Result:
        """Return the value of `call`."""
        return self.call(stage, *args).value

    def look(self, stage: Callable[..., Result], *args: object) -> Known[Result] | None:
        """Know nothing."""
        return None

    def at(self, found: str, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Return `stage(*args)`."""
        return Known(digest=found, load=lambda: stage(*map(plain, args)))

    def keep(self, value: Result, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Forget."""
        return Known(value)

    def note(self, stage: Callable[..., object], args: tuple[object, ...], found: str | None = None) -> str | None:
        """Forget."""
        return found


class MemoryStore:
    """Keeps results for as long as it lives."""

    def __init__(self) -> None:
        self._kept: dict[str, Known[Any]] = {}
        self._noted: dict[str, str] = {}

    def call(self, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Return `stage(*args)`, run once per arguments."""
        key = fingerprint("", stage, args)
        if key not in self._kept:
            self._kept[key] = Known(stage(*map(plain, args)))
        return self._kept[key]

    def memo(self, stage: Callable[..., Result], *args: object) -> Result:
        """Return the value of `call`."""
        return self.call(stage, *args).value

    def look(self, stage: Callable[..., Result], *args: object) -> Known[Result] | None:
        """Return `stage(*args)` if it is known from an earlier call."""
        return self._kept.get(fingerprint("", stage, args))

    def at(self, found: str, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Return `stage(*args)`, of which the digest is known."""
        return self.call(stage, *args)

    def keep(self, value: Result, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Take `value` for the result of `stage(*args)`."""
        known = self._kept[fingerprint("", stage, args)] = Known(value)
        return known

    def note(self, stage: Callable[..., object], args: tuple[object, ...], found: str | None = None) -> str | None:
        """Return the digest noted for a stage and arguments, or note `found` as that."""
        key = fingerprint("", stage, args)
        if found is not None:
            self._noted[key] = found
        return self._noted.get(key)


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)


class DiskStore:
    """Keeps results in files named by their digest; a directory that cannot be written is said once and left alone."""

    def __init__(self, path: Path, toolchain: str, say: Callable[[str], None] = _to_stderr) -> None:
        self._path = path
        self.toolchain = toolchain
        self._say = say
        self._writable = True
        self.index = Index(path / "index")

    def call(self, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Return `stage(*args)`, known from an earlier build or run and written."""
        key = fingerprint(self.toolchain, stage, args)
        found = self.index.get(key)
        if found is not None:
            return self.at(found, stage, *args)
        known = Known(stage(*map(plain, args)))
        self._write(known)
        self.index.put(key, known.digest)
        return known

    def memo(self, stage: Callable[..., Result], *args: object) -> Result:
        """Return the value of `call`."""
        return self.call(stage, *args).value

    def look(self, stage: Callable[..., Result], *args: object) -> Known[Result] | None:
        """Return `stage(*args)` if it is known from an earlier build."""
        found = self.index.get(fingerprint(self.toolchain, stage, args))
        return self.at(found, stage, *args) if found is not None else None

    def at(self, found: str, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Return `stage(*args)`, of which the digest is known."""
        return Known(digest=found, load=partial(self._load, found, stage, args))

    def shelve(
        self, look: Callable[[], tuple[Item | None, ...]], stage: Callable[..., tuple[Item, ...]], *args: object
    ) -> tuple[Item | None, ...]:
        """Return what `look` finds, or what it found in an earlier build for equal arguments if nothing was missing.

        All records that `look` found are used again by that.
        """
        key = fingerprint(self.toolchain, stage, args)
        noted = self.index.get(key)
        if noted is not None:
            kept, value = read_entry(self._path, noted)
            if kept:
                used, found = value
                self.index.use(used)
                return found  # type: ignore[no-any-return]
        with self.index.noted() as keys:
            found = look()
        if None not in found:
            known = Known((b"".join(sorted(keys)), found))
            self._write(known)
            self.index.put(key, known.digest)
        return found

    def keep(self, value: Result, stage: Callable[..., Result], *args: object) -> Known[Result]:
        """Take `value` for the result of `stage(*args)` and write it."""
        known = Known(value)
        self._write(known)
        self.index.put(fingerprint(self.toolchain, stage, args), known.digest)
        return known

    def note(self, stage: Callable[..., object], args: tuple[object, ...], found: str | None = None) -> str | None:
        """Return the digest noted for a stage and arguments, or note `found` as that."""
        key = fingerprint(self.toolchain, stage, args)
        if found is None:
            return self.index.get(key)
        self.index.put(key, found)
        return found

    def flush(self) -> None:
        """Write down what was added; until then a killed build forgets it."""
        self._guarded(self.index.flush)

    def note_use(self) -> None:
        """Write down which records this build used, for `covatlas gc`, and flush; the lists of older builds go."""
        self.flush()
        folder = self._path / "used"
        data = b"".join(sorted(self.index.used))

        def write() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            lists = used_lists(self._path)
            number = int(lists[-1].name) + 1 if lists else 0
            temporary = folder / f".{os.getpid()}.tmp"
            temporary.write_bytes(data)
            os.replace(temporary, folder / f"{number:08}")
            (folder / MADE_BY).write_text(self.toolchain, "utf-8")
            for old in lists[:-KEPT_LISTS]:
                old.unlink(missing_ok=True)

        self._guarded(write)

    def _load(self, found: str, stage: Callable[..., Result], args: tuple[object, ...]) -> Result:
        kept, value = read_entry(self._path, found)
        if kept:
            return value
        value = stage(*map(plain, args))
        self._write(Known(value, found))
        return value

    def _write(self, known: Known[Any]) -> None:
        if self._writable:
            self._guarded(partial(write_entry, self._path, known.digest, known.value))

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            if self._writable:
                self._say(
                    f"the cache {self._path} cannot be written ({error.strerror or error}), so this build keeps "
                    "nothing; mend the directory or name another --cache-dir"
                )
            self._writable = False


def used_lists(stages: Path) -> list[Path]:
    """Return the lists of the keys that builds used, the latest last."""
    found = (path for path in (stages / "used").glob("[0-9]*") if path.name.isdecimal())
    return sorted(found, key=lambda path: path.name)


def toolchain() -> str:
    """Return the digest of what turns inputs into results besides arguments: own code, Python, libraries."""
    here = Path(__file__).parent
    sources = [*sorted(here.rglob("*.py")), *(here.parent / "instrument" / name for name in _RUNTIME)]
    code = tuple((path.relative_to(here.parent).as_posix(), path.read_bytes()) for path in sources)
    return digest((code, platform.python_implementation(), sys.version, tuple(versions(_LIBRARIES).items())))
