"""When the frame of an earlier build still holds: everything that mkdocs reads is hashed, without importing mkdocs."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sitegen.fingerprint import Known
from sitegen.frame import Frame
from sitegen.store import Store

SECTIONS = (  # key, title and path of each generated section, in the order of the header
    ("home", "Map", "."),
    ("matrix", "Matrix", "matrix/"),
    ("gaps", "Gaps", "gaps/"),
    ("overlap", "Overlap", "overlap/"),
    ("routes", "Routes", "routes/"),
    ("trends", "Trends", "trends/"),
)
# What renders the same pages from the same files; of any other plugin nobody knows what it reads.
_PLUGINS = frozenset({"covatlas", "search", "material/search"})
# Extensions of Markdown that read no file.
_EXTENSIONS = re.compile(
    r"(?:markdown\.extensions\.)?(?:abbr|admonition|attr_list|codehilite|def_list|extra|fenced_code|footnotes"
    r"|legacy_attrs|legacy_em|md_in_html|meta|nl2br|sane_lists|smarty|tables|toc|wikilinks)"
    r"|pymdownx\.(?!snippets|b64)[\w.]+"
)
_UNCERTAIN = re.compile(rb"!ENV|^INHERIT|!!python/object|snippets|^hooks", re.MULTILINE)
Templates = tuple[tuple[str, str], ...]  # name → text
_TARGET = re.compile(r"[\w.%~-]+\.(?:html|json|csv)")


@dataclass(frozen=True, slots=True)
class MkdocsFacts:
    """What mkdocs makes of a configuration: the folders that it names, relative to it, and the repository."""

    folders: tuple[str, ...]
    repo_url: str


@dataclass(frozen=True, slots=True)
class FrameInputs:
    """What a frame depends on besides the generated paths that it mentions: `words` are the file names in it."""

    digest: str
    words: frozenset[str]


def config_file(base: Path) -> tuple[Path, bool]:
    """Return the mkdocs.yml to use and whether it is the project's own."""
    own = base / "mkdocs.yml"
    return (own, True) if own.is_file() else (Path(str(resources.files("sitegen") / "scaffold" / "mkdocs.yml")), False)


def read_facts(config: Path, store: Store) -> Known[MkdocsFacts] | None:
    """Return what mkdocs said of a configuration, None where it was never asked, or nobody can rely on it."""
    try:
        found = store.look(mkdocs_facts, config.read_bytes())
    except OSError:
        return None
    return found if found is not None and found.readable else None


def inputs_of(config: Path, folders: tuple[str, ...], site_name: str, templates: Templates) -> Known[FrameInputs]:
    """Return the inputs, with every file below `folders` (relative to the configuration) hashed."""
    data = config.read_bytes() if config.is_file() else b""
    files: list[tuple[str, str]] = []
    words: set[str] = set()
    for folder in (*folders, str(resources.files("sitegen") / "assets")):
        top = config.parent / folder
        for path in sorted(_below(top)):
            content = path.read_bytes()
            files.append((f"{folder}/{path.relative_to(top).as_posix()}", hashlib.sha256(content).hexdigest()))
            if path.suffix in (".md", ".markdown", ".html", ".yml"):
                words.update(map(unquote, _TARGET.findall(content.decode("utf-8", "replace"))))
    words.update(map(unquote, _TARGET.findall(data.decode("utf-8", "replace"))))
    own = tuple((name, digest) for name, digest in files if not os.path.isabs(name))
    rest = tuple(digest for name, digest in files if os.path.isabs(name))
    theme = tuple((name, text) for name, text in templates if name.startswith("theme/"))
    found = Known((data, own, rest, site_name, theme, SECTIONS))
    return Known(FrameInputs(found.digest, frozenset(words)), found.digest)


def _below(folder: Path) -> list[Path]:
    # Linked folders too, as mkdocs reads them.
    found = (Path(where, name) for where, _, names in os.walk(folder, followlinks=True) for name in names)
    return [path for path in found if path.is_file()]


def known_frame(inputs: FrameInputs, mentioned: tuple[str, ...], store: Store) -> Known[Frame] | None:
    """Return the frame that an earlier build rendered from equal inputs, beside the same pages that it mentions."""
    found = store.look(mkdocs_frame, inputs.digest, mentioned)
    return found if found is not None and found.readable else None


def repeatable(config: Any, data: bytes) -> bool:
    """Return whether mkdocs renders the same frame from the same files; `config` is mkdocs' own."""
    plugins = {name.removeprefix("covatlas/") for name in config.plugins}
    custom = config.theme.custom_dir
    dated = custom is not None and any(b"build_date" in path.read_bytes() for path in _below(Path(custom)))
    plain = plugins <= _PLUGINS and all(_EXTENSIONS.fullmatch(name) for name in config.markdown_extensions)
    return plain and not config.hooks and not _UNCERTAIN.search(data) and not dated


def mkdocs_facts(data: bytes) -> MkdocsFacts:
    """Stand for what mkdocs makes of a configuration, in the cache."""
    raise NotImplementedError


def mkdocs_frame(inputs: str, mentioned: tuple[str, ...]) -> Frame:
    """Stand for what mkdocs renders, in the cache."""
    raise NotImplementedError
