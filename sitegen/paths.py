"""Recorded paths → paths of the source tree, also where a container kept the tree elsewhere or paths are relative."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")

Aliases = tuple[tuple[str, str], ...]
Tree = tuple[tuple[str, str], ...]


class PathMap:
    """Which file of the source tree each recorded path is.

    `tree` pairs each file's path with its absolute path; `aliases` are the coverage config's [paths] as (regular
    expression, absolute directory with a slash at its end), in coverage.py's order. A recorded path is, the first that
    fits: what an alias makes of it, if the tree has that; the file itself; for a relative path the file below the one
    directory that explains most of the relative paths; the only file that it ends in.

    `found` maps recorded path → path; `problems` names, in sentences, what cannot be told and what is gone.
    """

    def __init__(self, tree: Tree, recorded: tuple[str, ...], aliases: Aliases = ()) -> None:
        self.found: dict[str, str] = {}
        self.problems: list[str] = []
        self._unclear: set[str] = set()
        self._tree = tree
        self._absolute = {_posix(where): path for path, where in tree}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for where in self._absolute:
            self._by_name[_leaf(where)].append(where)
        rules = [(re.compile(pattern, re.IGNORECASE), result) for pattern, result in aliases]
        for name in recorded:
            path = self._by_alias(name, rules) or self._absolute.get(_posix(name))
            if path is not None:
                self.found[name] = path
        self._find_relative([name for name in recorded if name not in self.found and not _is_absolute(name)])
        self._find_by_end([name for name in recorded if name not in self.found and name not in self._unclear])
        self._name_the_gone(recorded)

    def _by_alias(self, name: str, rules: list[tuple[re.Pattern[str], str]]) -> str | None:
        """Return what the first rule that leads to a file of the tree makes of a name, as coverage.py combines."""
        for pattern, result in rules:
            match = pattern.match(name)
            if match:
                path = self._absolute.get(name.replace(match[0], result, 1).replace("\\", "/"))
                if path is not None:
                    return path
        return None

    def _find_relative(self, names: list[str]) -> None:
        """Find the relative names below one directory: coverage.py makes all relative to the same one."""
        above: dict[str, list[str]] = {}
        for name in names:
            end = "/" + _posix(name)
            above[name] = [where.removesuffix(end) for where in self._by_name[_leaf(end)] if where.endswith(end)]
        votes = Counter(directory for directories in above.values() for directory in directories)
        for name, directories in above.items():
            most = max((votes[directory] for directory in directories), default=0)
            best = [directory for directory in directories if votes[directory] == most]
            if len(best) == 1:
                self.found[name] = self._absolute[f"{best[0]}/{_posix(name)}"]
            elif best:
                self._say_ambiguous(name, [self._absolute[f"{directory}/{_posix(name)}"] for directory in best])

    def _find_by_end(self, names: list[str]) -> None:
        by_name: dict[str, list[str]] = defaultdict(list)
        for path, _ in self._tree:
            by_name[_leaf(path)].append(path)
        claims: dict[str, list[str]] = defaultdict(list)  # path → recorded paths that end in it
        for name in names:
            posix = _posix(name)
            ends = [path for path in by_name[_leaf(posix)] if posix.endswith("/" + path)]
            if len(ends) == 1:
                claims[ends[0]].append(name)
            elif ends:
                self._say_ambiguous(name, ends)
        known = set(self.found.values())
        for path, claiming in sorted(claims.items()):
            if path in known:
                continue  # the file itself was recorded: what only ends like it is another project's
            if len(claiming) == 1:
                self.found[claiming[0]] = path
            else:
                self.problems.append(
                    f"{' and '.join(claiming)} were recorded and each may be {path}; map them under [paths] in the "
                    "coverage config"
                )

    def _say_ambiguous(self, name: str, paths: list[str]) -> None:
        self._unclear.add(name)
        self.problems.append(
            f"{name} was recorded and may be any of {', '.join(paths)}; map it under [paths] in the coverage config"
        )

    def _name_the_gone(self, recorded: tuple[str, ...]) -> None:
        """Name recorded modules inside the package, wherever it was kept, that the source tree no longer has.

        Templates that coverage.py's plugins record beside them are no modules.
        """
        kept = [(_posix(name), path) for name, path in self.found.items()]
        kept += [(_posix(where), path) for path, where in self._tree]
        roots = set()
        for name, path in kept:
            if ("/" + name).endswith("/" + path):
                above = name.removesuffix(path)
                roots.add((above, f"{above}{path.split('/')[0]}/"))
        paths = {path for path, _ in self._tree}
        for name in recorded:
            if name in self.found or not name.endswith(".py"):
                continue
            posix = _posix(name)
            gone = {posix.removeprefix(above) for above, package in roots if posix.startswith(package)} - paths
            if gone:
                self.problems.append(f"{min(gone)} was recorded but is gone from the source; play the profile again")


def _leaf(path: str) -> str:
    return path.rpartition("/")[2]


def _is_absolute(name: str) -> bool:
    return name.startswith("/") or _DRIVE.match(name) is not None


def _posix(path: str) -> str:
    return path.replace("\\", "/") if _DRIVE.match(path) or ("\\" in path and "/" not in path) else path
