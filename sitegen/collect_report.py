"""The summary of a night, as Markdown for GitHub's job summary: bounded, and without markup from its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from instrument.errors import counted
from sitegen.collect_bundle import BUDGET, Bundled
from sitegen.collect_state import Decision, days
from sitegen.workflows import as_text

MAX_BYTES = 1024 * 1024 - 4096  # GitHub shows no summary of 1 MiB or more
MAX_ROWS = 300
MAX_NAMES = 200
MAX_TEXT = 200  # characters of one name or sentence


@dataclass(frozen=True, slots=True)
class Night:
    """All that the summary says; `before` is when the last night was collected, None where there was none."""

    record: dict[str, Any]
    decisions: tuple[Decision, ...]
    before: str | None
    lost: tuple[str, ...]  # covered last night, not tonight, still in the source
    gone: int  # covered last night, no longer in the source
    gained: tuple[str, ...]
    gaps: tuple[int, int]  # modules, symbols
    largest_gaps: tuple[tuple[str, int], ...]
    pages: int
    changed: int
    site_files: int
    site_bytes: int
    bundled: Bundled


def summary(night: Night) -> str:
    """Return the summary; one that would be too long ends with a sentence that says so."""
    record = night.record
    partial = " (partial)" if record["partial"] else ""
    parts = [
        f"## Covatlas, {record['due']} of {record['collected'][:10]}{partial}\n",
        f"{len(record['covered']):,} of {record['symbols']:,} symbols are covered by "
        f"{counted(len(night.decisions), 'profile')}; gaps: {counted(night.gaps[0], 'module')} and "
        f"{counted(night.gaps[1], 'symbol')} that no profile covers.\n",
        *_trouble(night),
        *_profiles(night),
        *_changes(night),
        *_gaps(night),
        *_sizes(night),
    ]
    return _bounded("\n".join(parts) + "\n")


def _text(text: str) -> str:
    """Return a value as text, shortened so that no single one can push the others out of the summary."""
    return as_text(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…")


def _trouble(night: Night) -> list[str]:
    lines = [
        f"- `{decision.slug}` {decision.state}: {_text(decision.why)}"
        + (f" (since {_text(decision.since)})" if decision.since else "")
        for decision in night.decisions
        if decision.wrong
    ]
    lines += [f"- `{decision.slug}` is flaky: it passed after {counted(_attempts(decision), 'attempt')}"
              for decision in night.decisions if decision.state == "flaky"]  # fmt: skip
    lines += [f"- left out: {_text(sentence)}" for sentence in night.record["left_out"]]
    return ["### Read with care\n", *_some(lines, MAX_ROWS), ""] if lines else []


def _attempts(decision: Decision) -> int:
    return decision.arrival.run.attempts if decision.arrival and decision.arrival.run else 0


def _profiles(night: Night) -> list[str]:
    rows = [
        f"| `{decision.slug}` | {decision.state} | {_age(decision)} | "
        f"{night.record['profiles'][decision.slug]['symbols']:,} |"
        for decision in night.decisions
    ]
    return ["| profile | data | age | symbols covered |", "| --- | --- | --- | --: |", *_some(rows, MAX_ROWS, "|"), ""]


def _age(decision: Decision) -> str:
    if decision.arrival is None:
        return ""
    return "tonight" if decision.state in ("fresh", "flaky", "failed") else days(decision.age)


def _changes(night: Night) -> list[str]:
    if night.before is None:
        return ["There is no earlier night to compare with.\n"]
    gone = f" {counted(night.gone, 'covered symbol')} left the source." if night.gone else ""
    lines = [f"### Since {_text(night.before)}\n", f"{len(night.lost):,} lost, {len(night.gained):,} gained.{gone}\n"]
    for title, names in (("Lost", night.lost), ("Gained", night.gained)):
        if names:
            lines += [f"<details><summary>{title}: {len(names):,}</summary>\n"]
            lines += [*_some([f"- {_text(name)}" for name in names], MAX_NAMES), "\n</details>\n"]
    return lines


def _gaps(night: Night) -> list[str]:
    rows = [f"| {_text(name)} | {statements:,} |" for name, statements in night.largest_gaps]
    return ["| largest gaps | statements |", "| --- | --: |", *rows, ""] if rows else []


def _sizes(night: Night) -> list[str]:
    bundled = night.bundled
    share = bundled.size / BUDGET
    lines = [
        f"Site: {night.site_files:,} files, {night.site_bytes / 1e6:.1f} MB, {night.pages:,} pages, "
        f"{night.changed:,} files changed by this build. "
        f"Bundle: {bundled.size / 1e6:.1f} MB, {share:.0%} of its budget of {BUDGET / 1e6:.0f} MB."
    ]
    if bundled.too_large:
        lines += ["", f"**The bundle is over its budget of {BUDGET / 1e6:.0f} MB.**"]
    lines += ["", "| largest parts of the bundle | MB |", "| --- | --: |"]
    return [*lines, *(f"| {_text(name)} | {size / 1e6:.2f} |" for size, name in bundled.parts[:10])]


def _some(lines: Sequence[str], most: int, edge: str = "") -> list[str]:
    if len(lines) <= most:
        return list(lines)
    more = f"and {len(lines) - most:,} more"
    return [*lines[:most], f"| {more} | | | |" if edge else f"- {more}"]


def _bounded(text: str) -> str:
    data = text.encode()
    if len(data) <= MAX_BYTES:
        return text
    kept = data[:MAX_BYTES].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n\nThe rest of this summary was too long and is left out.\n"
