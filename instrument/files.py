"""Files that people name: written whole in one rename or not at all, with a sentence where that fails."""

from __future__ import annotations

import os
from pathlib import Path

from instrument.errors import CovatlasError


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that whoever reads it meanwhile sees the old or the new one, whole; raise OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_file(path: Path, data: bytes, mend: str) -> None:
    """Write a file like `replace_file`, and its folder; raise CovatlasError, which ends in how to `mend` it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data)
    except OSError as error:
        raise CovatlasError(f"{path}: cannot be written ({error.strerror}); {mend}") from None


def append_text(path: Path, text: str, mend: str) -> None:
    """Append to a file, as to a job's summary; raise CovatlasError, which ends in how to `mend` it."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CovatlasError(f"{path}: cannot be written ({error.strerror}); {mend}") from None
