"""What `covatlas check` does: all rules over a repository, told as text, JSON or GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from instrument.errors import CovatlasError, Finding, counted
from sitegen.check_rules import Drift, Ground, rules
from sitegen.coverage_config import read_exclude
from sitegen.generate import BuildOptions, Say
from sitegen.pipeline import inventory_of
from sitegen.snapshot import read_sources
from sitegen.store import DiskStore, NullStore, Store, toolchain


def check_all(root: Path, build: BuildOptions, inventory_file: Path | None, profiles: Path, say: Say) -> list[Drift]:
    """Return everything that has drifted below `root`; raise CovatlasError where the source cannot be read."""
    sources = read_sources(build.sources, say=say)
    try:
        exclude = read_exclude(build.coverage_config)
    except (
        CovatlasError
    ):  # a bad config is a finding of its own rule; the rest is looked at with coverage.py's defaults
        exclude = read_exclude(None)
    stages = build.cache_dir / "stages"
    store: Store = DiskStore(stages, toolchain(), say) if stages.is_dir() else NullStore()
    inventory = inventory_of(sources, exclude, store)
    return list(rules(Ground(root, build, inventory, inventory_file, profiles)))


def conclude(found: Sequence[Drift], say: Say) -> None:
    """Say that all is well, or raise Finding with the one command that repairs what a command can repair."""
    errors = [item for item in found if item.level == "error"]
    if not errors:
        warnings = f", {counted(len(found), 'warning')}" if found else ""
        return say(f"Nothing has drifted{warnings}")
    repairs = list(dict.fromkeys(item.repair for item in errors if item.repair))
    by_hand = sum(not item.repair for item in errors)
    how = [f"repair with: {' && '.join(repairs)}"] if repairs else []
    how += [f"{counted(by_hand, 'finding')} must be mended by hand"] if by_hand else []
    raise Finding(f"{counted(len(errors), 'thing')} drifted; {'; '.join(how)}")


def told(found: Sequence[Drift], form: str) -> str:
    """Return the findings as text, JSON or GitHub's workflow commands."""
    if form == "json":
        return json.dumps({"schema": 1, "drift": [asdict(item) for item in found]}, indent=1, sort_keys=True) + "\n"
    return "".join(f"{_annotation(item) if form == 'github' else _line(item)}\n" for item in found)


def _line(item: Drift) -> str:
    where = f"{item.file}:{item.line}: " if item.line else f"{item.file}: " if item.file else ""
    mark = "" if item.level == "error" else "warning: "
    sentence = item.sentence.removeprefix(where)
    return f"{mark}{item.rule}: {where}{sentence}" + (f"  [{item.repair}]" if item.repair else "")


def _annotation(item: Drift) -> str:
    place = [f"file={_property(item.file)}"] if item.file else []
    place += [f"line={item.line}"] if item.line else []
    about = ",".join([*place, f"title={_property(f'covatlas check: {item.rule}')}"])
    repair = f"; repair with: {item.repair}" if item.repair else ""
    return f"::{item.level} {about}::{_message(item.sentence + repair)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
