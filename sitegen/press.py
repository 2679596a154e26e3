"""Sheets → pages of the site: renders and stamps a page only if its bytes are not known, or not where they belong."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sitegen.fingerprint import Known, digest, quick_digest
from sitegen.frame import Frame, Paths, Shell, section_of
from sitegen.model import Artifact, Page
from sitegen.render import Renderer, Sheet
from sitegen.store import Store

Fate = Literal["same", "made", "restored"]  # unchanged, unknown until now, known but missing or different in the site


@dataclass(frozen=True, slots=True)
class Press:
    """What pages are made with; `present` are the digests of the files in the site, `staging` takes what differs.

    `by_theme` renders a page whole, where a theme cannot be cut into shells; such pages are made by every build.
    """

    renderer: Renderer
    templates: Known[tuple[tuple[str, str], ...]]
    frame: Known[Frame]
    shell_digests: str
    shells: Mapping[tuple[str, int], Shell | None]
    present: Mapping[str, str]
    staging: Path
    by_theme: Callable[[Page], bytes] | None = None

    @property
    def look(self) -> tuple[object, ...]:
        """Return what every page depends on besides its sheet."""
        return self.templates, self.shell_digests

    def make(self, sheets: Iterable[Sheet], store: Store) -> tuple[Paths, dict[str, Fate]]:
        """Make pages and stage those that differ from the site's; return their digests and what happened to each."""
        paths, fates = [], {}
        for sheet in sheets:
            shell = self.shells.get((section_of(sheet.path), len(sheet.toc)))
            key = (quick_digest(sheet), self.templates, _shell_digest(shell))
            known = store.note(page_bytes, key) if shell is not None else None
            fate: Fate = "same"
            if known is None or self.present.get(sheet.path) != known:
                fate = "made" if known is None else "restored"
                data = page_bytes(self.renderer.page(sheet), shell, self.by_theme)
                known = hashlib.sha256(data).hexdigest()
                if shell is not None:
                    store.note(page_bytes, key, known)
                self.stage(sheet.path, data, known)
            paths.append((sheet.path, known))
            fates[sheet.path] = fate
        return tuple(paths), fates

    def put(self, artifact: Artifact) -> tuple[str, str]:
        """Stage a file that is no page; return its path and digest."""
        found = hashlib.sha256(artifact.data).hexdigest()
        self.stage(artifact.path, artifact.data, found)
        return artifact.path, found

    def stage(self, path: str, data: bytes, found: str) -> None:
        """Put a file where publish takes it from, unless the site has it already."""
        if self.present.get(path) != found:
            stage(self.staging, path, data, path in self.present)

    def has(self, paths: Paths) -> bool:
        """Return whether the site has all these files."""
        present = self.present
        return all(present.get(path) == found for path, found in paths)


def page_bytes(page: Page, shell: Shell | None, by_theme: Callable[[Page], bytes] | None) -> bytes:
    """Return the bytes of a page in its shell."""
    if shell is not None:
        return shell.stamp(page)
    assert by_theme is not None
    return by_theme(page)


_DIGESTS: dict[int, tuple[Shell, str]] = {}


def _shell_digest(shell: Shell | None) -> str:
    """Return a shell's digest, made once per shell."""
    found = _DIGESTS.get(id(shell))
    if shell is not None and (found is None or found[0] is not shell):
        found = _DIGESTS[id(shell)] = shell, digest(shell)
    return found[1] if found else ""


def stage(staging: Path, path: str, data: bytes, replaces: bool = False) -> None:
    """Write a file below the staging folder, whole or not at all; `replaces`: it will take an older one's place."""
    target = f"{staging}/{path}"
    try:
        file = open(target, "wb", buffering=0)  # noqa: SIM115
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        file = open(target, "wb", buffering=0)  # noqa: SIM115
    with file:
        if replaces:
            _reserve(file.fileno(), len(data))
        try:
            rest = memoryview(data)
            while rest:  # a disk that is nearly full takes a part
                rest = rest[file.write(rest) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, target) from None


def _reserve(handle: int, size: int) -> None:
    """Take a file's blocks now: ext4, which else chooses them late, would write all of it out when it is renamed."""
    with suppress(AttributeError, OSError):  # not on this system; or no space, as writing will say
        os.posix_fallocate(handle, 0, size)
