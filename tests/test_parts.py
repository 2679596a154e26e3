"""sitegen.parts: what is put together from parts of files equals what is made of the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
