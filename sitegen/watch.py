"""Watches what a build reads, with the system's own notifications, and says when something changed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from sitegen.generate import BuildOptions

_CHANGES = frozenset({"created", "modified", "deleted", "moved"})  # opening and closing a file changes nothing


class _Handler(FileSystemEventHandler):
    def __init__(self, matters: Callable[[str], bool], changed: Callable[[], object]) -> None:
        self._matters = matters
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass on a change of a file that a build reads."""
        names = (str(event.src_path), str(getattr(event, "dest_path", "") or ""))
        if event.event_type in _CHANGES and not event.is_directory and any(map(self._matters, names)):
            self._changed()


class Watch:
    """A running watch over sources, profile data, the package's own templates and `more`; `stop` ends it."""

    def __init__(self, options: BuildOptions, changed: Callable[[], object], more: Sequence[Path] = ()) -> None:
        own = Path(__file__).parent
        # The data directory may come with the first playback; it is Covatlas' own, so it may as well exist now.
        options.coverage_dir.mkdir(parents=True, exist_ok=True)
        folders = [(source, _is_source) for source in options.sources]
        folders.append((options.coverage_dir, _is_data))
        folders += [(own / name, _is_any) for name in ("templates", "assets")]
        folders += [(path, _is_any) for path in more]
        self._observer = Observer()
        for folder, matters in folders:
            if folder.is_dir():
                self._observer.schedule(_Handler(matters, changed), str(folder), recursive=True)
            elif folder.is_file():  # its directory: an editor may put another file in its place
                only = partial(operator.eq, str(folder.absolute()))
                self._observer.schedule(_Handler(only, changed), str(folder.absolute().parent))
        self._observer.start()

    def stop(self) -> None:
        """Stop watching and wait until the watching thread has ended; it keeps no process from its end."""
        self._observer.stop()
        self._observer.join(10)


def _is_source(path: str) -> bool:
    return path.endswith(".py")


def _is_data(path: str) -> bool:
    name = Path(path).name
    return not name.startswith(".") and (".coverage" in name or name.endswith(".run.json"))


def _is_any(path: str) -> bool:
    return bool(path) and not path.endswith(("~", ".swp"))
