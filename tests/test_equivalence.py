"""The cache never lies: after any edits an incremental build's site equals a clean one, byte for byte, and is minimal.

Hypothesis edits a small project (source, profile data, templates, options, mkdocs' configuration, hand-written pages,
the published files and the cache itself) and compares after every edit. The same machine must catch planted faults.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from coverage import CoverageData
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from instrument.errors import CovatlasError
from sitegen import snapshot as snapshots
from sitegen import statcache
from sitegen.fingerprint import fingerprint
from sitegen.frames import mkdocs_facts, mkdocs_frame
from sitegen.generate import BuildOptions
from sitegen.publish import TOKEN, read_token
from sitegen.site import BuildReport, build_site
from sitegen.store import DiskStore, toolchain

WHOLE = os.environ.get("COVATLAS_WHOLE") == "1"
EXAMPLES = 400 if WHOLE else 25
NAMES = ("a", "b", "c", "deep/d")
SLUGS = ("one", "two", "three")
BODIES = (
    "def f(x):\n    if x:\n        return 1\n    return 2\n",
    "def f(x):\n    # a comment\n    return 'text'\n\n\nclass K:\n    def m(self):\n        return f(1)\n",
    "X = 1\n",
    "def f(x):\n    return 3\n\n\ndef f(x):\n    return 4\n",
    "def broken(:\n",
)
CONFIG = "site_name: Own\ntheme: {{name: material, font: false}}\nplugins: [covatlas]\nnav:\n{nav}"
TOOLCHAIN = toolchain()  # once: others may be editing the code of this checkout
FRAMES: dict[object, list] = {}  # what mkdocs made, by all that it read
_TEMPLATES = snapshots.read_templates()


def tree(site: Path) -> dict[str, str]:
    return {
        path.relative_to(site).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in site.rglob("*")
        if path.is_file()
    }


class Edits(RuleBasedStateMachine):
    """Edits one project and builds it after every edit."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="covatlas-edits-"))
        self.before = os.getcwd()
        self.stack = ExitStack()
        self.templates = _TEMPLATES
        self.stack.enter_context(patch("sitegen.generate.toolchain", lambda: TOOLCHAIN))
        self.stack.enter_context(patch.object(snapshots, "read_templates", lambda: self.templates))
        self.stack.enter_context(patch.object(snapshots, "_head", lambda directory: self.commit))
        self.stack.enter_context(patch.dict(os.environ, {"GITHUB_SHA": ""}))
        self.commit = "c0ffee"
        self.options = BuildOptions(
            (self.root / "pkg",), self.root / "data", self.root / "site", self.root / "cache", title="Title", jobs=1
        )

    @initialize()
    def start(self) -> None:
        os.chdir(self.root)
        self._write("pkg/__init__.py", "")
        self._write("pkg/a.py", BODIES[0])
        self._write("pkg/b.py", BODIES[1])
        self.record("one", 0b11110, "a")

    def _write(self, name: str, text: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    # ── inputs ──

    @rule(name=st.sampled_from(NAMES), body=st.sampled_from(BODIES), above=st.sampled_from(["", "# moved\n"]))
    def edit_source(self, name: str, body: str, above: str) -> None:
        self._write(f"pkg/{name}.py", above + body)

    @rule(name=st.sampled_from(NAMES))
    def edit_in_the_same_second_and_size(self, name: str) -> None:
        path = self.root / f"pkg/{name}.py"
        if path.exists():
            stat = path.stat()
            path.write_bytes(path.read_bytes().replace(b"return 1", b"return 7").replace(b"'text'", b"'TEXT'"))
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    @rule(name=st.sampled_from(NAMES))
    def delete_source(self, name: str) -> None:
        (self.root / f"pkg/{name}.py").unlink(missing_ok=True)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename_source(self, old: str, new: str) -> None:
        source, target = (self.root / f"pkg/{name}.py" for name in (old, new))
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)

    @rule(slug=st.sampled_from(SLUGS), lines=st.integers(2, 255), name=st.sampled_from(NAMES))
    def record(self, slug: str, lines: int, name: str) -> None:
        path = self.root / "data" / f"{slug}.coverage"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        data = CoverageData(basename=str(path))
        data.set_context(f"profile:{slug}:r1")
        executed = [line for line in range(1, 8) if lines >> line & 1]
        data.add_lines({str(self.root / f"pkg/{name}.py"): executed})
        data.close()

    @rule(old=st.sampled_from(SLUGS), new=st.sampled_from(SLUGS))
    def rename_profile(self, old: str, new: str) -> None:
        source = self.root / "data" / f"{old}.coverage"
        if source.exists():
            source.replace(source.with_name(f"{new}.coverage"))

    @rule(slug=st.sampled_from(SLUGS))
    def forget_profile(self, slug: str) -> None:
        if len(list((self.root / "data").glob("*.coverage"))) > 1:
            (self.root / "data" / f"{slug}.coverage").unlink(missing_ok=True)

    @rule(name=st.sampled_from(["symbol.html", "module.html", "profile.html", "parts.html", "theme/lean.html"]))
    def edit_template(self, name: str) -> None:
        self.templates = tuple(
            (found, text + ("<!-- edited -->" if found == name else "")) for found, text in self.templates
        )
        if name.startswith("theme/"):
            self.templates = _TEMPLATES

    @rule(title=st.sampled_from(["Title", "Other"]), prefix=st.sampled_from(["", "src/"]), repo=st.booleans())
    def edit_options(self, title: str, prefix: str, repo: bool) -> None:
        url = "https://github.com/o/r" if repo else ""
        self.options = replace(self.options, title=title, source_prefix=prefix, repo_url=url)

    @rule(commit=st.sampled_from(["c0ffee", "decade"]))
    def commit_something(self, commit: str) -> None:
        self.commit = commit

    @rule(pages=st.lists(st.sampled_from(["how", "why"]), unique=True), text=st.sampled_from(["x", "y"]))
    def edit_mkdocs(self, pages: list[str], text: str) -> None:
        shutil.rmtree(self.root / "docs", ignore_errors=True)
        self._write("docs/index.md", "# Start\n")
        for page in pages:
            self._write(f"docs/{page}.md", f"# {page} {text}\n\n[a](modules/pkg.a.html)\n")
        nav = "".join(f"  - {page.title()} {text}: {page}.md\n" for page in ["index", *pages])
        self._write("mkdocs.yml", CONFIG.format(nav=nav))

    # ── outputs and cache ──

    @rule(which=st.integers(0, 10_000), how=st.sampled_from(["edit", "flip", "delete", "add"]))
    def tamper_with_the_site(self, which: int, how: str) -> None:
        files = sorted(path for path in self.options.site_dir.rglob("*") if path.is_file())
        if not files:
            return
        path = files[which % len(files)]
        if how == "delete":
            path.unlink()
        elif how == "edit":
            path.write_bytes(path.read_bytes() + b"tampered")
        elif how == "flip" and path.stat().st_size:
            stat, data = path.stat(), path.read_bytes()
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    @rule(which=st.integers(0, 10_000), how=st.sampled_from(["cut", "flip", "delete", "swap"]))
    def damage_the_cache(self, which: int, how: str) -> None:
        files = sorted(path for path in self.options.cache_dir.rglob("*") if path.is_file())
        if not files:
            return
        path, other = files[which % len(files)], files[(which + 1) % len(files)]
        data = path.read_bytes()
        if how == "delete":
            path.unlink()
        elif how == "swap":
            path.write_bytes(other.read_bytes())
        else:
            at = which % max(1, len(data))
            path.write_bytes(data[:at] if how == "cut" else data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])

    # ── the truth ──

    @invariant()
    def incremental_equals_clean(self) -> None:
        if not list((self.root / "data").glob("*.coverage")):
            return
        had = tree(self.options.site_dir)
        report = build_site(self.options, lambda message: None)
        found = tree(self.options.site_dir)
        assert found == self.clean()
        self.minimal(report, had, found)

    def clean(self) -> dict[str, str]:
        """Return the site of a build that knows nothing but, to be quick, what mkdocs made of the very same files."""
        options = replace(self.options, site_dir=self.root / "clean", cache_dir=self.root / "fresh")
        for folder in (options.site_dir, options.cache_dir):
            shutil.rmtree(folder, ignore_errors=True)
        read = [path for path in (self.root / "mkdocs.yml", *sorted((self.root / "docs").rglob("*"))) if path.is_file()]
        files = tuple((str(path.relative_to(self.root)), path.read_bytes()) for path in read)
        linked = (self.root / "pkg/a.py").exists()  # the one page that the hand-written ones link to
        key = (files, linked, self.options.title, self.options.repo_url)
        if key not in FRAMES:
            build_site(replace(options, clean=True), lambda message: None)  # by NullStore and mkdocs
            FRAMES[key] = kept = []
            keep = DiskStore.keep

            def spy(store: DiskStore, value: object, stage: object, *args: object) -> object:
                if stage in (mkdocs_facts, mkdocs_frame):
                    kept.append((value, stage, args))
                return keep(store, value, stage, *args)  # type: ignore[arg-type]

            with patch.object(DiskStore, "keep", spy):
                build_site(replace(options, site_dir=self.root / "other"), lambda message: None)
            shutil.rmtree(self.root / "other")
            return tree(options.site_dir)
        store = DiskStore(options.cache_dir / "stages", TOOLCHAIN)
        for value, stage, args in FRAMES[key]:
            store.keep(value, stage, *args)
        store.flush()
        theirs = [path for value, stage, _ in FRAMES[key] if stage is mkdocs_frame for path, _ in value.files]
        for path in theirs:  # a frame is used only where the site has its files
            target = options.site_dir / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.options.site_dir / path, target)
        build_site(options, lambda message: None)
        return tree(options.site_dir)

    def minimal(self, report: BuildReport, had: dict[str, str], found: dict[str, str]) -> None:
        changed = {path for path in found.keys() | had.keys() if found.get(path) != had.get(path)} - {TOKEN}
        assert changed == set(report.written) | set(report.deleted)
        put_back = {path for path, fate in report.fates.items() if fate == "restored"}
        assert put_back <= changed

    def teardown(self) -> None:
        os.chdir(self.before)
        self.stack.close()
        shutil.rmtree(self.root, ignore_errors=True)


