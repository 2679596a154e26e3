"""`python -m tests.bench.site [SYMBOLS PROFILES]`: what building the site costs, beside peers in one run.

Without sizes 1,000 and 20,000 symbols × 50 profiles and 100,000 × 200. Whole processes are measured; CPU
seconds count all processes of a build. The peers work on the same data, on samples of it: `mkdocs build` with Material
as it is set up by default gets pages of the site as Markdown (a build of one page is taken off, so that its start does
not count), `coverage json` and `coverage html` the data of a few profiles. What one sample costs is multiplied: that
favours the peers.
"""

from __future__ import annotations

import compileall
import html
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench.corpus import Corpus

ROOT = Path(__file__).parent.parent.parent
PEER_PAGES = 2000
PEER_PROFILES = 2
ATTRIBUTE = """
import sys
from pathlib import Path
from sitegen.generate import BuildOptions, prepare
from sitegen.pipeline import _inventories, _named, build_atlas
from sitegen.store import DiskStore
what, source, data, cache = sys.argv[1:]
prepared = prepare(BuildOptions((Path(source),), Path(data), Path("site"), Path(cache)), print)
snapshot, store = prepared.snapshot, prepared.store
if what == "inventory":
    _named(_inventories(snapshot.sources, snapshot.exclude, store, 1), store)
else:
    build_atlas(snapshot, store)
store.flush()
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Processes: seconds on the clock, CPU seconds with their children, most memory of one process in MB."""

    wall: float
    cpu: float
    memory: float = 0.0

    def less(self, other: Cost, by: int) -> Cost:
        """Return the cost of one of `by` things that this did and `other` did not."""
        return Cost((self.wall - other.wall) / by, (self.cpu - other.cpu) / by, self.memory)


