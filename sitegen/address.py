"""Where the page of a symbol, module or profile lives: a pure function of its id alone."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

MAX_LENGTH = 120
_PLAIN = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
# Windows opens a device, not a file, for these names with any extension; `index` is what a folder's address shows.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))})
_HOME = "index.html"


@lru_cache(maxsize=1 << 14)
def file_stem(identity: str) -> str:
    """Return the file name, without `.html`, of an id.

    A lower-case ASCII dotted name stays as it is. Any other id, one with a Windows device name as a segment and one
    of more than MAX_LENGTH characters is made safe and gets `-` and 8 hex digits of its sha256; a plain name holds no
    `-`, so the two kinds never meet and different ids stay different on a disk that ignores case.
    """
    segments = identity.split(".")
    reserved = identity == "index" or any(segment.lower() in _DEVICES for segment in segments)
    if not reserved and len(identity) <= MAX_LENGTH and _PLAIN.fullmatch(identity):
        return identity
    safe = ".".join(_safe_segment(segment) for segment in segments)
    # Surrogates cannot be encoded strictly, and a file name that is not UTF-8 has them.
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[: MAX_LENGTH - 9]}-{digest}"


def _safe_segment(segment: str) -> str:
    cleaned = _UNSAFE.sub("_", segment)
    return f"_{cleaned}" if not cleaned or cleaned.lower() in _DEVICES else cleaned


def symbol_path(identity: str, kind: str) -> str:
    """Return the path of a symbol's page: `modules/…` for a module, else `symbols/…`."""
    folder = "modules" if kind == "module" else "symbols"
    return f"{folder}/{file_stem(identity)}.html"


def package_of(path: str) -> str:
    """Return the package of a source path: the dotted name of its folder."""
    return path.rpartition("/")[0].replace("/", ".")


def package_path(name: str) -> str:
    """Return the path of a package's page."""
    return f"packages/{file_stem(name)}.html"


def profile_path(slug: str) -> str:
    """Return the path of a profile's page; a slug is a safe file name already."""
    return f"profiles/{slug}.html"


def profile_data_path(slug: str) -> str:
    """Return the path of a profile's machine-readable twin."""
    return f"data/profiles/{slug}.json"


def module_data_path(identity: str) -> str:
    """Return the path of the twin of a module's page."""
    return f"data/modules/{file_stem(identity)}.json"


def url_of(path: str) -> str:
    """Return the address of a page path: `matrix/index.html` is shown at `matrix/`."""
    return path[: -len(_HOME)] if path == _HOME or path.endswith("/" + _HOME) else path


def link(source: str, target: str) -> str:
    """Return the relative link from the page at path `source` to the path `target` (both posix, from the root)."""
    url = url_of(target)
    folder = source[: source.rfind("/") + 1]
    if folder and url.startswith(folder):
        return url[len(folder) :] or "./"
    return "../" * folder.count("/") + url or "./"
