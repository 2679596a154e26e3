"""`covatlas build` in fresh processes over a real package: rendered are the pages whose bytes an edit changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.process_support import DRIVERS, Built, build, real_project, record, tree


@dataclass(frozen=True)
class Row:
    """One edit and what the build after it did."""

    edit: str
    pages: int
    rendered: set[str]
    changed: set[str]
    written: int

    def __str__(self) -> str:
        return f"{self.edit:44}{self.pages:6}{len(self.rendered):10}{len(self.changed):9}{self.written:9}"


HEAD = f"{'edit':44}{'pages':>6}{'rendered':>10}{'changed':>9}{'written':>9}"


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (old, text.count(old))
    path.write_text(text.replace(old, new))


def _reword_a_comment(path: Path) -> None:
    """Change the first comment inside a function, and nothing else."""
    text = path.read_text()
    start = text.index("\n        # ") + 11
    path.write_text(text[:start] + "In other words: " + text[start:])


def _row(edit: str, root: Path, had: dict[str, str], built: Built) -> Row:
    found = tree(root / "site")
    changed = {path for path in found if found[path] != had.get(path)}
    pages = {path for path in found if path.endswith(".html")}
    return Row(edit, len(pages), built.pages("made", "restored"), changed & pages, len(changed))


def check(row: Row) -> None:
    """Fail unless exactly the pages were rendered whose bytes changed."""
    assert row.rendered == row.changed, (row.edit, sorted(row.rendered ^ row.changed)[:5])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flask's source, its data, and a site of it."""
    root = tmp_path_factory.mktemp("real")
    real_project(root)
    build(root, GITHUB_SHA="c0ffee")
    return root


@pytest.mark.timeout(600)
def test_the_pages_rendered_are_the_pages_changed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signals = root / "flask/signals.py"
    more = DRIVERS["session"] + "    assert client.get('/none').status_code == 404\n"
    # What is edited, the edit, and the most that it may change of the pages: 0, a few, or a share of all.
    edits: list[tuple[str, Callable[[], object], float]] = [
        ("nothing", lambda: None, 0),
        ("times of all files", lambda: [path.touch() for path in (root / "flask").rglob("*.py")], 0),
        ("text of a comment", lambda: _reword_a_comment(root / "flask/app.py"), 0.02),
        ("a statement", lambda: _replace(signals, "_signals = Namespace()", "_signals = Namespace( )"), 0.03),
        ("a line above a module", lambda: _replace(signals, "from __future__", "# new\nfrom __future__"), 0.05),
        ("a new module", lambda: (root / "flask/fresh.py").write_text("def brand_new():\n    return 1\n"), 0.05),
        ("a module is gone", lambda: (root / "flask/fresh.py").unlink(), 0.05),
        ("a new profile", lambda: record(root, "more", more), 1),
        ("a profile recorded again, the same lines", lambda: record(root, "more", more), 0),
        ("a profile is gone", lambda: (root / "data/more.coverage").unlink(), 1),
    ]  # fmt: skip
    rows = []
    for edit, do, share in edits:
        had = tree(root / "site")
        do()
        rows.append(_row(edit, root, had, build(root, GITHUB_SHA="c0ffee")))
        check(rows[-1])
        assert len(rows[-1].changed) <= share * rows[-1].pages, rows[-1]
    had = tree(root / "site")
    rows.append(_row("a new commit", root, had, build(root, GITHUB_SHA="decade")))
    check(rows[-1])
    assert (len(rows[-1].changed), rows[-1].written) == (0, 1)  # data/build.json
    with capsys.disabled():
        print("", HEAD, *rows, sep="\n")
    assert rows[0].written == 0 and rows[1].written == 0
    assert rows[2].changed and rows[3].changed and "profiles/more.html" in rows[7].changed


def test_rebuilding_all_pages_is_seen(root: Path) -> None:
    had = tree(root / "site")
    _reword_a_comment(root / "flask/app.py")
    row = _row("everything anew", root, had, build(root, "--clean", GITHUB_SHA="decade"))
    assert 0 < len(row.changed) < len(row.rendered) == row.pages - len(_by_mkdocs(root))
    with pytest.raises(AssertionError):
        check(row)


def _by_mkdocs(root: Path) -> list[str]:
    """Return the pages of the frame: mkdocs renders them, no build of Covatlas explains them."""
    return [name for name in ("404.html", "words/index.html") if (root / "site" / name).exists()]
