"""Modules as rectangles in their packages, laid out when the site is built: a picture that needs no script.

Squarified treemap after Bruls, Huizing and van Wijk: rows of rectangles that are as square as they can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.views import hundredths

HEAD = 15.0  # of a package, where it is large enough to have one
LETTER = 6.0  # the width of a letter of the labels
MOST = 1200  # rectangles; smaller modules of a package are drawn as one


@dataclass(frozen=True, slots=True)
class Leaf:
    """A module or a package: its size is in statements, and how many of its symbols are covered."""

    name: str
    page: str
    size: int
    covered: int
    symbols: int


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the picture; `label` and `number` are "" where they have no room."""

    kind: str  # "frame" around a package's modules; with a shade "module", "package" or "rest", several small modules
    leaf: Leaf
    x: float
    y: float
    w: float
    h: float
    label: str = ""
    number: str = ""


def treemap(packages: Sequence[tuple[Leaf, Sequence[Leaf]]], width: float, height: float) -> tuple[Box, ...]:
    """Return the boxes of packages and of the modules in each, largest first; one without modules is a box itself."""
    known = sorted((item for item in packages if item[0].size), key=lambda item: (-item[0].size, item[0].name))
    total = sum(package.size for package, _ in known)
    if not total:
        return ()
    least = max(90.0, width * height / MOST) * total / (width * height)
    boxes = []
    areas = squarify([package.size for package, _ in known], 0, 0, width, height)
    for (package, modules), (x, y, w, h) in zip(known, areas, strict=True):
        if not modules:
            boxes.append(_labelled("package", package, package.name, (x, y, w, h), True))
            continue
        head = HEAD if h > 3 * HEAD and w > 50 else 0.0
        boxes.append(Box("frame", package, x, y, w, h, _fitting(package.name, w - 8, True) if head else ""))
        boxes += _modules(package, modules, least, (x + 1, y + 1 + head, w - 2, h - 2 - head))
    return tuple(boxes)


def _modules(
    package: Leaf, modules: Sequence[Leaf], least: float, area: tuple[float, float, float, float]
) -> list[Box]:
    shown = sorted((leaf for leaf in modules if leaf.size >= least), key=lambda leaf: (-leaf.size, leaf.name))
    small = [leaf for leaf in modules if 0 < leaf.size < least]
    kinds = ["module"] * len(shown)
    if len(small) == 1:
        shown, kinds, small = [*shown, small[0]], [*kinds, "module"], []
    if small:
        rest = Leaf(f"{len(small)} small modules of {package.name}", package.page, sum(leaf.size for leaf in small),
                    sum(leaf.covered for leaf in small), sum(leaf.symbols for leaf in small))  # fmt: skip
        shown, kinds = [*shown, rest], [*kinds, "rest"]
        order = sorted(range(len(shown)), key=lambda index: -shown[index].size)
        shown, kinds = [shown[index] for index in order], [kinds[index] for index in order]
    areas = squarify([leaf.size for leaf in shown], *area)
    return [
        _labelled(kind, leaf, f"{len(small)} small" if kind == "rest" else leaf.name.rpartition(".")[2], place)
        for leaf, kind, place in zip(shown, kinds, areas, strict=True)
    ]


def _labelled(kind: str, leaf: Leaf, name: str, place: tuple[float, float, float, float], tail: bool = False) -> Box:
    x, y, w, h = place
    label = _fitting(name, w - 8, tail) if h > 14 else ""
    room = h > 27 or (h > 14 and not label)
    number = f"{hundredths(leaf.covered, leaf.symbols)} %" if room and w > 34 and leaf.symbols else ""
    return Box(kind, leaf, x, y, w, h, label, number)


def _fitting(name: str, width: float, tail: bool = False) -> str:
    """Return as much of a name as has room, "" where that says nothing; of a package the last parts say most."""
    room = int(width / LETTER)
    while tail and len(name) > room and "." in name:
        name = name.partition(".")[2]
    if len(name) <= room:
        return name
    return f"{name[: room - 1]}…" if room >= 6 else ""


def squarify(sizes: Sequence[int], x: float, y: float, w: float, h: float) -> list[tuple[float, float, float, float]]:
    """Return a rectangle (x, y, width, height) for each size, positive and falling; together they fill the area."""
    found: list[tuple[float, float, float, float]] = []
    left = float(sum(sizes))
    start = 0
    while start < len(sizes) and w > 0 and h > 0:
        side, scale = min(w, h), w * h / left
        end, row = start + 1, float(sizes[start])
        worst = _worst(sizes[start], sizes[start], row, side, scale)
        while end < len(sizes):
            longer = row + sizes[end]
            next_worst = _worst(sizes[start], sizes[end], longer, side, scale)
            if next_worst > worst:
                break
            row, worst, end = longer, next_worst, end + 1
        thick = row * scale / side
        along = 0.0
        for size in sizes[start:end]:
            length = size / row * side
            found.append((x, y + along, thick, length) if w >= h else (x + along, y, length, thick))
            along += length
        if w >= h:
            x, w = x + thick, w - thick
        else:
            y, h = y + thick, h - thick
        left -= row
        start = end
    found += [(x, y, 0.0, 0.0)] * (len(sizes) - len(found))
    return found


def _worst(largest: float, smallest: float, row: float, side: float, scale: float) -> float:
    """Return how far from a square the worst rectangle of a row is."""
    thick = row * scale / side
    return max(thick / (largest / row * side), (largest / row * side) / thick,
               thick / (smallest / row * side), (smallest / row * side) / thick)  # fmt: skip
