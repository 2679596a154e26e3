"""Matrix and profiles → tables: overlap, unique symbols, covering set, gaps and routes, each as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sitegen.matrix import covering_bounds, covering_set, overlap, unique
from sitegen.model import Gaps, Matrix, Overlap, ProfileHead

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class RouteUse:
    """A route of the app and how many requests of each profile went to it; nobody requests it where there are none."""

    rule: str
    methods: str  # sorted, joined by ", "
    requests: tuple[tuple[str, int], ...]  # (slug, number of requests), sorted


def route_uses(profiles: tuple[ProfileHead, ...]) -> tuple[RouteUse, ...]:
    """Return the routes of the app, as all run records together know them, sorted by rule and methods.

    A request belongs to the route of its rule and method. Without run records there are no routes.
    """
    counts: dict[tuple[str, str], dict[str, int]] = {}
    by_rule: dict[str, list[str]] = {}
    for head in profiles:
        for methods, rule in head.routes:
            sorted_methods = ", ".join(sorted(filter(None, methods.split(", "))))
            if sorted_methods not in by_rule.setdefault(rule, []):
                by_rule[rule].append(sorted_methods)
                counts[rule, sorted_methods] = {}
    for head in profiles:
        for request in head.requests:
            if request.route is None:
                continue
            known = by_rule.get(request.route, ())
            fitting = [methods for methods in known if request.method in methods.split(", ")] or [request.method]
            used = counts.setdefault((request.route, fitting[0]), {})
            used[head.slug] = used.get(head.slug, 0) + 1
    return tuple(
        RouteUse(rule, methods, tuple(sorted(used.items()))) for (rule, methods), used in sorted(counts.items())
    )


def routes_value(profiles: tuple[ProfileHead, ...]) -> dict[str, Any]:
    """Return what `data/routes.json` says: who requests each route, and how many requests had none."""
    return {
        "routes": [
            {"rule": use.rule, "methods": use.methods.split(", "), "profiles": dict(use.requests)}
            for use in route_uses(profiles)
        ],
        "unmatched": {
            head.slug: lost for head in profiles if (lost := sum(request.route is None for request in head.requests))
        },
    }


def overlap_value(matrix: Matrix) -> dict[str, Any]:
    """Return what `data/overlap.json` says: pairs of profiles, what each covers alone, the covering set."""
    at_least, bound = covering_bounds(matrix)
    chosen = covering_set(matrix)
    return {
        "covered": {slug: len(indexes) for slug, indexes in zip(matrix.profiles, matrix.covered, strict=True)},
        "unique": unique(matrix),
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "shared": pair.shared,
                "only_first": pair.only_first,
                "only_second": pair.only_second,
                "jaccard": round(pair.jaccard, 6),
                "contained": pair.contained,
            }
            for pair in overlap(matrix)
        ],
        "covering": {
            "profiles": [{"profile": slug, "adds": added} for slug, added in chosen],
            "at_least": at_least,
            "bound": round(bound, 6),
            "smallest": len(chosen) == at_least,
        },
    }


def matrix_tables(matrix: Matrix) -> dict[str, bytes]:
    """Return the matrix's tables as CSV, by name: covering, overlap, unique."""
    return {
        "covering": _csv(("profile", "adds"), covering_set(matrix)),
        "overlap": _csv(
            ("first", "second", "shared", "only_first", "only_second", "jaccard", "contained"),
            map(_pair_row, overlap(matrix)),
        ),
        "unique": _csv(
            ("profile", "symbol"),
            ((slug, matrix.symbols[index]) for slug, indexes in unique(matrix).items() for index in indexes),
        ),
    }


def gaps_table(gaps: Gaps) -> bytes:
    """Return the gaps as CSV, modules first."""
    return _csv(
        ("symbol", "kind", "file", "line", "statements", "branches"),
        (
            (gap.id, gap.kind, gap.path, gap.line, gap.statements, gap.branches)
            for gap in (*gaps.modules, *gaps.symbols)
        ),
    )


def routes_table(profiles: tuple[ProfileHead, ...]) -> bytes:
    """Return the routes as CSV: who requests each, and how often."""
    return _csv(
        ("rule", "methods", "profiles", "requests"),
        (
            (use.rule, use.methods, " ".join(slug for slug, _ in use.requests), sum(n for _, n in use.requests))
            for use in route_uses(profiles)
        ),
    )


def _pair_row(pair: Overlap) -> Row:
    contained = pair.contained[0] if pair.contained else ""
    return pair.first, pair.second, pair.shared, pair.only_first, pair.only_second, round(pair.jaccard, 6), contained


def _csv(head: Row, rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode()
