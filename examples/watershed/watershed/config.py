"""Settings of the app and its workers, from the environment."""

from __future__ import annotations

import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """`data_dir` holds the database file; `tile_server` is where map tiles would be published."""

    data_dir: Path
    redis_url: str
    secret_key: str
    tile_server: str | None

    @classmethod
    def from_environment(cls) -> Config:
        """Read WATERSHED_DATA, REDIS_URL and WATERSHED_TILE_SERVER, with defaults for a quick look."""
        data_dir = Path(os.environ.get("WATERSHED_DATA") or Path(tempfile.gettempdir()) / "watershed")
        data_dir.mkdir(parents=True, exist_ok=True)
        return cls(
            data_dir=data_dir,
            redis_url=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
            secret_key=_secret_key(data_dir / "secret.key"),
            tile_server=os.environ.get("WATERSHED_TILE_SERVER"),
        )

    @property
    def database(self) -> Path:
        return self.data_dir / "watershed.sqlite3"


def _secret_key(path: Path) -> str:
    # One key for all server processes: whoever creates the file first wins.
    try:
        with open(path, "x", encoding="ascii") as file:
            os.chmod(path, 0o600)
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return path.read_text("ascii")
