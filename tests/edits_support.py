"""A small project under random edits: after each it is built, compared with a clean build and counted.

What costs time and decides nothing is shared by all examples: compiled Jinja templates, and what mkdocs renders of the
very same files (`KeptMkdocs`: run for real once per set of files, then put in place from memory).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jinja2
from coverage import CoverageData
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mkdocs.commands.build import build as mkdocs_build
from mkdocs.structure.files import Files

from instrument.record import RequestRun, Route, RunRecord, write_record
from sitegen import snapshot as snapshots
from sitegen.engine import linked_paths
from sitegen.generate import BuildOptions, in_repository
from sitegen.pipeline import plan_of
from sitegen.plugin import CovatlasPlugin, _frame_inputs
from sitegen.publish import TOKEN
from sitegen.site import BuildReport, build_site
from sitegen.store import toolchain
from tests.process_support import fast_folder

TEMPLATES = Path(snapshots.__file__).parent / "templates"
NAMES = ("a", "b", "deep/d", "a/__init__", "__init__")  # two have the ids of the first
SLUGS = ("one", "two", "three")
BODIES = (
    "def f(x):\n    if x:\n        return 1\n    return 2\n",
    "def f(x):\n    # a comment\n    return 'text'\n\n\nclass K:\n    def m(self):\n        return f(1)\n",
    "X = 1\n",
    "def f(x):\n    return 3\n\n\ndef f(x):\n    return 4\n",
    "def broken(:\n",
    "def a():\n    return 1\n\n\ndef b():\n    return 2\n",
)
CONFIG = "site_name: Own\ntheme: {{name: material, font: false}}\nplugins: [covatlas]\n{more}nav:\n{nav}"
DOCS = {  # what mkdocs.yml says → its folder, its pages, and more of it
    "how": ("docs", ("how",), ""),
    "why": ("words", ("how", "why"), "docs_dir: words\nrepo_url: https://github.com/own/repo\n"),
}
LINKS = "[a](modules/pkg.a.html) [two](profiles/two.html)"  # to pages that are there or not
TOOLCHAIN = toolchain()  # once: others may be editing the code of this checkout
FOREIGN = "theirs.txt"


def tree(site: Path) -> dict[str, str]:
    """Return path and digest of every file below a folder."""
    return {
        path.relative_to(site).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in site.rglob("*")
        if path.is_file()
    }


# ── what is shared by all examples ───────────────────────────────────────────────────────────────────────────────


class KeptMkdocs:
    """Stands for mkdocs' build: runs it once for equal files, afterwards puts the same files where it would."""

    def __init__(self) -> None:
        self.frames: dict[object, tuple[dict[str, bytes], Any, Any]] = {}  # files, environment, navigation
        self.bytes: dict[bytes, bytes] = {}
        self.read: Callable[[], object] = lambda: None  # what mkdocs reads, besides the name and the repository

    def __call__(self, config: Any) -> None:
        """Do what `mkdocs.commands.build.build` does."""
        plugin = config.plugins["covatlas"]
        prepared = in_repository(plugin.given, config.repo_url or "")
        plan = plan_of(prepared.snapshot, prepared.store)
        linked = linked_paths(plan, _frame_inputs(config, prepared).value.words, prepared.store)
        key = (self.read(), linked, config.site_name, config.repo_url)
        if key not in self.frames:
            after = CovatlasPlugin.on_post_build

            def keep(plugin: CovatlasPlugin, config: Any) -> None:
                staged = Path(config.site_dir)
                shutil.rmtree(staged / "assets/javascripts")  # the theme's own, by far most of all bytes
                files = {path.relative_to(staged).as_posix(): self._shared(path.read_bytes())
                         for path in staged.rglob("*") if path.is_file()}  # fmt: skip
                assert plugin._theme is not None
                self.frames[key] = files, plugin._theme.env, plugin._theme.nav
                after(plugin, config=config)

            config.plugins.events["post_build"] = [
                (lambda config: keep(plugin, config)) if getattr(method, "__self__", None) is plugin else method
                for method in config.plugins.events["post_build"]
            ]
            return mkdocs_build(config)
        files, env, nav = self.frames[key]
        run = config.plugins.run_event
        config = run("config", config)
        known = run("files", Files([]), config=config)
        for path, data in files.items():
            target = Path(config.site_dir, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        run("nav", nav, config=config, files=known)
        run("env", env, config=config, files=known)
        plugin.on_post_build(config=config)  # and of no other plugin: their files are among those put back

    def _shared(self, data: bytes) -> bytes:
        return self.bytes.setdefault(hashlib.sha256(data).digest(), data)


MKDOCS = KeptMkdocs()
_COMPILED: dict[object, Any] = {}
_compile = jinja2.Environment.compile


def compile_once(env: jinja2.Environment, source: Any, *args: Any, **more: Any) -> Any:
    """Compile a template's text once for all environments that are set up alike."""
    if not isinstance(source, str):
        return _compile(env, source, *args, **more)
    escape = env.autoescape if isinstance(env.autoescape, bool) else None
    key = (source, args, tuple(more.items()), escape, env.trim_blocks, env.lstrip_blocks, *sorted(env.extensions))
    if key not in _COMPILED:
        _COMPILED[key] = _compile(env, source, *args, **more)
    return _COMPILED[key]


@dataclass
class Tally:
    """What all examples together did: so that a proof which stopped looking is noticed."""

    builds: int = 0
    counted: int = 0
    by_mkdocs: int = 0


# ── the machine ──────────────────────────────────────────────────────────────────────────────────────────────────


class Edits(RuleBasedStateMachine):
    """Edits one project and builds it after every edit."""

    tally = Tally()
    now: Edits  # the one that runs

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="covatlas-edits-", dir=fast_folder()))
        self.before = os.getcwd()
        self.commit = "c0ffee"
        self.uncounted = True  # the edit may render pages whose bytes stay: the first build, a lost cache, a template
        self.options = BuildOptions(
            (self.root / "pkg",), self.root / "data", self.root / "site", self.root / "cache", title="Title", jobs=1
        )
        self.templates = self.root / "templates"
        shutil.copytree(TEMPLATES, self.templates)
        self.stack = ExitStack()
        for target, value in (
            ("sitegen.generate.toolchain", lambda: TOOLCHAIN),
            ("sitegen.snapshot.read_templates", lambda: tuple(sorted(snapshots._texts(self.templates, "")))),
            ("sitegen.snapshot._head", lambda directory: self.commit),
            ("sitegen.plugin.THEME", self.templates / "theme"),
            ("sitegen.with_mkdocs.build", MKDOCS),
            ("jinja2.Environment.compile", compile_once),
        ):
            self.stack.enter_context(patch(target, value))
        self.stack.enter_context(patch.dict(os.environ, {"GITHUB_SHA": ""}))
        MKDOCS.read = self.read_by_mkdocs
        Edits.now = self

    @initialize()
    def start(self) -> None:
        os.chdir(self.root)
        self._write("pkg/__init__.py", "")
        self._write("pkg/a.py", BODIES[0])
        self._write("pkg/b.py", BODIES[1])
        self.record("one", 0b11110, "a", "r1")

    def _write(self, name: str, text: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def read_by_mkdocs(self) -> object:
        """Return all that mkdocs reads of the project."""
        folders = (self.root / "docs", self.root / "words", self.templates / "theme")
        read = [self.root / "mkdocs.yml", *(path for folder in folders for path in folder.rglob("*"))]
        return tuple((str(path.relative_to(self.root)), path.read_bytes()) for path in sorted(read) if path.is_file())

    # ── source ──

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
        path = self.root / f"pkg/{name}.py"
        if set((self.root / "pkg").rglob("*.py")) - {path}:  # without any source there is no site
            path.unlink(missing_ok=True)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename_source(self, old: str, new: str) -> None:
        source, target = (self.root / f"pkg/{name}.py" for name in (old, new))
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)

    # ── profile data ──

    @rule(
        slug=st.sampled_from(SLUGS), lines=st.integers(2, 255), name=st.sampled_from(NAMES),
        request=st.sampled_from(["r1", "r2"]), shard=st.sampled_from(["", ".host.1.abc"]),
    )  # fmt: skip
    def record(self, slug: str, lines: int, name: str, request: str, shard: str = "") -> None:
        path = self.root / "data" / f"{slug}.coverage{shard}"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        data = CoverageData(basename=str(path))
        data.set_context(f"profile:{slug}:{request}")
        executed = [line for line in range(1, 8) if lines >> line & 1]
        data.add_lines({str(self.root / f"pkg/{name}.py"): executed})
        data.close()

    @rule(
        slug=st.sampled_from(SLUGS), status=st.sampled_from(["passed", "failed"]),
        title=st.sampled_from(["Buys", "Sells"]), source=st.sampled_from(["", "right", "other"]),
        seconds=st.sampled_from([1.0, 2.0]),
    )  # fmt: skip
    def write_a_run_record(self, slug: str, status: str, title: str, source: str, seconds: float) -> None:
        """Only where there is data; the digest of a.py may be that of now, so that cells turn stale later."""
        path = self.root / "pkg/a.py"
        digest = hashlib.sha256(path.read_bytes() if path.exists() and source == "right" else b"").hexdigest()
        if list((self.root / "data").glob(f"{slug}.coverage*")):
            request = RequestRun("r1", "GET", f"/{seconds}", f"/{seconds}/<x>", 200, 200, status == "passed", seconds)
            write_record(self.root / "data", RunRecord(
                slug, status, "a", 1, "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", seconds, "http://h", title=title,
                requests=(request,), routes=(Route(f"/{source}", ("GET",), "x"),),
                sources={str(path): digest} if source else None,
            ))  # fmt: skip

    @rule(old=st.sampled_from(SLUGS), new=st.sampled_from(SLUGS))
    def rename_profile(self, old: str, new: str) -> None:
        source = self.root / "data" / f"{old}.coverage"
        if source.exists():
            source.replace(source.with_name(f"{new}.coverage"))

    @rule(slug=st.sampled_from(SLUGS))
    def forget_profile(self, slug: str) -> None:
        if any(not path.name.startswith(f"{slug}.") for path in (self.root / "data").glob("*.coverage*")):
            for path in (self.root / "data").glob(f"{slug}.*"):
                path.unlink()

    @rule(slug=st.sampled_from(SLUGS), how=st.sampled_from(["empty", "cut", "orphans"]))
    def damage_profile_data(self, slug: str, how: str) -> None:
        path = self.root / "data" / f"{slug}.coverage"
        if not path.exists() or not path.stat().st_size:
            return
        if how == "orphans":
            try:
                with sqlite3.connect(path) as database:
                    database.execute("delete from context")
                database.close()
            except sqlite3.DatabaseError:
                pass  # it is damaged already
        else:
            path.write_bytes(path.read_bytes()[: 4000 if how == "cut" else 0])

    # ── templates, options, mkdocs ──

    @rule(name=st.sampled_from([*sorted(path.name for path in TEMPLATES.glob("*.html")), "theme/lean.html"]))
    def edit_template(self, name: str) -> None:
        text = (TEMPLATES / name).read_text()
        edited = text + "<!-- edited -->\n" if name != "theme/lean.html" else text.replace("<body", "<body data-edited")
        assert edited != text
        changed = (self.templates / name).read_text() == text
        (self.templates / name).write_text(edited if changed else text)  # and back
        self.uncounted = True  # every page is rendered: only its bytes tell whether the template shows

    @rule(
        named=st.sampled_from([("Title", ""), ("Other", "https://github.com/o/r")]),
        place=st.sampled_from([("main", ""), ("main", "src/"), ("mainsrc/", "")]),
    )
    def edit_options(self, named: tuple[str, str], place: tuple[str, str]) -> None:
        self.options = replace(self.options, title=named[0], repo_url=named[1], branch=place[0], source_prefix=place[1])

    @rule(excluded=st.sampled_from(["", "return 1", "class K"]))
    def edit_the_coverage_configuration(self, excluded: str) -> None:
        self._write("coverage.ini", f"[report]\nexclude_also =\n    {excluded}\n" if excluded else "")
        self.options = replace(self.options, coverage_config=self.root / "coverage.ini")

    @rule(commit=st.sampled_from(["c0ffee", "decade"]))
    def commit_something(self, commit: str) -> None:
        self.commit = commit

    @rule(name=st.sampled_from(sorted(DOCS)))
    def edit_navigation(self, name: str) -> None:
        folder, pages, more = DOCS[name]
        self._write(f"{folder}/index.md", "# Start\n")
        for page in pages:
            self._write(f"{folder}/{page}.md", f"# {page}\n\n{LINKS}\n")
        nav = "".join(f"  - {page.title()} {name}: {page}.md\n" for page in ["index", *pages])
        self._write("mkdocs.yml", CONFIG.format(nav=nav, more=more))

    @precondition(lambda self: (self.root / "mkdocs.yml").exists())
    @rule(folder=st.sampled_from(["docs", "words"]), text=st.sampled_from(["", "More.\n"]), links=st.booleans())
    def edit_a_hand_written_page(self, folder: str, text: str, links: bool = True) -> None:
        self._write(f"{folder}/how.md", f"# how\n\n{LINKS if links else ''}\n{text}")

    @rule(compare=st.booleans())
    def keep_the_night_before(self, compare: bool) -> None:
        night = self.root / "night"
        if compare and self.options.site_dir.is_dir():
            shutil.rmtree(night, ignore_errors=True)
            shutil.copytree(self.options.site_dir, night)
        self.options = replace(self.options, previous=night if compare and night.is_dir() else None)

    # ── outputs and cache ──

    def _file(self, folder: Path, which: int) -> Path | None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return files[which % len(files)] if files else None

    @rule(which=st.integers(0, 10_000), how=st.sampled_from(["edit", "flip", "delete", "add", "stray"]))
    def tamper_with_the_site(self, which: int, how: str) -> None:
        path = self._file(self.options.site_dir, which)
        if path is None:
            return
        if how == "delete":
            path.unlink()
        elif how == "edit":
            path.write_bytes(path.read_bytes() + b"tampered")
        elif how == "flip":
            self.flip(path)
        elif how == "add":
            (self.options.site_dir / FOREIGN).write_bytes(b"of others")
        else:  # what a killed publication leaves
            path.with_name(f"{path.name}.1.covatlas-tmp").write_bytes(b"half")

    def flip(self, path: Path) -> None:
        """Change one byte and put the times back."""
        stat, data = path.stat(), path.read_bytes()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:] if data else b"x")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    @rule(which=st.integers(0, 10_000), how=st.sampled_from(["cut", "flip", "delete", "swap", "all"]))
    def damage_the_cache(self, which: int, how: str) -> None:
        path, other = self._file(self.options.cache_dir, which), self._file(self.options.cache_dir, which + 1)
        if path is None or other is None:
            return
        self.uncounted = True
        data = path.read_bytes()
        if how == "delete":
            path.unlink()
        elif how == "all":
            shutil.rmtree(self.options.cache_dir)
        elif how == "swap":
            path.write_bytes(other.read_bytes())
        else:
            at = which % max(1, len(data))
            path.write_bytes(data[:at] if how == "cut" else data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])

    # ── the truth ──

    @invariant()
    def incremental_equals_clean(self) -> None:
        if not list((self.root / "data").glob("*.coverage*")):
            return
        had = tree(self.options.site_dir)
        foreign = had.pop(FOREIGN, None)
        report = build_site(self.options, lambda message: None)
        found = tree(self.options.site_dir)
        assert found.pop(FOREIGN, None) == foreign  # what others put there stays
        (self.options.site_dir / FOREIGN).unlink(missing_ok=True)
        self.tally.builds += 1
        clean = replace(self.options, site_dir=self.root / "clean", cache_dir=self.root / "fresh", clean=True)
        for folder in (clean.site_dir, clean.cache_dir):
            shutil.rmtree(folder, ignore_errors=True)
        build_site(clean, lambda message: None)
        assert found == tree(clean.site_dir)
        self.minimal(report, had, found)
        self.uncounted = False

    def minimal(self, report: BuildReport, had: dict[str, str], found: dict[str, str]) -> None:
        """Compare what the build says that it did with what happened to the files."""
        changed = {path for path in found.keys() | had.keys() if found.get(path) != had.get(path)} - {TOKEN}
        changed = {path for path in changed if not path.endswith(".covatlas-tmp")}  # no file of the site
        assert changed == set(report.written) | set(report.deleted)
        if not self.uncounted:
            self.tally.counted += 1
            rendered = {path for path, fate in report.fates.items() if fate != "same"}
            assert rendered <= changed, sorted(rendered - changed)

    def teardown(self) -> None:
        os.chdir(self.before)
        self.stack.close()
        shutil.rmtree(self.root, ignore_errors=True)


