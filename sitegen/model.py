"""Every frozen dataclass that crosses a module border of the generator.

Line sets are Python integers used as bit masks: bit n stands for line n (bit 0 is never set).
Paths are posix, relative to the parent of the package directory: `pkg/climate.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sitegen.before import Gone as Gone
from sitegen.before import Night as Night
from sitegen.before import Previous as Previous
from sitegen.before import PreviousProfile as PreviousProfile
from sitegen.fingerprint import Known
from sitegen.masks import lines_of as lines_of
from sitegen.masks import mask_of as mask_of

Certainty = Literal["body", "import-only", "failed", "stale"]
Kind = Literal["module", "class", "function", "method", "property"]


# ── inputs ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SourceText:
    """One source file as read: `data` is its bytes, hashed once, `absolute` where it was found."""

    path: str
    module: str
    absolute: str
    data: Known[bytes]


@dataclass(frozen=True, slots=True)
class ProfileInput:
    """The raw data of one profile: coverage data files (name, bytes) and the run record's bytes, if there is one.

    `aliases` are the coverage config's [paths], as (regular expression, absolute directory ending in a slash).
    """

    slug: str
    data: tuple[tuple[str, Known[bytes]], ...]
    record: bytes | None
    aliases: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """What the pages need from the configuration."""

    title: str
    repo_url: str  # "" or e.g. https://github.com/org/repo
    branch: str
    source_prefix: str  # from the repository's root to the parent of the package directory, "" or "src/"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every input of a build, frozen: the only thing the build reads."""

    config: SiteConfig
    exclude: str  # one regular expression, as coverage.py joins its exclude list
    sources: tuple[SourceText, ...]
    profiles: tuple[ProfileInput, ...]
    templates: tuple[tuple[str, str], ...]  # name → text
    commit: str | None
    previous: Previous | None = None


# ── inventory ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Symbol:
    """A module, class or function.

    `statements` are coverage.py's region statements: of a function its own body without nested functions, of a class
    its methods' lines, of a module the whole file. `body` are the lines whose execution covers the symbol: of a
    function its statements without those on signature lines, of a class or module the bodies of the functions inside.
    """

    id: str  # pkg.climate.Climate.build, pkg.mod.outer.<locals>.inner, pkg.mod.twice~2
    name: str
    kind: Kind
    parent: str | None  # id of the enclosing symbol, None for a module
    first: int  # first line of the span, decorators included
    last: int
    doc: str  # docstring's first line
    decorators: tuple[str, ...]
    is_async: bool
    statements: int
    body: int
    branches: int = 0  # places where the run may go on in more than one way, counted where statements are counted
    digest: str = ""  # of the syntax tree without positions; comments, blank and moved lines do not change it


@dataclass(frozen=True, slots=True)
class FileInventory:
    """What one source file defines; `symbols` in source order, the module first.

    `spans` are (first, last) of every statement of many lines: each line stands for the first, as coverage.py's
    `first_line` says. `one_liners` are the functions whose body begins on a signature line: (line of the `def`,
    witnesses: lines that run before it whenever it is defined).
    A file that does not parse has `problem` set and only its module symbol. `docstrings` are the first lines of
    docstrings: they may run, but are no statements.
    """

    path: str
    module: str
    digest: str  # sha256 of the file's bytes
    statements: int
    excluded: int
    spans: tuple[tuple[int, int], ...]
    symbols: tuple[Symbol, ...]
    problem: str | None = None
    docstrings: int = 0
    one_liners: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @property
    def multiline(self) -> tuple[tuple[int, int], ...]:
        """Return (line, first line) of each later line of a statement of many lines, sorted."""
        return tuple((line, first) for first, last in self.spans for line in range(first + 1, last + 1))


@dataclass(frozen=True, slots=True)
class Inventory:
    """All files, sorted by path."""

    files: tuple[FileInventory, ...]


