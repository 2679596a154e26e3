"""sitegen.watch and sitegen.own_config: whatever a build reads is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.own_config import hand_written
from tests.atlas_support import write


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("plugins: [covatlas, redirects]\nmarkdown_extensions: [pymdownx.snippets]\n", ["docs"]),
        ("docs_dir: guide\ntheme: {name: material, custom_dir: own}\nwatch: [parts]\n", ["guide", "own", "parts"]),
        ("docs_dir: 3\ntheme: material\nwatch: {}\n", []),
        ("site_name: [\n", ["docs"]),
    ],
)
def test_the_hand_written_pages_are_found_without_a_build(tmp_path: Path, text: str, folders: list[str]) -> None:
    assert hand_written(tmp_path) == (tmp_path / "mkdocs.yml",)
    write(tmp_path / "mkdocs.yml", text.encode())
    assert hand_written(tmp_path) == (tmp_path / "mkdocs.yml", *(tmp_path / name for name in folders))