def script(machine: Edits) -> Iterator[object]:
    """Edit once what each fault would overlook; the comparison follows every edit."""
    yield machine.start()
    yield machine.record("two", 0b1010, "b", "r1")
    yield machine.record("one", 0b1110, "a", "r1")
    yield machine.record("one", 0b11110, "a", "r1")  # and back: much is known
    yield machine.record("one", 0b1110, "a", "r1")
    yield machine.edit_source("a", BODIES[0].replace("return 2", "return 5"), "")
    yield machine.edit_in_the_same_second_and_size("b")
    yield machine.write_a_run_record("one", "passed", "Buys", "right", 1.0)
    yield machine.write_a_run_record("one", "passed", "Sells", "right", 1.0)
    yield machine.write_a_run_record("one", "passed", "Sells", "right", 2.0)
    yield machine.write_a_run_record("one", "passed", "Sells", "right", 1.0)
    yield machine.record("one", 0b1110, "a", "r2")  # the same lines through another request
    yield machine.edit_source("a", BODIES[0], "# moved\n")  # stale now
    yield machine.write_a_run_record("one", "failed", "Sells", "", 2.0)
    yield machine.rename_profile("two", "three")
    yield machine.record("three", 0b1010, "b", "r2", ".host.1.abc")
    yield machine.edit_template("symbol.html")
    yield machine.edit_template("profile.html")
    yield machine.edit_template("theme/lean.html")
    yield machine.edit_options(("Other", "https://github.com/o/r"), ("main", ""))
    yield machine.edit_options(("Other", "https://github.com/o/r"), ("main", "src/"))
    yield machine.edit_options(("Other", "https://github.com/o/r"), ("mainsrc/", ""))
    yield machine.edit_the_coverage_configuration("return 1")
    yield machine.edit_the_coverage_configuration("class K")
    yield machine.edit_navigation("how")
    yield machine.edit_a_hand_written_page("docs", "More.\n")
    yield machine.edit_a_hand_written_page("docs", "More.\n", links=False)
    yield machine.edit_a_hand_written_page("docs", "More.\n")
    yield machine.record("two", 0b10, "b", "r1")  # another page that is linked
    yield machine.edit_options(("Title", ""), ("main", ""))
    yield machine.edit_navigation("why")
    yield machine.edit_a_hand_written_page("words", "More.\n")
    yield machine.commit_something("decade")
    yield machine.flip(machine.options.site_dir / "modules/pkg.a.html")
    for entry in sorted((machine.options.cache_dir / "stages/values").rglob("*")):
        if entry.is_file():
            entry.write_bytes(entry.read_bytes().replace(b"pkg.b", b"pkg.B"))
    machine.uncounted = True
    yield machine.edit_source("a", BODIES[2], "")  # no symbol is left on the lines that ran
    yield machine.keep_the_night_before(True)
    yield machine.record("three", 0b11111110, "b", "r1")
    yield machine.write_a_run_record("three", "passed", "Buys", "", 1.0)
    yield machine.write_a_run_record("three", "failed", "Buys", "", 1.0)
    yield machine.write_a_run_record("three", "failed", "Buys", "other", 1.0)  # other routes of the app, no more
    for template in sorted(path.name for path in machine.templates.glob("*.html")):
        yield machine.edit_template(template)
    yield machine.edit_source("deep/d", BODIES[0], "")  # no profile runs it: only the gaps and totals show
    yield machine.edit_source("deep/d", BODIES[0].replace("    return 2\n", ""), "")
    yield machine.record("two", 0b10, "deep/d", "r1")
    yield machine.damage_profile_data("two", "empty")
    yield machine.forget_profile("two")
    yield machine.edit_source("a/__init__", BODIES[0], "# moved\n")  # the very text of a.py
    yield machine.edit_source("a", BODIES[0].replace("return 2", "return 6"), "# moved\n")
    yield machine.edit_source("a", BODIES[0].replace("return 2", "return 7"), "# moved\n")
    yield machine.edit_source("__init__", BODIES[5], "")  # names of modules
    yield machine.delete_source("b")  # and one that is not any more
    yield machine.edit_source("deep/d", BODIES[1], "")
    yield machine.rename_source("deep/d", "a/__init__")
    yield machine.delete_source("a")
    yield machine.commit_something("c0ffee")
    yield machine.keep_the_night_before(False)
    yield machine.keep_the_night_before(True)
    yield machine.keep_the_night_before(False)
    yield machine.delete_source("a/__init__")
    yield machine.forget_profile("three")


def drive() -> None:
    """Run the script with its comparisons."""
    machine = Edits()
    try:
        for _ in script(machine):
            machine.incremental_equals_clean()
    finally:
        machine.teardown()
