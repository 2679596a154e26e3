"""Profile data: what coverage.py wrote is what is read; damage is named, never silently zero."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from coverage import CoverageData
from coverage.sqldata import SCHEMA_VERSION

from instrument.record import JobRun, RequestRun, Route, RunRecord, encode_record
from sitegen.fingerprint import Known
from sitegen.model import ProfileData, ProfileInput, lines_of, mask_of
from sitegen.profiles import SCHEMA, read_profile

TREE = (("pkg/a.py", "/here/pkg/a.py"), ("pkg/b.py", "/here/pkg/b.py"), ("pkg/sub/a.py", "/here/pkg/sub/a.py"))
RECORD = RunRecord(
    slug="us-small", status="passed", attempt="x1", attempts=3, started="2026-01-02T03:04:05Z",
    finished="2026-01-02T03:04:09Z", duration_s=4.5, base_url="http://x", commit="abc", title="US small",
    description="A small one", requests=(RequestRun("r1", "GET", "/a", "/<x>", 200, 200, True, 1.5),),
    jobs=(JobRun("j1", "r1", "pkg.a.work", "finished", 1),), routes=(Route("/<x>", ("GET", "HEAD"), "a"),),
)  # fmt: skip


def data(path: Path, contexts: dict[str, dict[str, list[int]]]) -> bytes:
    """Let coverage.py write a data file: {context: {path: lines}}."""
    written = CoverageData(basename=str(path))
    for context, files in contexts.items():
        written.set_context(context)
        written.add_lines(files)
    written.write()
    written.close()
    return path.read_bytes()


def read(*files: bytes, record: bytes | None = None, slug: str = "us-small") -> ProfileData:
    named = tuple((f"{slug}.coverage.{number}", Known(content)) for number, content in enumerate(files))
    return read_profile(ProfileInput(slug, named, record), TREE)


def lines(profile: ProfileData) -> dict[str, list[int]]:
    return {path: lines_of(mask) for path, mask in profile.files}


def test_lines_and_contexts_are_those_that_coverage_reads_back(tmp_path: Path) -> None:
    contexts = {
        "profile:us-small:1": {"/here/pkg/a.py": [1, 8, 4097], "/here/pkg/b.py": [3]},
        "profile:us-small:2/job": {"/here/pkg/a.py": [2, 8], "/usr/lib/other.py": [1]},
    }
    profile = read(data(tmp_path / "one", contexts))
    oracle = CoverageData(basename=str(tmp_path / "one"))
    oracle.read()
    assert lines(profile) == {
        path: sorted(oracle.lines(f"/here/{path}")) for path in ("pkg/a.py", "pkg/b.py")
    } == {"pkg/a.py": [1, 2, 8, 4097], "pkg/b.py": [3]}  # fmt: skip
    for context, files in profile.contexts:
        oracle.set_query_context(context)
        assert {path: lines_of(mask) for path, mask in files} == {
            path: found for path, _ in TREE if (found := sorted(oracle.lines(f"/here/{path}") or ()))
        }
    assert [context for context, _ in profile.contexts] == sorted(contexts)
    assert profile.head.status == "unknown"
    assert profile.head.problems == ()


def test_several_files_are_united(tmp_path: Path) -> None:
    one = data(tmp_path / "one", {"c": {"/here/pkg/a.py": [1, 2]}})
    two = data(tmp_path / "two", {"c": {"/here/pkg/a.py": [2, 9]}, "d": {"/here/pkg/b.py": [1]}})
    profile = read(one, two)
    assert lines(profile) == {"pkg/a.py": [1, 2, 9], "pkg/b.py": [1]}
    assert profile.contexts[0] == ("c", (("pkg/a.py", mask_of([1, 2, 9])),))
    assert read(two, one) == profile


def test_line_zero_is_no_line(tmp_path: Path) -> None:
    assert lines(read(data(tmp_path / "d", {"c": {"/here/pkg/a.py": [0, 1], "/here/pkg/b.py": [0]}}))) == {
        "pkg/a.py": [1]
    }


def test_arcs_are_folded_to_lines_as_coverage_folds_them(tmp_path: Path) -> None:
    written = CoverageData(basename=str(tmp_path / "arcs"))
    written.add_arcs({"/here/pkg/a.py": [(-1, 1), (1, 5), (5, 70), (70, -1), (-7, 8)]})
    written.write()
    assert lines(read((tmp_path / "arcs").read_bytes())) == {"pkg/a.py": sorted(written.lines("/here/pkg/a.py"))}
    assert sorted(written.lines("/here/pkg/a.py")) == [1, 5, 8, 70]


def test_the_schema_is_the_installed_coverages() -> None:
    assert SCHEMA == SCHEMA_VERSION


# ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tree_that_was_recorded_elsewhere_is_found_by_its_end(tmp_path: Path) -> None:
    files = {"/app/src/pkg/b.py": [1], "C:\\app\\pkg\\sub\\a.py": [2], "/app/src/xpkg/b.py": [3]}
    profile = read(data(tmp_path / "d", {"c": files}))
    assert lines(profile) == {"pkg/b.py": [1], "pkg/sub/a.py": [2]}
    assert profile.head.problems == ()


def test_the_exact_file_wins_over_one_that_ends_like_it(tmp_path: Path) -> None:
    files = {"/here/pkg/a.py": [1], "/here/vendored/pkg/a.py": [2]}
    profile = read(data(tmp_path / "d", {"c": files}))
    assert lines(profile) == {"pkg/a.py": [1]}
    assert profile.head.problems == ()


def test_two_files_that_may_be_the_same_are_named_and_left_out(tmp_path: Path) -> None:
    files = {"/one/pkg/a.py": [1], "/two/pkg/a.py": [2], "/one/pkg/b.py": [1]}
    profile = read(data(tmp_path / "d", {"c": files}))
    assert lines(profile) == {"pkg/b.py": [1]}
    (problem,) = [problem for problem in profile.head.problems if "map them" in problem]
    assert "/one/pkg/a.py and /two/pkg/a.py" in problem


def test_a_file_that_may_be_either_of_two_is_named(tmp_path: Path) -> None:
    tree = (("a.b/m.py", "/x/a.b/m.py"), ("outer/pkg/m.py", "/x/outer/pkg/m.py"), ("pkg/m.py", "/y/pkg/m.py"))
    content = data(tmp_path / "d", {"c": {"/app/outer/pkg/m.py": [1]}})
    profile = read_profile(ProfileInput("s", (("s.coverage", Known(content)),), None), tree)
    assert "/app/outer/pkg/m.py was recorded and may be any of outer/pkg/m.py, pkg/m.py" in profile.head.problems[0]


@pytest.mark.parametrize("root", ["/here", "/container"])
def test_a_vanished_file_is_named(tmp_path: Path, root: str) -> None:
    files = {f"{root}/pkg/a.py": [1], f"{root}/pkg/old/gone.py": [1], f"{root}/other/x.py": [1]}
    profile = read(data(tmp_path / "d", {"c": files}))
    assert lines(profile) == {"pkg/a.py": [1]}
    assert profile.head.problems == (
        "pkg/old/gone.py was recorded but is gone from the source; play the profile again",
    )  # fmt: skip
    assert profile.head.status == "unknown"


def test_data_of_another_project_is_named(tmp_path: Path) -> None:
    profile = read(data(tmp_path / "d", {"c": {"/else/x.py": [1]}}))
    assert profile.files == ()
    assert profile.head.status == "failed"
    assert profile.head.problems == ("us-small: its data names no file of the source; check --source",)


# ── damage ───────────────────────────────────────────────────────────────────────────────────────────────────────


def altered(path: Path, *statements: str) -> bytes:
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "the data file is empty"),
        ("text", "not a readable coverage.py data file"),
        ("cut", "not a readable coverage.py data file"),
        ("zeros", "not a readable coverage.py data file"),
        ("future", "coverage.py's schema 99, this Covatlas reads 7"),
        ("no version", "coverage.py's schema None"),
        ("no table", "not a readable coverage.py data file"),
        ("text bits", "not a readable coverage.py data file"),
        ("null path", "not a readable coverage.py data file"),
        ("huge arc", "not a readable coverage.py data file"),
        ("null bits", "not a readable coverage.py data file"),
        ("number bits", "not a readable coverage.py data file"),
        ("4 MB of bits", "a line set of 4,000,000 bytes"),
        ("orphan file", "8 rows of its table line_bits belong to no file or context"),
        ("orphan context", "rows of its table line_bits belong to no file or context"),
        ("orphan arc", "1 rows of its table arc belong to no file or context"),
        ("a view", "not a readable coverage.py data file (no table line_bits)"),
    ],
)
def test_damaged_data_is_named_and_the_rest_still_read(tmp_path: Path, kind: str, reason: str) -> None:
    good = data(tmp_path / "good", {"c": {"/here/pkg/a.py": [1]}})
    path = tmp_path / "bad"
    content = data(path, {"c": {f"/here/pkg/{number}.py": [number + 1] for number in range(400)}})
    bad = {
        "empty": lambda: b"",
        "text": lambda: b"!coverage.py: This is a private format\n" * 40,
        "cut": lambda: content[: len(content) // 2],
        "zeros": lambda: content[:4096] + bytes(len(content) - 4096),
        "future": lambda: altered(path, "update coverage_schema set version = 99"),
        "no version": lambda: altered(path, "delete from coverage_schema"),
        "no table": lambda: altered(path, "drop table line_bits"),
        "text bits": lambda: altered(path, "update line_bits set numbits = 'abc'"),
        "null path": lambda: altered(path, "update file set path = null"),
        "null bits": lambda: altered(
            path,
            "drop table line_bits",
            "create table line_bits (file_id, context_id, numbits)",
            "insert into line_bits values (1, 1, null)",
        ),
        "number bits": lambda: altered(path, "update line_bits set numbits = 12"),
        "4 MB of bits": lambda: altered(path, "update line_bits set numbits = zeroblob(4000000) where file_id = 7"),
        "orphan file": lambda: altered(path, "delete from file where id < 9"),
        "orphan context": lambda: altered(path, "delete from context"),
        "orphan arc": lambda: altered(path, "insert into arc values (99999, 1, 1, 2)"),
        "a view": lambda: altered(
            path,
            "drop table line_bits",
            "create view line_bits as with recursive n(x) as (select 1 union all select x + 1 from n) "
            "select 1 as file_id, 1 as context_id, x as numbits from n",
        ),
        "huge arc": lambda: altered(path, "insert into arc values (1, 1, 1, 9223372036854775807)"),
    }[kind]()
    start = time.process_time()
    profile = read(bad, good)
    assert time.process_time() - start < 10
    assert lines(profile) == {"pkg/a.py": [1]}
    assert profile.head.status == "failed"
    (problem,) = profile.head.problems
    assert problem.startswith("us-small.coverage.0: ")
    assert reason in problem
    assert problem.endswith("; play the profile again")


def test_a_record_without_data_is_named() -> None:
    profile = read(record=encode_record(RECORD))
    assert profile.head.status == "failed"
    assert "us-small has a run record but no profile data; play it with --trace-code" in profile.head.problems


# ── run record ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_head_comes_from_the_run_record(tmp_path: Path) -> None:
    content = data(tmp_path / "d", {"c": {"/here/pkg/a.py": [1]}})
    head = read(content, record=encode_record(RECORD)).head
    assert (head.slug, head.title, head.description, head.status) == ("us-small", "US small", "A small one", "passed")
    assert (head.commit, head.recorded, head.duration_s, head.attempts) == ("abc", "2026-01-02T03:04:05Z", 4.5, 3)
    (step,) = head.requests
    assert (step.id, step.method, step.path, step.route, step.status, step.ok) == ("r1", "GET", "/a", "/<x>", 200, True)
    assert step.jobs == (("j1", "pkg.a.work", "finished"),)
    assert head.routes == (("GET, HEAD", "/<x>"),)
    same = read(content, record=encode_record(replace(RECORD, title="us-small"))).head
    assert (read(content).head.title, same.title) == ("", "")  # pages would say the slug twice
    failed = read(content, record=encode_record(replace(RECORD, status="failed", problems=("r1: 500",)))).head
    assert (failed.status, failed.problems) == ("failed", ("r1: 500",))


def test_recorded_source_digests_are_kept_per_path(tmp_path: Path) -> None:
    sources = {"/here/pkg/a.py": "11", "/else/pkg/b.py": "22", "/else/x.py": "33"}
    content = data(tmp_path / "d", {"c": {"/here/pkg/a.py": [1]}})
    profile = read(content, record=encode_record(replace(RECORD, sources=sources)))
    assert profile.sources == (("pkg/a.py", "11"), ("pkg/b.py", "22"))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "not a run record"),
        (b"[]", "not a run record"),
        (b'{"schema": 2}', "another schema"),
        (b"\xff", "not a run record"),
        (b"[" * 100_000, "not a run record"),
        (encode_record(replace(RECORD, slug="other")), "is of 'other', not of 'us-small'"),
        (encode_record(replace(RECORD, status="fine")), "status 'fine' is neither passed nor failed"),
        (encode_record(replace(RECORD, title=None)), "not a run record"),
        (encode_record(replace(RECORD, duration_s="long")), "not a run record"),
        (encode_record(replace(RECORD, sources=[1])), "not a run record"),
        (encode_record(replace(RECORD, attempts=10**30)), "too large"),
        (encode_record(replace(RECORD, attempts=float("inf"))), "too large"),
        (encode_record(replace(RECORD, duration_s=10**400)), "too large"),
        (encode_record(replace(RECORD, problems="abc")), "not a run record"),
        (encode_record(RECORD).replace(b'"ok": true', b'"ok": "no"'), "ok is neither"),
        (encode_record(RECORD).replace(b'"status": 200', b'"status": Infinity'), "too large"),
        (encode_record(replace(RECORD, sources={"/a": 1})), "not a run record"),
        (encode_record(RECORD).replace(b'"r1"', b'["r1"]'), "not a run record"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_named_and_the_playback_failed(tmp_path: Path, record: bytes, reason: str) -> None:
    profile = read(data(tmp_path / "d", {"c": {"/here/pkg/a.py": [1]}}), record=record)
    assert lines(profile) == {"pkg/a.py": [1]}
    assert profile.head.status == "failed"
    (problem,) = profile.head.problems
    assert problem.startswith("us-small.run.json: ")
    assert reason in problem
    assert problem.endswith("play the profile again")


def test_text_that_utf8_cannot_write_is_replaced(tmp_path: Path) -> None:
    record = encode_record(RECORD).replace(b"US small", b"US \\ud800")
    head = read(data(tmp_path / "d", {"c": {"/here/pkg/a.py": [1]}}), record=record).head
    assert (head.title, head.status) == ("US ?", "passed")