def run(examples: int, steps: int = 6, **more: object) -> None:
    run_state_machine_as_test(
        Edits,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            suppress_health_check=list(HealthCheck), database=None, **more,
        ),
    )  # fmt: skip


@pytest.mark.timeout(1800)
def test_incremental_equals_clean_after_any_edits() -> None:
    run(EXAMPLES)


# ── planted faults ───────────────────────────────────────────────────────────────────────────────────────────────


def script(machine: Edits) -> Iterator[object]:
    """Edit what each fault would overlook; the comparison follows every edit."""
    yield machine.start()
    yield machine.record("two", 0b1010, "b")
    yield machine.record("one", 0b1110, "a")
    yield machine.edit_source("a", BODIES[0].replace("return 2", "return 5"), "")
    yield machine.edit_in_the_same_second_and_size("b")
    yield machine.edit_template("symbol.html")
    yield machine.edit_options("Other", "", True)
    yield machine.edit_options("Other", "src/", True)
    yield machine.edit_mkdocs(["how"], "x")
    yield machine.edit_mkdocs(["how", "why"], "y")
    yield machine.commit_something("decade")
    page = machine.options.site_dir / "modules/pkg.a.html"
    stat, data = page.stat(), page.read_bytes()
    page.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    yield os.utime(page, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    for entry in sorted((machine.options.cache_dir / "stages/values").rglob("*")):
        if entry.is_file():
            entry.write_bytes(entry.read_bytes().replace(b"pkg.b", b"pkg.B"))
    yield machine.rename_profile("two", "three")
    yield machine.delete_source("a")


def drive() -> None:
    machine = Edits()
    try:
        for _ in script(machine):
            machine.incremental_equals_clean()
    finally:
        machine.teardown()


def _forget(name: str, *positions: int) -> ExitStack:
    """Plant a key that forgets some arguments of a stage."""

    def faulty(toolchain: str, stage: Callable[..., object], args: tuple[object, ...]) -> str:
        kept = tuple(item for at, item in enumerate(args) if at not in positions)
        return fingerprint(toolchain, stage, kept if stage.__name__ == name else args)

    stack = ExitStack()
    stack.enter_context(patch("sitegen.store.fingerprint", faulty))
    return stack


def _patched(**targets: object) -> ExitStack:
    stack = ExitStack()
    for target, value in targets.items():
        stack.enter_context(patch("sitegen." + target.replace("__", "."), value))
    return stack


def _only_mtime(site: Path) -> dict[str, tuple[int, int, int, int]]:
    return {path: (size, mtime, 0, 0) for path, (size, mtime, _, _) in STATS(site).items()}


STATS = statcache._stats
FAULTS: dict[str, Callable[[], ExitStack]] = {
    "coverage without the recorded lines": lambda: _forget("cover", 1),
    "pages of a file without its coverage": lambda: _forget("page_set", 0),
    "a page without what it shows": lambda: _forget("page_bytes", 0),
    "a page without its templates": lambda: _patched(
        press__Press__look=("look",), press__digest=lambda item: getattr(item, "path", "shell")
    ),
    "a page without the shell, so without navigation": lambda: _patched(
        press___shell_digest=lambda shell: "", generate__digest=lambda shells: ""
    ),
    "a frame without the hand-written pages": lambda: _forget("mkdocs_frame", 0),
    "a twin without its files": lambda: _forget("joined", 0),
    "deleted pages stay": lambda: _patched(publish___delete=lambda site, path: True),
    "published files are believed": lambda: _patched(
        generate__look_at=lambda site, token, memory: statcache.Present(read_token(site) or {}, 0)
    ),
    "modification times are believed": lambda: _patched(statcache___stats=_only_mtime),
    "cache entries are not checked": lambda: _patched(entries___check=lambda digest, payload: b"0" * 32),
}


def test_the_script_passes_without_a_fault() -> None:
    drive()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str) -> None:
    with FAULTS[fault](), pytest.raises((AssertionError, KeyError, ValueError, CovatlasError, OSError)):
        drive()
