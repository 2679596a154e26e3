"""sitegen.parts: what is put together from parts of files equals what is made of the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sitegen import data
from sitegen.data import data_artifacts
from sitegen.generate import BuildOptions, prepare
from sitegen.matrix import build_matrix, find_gaps
from sitegen.parts import file_part, join_gaps, join_matrix
from sitegen.pipeline import build_atlas
from sitegen.site import build_site
from tests.bench.corpus import write_corpus
from tests.site_support import project


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> BuildOptions:
    root = tmp_path_factory.mktemp("corpus")
    made = write_corpus(root, 300, 4)
    return BuildOptions((made.package,), made.data, root / "site", root / "cache")


@pytest.fixture(scope="module", params=["shop", "corpus"])
def options(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BuildOptions:
    if request.param == "shop":
        return project(tmp_path_factory.mktemp("shop"))
    return request.getfixturevalue("corpus")


def test_joined_parts_equal_the_whole(options: BuildOptions) -> None:
    prepared = prepare(replace(options, clean=True), pytest.fail)
    atlas = build_atlas(prepared.snapshot, prepared.store)
    slugs = tuple(head.slug for head in atlas.profiles)
    parts = [file_part(file, ()) for file in atlas.files]
    assert join_matrix(slugs, parts) == build_matrix(slugs, atlas.files) == atlas.matrix
    assert join_gaps(parts) == find_gaps(atlas.files)


def test_published_twins_equal_those_of_the_whole(options: BuildOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(options.site_dir.parent)
    build_site(options, lambda message: None)
    prepared = prepare(replace(options, clean=True), pytest.fail)
    artifacts = data_artifacts(build_atlas(prepared.snapshot, prepared.store), prepared.snapshot.commit)
    assert artifacts
    for artifact in artifacts:
        assert (options.site_dir / artifact.path).read_bytes() == artifact.data, artifact.path


def test_the_twins_of_the_matrix_are_made_anew_only_for_new_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shop, made = project(tmp_path), []
    real = data.matrix_artifacts
    monkeypatch.setattr(data, "matrix_artifacts", lambda *args: made.append(args) or real(*args))
    source, matrix = tmp_path / "pkg/deep/inner.py", shop.site_dir / "data/matrix.csv"

    def built() -> tuple[int, bytes]:
        made.clear()
        build_site(shop, lambda message: None)
        calls = sum(bool(matrix.symbols) for matrix, _ in made)  # without symbols: only for the paths
        clean = replace(shop, clean=True, site_dir=tmp_path / "clean", cache_dir=tmp_path / "other")
        build_site(clean, lambda message: None)
        for twin in shop.site_dir.joinpath("data").rglob("*"):
            assert twin.is_dir() or twin.read_bytes() == (clean.site_dir / twin.relative_to(shop.site_dir)).read_bytes()
        return calls, matrix.read_bytes()

    _, before = built()
    source.write_text(source.read_text() + "WORN = 1\n")
    assert built() == (0, before)  # one more line of a module that ran: no new cell
    matrix.write_bytes(b"tampered")
    assert built() == (1, before)
    source.write_text(source.read_text() + "def more():\n    return 3\n")
    calls, after = built()
    assert calls == 1 and b"pkg.deep.inner.more" in after
