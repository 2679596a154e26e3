"""A coverage configuration → what it excludes and which directories stand for which, as coverage.py itself reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from instrument.errors import CovatlasError
from sitegen.store import Store

if TYPE_CHECKING:
    from coverage import Coverage

Aliases = tuple[tuple[str, str], ...]
# With these, what coverage.py makes of a file depends on more than its bytes: the environment, links, other code.
_UNCERTAIN = (b"$", b"paths", b"plugins")


def read_rules(config: Path | None, store: Store) -> tuple[str, Aliases]:
    """Return `read_exclude` and `read_aliases`; for bytes that are known, without importing coverage.py."""
    data = config.read_bytes() if config is not None and config.is_file() else b""
    if any(mark in data for mark in _UNCERTAIN) or (config is not None and not data):
        return read_exclude(config), read_aliases(config)
    name = config.name if config is not None else None
    found = store.look(rules_of, name, data)
    if found is None or not found.readable:
        found = store.keep((read_exclude(config), read_aliases(config)), rules_of, name, data)
    return found.value


def rules_of(name: str | None, data: bytes) -> tuple[str, Aliases]:
    """Stand for what coverage.py makes of a configuration's name and bytes, in the cache."""
    raise NotImplementedError


def read_exclude(config: Path | None) -> str:
    """Return coverage.py's exclude list of a configuration file as one regular expression, joined as it joins it."""
    with _mend(config):
        patterns = _coverage(config).get_exclude_list("exclude")
    return patterns[0] if len(patterns) == 1 else "|".join(f"(?:{pattern})" for pattern in patterns)


def read_aliases(config: Path | None) -> Aliases:
    """Return the [paths] of a coverage configuration, in coverage.py's order: which directories stand for which.

    Each is (regular expression of the recorded directory, absolute directory here, with a slash at its end).
    """
    from coverage.files import PathAliases

    with _mend(config):
        paths: dict[str, list[str]] = _coverage(config).get_option("paths") or {}  # type: ignore[assignment]
        rules = PathAliases()
        for here, *elsewhere in paths.values():
            for pattern in elsewhere:
                rules.add(pattern, os.path.realpath(here))
    return tuple((regex.pattern, result) for _, regex, result in rules.aliases)


def _coverage(config: Path | None) -> Coverage:
    import coverage

    if config is not None and not config.is_file():
        raise CovatlasError(f"coverage config {config} does not exist; name the file with --coverage-config")
    return coverage.Coverage(config_file=str(config) if config else False, data_file=None)


@contextmanager
def _mend(config: Path | None) -> Iterator[None]:
    from coverage.exceptions import CoverageException

    try:
        yield
    except CovatlasError:
        raise
    except ImportError as error:  # a plugin: coverage.py loads them before it says what it excludes
        raise CovatlasError(f"coverage config {config}: {error}; install it where the site is built") from None
    except (CoverageException, ValueError, OSError) as error:
        raise CovatlasError(f"coverage config {config}: {' '.join(str(error).split())}; mend the file") from None