def measured(command: list[str], cwd: Path, codes: tuple[int, ...] = (0,)) -> Cost:
    """Run a command and return what it cost; raise SystemExit where it fails."""
    os.sync()  # what the one before left to be written is not this one's work
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # With bytecode, as whoever installed us has it, and the peers in any case.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    pid = os.spawnve(os.P_NOWAIT, "/bin/sh", ["sh", "-c", f"cd {cwd} && exec \"$@\" >out 2>log", "sh", *command],
                     {**environment, "PYTHONPATH": str(ROOT)})  # fmt: skip
    _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in codes:
        raise SystemExit(f"{' '.join(command)[:200]} failed: {(cwd / 'log').read_text()[-400:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - start, cpu, usage.ru_maxrss / 1024)


def corpus_in(root: Path, symbols: int, profiles: int) -> Corpus:
    """Write a corpus by another process: what this one has used, the system counts as its children's memory."""
    measured([sys.executable, "-m", "tests.bench.corpus", ".", str(symbols), str(profiles)], root)
    return Corpus(root / "corpus", root / "data", int((root / "out").read_text().split()[0]))


def build(root: Path, corpus: Corpus, cache: str = "cache") -> Cost:
    """Run `covatlas build` in a new process."""
    command = [sys.executable, "-m", "sitegen.cli", "build", "--source", str(corpus.package), "--cache-dir", cache]
    return measured([*command, "--coverage-dir", str(corpus.data)], root)


def attribute(root: Path, corpus: Corpus, what: str, cache: str) -> Cost:
    """Read everything and attribute it in one new process, or only its inventory."""
    return measured([sys.executable, "-c", ATTRIBUTE, what, str(corpus.package), str(corpus.data), cache], root)


# ── peers ────────────────────────────────────────────────────────────────────────────────────────────────────────

_RUN = re.compile(r"<code>([^<]+)</code></a></td><td><span[^>]*>([^<]+)</span></td><td><small>([^<]+)</small>")
_MEMBER = re.compile(
    r"<code>([^<]+)</code></a></td><td>(\w[^<]*)</td><td><span[^>]*>([^<]+)</span></td>.*?<small>([^<]+)<"
)
_LINE = re.compile(r'<span id="L(\d+)"( class="lx")?[^>]*><a[^>]*>.*?</a>(.*?)\n</span>')
_AROUND = re.compile(r'<a[^>]*href="[^"]*\.html">([^<]+)</a>')
SOMEWHERE = "index.md"  # where the peer's links lead: a page that is there, so that mkdocs warns of none


def as_markdown(page: str) -> str:
    """Return a module's or symbol's page as Markdown: facts, links, profiles, members, numbered and marked source."""
    facts = [
        html.unescape(re.sub(r"<[^>]+>", "", text)) for text in re.findall(r"<p class=\"cv-\w+\">.*?</p>", page)[:2]
    ]
    name = re.findall(r"<title>(.*?) ·", page)[0]
    around = [f"[{html.unescape(text)}]({SOMEWHERE})" for text in _AROUND.findall(page)]
    table = [f"# {name}\n\n" + "\n\n".join([*facts, " ".join(around)]) + "\n\n## Profiles\n"]
    table += ["| profile | certainty | lines |\n| --- | --- | --- |"]
    table += [f"| [`{slug}`]({SOMEWHERE}) | {certainty} | {count} |" for slug, certainty, count in _RUN.findall(page)]
    table.append("\n## Members\n\n| symbol | kind | state | lines |\n| --- | --- | --- | --- |")
    table += [
        f"| [`{item}`]({SOMEWHERE}) | {kind} | {state} | {count} |"
        for item, kind, state, count in _MEMBER.findall(page)
    ]
    lines = _LINE.findall(page)
    first = lines[0][0] if lines else "1"
    executed = " ".join(str(at) for at, (_, mark, _) in enumerate(lines, 1) if mark)
    fence = f'```` {{ .python linenums="{first}" hl_lines="{executed}" }}'
    source = [html.unescape(re.sub(r"<[^>]+>", "", text)) for _, _, text in lines]
    return "\n".join([*table, "\n## Source\n", fence, *source, "````", ""])


def mkdocs(root: Path, pages: list[Path]) -> Cost:
    """Run `mkdocs build` with Material over pages as Markdown."""
    folder = root / f"peer-{len(pages)}"
    (folder / "docs").mkdir(parents=True)
    for page in pages:
        (folder / "docs" / f"{page.stem}.md").write_text(as_markdown(page.read_text()))
    (folder / "docs/index.md").write_text("# Home\n")
    (folder / "mkdocs.yml").write_text(
        "site_name: Peer\ntheme: {name: material, font: false}\nnav: [index.md]\n"  # and search, as ours has its finder
        "markdown_extensions: [tables, pymdownx.superfences, pymdownx.highlight: {anchor_linenums: true}]\n"
        "validation: {nav: {omitted_files: ignore}}\n"
    )
    return measured([sys.executable, "-m", "mkdocs", "build", "-q"], folder)


def coverage(root: Path, corpus: Corpus, kind: str) -> Cost:
    """Run `coverage json` or `coverage html` for a few profiles; return the cost of one."""
    costs = []
    for number in range(PEER_PROFILES):
        data = corpus.data / f"profile-{number:03}.coverage"
        target = ["-o", f"{kind}.out"] if kind == "json" else ["-d", f"{kind}-{number}", "-q"]
        command = [sys.executable, "-m", "coverage", kind, f"--data-file={data}", "-i", *target]
        costs.append(measured(command, root))
    return Cost(sum(c.wall for c in costs) / len(costs), sum(c.cpu for c in costs) / len(costs), costs[0].memory)


def plain_write(root: Path) -> Cost:
    """Write the site's bytes once more, file by file: what no generator can be faster than."""
    site, folder = root / "site", root / "plain"
    wall = cpu = 0.0
    for path in site.rglob("*"):
        target = folder / path.relative_to(site)
        if path.is_dir():
            continue
        data = path.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        start, before = time.perf_counter(), time.process_time()
        with open(target, "wb", buffering=0) as file:
            file.write(data)
        wall, cpu = wall + time.perf_counter() - start, cpu + time.process_time() - before
    shutil.rmtree(folder)
    return Cost(wall, cpu)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────


def measure(root: Path, symbols: int, profiles: int) -> tuple[int, Cost]:
    """Print the table of one size; return the number of pages and the cost of a cold build."""
    corpus = corpus_in(root, symbols, profiles)
    load = os.getloadavg()[0]
    rows = {"cold, all in": build(root, corpus)}
    pages = sorted((root / "site").rglob("*.html"))
    size = sum(path.stat().st_size for path in pages) / len(pages) / 1e3
    whole = sum(path.stat().st_size for path in (root / "site").rglob("*") if path.is_file()) / 1e6
    plain = plain_write(root)
    own = [path for path in pages if path.parent.name in ("symbols", "modules")]
    sample = own[:: max(1, len(own) // PEER_PAGES)]
    peer = mkdocs(root, sample).less(mkdocs(root, sample[:1]), len(sample) - 1)
    shutil.rmtree(root / "site")
    attribute(root, corpus, "inventory", "known")
    rows["cold, inventory known"] = build(root, corpus, "known")
    rows["nothing changed"] = build(root, corpus, "known")
    sources = _by_size(corpus.package)
    for name, source in (("middling", sources[len(sources) // 2]), ("large", sources[len(sources) * 97 // 100])):
        source.write_text(source.read_text() + "\nWORN = 1\n")
        cost = build(root, corpus, "known")
        rows[f"one {name} source file changed ({_follow(root)} files follow)"] = cost
    shutil.copy(corpus.data / "profile-001.coverage", corpus.data / "profile-000.coverage")
    cost = build(root, corpus, "known")
    rows[f"one profile recorded anew ({_follow(root)} files follow)"] = cost
    print(
        f"\n{corpus.symbols} symbols × {profiles} profiles: {len(pages)} pages, {size:.1f} kB a page, {whole:.0f} MB",
        end="",
    )
    print(f" in all, {os.cpu_count()} cores, load {load:.1f}\n")
    print("| build | seconds | CPU seconds | ms a page | CPU ms a page | memory MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows["writing the same bytes, nothing else"] = plain
    many = Cost(peer.wall * len(pages), peer.cpu * len(pages), peer.memory)
    rows[f"mkdocs, {len(sample)} pages measured, × {len(pages)}"] = many
    for name, cost in rows.items():
        each = f"{1e3 * cost.wall / len(pages):.2f} | {1e3 * cost.cpu / len(pages):.2f}"
        print(f"| {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {each} | {cost.memory:.0f} |")
    print()
    _ratios(root, corpus, profiles, rows, many)
    return len(pages), rows["cold, all in"]


def _by_size(package: Path) -> list[Path]:
    """Return the modules of a package, those with the fewest definitions first."""
    definition = re.compile(rb"^\s*(?:def|class) ", re.M)
    return sorted(package.rglob("*.py"), key=lambda path: (len(definition.findall(path.read_bytes())), path))


def _follow(root: Path) -> int:
    """Return how many files of the site the last build changed."""
    found = re.search(r"(\d+) files changed", (root / "log").read_text())
    assert found, "covatlas build says how many files changed"
    return int(found[1])


def _ratios(root: Path, corpus: Corpus, profiles: int, rows: dict[str, Cost], peer: Cost) -> None:
    alone, again = attribute(root, corpus, "all", "other"), attribute(root, corpus, "all", "known")
    json, report = coverage(root, corpus, "json"), coverage(root, corpus, "html")
    for name in ("cold, all in", "cold, inventory known"):
        cost = rows[name]
        print(f"mkdocs ÷ {name}: {peer.wall / cost.wall:.1f} × on the clock, {peer.cpu / cost.cpu:.1f} × in CPU")
    print(
        f"coverage json × {profiles} ({json.cpu:.2f} CPU s each) ÷ attribution of all, in CPU: "
        f"{json.cpu * profiles / alone.cpu:.0f} × ({alone.cpu:.2f} s), "
        f"{json.cpu * profiles / again.cpu:.0f} × with the inventory known ({again.cpu:.2f} s)"
    )
    html_all = report.cpu * profiles / rows["cold, all in"].cpu
    print(f"coverage html × {profiles} ({report.cpu:.1f} CPU s each, no page a symbol) ÷ cold: {html_all:.1f} × in CPU")


def main(arguments: list[str]) -> None:
    """Print the tables and how the cost grows."""
    sizes = [(1000, 50), (20000, 50), (100000, 200)]
    if len(arguments) == 2:
        sizes = [(int(arguments[0]), int(arguments[1]))]
    done = []
    for room in ("instrument", "sitegen"):
        compileall.compile_dir(ROOT / room, quiet=1)
    for symbols, profiles in sizes:
        with tempfile.TemporaryDirectory() as folder:
            done.append(measure(Path(folder), symbols, profiles))
    for (fewer, small), (more, large) in pairwise(done):
        print(f"\n{more / fewer:.1f} × the pages: {large.cpu / small.cpu:.1f} × the CPU seconds")


if __name__ == "__main__":
    main(sys.argv[1:])
