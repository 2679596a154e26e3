"""Recorded absolute paths → paths of the source tree, also where a container kept the tree elsewhere."""

from __future__ import annotations

import re
from collections import defaultdict

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class PathMap:
    """Which file of the source tree each recorded path is.

    `found` maps recorded path → path; `problems` names, in sentences, what cannot be told and what is gone.
    """

    def __init__(self, tree: tuple[tuple[str, str], ...], recorded: tuple[str, ...]) -> None:
        self.found: dict[str, str] = {}
        self.problems: list[str] = []
        absolute = {_posix(where): path for path, where in tree}
        by_name: dict[str, list[str]] = defaultdict(list)
        for path, _ in tree:
            by_name[path.rpartition("/")[2]].append(path)
        claims: dict[str, list[str]] = defaultdict(list)  # path → recorded paths that end in it
        for name in recorded:
            posix = _posix(name)
            if posix in absolute:
                self.found[name] = absolute[posix]
                continue
            ends = [path for path in by_name[posix.rpartition("/")[2]] if posix.endswith("/" + path)]
            if len(ends) == 1:
                claims[ends[0]].append(name)
            elif ends:
                self.problems.append(
                    f"{name} was recorded and may be any of {', '.join(ends)}; map it under [paths] in the "
                    "coverage config"
                )
        self._settle(claims)
        self._name_the_gone(tree, recorded)

    def _settle(self, claims: dict[str, list[str]]) -> None:
        exact = set(self.found.values())
        for path, names in sorted(claims.items()):
            if path in exact:
                continue  # the file itself was recorded: what only ends like it is another project's
            if len(names) == 1:
                self.found[names[0]] = path
            else:
                self.problems.append(
                    f"{' and '.join(names)} were recorded and each may be {path}; map them under [paths] in the "
                    "coverage config"
                )

    def _name_the_gone(self, tree: tuple[tuple[str, str], ...], recorded: tuple[str, ...]) -> None:
        """Name recorded files inside the package, wherever it was kept, that the source tree no longer has."""
        kept = [(_posix(name), path) for name, path in self.found.items()]
        kept += [(_posix(where), path) for path, where in tree]
        roots = set()
        for name, path in kept:
            if name.endswith("/" + path):
                above = name.removesuffix(path)
                roots.add((above, f"{above}{path.split('/')[0]}/"))
        paths = {path for path, _ in tree}
        for name in recorded:
            if name in self.found:
                continue
            posix = _posix(name)
            gone = {posix.removeprefix(above) for above, package in roots if posix.startswith(package)} - paths
            if gone:
                self.problems.append(f"{min(gone)} was recorded but is gone from the source; play the profile again")


def _posix(path: str) -> str:
    return path.replace("\\", "/") if _DRIVE.match(path) else path
