"""Which versions of libraries are installed, from the names of the folders that say so (`jinja2-3.1.6.dist-info`).

importlib.metadata reads the same names; to import it takes 30 ms, which a build of nothing new would notice.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def versions(names: Sequence[str]) -> dict[str, str]:
    """Return the version of each distribution, "" of one that is not installed; `names` are lower case with hyphens."""
    found: dict[str, str] = {}
    for folder in sys.path:
        here = [item for item in _distributions(folder) if item[0] in names and item[0] not in found]
        for name, version in sorted(here):  # two of one name are a broken installation: no name for both is the same
            found[name] = f"{found[name]}, {version}" if name in found else version
    return {name: found[name] if name in found else _by_metadata(name) for name in names}


def _distributions(folder: str) -> list[tuple[str, str]]:
    """Return name and version of each distribution whose metadata a folder holds."""
    try:
        entries = os.listdir(folder or ".")
    except OSError:  # an archive, or nothing
        return []
    stems = [entry.removesuffix(".dist-info") for entry in entries if entry.endswith(".dist-info")]
    parts = [stem.partition("-") for stem in stems]
    return [(name.lower().replace("_", "-").replace(".", "-"), version) for name, _, version in parts]


def _by_metadata(name: str) -> str:
    """Return the version of a distribution that is installed in another way."""
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
