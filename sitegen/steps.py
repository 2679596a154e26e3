"""Profile data by step: which request of the recording, or which RQ job of it, reached which symbols.

A step is told by its place in the run record, not by its request id, which every playback makes anew: the same lines
recorded again are the same steps. Steps that look alike (same method and route, or the same job function) are one way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sitegen.attribution import Translator, called_lines
from sitegen.model import FileInventory, ProfileData, ProfileHead


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A request of a profile, or a job of it: places in `ProfileHead.requests` and in that request's `jobs`.

    `request` is -1 for traces that the run record does not name, `job` is -1 for the request itself.
    """

    request: int
    job: int = -1


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """How code is reached: the requests of one method and route (or path), or their jobs of one function.

    `first` is the place of the first of them in the run record, -1 where it names none; `job` is "" for requests.
    """

    first: int
    method: str
    target: str
    job: str
    count: int


@dataclass(frozen=True, slots=True)
class FileSteps:
    """What the steps of one profile ran of one file: the different sets of raw lines, each with the step that had it
    first, in the order of the recording, and per way the indexes of its sets."""

    path: str
    runs: tuple[tuple[Step, int], ...]
    ways: tuple[tuple[Way, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Reached:
    """What one profile reached of one file, as indexes of symbols: per way all, and per step those not before."""

    slug: str
    ways: tuple[tuple[Way, tuple[int, ...]], ...]
    first: tuple[tuple[Step, tuple[int, ...]], ...]


def read_steps(profile: ProfileData) -> tuple[FileSteps, ...]:
    """Return, for each file that a profile ran, which steps and ways ran which lines, sorted by path."""
    known = _contexts(profile.head)
    steps: dict[Step, dict[str, int]] = {}
    for context, masks in profile.contexts:
        files = steps.setdefault(_step(profile.head.slug, context, known), {})
        for path, mask in masks:
            files[path] = files.get(path, 0) | mask
    runs: dict[str, dict[int, Step]] = {}
    ways: dict[str, dict[tuple[str, str, str], list[tuple[Step, int]]]] = {}
    for step, files in sorted(steps.items()):
        for path, mask in files.items():
            runs.setdefault(path, {}).setdefault(mask, step)
            ways.setdefault(path, {}).setdefault(_looks(profile.head, step), []).append((step, mask))
    found = []
    for path, masks in sorted(runs.items()):
        index = {mask: number for number, mask in enumerate(masks)}
        own = (
            (Way(alike[0][0].request, *looks, len(alike)), tuple(sorted({index[mask] for _, mask in alike})))
            for looks, alike in ways[path].items()
        )
        found.append(FileSteps(path, tuple((step, mask) for mask, step in masks.items()), tuple(sorted(own))))
    return tuple(found)


def reached(file: FileInventory, profiles: tuple[tuple[str, FileSteps], ...]) -> tuple[Reached, ...]:
    """Return which symbols of a file each profile (slug, steps) reached, through which ways and in which order.

    A symbol is reached where a body line of it ran; where it has none apart from its signature, where it was called for
    sure.
    """
    reach = _Reach(file)
    found = []
    for slug, steps in profiles:
        per_run = [reach.symbols(raw) for _, raw in steps.runs]
        ways = ((way, _union(per_run[index] for index in indexes)) for way, indexes in steps.ways)
        seen: set[int] = set()
        first: dict[Step, list[int]] = {}
        for (step, _), symbols in zip(steps.runs, per_run, strict=True):
            new = [index for index in symbols if index not in seen]
            if new:
                seen.update(new)
                first.setdefault(step, []).extend(new)
        found.append(
            Reached(
                slug,
                tuple((way, symbols) for way, symbols in ways if symbols),
                tuple((step, tuple(sorted(symbols))) for step, symbols in first.items()),
            )
        )
    return tuple(found)


class _Reach:
    """Finds the symbols that a set of raw lines reached; the same set is looked at once."""

    def __init__(self, file: FileInventory) -> None:
        self._file = file
        self._translator = Translator(file)
        self._known: dict[int, tuple[int, ...]] = {}

    def symbols(self, raw: int) -> tuple[int, ...]:
        found = self._known.get(raw)
        if found is None:
            executed = self._translator.executed(raw)
            called = executed & called_lines(self._file, (raw,))
            found = self._known[raw] = tuple(
                index
                for index, symbol in enumerate(self._file.symbols)
                if executed & symbol.body or called & symbol.statements
            )
        return found


def _union(sets: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted(set().union(*sets)))


def _looks(head: ProfileHead, step: Step) -> tuple[str, str, str]:
    """Return method, target and job function of a step."""
    if step.request < 0:
        return "", "", ""
    request = head.requests[step.request]
    target = request.path.partition("?")[0] if request.route is None else request.route
    return request.method, target, "" if step.job < 0 else request.jobs[step.job][1]


def trace_lines(profile: ProfileData) -> dict[str, tuple[int, ...]]:
    """Return, for each file, the different sets of raw lines that single traces ran (what `called_lines` takes)."""
    files: dict[str, set[int]] = {}
    for _, masks in profile.contexts:
        for path, mask in masks:
            files.setdefault(path, set()).add(mask)
    return {path: tuple(sorted(masks)) for path, masks in sorted(files.items())}


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
