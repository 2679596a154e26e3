"""What comes from npm lies here exactly as it was published, with its licence, and what users get is published."""

from __future__ import annotations

import hashlib
import json

from sitegen.generate import ASSETS
from tests.vendor.__main__ import LIST, ROOT

PACKAGES = json.loads(LIST.read_text())


def test_every_vendored_file_has_the_recorded_bytes() -> None:
    for item in PACKAGES:
        assert set(item["sha256"]) == set(item["files"].values()), item["package"]
        for target, recorded in item["sha256"].items():
            assert hashlib.sha256((ROOT / target).read_bytes()).hexdigest() == recorded, target


def test_every_package_has_a_version_and_brings_its_licence() -> None:
    for item in PACKAGES:
        assert item["license"] in ("Apache-2.0", "MPL-2.0", "MIT", "ISC", "BSD-3-Clause") and item["version"]
        licence = next((ROOT / to).read_text() for name, to in item["files"].items() if name.startswith("LICENSE"))
        words = {
            "Apache-2.0": "Apache License",
            "MPL-2.0": "Mozilla Public License",
            "MIT": "Permission is hereby granted",
        }
        assert words[item["license"]] in licence, item["package"]


def test_no_file_beside_them_is_unknown_and_the_site_publishes_what_it_ships() -> None:
    known = {target for item in PACKAGES for target in item["sha256"]}
    folder = ROOT / "sitegen/assets/vendor"
    shipped = {f"sitegen/assets/vendor/{path.name}" for path in folder.iterdir()}
    assert shipped == {target for target in known if target.startswith("sitegen/")}
    assert shipped == {f"sitegen/assets/{name}" for name in ASSETS if name.startswith("vendor/")}
