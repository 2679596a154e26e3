"""The site of the night before, read and checked once, and which symbols have gone since then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import orjson

from instrument.errors import CovatlasError
from sitegen.address import symbol_path
from sitegen.history import PATH as HISTORY
from sitegen.history import newest, read_history, told
from sitegen.model import Artifact, FileInventory, Gone, Kind, Night, Previous, PreviousProfile

GONE = "data/gone.json"
SCHEMA = 1
MAX_GONE = 2000  # symbols whose address is kept, the latest gone first
MAX_NOW = 5  # more places with the same code say nothing about where it went
_KINDS = frozenset(get_args(Kind))
Identities = tuple[tuple[str, str, str], ...]  # id, kind, digest of each symbol


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read_previous(directory: Path, site_dir: Path | None, say: Callable[[str], None]) -> Previous | None:
    """Return what is needed of an earlier site, None with a sentence to `say` where it holds no readable one.

    A damaged or older site must not stop the nights that come after it. Raises CovatlasError where the directory does
    not exist, or is the one that the build is about to overwrite.
    """
    if not directory.is_dir():
        raise CovatlasError(f"previous site {directory} is no directory; name an earlier site with --previous, or none")
    if site_dir is not None and site_dir.resolve() == directory.resolve():
        raise CovatlasError(f"previous site {directory} is the one to be built; copy it, and name the copy")
    try:
        build, *others = (_document(directory, name) for name in ("build", "inventory", "matrix", "gone"))
        night = newest(_text_or_none(profile["recorded"]) for profile in build["profiles"].values())
        found = _parsed(build, *others)
        return replace(found, history=told(_history(directory, say), night, found.commit))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        say(f"previous site {directory}: holds no map that can be read ({reason}), so the new one does not compare")
        return None


def _history(directory: Path, say: Callable[[str], None]) -> tuple[Night, ...]:
    path = directory / HISTORY
    try:
        return read_history(path.read_bytes())
    except FileNotFoundError:  # made before there was such a file
        return ()
    except (OSError, ValueError, LookupError, TypeError) as error:
        say(f"previous site {directory}: its {HISTORY} cannot be read ({type(error).__name__}), so history starts anew")
        return ()


def _document(directory: Path, name: str) -> dict[str, Any]:
    path = directory / "data" / f"{name}.json"
    if name == "gone" and not path.exists():  # made before there was such a file
        return {"symbols": []}
    value = orjson.loads(path.read_bytes())
    if value["schema"] != SCHEMA:
        raise ValueError(f"{name}.json has another schema than {SCHEMA}")
    return value


def _parsed(build: Any, inventory: Any, matrix: Any, gone: Any) -> Previous:
    symbols = tuple(
        _identity(symbol["id"], symbol["kind"], symbol["digest"])
        for file in inventory["files"]
        for symbol in file["symbols"]
    )
    position = {name: index for index, (name, _, _) in enumerate(symbols)}
    places = [position[name] for name in matrix["symbols"]]
    return Previous(
        commit=_text_or_none(build["commit"]),
        symbols=symbols,
        profiles=tuple(
            PreviousProfile(_text(slug), _text(matrix["status"][slug]), _mask(places, matrix["covered"][slug]))
            for slug in matrix["profiles"]
        ),
        gone=tuple(_gone(item) for item in gone["symbols"][:MAX_GONE]),
    )


def _mask(places: Sequence[int], indexes: Sequence[int]) -> int:
    data = bytearray(len(places) // 8 + 1)
    for index in indexes:
        if index < 0:
            raise ValueError("a symbol's index is negative")
        place = places[index]
        data[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(data, "little")


def _identity(name: Any, kind: Any, digest: Any) -> tuple[str, str, str]:
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no kind of symbol")
    return _text(name), kind, _text(digest)


def _gone(item: Any) -> Gone:
    name, kind, digest = _identity(item["id"], item["kind"], item["digest"])
    now = tuple(_identity(each["id"], each["kind"], "")[:2] for each in item["now"][:MAX_NOW])
    return Gone(name, kind, digest, _text_or_none(item["last"]), _text_or_none(item["since"]), now)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


# ── comparing ────────────────────────────────────────────────────────────────────────────────────────────────────


def identities(file: FileInventory) -> Identities:
    """Return who the symbols of a file are."""
    return tuple((symbol.id, symbol.kind, symbol.digest) for symbol in file.symbols)


def find_gone(previous: Previous, files: tuple[Identities, ...], commit: str | None) -> tuple[Gone, ...]:
    """Return the symbols whose address the previous site had and this one has not, the latest gone first.

    Where the same code (by digest) stands under a new name, that is said; what an earlier night found is followed.
    """
    current = {name: kind for file in files for name, kind, _ in file}
    addresses = {symbol_path(name, kind) for name, kind in current.items()}
    before = {name for name, _, _ in previous.symbols}
    fresh: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        for name, kind, digest in file:
            if name not in before and digest:
                fresh.setdefault(digest, []).append((name, kind))
    found: dict[str, Gone] = {}
    for name, kind, digest in previous.symbols:
        address = symbol_path(name, kind)
        if address not in addresses and address not in found:
            now = ((name, current[name]),) if name in current else _same(name, fresh.get(digest, []))
            found[address] = Gone(name, kind, digest, previous.commit, commit, now)
    latest = {item.id: item for item in found.values()}
    for item in previous.gone:
        address = symbol_path(item.id, item.kind)
        if address not in addresses and address not in found:
            now = _followed(item, current, latest) or _same(item.id, fresh.get(item.digest, []))
            found[address] = Gone(item.id, item.kind, item.digest, item.last, item.since, now)
    return tuple(found.values())[:MAX_GONE]


def _same(name: str, places: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return where the code went: to places of its own last name, if there are any; nowhere if there are too many."""
    leaf = name.rpartition(".")[2]
    named = [place for place in places if place[0].rpartition(".")[2] == leaf] or places
    return tuple(named) if len(named) <= MAX_NOW else ()


def _followed(item: Gone, current: dict[str, str], latest: dict[str, Gone]) -> tuple[tuple[str, str], ...]:
    now: dict[str, str] = {}
    for name, _ in item.now:
        if name in current:
            now[name] = current[name]
        elif name in latest:
            now.update(latest[name].now)
    return tuple(now.items())[:MAX_NOW]


# ── saying so ────────────────────────────────────────────────────────────────────────────────────────────────────


def gone_artifact(gone: tuple[Gone, ...]) -> Artifact:
    """Return `data/gone.json`: addresses that lead to no symbol any more, for later nights and for `go/`."""
    symbols = [
        {
            "id": item.id,
            "kind": item.kind,
            "digest": item.digest,
            "last": item.last,
            "since": item.since,
            "now": [{"id": name, "kind": kind} for name, kind in item.now],
        }
        for item in gone
    ]
    value = {"schema": SCHEMA, "symbols": symbols}
    return Artifact(GONE, orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
