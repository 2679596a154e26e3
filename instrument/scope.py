"""The scope: which files are traced, exactly as coverage.py decides it from the coverage configuration."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import coverage
from coverage.exceptions import CoverageException
from coverage.inorout import InOrOut

from instrument.errors import CovatlasError

log = logging.getLogger("covatlas")
_HERE = str(Path(__file__).resolve().parent) + "/"


class Scope:
    """Answer whether a code object's file is traced, and under which absolute path its lines are stored."""

    def __init__(self, config: Path | None) -> None:
        """Read the coverage configuration; raise CovatlasError if it is bad."""
        self._file: str | bool = str(config) if config else False
        where = str(config) if config else "the default coverage configuration"
        try:
            self.coverage = coverage.Coverage(data_file=None, config_file=self._file)
            self.rules = InOrOut(self.coverage.config, _warn, None, include_namespace_packages=False)
        except CoverageException as error:
            raise CovatlasError(f"{where}: {error}; mend the coverage configuration") from None
        self.rules.plugins = SimpleNamespace(file_tracers=())  # type: ignore[assignment]
        if self.coverage.get_option("run:branch"):
            log.warning("covatlas: branch = true in %s is ignored; only lines are stored", where)

    def __call__(self, filename: str, frame: FrameType | None) -> str | None:
        """Return the path to store the lines of `filename` under, None if it is not traced."""
        disposition = self.rules.should_trace(filename, frame)
        source = disposition.source_filename
        if not disposition.trace or source is None or source.startswith(_HERE):
            return None
        return source

    @property
    def directories(self) -> tuple[Path, ...]:
        """The absolute source directories that the configuration names."""
        return tuple(Path(directory) for directory in self.rules.source_dirs)

    def refuse_inside(self, coverage_dir: Path) -> None:
        """Raise CovatlasError if raw data would be written into a traced package."""
        for root in self._roots():
            if coverage_dir.resolve().is_relative_to(root.resolve()):
                raise CovatlasError(
                    f"PROFILE_COVERAGE_DIR={str(coverage_dir)!r} lies inside the traced source {str(root)!r}; "
                    "name a directory outside it"
                )

    def child_config(self) -> Callable[[str, str], str]:
        """Return a function (context, data file) → COVERAGE_PROCESS_CONFIG of a child Python process."""
        child = coverage.Coverage(data_file=None, config_file=self._file)
        options: dict[str, Any] = {
            "branch": False,
            "concurrency": ["thread"],
            "core": None,  # like plugins and debug, it would have coverage.py speak in the child
            "debug": [],
            "dynamic_context": None,
            "include": list(self.rules.include),  # absolute by now: the child may run in another directory
            "omit": list(self.rules.omit),
            "parallel": True,
            "patch": ["_exit"],
            "plugins": [],
            "relative_files": False,
            "sigterm": True,
            "source": [str(directory) for directory in self.directories],
            "source_pkgs": list(self.rules.source_pkgs),
        }
        for name, value in options.items():
            child.set_option(f"run:{name}", value)
        lock = threading.Lock()

        def fill(context: str, data_file: str) -> str:
            with lock:
                child.set_option("run:context", context)
                child.set_option("run:data_file", data_file)
                return child.config.serialize()

        return fill

    def holds(self, filename: str) -> bool:
        """Return whether a source file belongs to what is traced, without a frame that runs it."""
        path = Path(filename).resolve()
        inside = any(path.is_relative_to(root.resolve()) for root in self._roots())
        return path.suffix == ".py" and path.is_file() and (inside or self(str(path), None) is not None)

    def _roots(self) -> list[Path]:
        return [*self.directories, *(Path(path) for path in self._package_dirs())]

    def _package_dirs(self) -> list[str]:
        from importlib.util import find_spec

        found: list[str] = []
        for package in self.rules.source_pkgs:
            try:
                spec = find_spec(package)
            except (ImportError, ValueError):  # not importable yet: nothing to compare with
                continue
            found += list(spec.submodule_search_locations or ()) if spec else []
        return found


def _warn(message: str, slug: str | None = None, once: bool = False) -> None:
    log.warning("covatlas: %s", message)


Decide = Callable[[str, FrameType | None], str | None]