# ── profile data ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RequestStep:
    """One recorded request of a profile and the RQ jobs it caused: (job id, function, status)."""

    id: str
    method: str
    path: str
    route: str | None
    status: int
    ok: bool
    jobs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ProfileHead:
    """Who a profile is and how its playback went; without a run record `status` is "unknown"."""

    slug: str
    title: str
    description: str
    status: Literal["passed", "failed", "unknown"]
    commit: str | None
    recorded: str | None  # UTC, ISO 8601, ending in Z
    duration_s: float | None
    attempts: int
    requests: tuple[RequestStep, ...]
    routes: tuple[tuple[str, str], ...]  # the app's (methods, rule)
    problems: tuple[str, ...]  # of the playback and of reading its data


@dataclass(frozen=True, slots=True)
class ProfileData:
    """Raw executed lines of one profile: per file of the source tree a mask, and per context the same."""

    head: ProfileHead
    files: tuple[tuple[str, int], ...]
    contexts: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    stale: tuple[str, ...]  # paths whose source differs from what was recorded
    sources: tuple[tuple[str, str], ...] = ()  # path → sha256 of the source as it ran, from the run record


# ── attribution ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Cell:
    """One profile × symbol: executed statements of the symbol and how sure that is."""

    slug: str
    executed: int
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class SymbolCoverage:
    """A symbol's cells, sorted by slug; a profile that runs nothing of it has no cell."""

    symbol: Symbol
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """A file's executed statements per slug (sorted, only those with any), and the coverage of each of its symbols."""

    inventory: FileInventory
    executed: tuple[tuple[str, int], ...]
    symbols: tuple[SymbolCoverage, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of one profile over the whole source; counts are of things with a body line run (certainty `body`)."""

    file_count: int
    module_count: int
    class_count: int
    function_count: int
    lines_covered: int
    lines_total: int
    coverage_percent: float


@dataclass(frozen=True, slots=True)
class Matrix:
    """Profiles × symbols: `covered[i]` and `uncertain[i]` belong to `profiles[i]` and hold symbol indexes."""

    profiles: tuple[str, ...]
    symbols: tuple[str, ...]
    covered: tuple[tuple[int, ...], ...]
    uncertain: tuple[tuple[tuple[int, Certainty], ...], ...]
    summaries: tuple[Summary, ...]

    def __hash__(self) -> int:
        """Return a hash that costs nothing: what is asked of a matrix is remembered by it, many times a build."""
        return hash((self.profiles, len(self.symbols)))


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two profiles that share covered symbols: how many both cover, and how many only the one or the other."""

    first: str
    second: str
    shared: int
    only_first: int
    only_second: int

    @property
    def jaccard(self) -> float:
        """Return shared / all symbols that either covers: 1.0 for equal profiles."""
        return self.shared / (self.shared + self.only_first + self.only_second)

    @property
    def contained(self) -> tuple[str, str] | None:
        """Return (the contained slug, the containing one), None where each has something of its own."""
        if not self.only_first:
            return self.first, self.second
        return None if self.only_second else (self.second, self.first)


@dataclass(frozen=True, slots=True)
class Gap:
    """A module or symbol that no profile covers, though it has lines to run."""

    id: str
    kind: Kind
    path: str
    line: int
    statements: int
    branches: int = 0


@dataclass(frozen=True, slots=True)
class Gaps:
    """What no profile covers, largest first."""

    modules: tuple[Gap, ...]
    symbols: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Atlas:
    """The joined result: everything the pages are made from."""

    config: SiteConfig
    files: tuple[FileCoverage, ...]
    profiles: tuple[ProfileHead, ...]
    matrix: Matrix
    gaps: Gaps


# ── output ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Page:
    """One generated page before it is stamped into the theme's shell: `content` is HTML, `toc` (anchor, title)."""

    path: str  # symbols/pkg.climate.html
    title: str
    description: str
    content: str
    toc: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Artifact:
    """One output file of the site."""

    path: str
    data: bytes
