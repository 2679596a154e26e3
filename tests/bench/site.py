"""`python -m tests.bench.site [SYMBOLS PROFILES]`: what building the site costs, whole processes measured side by side.

The peer is `mkdocs build` over the same pages as Markdown, on a small part, extrapolated linearly to the whole, which
favours mkdocs: its cost a page grows with their number. CPU seconds count both processes of a build.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.corpus import Corpus, write_corpus

ROOT = Path(__file__).parent.parent.parent
PEER_PAGES = 600


@dataclass(frozen=True, slots=True)
class Cost:
    """One process: seconds on the clock, CPU seconds with its children, most memory of one process in MB."""

    wall: float
    cpu: float
    memory: float


def measured(command: list[str], cwd: Path) -> Cost:
    """Run a command and return what it cost; raise SystemExit where it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    pid = os.spawnve(os.P_NOWAIT, "/bin/sh", ["sh", "-c", f"cd {cwd} && exec \"$@\" 2>log", "sh", *command],
                     {**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: {(cwd / 'log').read_text()[-400:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - start, cpu, usage.ru_maxrss / 1024)


def build(root: Path, corpus: Corpus, *more: str) -> Cost:
    """Run `covatlas build` in a new process."""
    command = [sys.executable, "-m", "sitegen.cli", "build", "--source", str(corpus.package)]
    return measured([*command, "--coverage-dir", str(corpus.data), *more], root)


def peer(root: Path, corpus: Corpus) -> tuple[Cost, int]:
    """Run `mkdocs build` with Material over a Markdown page per symbol, of as many as PEER_PAGES."""
    folder = root / "peer"
    docs = folder / "docs"
    docs.mkdir(parents=True)
    pages = sorted((root / "site/symbols").glob("*.html"))[:PEER_PAGES]
    lines = (corpus.package / "part0/argparse.py").read_text().split("\n")
    for number, page in enumerate(pages):
        source = "\n".join(lines[number : number + 25])
        (docs / f"{page.stem}.md").write_text(f"# {page.stem}\n\n| profile | lines |\n| --- | --- |\n"
                                              f"| one | 3/9 |\n\n```python\n{source}\n```\n")  # fmt: skip
    (docs / "index.md").write_text("# Home\n")
    (folder / "mkdocs.yml").write_text(
        "site_name: Peer\ntheme: {name: material, font: false}\nplugins: []\nnav: [index.md]\n"
        "markdown_extensions: [tables, pymdownx.highlight, pymdownx.superfences]\n"
        "validation: {nav: {omitted_files: ignore}}\n"
    )
    return measured([sys.executable, "-m", "mkdocs", "build", "-q"], folder), len(pages)


def main(symbols: int, profiles: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        corpus = write_corpus(root, symbols, profiles)
        rows = {"cold": build(root, corpus)}
        sizes = [path.stat().st_size for path in (root / "site").rglob("*.html")]
        whole = sum(path.stat().st_size for path in (root / "site").rglob("*") if path.is_file())
        time.sleep(0.1)
        rows["nothing changed"] = build(root, corpus)
        source = corpus.package / "part0/argparse.py"
        source.write_text(source.read_text().replace("raise ValueError", "raise KeyError  "))
        rows["one source file changed"] = build(root, corpus)
        shutil.copy(corpus.data / "profile-001.coverage", corpus.data / "profile-000.coverage")
        rows["one profile recorded anew"] = build(root, corpus)
        theirs, count = peer(root, corpus)
    average = sum(sizes) / len(sizes) / 1e3
    print(f"{corpus.symbols} symbols × {profiles} profiles: {len(sizes)} pages, {average:.1f} kB "
          f"a page, {whole / 1e6:.0f} MB in all, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print("| build | seconds | CPU seconds | CPU ms a page | memory MB |\n| --- | --- | --- | --- | --- |")
    for name, cost in rows.items():
        each = 1e3 * cost.cpu / len(sizes)
        print(f"| {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {each:.2f} | {cost.memory:.0f} |")
    each = 1e3 * theirs.cpu / count
    print(f"| mkdocs, {count} pages | {theirs.wall:.2f} | {theirs.cpu:.2f} | {each:.2f} | {theirs.memory:.0f} |")
    ratio = each / (1e3 * rows["cold"].cpu / len(sizes))
    print(f"cold: {ratio:.1f} × less CPU a page than mkdocs (extrapolated linearly from {count} pages)")


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (2000, 20)))
