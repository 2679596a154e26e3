"""Profile data by step: which request of the recording, or which RQ job of it, ran which lines.

A step is told by its place in the run record, not by its request id, which every playback makes anew: the same lines
recorded again are the same steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from sitegen.attribution import Translator, called_lines
from sitegen.model import FileInventory, ProfileData, ProfileHead, Symbol


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A request of a profile, or a job of it: places in `ProfileHead.requests` and in that request's `jobs`.

    `request` is -1 for traces that the run record does not name, `job` is -1 for the request itself.
    """

    request: int
    job: int = -1


@dataclass(frozen=True, slots=True)
class FileSteps:
    """The steps of one profile that ran lines of one file, in order, each with the raw lines that it ran."""

    path: str
    runs: tuple[tuple[Step, int], ...]


def read_steps(profile: ProfileData) -> tuple[FileSteps, ...]:
    """Return, for each file that a profile ran, which step ran which lines, sorted by path."""
    known = _contexts(profile.head)
    files: dict[str, dict[Step, int]] = {}
    for context, masks in profile.contexts:
        step = _step(profile.head.slug, context, known)
        for path, mask in masks:
            runs = files.setdefault(path, {})
            runs[step] = runs.get(step, 0) | mask
    return tuple(FileSteps(path, tuple(sorted(runs.items()))) for path, runs in sorted(files.items()))


def trace_lines(profile: ProfileData) -> dict[str, tuple[int, ...]]:
    """Return, for each file, the different sets of raw lines that single traces ran (what `called_lines` takes)."""
    files: dict[str, set[int]] = {}
    for _, masks in profile.contexts:
        for path, mask in masks:
            files.setdefault(path, set()).add(mask)
    return {path: tuple(sorted(masks)) for path, masks in sorted(files.items())}


def reached_by(file: FileInventory, symbol: Symbol, steps: FileSteps) -> tuple[Step, ...]:
    """Return the steps that ran a body line of a symbol; where it has none, those that for sure called it."""
    translator = Translator(file)
    found = []
    for step, raw in steps.runs:
        own = translator.executed(raw) & symbol.statements
        if own & symbol.body or own & called_lines(file, (raw,)):
            found.append(step)
    return tuple(found)


def _contexts(head: ProfileHead) -> dict[str, Step]:
    known = {}
    for number, request in enumerate(head.requests):
        known[request.id] = Step(number)
        for place, (job, _, _) in enumerate(request.jobs):
            known[f"{request.id}/{job}"] = Step(number, place)
    return known


def _step(slug: str, context: str, known: dict[str, Step]) -> Step:
    """Return the step of a context; a job that the record does not name belongs to its request."""
    name = context.removeprefix(f"profile:{slug}:")
    step = known.get(name)
    return step if step is not None else known.get(name.partition("/")[0], Step(-1))
