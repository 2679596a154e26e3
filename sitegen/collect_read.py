"""What the playbacks of a night uploaded: folders and archives, none of them trusted, each read and judged alone."""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from instrument.errors import CovatlasError, counted
from instrument.record import RunRecord
from sitegen.nights import NightProfile
from sitegen.profiles import check_data, check_record

MAX_FILES = 10_000
MAX_DIRECTORY = 5_000_000  # bytes of an archive's table of contents, which is read before anything can be counted
MAX_BYTES = 1024**3  # of the files that are read, unpacked; beyond it an archive is a bomb, not a playback
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what GitHub packs with, and what can be unpacked bit by bit
_DRIVE = re.compile(r"[A-Za-z]:")

OURS = (".coverage", ".run.json")  # how the files of a profile end

Wanted = Callable[[str], bool]  # which names of an artifact are read


@dataclass(frozen=True, slots=True)
class Arrival:
    """One artifact: of which listed profile, its data and run record; `problem` says why it is left out, "" if not.

    `data` may be missing where the playback failed. An artifact that no profile of the list names has no `slug`.
    """

    name: str
    slug: str | None
    data: bytes | None = None
    record: bytes | None = None
    run: RunRecord | None = None
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Return whether this is the whole data of a playback that passed."""
        return not self.problem and self.data is not None and self.run is not None and self.run.status == "passed"


def read_arrivals(folder: Path, profiles: tuple[NightProfile, ...]) -> tuple[Arrival, ...]:
    """Return what lies in the folder that the artifacts were downloaded to, sorted by artifact name.

    The official action makes a folder per artifact, or none where there is only one artifact; with `skip-decompress`
    each holds one archive. Raises CovatlasError only where the folder itself cannot be read.
    """
    try:
        entries = sorted((path for path in folder.iterdir() if path.name[0] != "."), key=lambda path: path.name)
    except OSError as error:
        raise CovatlasError(f"{folder}: cannot be read ({error.strerror}); name the folder of --artifacts") from None
    known = {profile.artifact: profile.slug for profile in profiles}
    if any(path.is_file() and path.name.endswith(OURS) for path in entries):
        return (_alone(folder, known),)  # one artifact, unpacked right here
    if len(entries) == 1 and entries[0].is_file() and entries[0].name.removesuffix(".zip") not in known:
        return (_alone(entries[0], known),)  # one archive, under whatever name the server sent it
    return tuple(_arrival(path, path.name.removesuffix(".zip"), known) for path in entries)


def _alone(path: Path, known: dict[str, str]) -> Arrival:
    """Read an artifact whose name is not said: the names in it tell whose it is."""
    try:
        inside = read_files(path, lambda _: False)
    except CovatlasError as error:
        return Arrival(path.name, None, problem=str(error))
    names = [name for name, slug in known.items() if any(slug + end in inside for end in OURS)]
    return _arrival(path, names[0] if len(names) == 1 else path.name, known)


def _arrival(path: Path, name: str, known: dict[str, str]) -> Arrival:
    slug = known.get(name)
    if slug is None:
        return Arrival(name, None, problem="no listed profile has an artifact of this name")
    try:
        return _checked(name, slug, read_files(path, (f"{slug}.coverage", f"{slug}.run.json").__contains__))
    except CovatlasError as error:
        return Arrival(name, slug, problem=str(error))


def _checked(name: str, slug: str, files: dict[str, bytes | None]) -> Arrival:
    data, record = files.pop(f"{slug}.coverage", None), files.pop(f"{slug}.run.json", None)
    for other in sorted(files):
        if other.endswith(OURS):
            raise CovatlasError(f"it holds {other!r:.120}, which is not of profile {slug!r}")
    if record is None:
        raise CovatlasError("it holds no run record" if data else "it holds neither data nor a run record")
    run = check_record(slug, record)
    if data is None and run.status == "passed":
        raise CovatlasError("it holds no data, though its playback passed")
    if data is not None:
        check_data(slug, data)
    return Arrival(name, slug, data, record, run)


# ── files of an artifact ─────────────────────────────────────────────────────────────────────────────────────────


def read_files(path: Path, wanted: Wanted) -> dict[str, bytes | None]:
    """Return the names in a folder or archive, with the bytes of the wanted ones; raise CovatlasError for a bad one.

    A folder that holds nothing but one archive, whatever it is called, stands for the archive. Nothing is unpacked
    onto the disk, and nothing but what is wanted into memory.
    """
    if path.is_symlink():
        raise CovatlasError("it is a link")
    if path.is_dir():
        inside = list(path.iterdir())
        if len(inside) == 1 and not inside[0].is_dir() and not inside[0].name.endswith(OURS):
            return read_files(inside[0], wanted)
        return dict(_of_folder(path, wanted))
    return _of_archive(path, wanted)


def _of_folder(folder: Path, wanted: Wanted) -> Iterator[tuple[str, bytes | None]]:
    left = MAX_BYTES
    for number, path in enumerate(sorted(folder.rglob("*"))):
        name = path.relative_to(folder).as_posix()
        if number > MAX_FILES:
            raise CovatlasError(f"it holds more than {counted(MAX_FILES, 'file')}")
        if path.is_symlink():
            raise CovatlasError(f"it holds the link {name!r:.120}")
        if not path.is_file():
            continue
        left -= path.stat().st_size if wanted(name) else 0
        if left < 0:
            raise CovatlasError(f"it holds more than {MAX_BYTES:,} bytes")
        try:
            yield name, path.read_bytes() if wanted(name) else None
        except OSError as error:
            raise CovatlasError(f"{name!r:.120} cannot be read ({error.strerror})") from None


def _of_archive(path: Path, wanted: Wanted) -> dict[str, bytes | None]:
    try:
        _refuse_long_directory(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_dangerous(members, wanted)
            return {
                member.filename: _unpacked(archive, member) if wanted(member.filename) else None
                for member in members
                if not member.is_dir()
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CovatlasError(f"its archive is damaged ({reason:.200})") from None


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Unpack as much as was announced: `archive.read` would unpack all there is before it looks."""
    with archive.open(member) as packed:
        return packed.read(member.file_size + 1)


def _refuse_long_directory(path: Path) -> None:
    """Read the end of an archive, which says how long its table of contents is, before all of the table is read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 22 - 65535 - 20))  # the end with its longest comment, and the locator before it
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    long = at >= 0 and int.from_bytes(tail[at + 12 : at + 16], "little") > MAX_DIRECTORY
    if long or tail[max(0, at - 20) :].startswith(b"PK\6\7"):  # or it is elsewhere, as only 4 GiB need it
        raise CovatlasError(f"its archive holds more than {counted(MAX_FILES, 'file')}")


def _refuse_dangerous(members: list[zipfile.ZipInfo], wanted: Wanted) -> None:
    if len(members) > MAX_FILES:
        raise CovatlasError(f"its archive holds more than {counted(MAX_FILES, 'file')}")
    if sum(member.file_size for member in members if wanted(member.filename)) > MAX_BYTES:
        raise CovatlasError(f"its archive unpacks to more than {MAX_BYTES:,} bytes")
    if any(member.compress_type not in _PACKED for member in members):
        raise CovatlasError("its archive is not packed as GitHub packs one (deflate)")
    seen: set[str] = set()
    for member in members:
        name = member.orig_filename
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or _DRIVE.match(name) or "\0" in name:
            raise CovatlasError(f"its archive holds a path that leads out of it ({name!r:.120})")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise CovatlasError(f"its archive holds the link {name!r:.120}")
        if name in seen:
            raise CovatlasError(f"its archive holds {name!r:.120} twice")
        seen.add(name)
