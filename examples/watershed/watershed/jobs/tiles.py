"""Publishes a run as map tiles; fails for good where no tile server is configured, as in this sample."""

from __future__ import annotations

from watershed.config import Config
from watershed.storage.runs import RunStore


class NoTileServer(RuntimeError):
    """There is nowhere to publish tiles."""


def publish_tiles(run_id: str) -> int:
    """Send the hillslopes of a run to the tile server; return how many. Raises NoTileServer."""
    config = Config.from_environment()
    slopes = RunStore(config.database).hillslopes(run_id)
    if config.tile_server is None:
        raise NoTileServer("set WATERSHED_TILE_SERVER to publish tiles")
    return len([upload(config.tile_server, slope) for slope in slopes])


def upload(server: str, slope: dict[str, float]) -> str:
    """Return the address that a tile would get."""
    return f"{server}/tiles/{slope['number']}"
