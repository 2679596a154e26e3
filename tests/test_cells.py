"""sitegen.cells: the compact matrix says what `data/matrix.json` says, and every symbol's address."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from sitegen.address import symbol_path
from sitegen.cells import LETTERS, FileCells, cells_artifact, file_cells, package_of
from sitegen.generate import BuildOptions, prepare
from sitegen.model import Atlas
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


def test_modules_hold_the_symbols_in_the_order_of_the_matrix(atlas: Atlas) -> None:
    found = document(atlas)
    ids, states = [], ""
    for module, file in zip(found["modules"], atlas.files, strict=True):
        states += module["states"]
        assert module["package"] == package_of(file.inventory.path)
        for item, name, stem, lines in zip(
            file.symbols, module["names"], module["stems"], module["lines"], strict=True
        ):
            symbol = item.symbol
            own = name[1:] if name.startswith("=") else f"{module['name']}.{name}" if name else module["name"]
            ids.append(own)
            address = stem if len(stem) > 8 else f"{own}-{stem}" if stem else own
            assert symbol_path(symbol.id, symbol.kind).split("/")[1] == f"{address}.html"
            assert lines == symbol.statements.bit_count()
    assert tuple(ids) == atlas.matrix.symbols
    gaps = {gap.id for gap in (*atlas.gaps.modules, *atlas.gaps.symbols)}
    assert {own for own, state in zip(ids, states, strict=True) if state == "g"} == gaps
    whole = tally(item for file in atlas.files for item in file.symbols)
    assert (states.count("c"), len(states) - states.count("e")) == (whole.body, whole.total)


def test_a_file_without_cells_and_one_after_it_keep_their_places() -> None:
    files = [
        FileCells(2, b"{}", (("a", "b."), ("b", ".b"))),
        FileCells(3, b"{}", ()),
        FileCells(1, b"{}", (("b", "s"),)),
    ]
    found = json.loads(cells_artifact([("a", "passed"), ("b", "failed"), ("c", "unknown")], files).data)
    assert found["cells"] == ["b.", ".b.3s", ""]
