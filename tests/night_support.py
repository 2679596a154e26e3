"""Makes nights for the tests: a small project, real profile data, and artifacts as the official actions leave them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from instrument.record import RunRecord, encode_record
from sitegen.collect import CollectOptions, collect_night
from sitegen.collect_bundle import NAME
from sitegen.generate import BuildOptions
from sitegen.nights import FILE
from tests.atlas_support import record, write

PROFILES = """\
app: {install: "true", start: "true", base-url: "http://127.0.0.1:5000", health: "http://127.0.0.1:5000/ok"}
nightly: {cron: "17 2 * * *"}
weekly: {cron: "0 4 * * 0"}
profiles:
  - {slug: alpha, title: Alpha}
  - {slug: beta, title: Beta}
  - {slug: gamma, title: Gamma, weight: heavy}
"""
SOURCES = {
    "__init__.py": "",
    "shop.py": "def total(items):\n    return sum(items)\n\n\ndef pay(amount):\n    return -amount\n",
    "mail.py": "def send(text):\n    return text.upper()\n",
    "stock.py": "def count():\n    return 3\n",
}
DRIVERS = {
    "alpha": "from pkg.shop import total\ntotal([1, 2])\n",
    "beta": "from pkg.shop import pay\nfrom pkg.mail import send\npay(3)\nsend('x')\n",
    "gamma": "from pkg.stock import count\ncount()\n",
}
_RECORDED: dict[tuple[object, ...], bytes] = {}
FIRST_NIGHT = datetime(2026, 3, 1, 3, tzinfo=UTC)


@dataclass
class Project:
    """A repository with its nights; `night` numbers them from 0, a day each."""

    root: Path
    night: int = 0

    @property
    def now(self) -> datetime:
        """The end of the night."""
        return FIRST_NIGHT + timedelta(days=self.night)

    @property
    def bundle(self) -> Path:
        """This night's bundle."""
        return self.root / "bundles" / str(self.night) / NAME

    @property
    def build(self) -> BuildOptions:
        """Where the map goes."""
        return BuildOptions(
            (self.root / "pkg",), self.root / "collected", self.root / "site", self.root / "cache", title="Shop", jobs=1
        )

    def play(self, slug: str, **changes: Any) -> dict[str, bytes]:
        """Run the driver of a slug for real and return the files of its artifact."""
        data = self._data(slug)
        ended = (self.now - timedelta(minutes=30)).isoformat().replace("+00:00", "Z")
        values: dict[str, Any] = {"slug": slug, "status": "passed", "attempt": str(self.night), "attempts": 1,
                                  "started": ended, "finished": ended, "duration_s": 1.0,
                                  "base_url": "http://127.0.0.1:5000"}  # fmt: skip
        run = encode_record(RunRecord(**(values | changes)))
        return {f"{slug}.coverage": data, f"{slug}.run.json": run, "logs/app.log": b"well\n"}

    def _data(self, slug: str) -> bytes:
        """Run a driver under coverage.py, once for the same code and driver."""
        sources = tuple(path.read_bytes() for path in sorted((self.root / "pkg").glob("*.py")))
        key = (self.root, slug, DRIVERS[slug], sources)
        if key not in _RECORDED:
            data = record(self.root, slug, DRIVERS[slug], f"--context=profile:{slug}:a-1")
            _RECORDED[key] = data.read_bytes()
            data.unlink()
        return _RECORDED[key]

    def upload(self, slug: str, files: dict[str, bytes]) -> Path:
        """Leave an artifact as `download-artifact` does with skip-decompress: a folder that holds an archive."""
        path = self.artifacts / f"playback-{slug}" / f"playback-{slug}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path

    @property
    def artifacts(self) -> Path:
        """What this night's playbacks uploaded."""
        path = self.root / "artifacts" / str(self.night)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def collect(self, due: str = "nightly", say: Any = None) -> dict[str, Any]:
        """Collect this night, carrying on from the last one."""
        last = self.root / "bundles" / str(self.night - 1)
        options = CollectOptions(self.build, self.root, self.artifacts, due, last if last.exists() else None,
                                 self.bundle, self.root / f"summary-{self.night}.md")  # fmt: skip
        return collect_night(options, say or (lambda message: None), self.now)

    def summary(self) -> str:
        """This night's summary."""
        return (self.root / f"summary-{self.night}.md").read_text("utf-8")


def project(root: Path) -> Project:
    """Write the repository."""
    for name, text in SOURCES.items():
        write(root / "pkg" / name, text.encode())
    (root / FILE).write_text(PROFILES, "utf-8")
    return Project(root)
