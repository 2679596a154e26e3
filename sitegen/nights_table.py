"""One table of `playback-profiles.yml`: takes values out and writes down, with entry and key, what is bad."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from instrument.slug import SlugError, parse_slug

ARTIFACT_PREFIX = "playback-"  # by which the aggregation job finds the artifacts of playbacks among all others
_ARTIFACT = re.compile(r"playback-[A-Za-z0-9][A-Za-z0-9._-]{0,90}")
_BRANCH = re.compile(r"(?!.*(\.\.|//|@\{|\.lock$|\.lock/|[/.]$))[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}")
_PYTHON = re.compile(r"3\.\d{2}")
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_CRON_ITEM = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_WORDS = {str: "a string", int: "a whole number", list: "a list", dict: "a table of keys"}

Check = Callable[[Any], str]  # what is wrong with a value of the right type, "" where nothing is


class Table:
    """Takes values out of a mapping; what is bad is written down with its entry and key, and a default stands in."""

    def __init__(self, value: Any, entry: str, found: list[str]) -> None:
        self.entry, self.found = entry, found
        self.left: dict[Any, Any] = dict(value) if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.bad(f"{entry or 'the file'} = {shown(value)} must be a table of keys")
            self.found = []  # that its keys are missing goes without saying

    def bad(self, sentence: str) -> None:
        """Write a sentence down."""
        self.found.append(sentence)

    def _name(self, key: str) -> str:
        return f"{self.entry}.{key}" if self.entry else key

    def take(self, key: str, kind: type, default: Any, check: Check = lambda _: "") -> Any:
        """Return the value of a key; `default` None means that it must be there."""
        if key not in self.left:
            if default is None:
                self.bad(f"{self._name(key)} is missing")
            return kind() if default is None else default
        value = self.left.pop(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.bad(f"{self._name(key)} = {shown(value)} must be {_WORDS[kind]}")
            return kind()
        wrong = _expression(value) if kind is str else ""
        wrong = wrong or check(value)
        if wrong:
            self.bad(f"{self._name(key)} = {shown(value)} {wrong}")
        return value

    def table(self, key: str, must: bool = False) -> Table:
        """Return the table below a key, an empty one where it may be absent."""
        if key not in self.left:
            if must:
                self.bad(f"{self._name(key)} is missing")
            return Table({}, self._name(key), [])
        return Table(self.left.pop(key), self._name(key), self.found)

    def end(self, keys: str) -> None:
        """Write down the keys that nobody took."""
        for key in self.left:
            self.bad(f"{self._name(str(key))} is no key; the keys are {keys}")


def shown(value: Any) -> str:
    """Return a value as it is named in a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _expression(text: str) -> str:
    """Refuse what GitHub would evaluate before any shell sees it, and what no YAML scalar should hold."""
    if "${{" in text:
        return "must not hold an expression of GitHub (${{)"
    if any((ord(char) < 32 and char not in "\n\t") or ord(char) == 127 for char in text):
        return "must not hold control characters"
    return ""


def one_of(*words: str) -> Check:
    """Return the check for one of some words."""
    return lambda value: "" if value in words else f"must be {' or '.join(words)}"


def some_of(*words: str) -> Check:
    """Return the check for a list of some words, each once."""
    return lambda values: (
        "" if values and len(values) == len([word for word in words if word in values])
        else f"must list {' or '.join(words)}, or both"
    )  # fmt: skip


def within(low: int, high: int) -> Check:
    """Return the check for a number from `low` to `high`."""
    return lambda value: "" if low <= value <= high else f"must be {low} to {high}"


def is_filled(value: str) -> str:
    """Say what is wrong with an empty string."""
    return "" if value.strip() else "must not be empty"


def is_line(value: str) -> str:
    """Say what is wrong with a string that is not one line of text."""
    return is_filled(value) or ("must be one line" if "\n" in value else "")


def is_url(value: str) -> str:
    """Say what is wrong with a web address."""
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and not set(value) & set(" \n\t'\"`$")
    except ValueError:
        fine = False
    return "" if fine else "must be a web address, as http://127.0.0.1:5000"


def is_slug(value: str) -> str:
    """Say what is wrong with a slug."""
    try:
        parse_slug(value)
    except SlugError:
        return "is no slug: [a-z0-9], then up to 62 of [a-z0-9_-], ending in [a-z0-9]"
    return ""


def is_branch(value: str) -> str:
    """Say what is wrong with the name of a branch."""
    return "" if _BRANCH.fullmatch(value) else "is no name of a branch"


def is_python(value: str) -> str:
    """Say what is wrong with a version of Python."""
    return "" if _PYTHON.fullmatch(value) else "must be a version as '3.13'"


def is_artifact(value: str) -> str:
    """Say what is wrong with the name of an artifact; one that starts with a dot would not be uploaded."""
    return "" if _ARTIFACT.fullmatch(value) else f"must be {ARTIFACT_PREFIX!r} and up to 91 of letters, digits, . _ -"


def is_zone(value: str) -> str:
    """Say what is wrong with the name of a time zone."""
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return "is no IANA time zone, as Europe/Zurich or UTC"
    return ""


def is_cron(value: str) -> str:
    """Say what is wrong with five fields of cron."""
    wrong = "must be five fields of cron in numbers, as '17 2 * * *'"
    fields = value.split(" ")
    if len(fields) != len(_CRON_RANGES):
        return wrong
    for text, (low, high) in zip(fields, _CRON_RANGES, strict=True):
        for item in text.split(","):
            match = _CRON_ITEM.fullmatch(item)
            numbers = [int(number) for number in match.groups()[:2] if number] if match else []
            if not match or not all(low <= n <= high for n in numbers) or numbers != sorted(numbers):
                return wrong
            if match[3] and not 1 <= int(match[3]) <= high:
                return wrong
    return ""
