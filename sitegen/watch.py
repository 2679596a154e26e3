"""Watches what a build reads, with the system's own notifications, and says when something changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from sitegen.generate import BuildOptions

_CHANGES = frozenset({"created", "modified", "deleted", "moved"})  # opening and closing a file changes nothing
_GONE = frozenset({"deleted", "moved"})
Place = tuple[Path, Callable[[str], bool]]  # a file or folder that a build reads, and which files in it matter


class _Inside(FileSystemEventHandler):
    def __init__(self, matters: Callable[[str], bool], changed: Callable[[bool], None]) -> None:
        self._matters = matters
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass on a change of a file that a build reads; of a folder that went away nobody names the files."""
        if event.is_directory:
            if event.event_type in _GONE and Path(_text(event.src_path)).name != "__pycache__":
                self._changed(True)
        elif event.event_type in _CHANGES and any(map(self._matters, _names(event))):
            self._changed(False)


class _Beside(FileSystemEventHandler):
    """Looks at a directory for one thing in it, which may be deleted, replaced and made anew."""

    def __init__(self, path: str, changed: Callable[[bool], None]) -> None:
        self._path = path
        self._changed = changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass on a change of that file, or that the folder came or went."""
        within = event.is_directory and event.event_type == "modified"
        if event.event_type in _CHANGES and not within and self._path in _names(event):
            self._changed(event.is_directory)


class Watch:
    """A running watch over sources, profile data, the package's own templates and `more`; `stop` ends it.

    `moved` says that a folder came or went since it began, so that `renew` has to begin again.
    """

    def __init__(self, options: BuildOptions, changed: Callable[[], object], more: Sequence[Path] = ()) -> None:
        # The data directory may come with the first playback; it is Covatlas' own, so it may as well exist now.
        options.coverage_dir.mkdir(parents=True, exist_ok=True)
        self._changed = changed
        self._start(_places(options, more))

    def renew(self, options: BuildOptions, more: Sequence[Path] = ()) -> None:
        """Watch what a build reads now; where folders came or went, or others are named, begin again."""
        places = _places(options, more)
        if self.moved or [path for path, _ in places] != [path for path, _ in self._places]:
            self.stop()
            self._start(places)

    def stop(self) -> None:
        """Stop watching and wait until the watching thread has ended; it keeps no process from its end."""
        self._observer.stop()
        self._observer.join(10)

    def _start(self, places: list[Place]) -> None:
        self._places, self.moved = places, False
        self._observer = Observer()
        for path, matters in places:
            if path.is_dir():
                self._observer.schedule(_Inside(matters, self._tell), str(path), recursive=True)
            if path.parent.is_dir():
                self._observer.schedule(_Beside(str(path), self._tell), str(path.parent))
        self._observer.start()

    def _tell(self, moved: bool) -> None:
        self.moved = self.moved or moved
        self._changed()


def _places(options: BuildOptions, more: Sequence[Path]) -> list[Place]:
    own = Path(__file__).parent
    places: list[Place] = [(source, _is_source) for source in options.sources]
    places.append((options.coverage_dir, _is_data))
    places += [(own / name, _is_any) for name in ("templates", "assets")]
    places += [(path, _is_any) for path in (*more, *filter(None, [options.coverage_config]))]
    return [(path.absolute(), matters) for path, matters in places]


def _text(path: str | bytes) -> str:
    return os.fsdecode(path)


def _names(event: FileSystemEvent) -> tuple[str, str]:
    return _text(event.src_path), _text(event.dest_path or "")


def _is_source(path: str) -> bool:
    return path.endswith(".py")


def _is_data(path: str) -> bool:
    name = Path(path).name
    return not name.startswith(".") and (".coverage" in name or name.endswith(".run.json"))


def _is_any(path: str) -> bool:
    return bool(path) and not path.endswith(("~", ".swp"))
