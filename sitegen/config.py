"""`[tool.covatlas]` of the working directory's pyproject.toml: a key for every option that is not about one call."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from instrument.errors import CovatlasError

# Key → the type of its value. A key is the long option's name.
KEYS: dict[str, type] = {
    "source": list,
    "coverage-dir": str,
    "coverage-config": str,
    "site-dir": str,
    "cache-dir": str,
    "jobs": int,
    "profiles": str,
    "inventory": str,
    "base-url": str,
    "job-timeout": int,
    "title": str,
    "repo-url": str,
    "branch": str,
    "source-prefix": str,
    "port": int,
    "remote": str,
    "pages-branch": str,
    "keep": int,
    "previous": str,
    "site-url": str,
    "clean": bool,
    "max-bytes": int,
    "trace-code": bool,
    "pairs": int,
    "off-budget": float,
    "traced-budget": float,
}
_WORDS = {list: "a list of strings", str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def load(directory: Path) -> dict[str, Any]:
    """Return the checked options of `directory`/pyproject.toml; raise CovatlasError naming a bad file or key."""
    path = directory / "pyproject.toml"
    try:
        tool = tomllib.loads(path.read_text("utf-8")).get("tool", {})
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise CovatlasError(f"{path}: cannot be read as TOML ({error}); mend the file") from None
    if not isinstance(tool, dict):
        raise CovatlasError(f"{path}: [tool] is not a table; mend the file")
    table = tool.get("covatlas", {})
    if not isinstance(table, dict):
        raise CovatlasError(f"{path}: [tool.covatlas] is not a table; mend the file")
    for key, value in table.items():
        _check(path, key, value)
    return table


def _check(path: Path, key: str, value: Any) -> None:
    if key not in KEYS:
        raise CovatlasError(f"{path}: [tool.covatlas] has no key {key!r}; the keys are {', '.join(sorted(KEYS))}")
    kind = KEYS[key]
    fits = type(value) is kind or (kind is float and type(value) is int)
    if fits and kind is list:
        fits = all(isinstance(item, str) for item in value)
    if not fits:
        raise CovatlasError(f"{path}: [tool.covatlas] {key} = {value!r} must be {_WORDS[kind]}")
    if any("\0" in item for item in (value if kind is list else [str(value)])):
        raise CovatlasError(f"{path}: [tool.covatlas] {key} = {value!r} holds a NUL, which no name has; take it out")
