"""What a project's own mkdocs.yml says, for who does not build with it; a build says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def read_settings(config: Path) -> dict[str, Any]:
    """Return the keys of mkdocs' configuration as they stand there, nothing where it cannot be read."""
    if not config.is_file():
        return {}
    import yaml
    from mkdocs.exceptions import MkDocsException
    from mkdocs.utils.yaml import yaml_load

    try:
        with config.open("rb") as file:
            found = yaml_load(file)
    except (yaml.YAMLError, MkDocsException, OSError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def hand_written(base: Path) -> tuple[Path, ...]:
    """Return what mkdocs reads of the project in `base`: mkdocs.yml, there or not, and the folders that it names."""
    config = base / "mkdocs.yml"
    settings = read_settings(config)
    theme, watched = settings.get("theme"), settings.get("watch")
    named = [settings.get("docs_dir", "docs"), theme.get("custom_dir") if isinstance(theme, dict) else None]
    named += watched if isinstance(watched, list) else []
    folders = (base / name for name in named if isinstance(name, str) and name and "\0" not in name)
    return (config, *folders) if config.is_file() else (config,)
