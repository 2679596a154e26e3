"""sitegen.cells: the compact matrix says what `data/matrix.json` says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from sitegen.cells import LETTERS, FileCells, cells_artifact, file_cells
from sitegen.generate import BuildOptions, prepare
from sitegen.model import Atlas
from sitegen.names import names_artifact
from sitegen.pipeline import build_atlas
from sitegen.views import tally
from tests.bench.corpus import write_corpus
from tests.site_support import project

CERTAINTIES = {letter: certainty for certainty, letter in LETTERS.items()}


@pytest.fixture(scope="module", params=["shop", "corpus"])
def atlas(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    root = tmp_path_factory.mktemp(request.param)
    if request.param == "shop":
        options = project(root)
    else:
        made = write_corpus(root, 300, 4)
        options = BuildOptions((made.package,), made.data, root / "site", root / "cache")
    prepared = prepare(replace(options, clean=True), pytest.fail)
    return build_atlas(prepared.snapshot, prepared.store)


def document(atlas: Atlas) -> dict[str, Any]:
    statuses = [(head.slug, head.status) for head in atlas.profiles]
    return json.loads(cells_artifact(statuses, [file_cells(file) for file in atlas.files]).data)


def decoded(runs: str, length: int) -> list[str]:
    cells = [letter for letter, count in re.findall(r"([.bifs])(\d*)", runs) for _ in range(int(count or 1))]
    assert "".join(re.findall(r"[.bifs]\d*", runs)) == runs and len(cells) <= length
    return cells + ["."] * (length - len(cells))


def test_columns_hold_the_cells_of_the_matrix(atlas: Atlas) -> None:
    found, matrix = document(atlas), atlas.matrix
    assert found["profiles"] == list(matrix.profiles)
    assert found["status"] == {head.slug: head.status for head in atlas.profiles}
    assert sum(map(bool, matrix.covered)) > 1 and any(matrix.uncertain)
    for runs, covered, uncertain in zip(found["cells"], matrix.covered, matrix.uncertain, strict=True):
        cells = decoded(runs, len(matrix.symbols))
        assert tuple(index for index, letter in enumerate(cells) if letter == "b") == covered
        rest = tuple((index, CERTAINTIES[letter]) for index, letter in enumerate(cells) if letter not in ".b")
        assert rest == uncertain


def test_states_and_lines_stand_in_the_order_of_the_names(atlas: Atlas) -> None:
    found = document(atlas)
    states, symbols = found["states"], [item.symbol for file in atlas.files for item in file.symbols]
    assert found["lines"] == [symbol.statements.bit_count() for symbol in symbols]
    names = json.loads(names_artifact([file.inventory for file in atlas.files], ()).data)
    assert len(states) == sum(1 + text.count("\n") + bool(text) for _, _, text in names["files"])
    ids = atlas.matrix.symbols
    gaps = {gap.id for gap in (*atlas.gaps.modules, *atlas.gaps.symbols)}
    assert {own for own, state in zip(ids, states, strict=True) if state == "g"} == gaps
    covered = {index for indexes in atlas.matrix.covered for index in indexes}
    assert {index for index, state in enumerate(states) if state == "c"} == covered
    whole = tally(item for file in atlas.files for item in file.symbols)
    assert len(states) - states.count("e") == whole.total


def test_a_file_without_cells_and_one_after_it_keep_their_places() -> None:
    files = [
        FileCells("ce", (1, 0), (("a", "b."), ("b", ".b"))),
        FileCells("ggg", (1, 2, 3), ()),
        FileCells("o", (1,), (("b", "s"),)),
    ]
    found = json.loads(cells_artifact([("a", "passed"), ("b", "failed"), ("c", "unknown")], files).data)
    assert (
        found["cells"] == ["b.", ".b.3s", ""] and found["states"] == "cegggo" and found["lines"] == [1, 0, 1, 2, 3, 1]
    )
