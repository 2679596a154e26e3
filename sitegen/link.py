"""A name, or a file and line → the address of a symbol's page; `assets/go.js` does the same in the browser."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from instrument.errors import CovatlasError, Finding
from sitegen.address import symbol_path, url_of
from sitegen.model import FileInventory, Inventory, Symbol

# pkg/climate.py, pkg/climate.py:120, pkg/climate.py:120:8, pkg/climate.py#L120, pkg/climate.py#L120-L130
_FILE = re.compile(r"(?P<path>.+\.py)(?:(?::|#L)(?P<line>\d{1,9})(?:[:-]L?\d+)?)?")
SHOWN = 8  # candidates named in a message


@dataclass(frozen=True, slots=True)
class Place:
    """A symbol that was meant, and the line of it, if one was named."""

    symbol: Symbol
    path: str
    line: int | None = None

    @property
    def address(self) -> str:
        """Return the address of its page below the site's own."""
        return url_of(symbol_path(self.symbol.id, self.symbol.kind)) + (f"#L{self.line}" if self.line else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target leads to: exactly one place if all is well, else a sentence and names that may have been meant."""

    places: tuple[Place, ...]
    problem: str = ""
    close: tuple[str, ...] = ()


def find_target(inventory: Inventory, target: str) -> Answer:
    """Return where `target` leads: an id, the end of one, or FILE[:LINE], whose path may begin further up or down."""
    target = target.strip()
    by_id = {symbol.id: Place(symbol, file.path) for file in inventory.files for symbol in file.symbols}
    if target in by_id:  # pkg.py may be the module py of pkg
        return Answer((by_id[target],))
    asked = _FILE.fullmatch(target)
    files = find_files(inventory.files, asked["path"]) if asked else ()
    if asked and (files or "/" in target or asked["line"]):
        return _in_file(inventory, files, asked["path"], int(asked["line"]) if asked["line"] else None)
    for fold in (str, str.lower):
        found = [place for name, place in by_id.items() if fold(f".{name}").endswith(fold(f".{target}"))]
        if found:
            return _one(found, target)
    return Answer((), f"no symbol is named {target!r}", _close(target, by_id))


def _one(found: list[Place], target: str) -> Answer:
    if len(found) == 1:
        return Answer((found[0],))
    return Answer(tuple(found), f"{target!r} is the end of {len(found)} names", tuple(each.symbol.id for each in found))


def find_files(files: Iterable[FileInventory], given: str) -> tuple[FileInventory, ...]:
    """Return the files that a path may mean: the equal one, the longest that it ends in, or all that end in it."""
    wanted = re.sub(r"^(?:\.?/)+", "", given.replace("\\", "/"))
    files = tuple(files)
    equal = tuple(file for file in files if file.path == wanted)
    below = sorted((file for file in files if wanted.endswith(f"/{file.path}")), key=lambda file: len(file.path))
    return equal or tuple(below[-1:]) or tuple(file for file in files if file.path.endswith(f"/{wanted}"))


def _in_file(inventory: Inventory, files: tuple[FileInventory, ...], given: str, line: int | None) -> Answer:
    if not files:
        leaf = re.split(r"[\\/]", given)[-1]
        alike = tuple(file.path for file in inventory.files if file.path.rpartition("/")[2] == leaf)
        return Answer((), f"the source has no file {given!r}", alike)
    if len(files) > 1:
        places = tuple(Place(file.symbols[0], file.path, line) for file in files)
        return Answer(places, f"{len(files)} files end in {given!r}", tuple(file.path for file in files))
    (file,) = files
    module = file.symbols[0]
    if line is None:
        return Answer((Place(module, file.path),))
    if not 1 <= line <= module.last:
        return Answer((), f"{file.path} has {module.last} lines, so there is no line {line}")
    # In source order: the last one that holds the line is the innermost.
    inner = [symbol for symbol in file.symbols if symbol.first <= line <= symbol.last][-1]
    return Answer((Place(inner, file.path, line),))


def _close(target: str, ids: Iterable[str]) -> tuple[str, ...]:
    """Return ids whose last names are like the target's."""
    parts = target.count(".") + 1
    ends: dict[str, list[str]] = {}
    for name in ids:
        ends.setdefault(".".join(name.split(".")[-parts:]).lower(), []).append(name)
    return tuple(name for end in get_close_matches(target.lower(), ends, SHOWN, 0.7) for name in ends[end])[:SHOWN]


def checked_site_url(url: str) -> str:
    """Return a site's web address with a slash at its end, "" for none; raise CovatlasError for any other thing."""
    if url and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", url):
        raise CovatlasError(f"site-url {url!r} is not a web address; name one as https://host/path/, or none")
    return f"{url.rstrip('/')}/" if url else ""


def answer_value(answer: Answer, target: str, site_url: str) -> dict[str, Any]:
    """Return the answer for machines."""
    return {
        "schema": 1,
        "target": target,
        "problem": answer.problem or None,
        "found": [
            {
                "id": place.symbol.id,
                "kind": place.symbol.kind,
                "file": place.path,
                "line_span": [place.symbol.first, place.symbol.last],
                "address": site_url + place.address,
            }
            for place in answer.places
        ],
        "close": list(answer.close),
    }


def finding_of(answer: Answer) -> Finding:
    """Return the sentence for a target that leads nowhere, or to several places."""
    named = ", ".join(answer.close[:SHOWN]) + (f" and {len(answer.close) - SHOWN} more" if answer.close[SHOWN:] else "")
    if not named:
        return Finding(f"{answer.problem}; name a symbol, or a file and line, of the source")
    return Finding(f"{answer.problem}; {'name one of' if answer.places else 'did you mean'}: {named}")
