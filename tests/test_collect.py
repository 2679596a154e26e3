"""Nights collected: what is damaged is named and left out, what is missing is carried forward, and the map says so."""

from __future__ import annotations

import io
import json
import os
import random
import re
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from instrument.errors import CovatlasError, Finding
from sitegen.collect_bundle import BUDGET, NAME, Bundled, read_last, write_bundle
from sitegen.collect_read import read_arrivals
from sitegen.collect_report import MAX_BYTES, Night, _bounded, summary
from sitegen.collect_state import Decision
from sitegen.nights import FILE, read_nights
from tests.night_support import DRIVERS, FIRST_NIGHT, Project, project

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The files of one good artifact of each slug."""
    made = project(tmp_path_factory.mktemp("played"))
    return {slug: made.play(slug) for slug in DRIVERS}


def arrivals(made: Project):
    return {a.name: a for a in read_arrivals(made.artifacts, read_nights(made.root / "playback-profiles.yml").profiles)}


# ── every artifact is judged alone ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "layout",
    ["archive in a folder", "archive", "folder", "alone", "alone unpacked", "nameless", "nameless alone", "stray"],
)
def test_artifacts_are_read_however_they_were_downloaded(layout: str, tmp_path: Path, played) -> None:
    made, files = project(tmp_path), played["alpha"]
    path = made.upload("alpha", files)
    if layout in ("archive", "alone"):  # with one artifact only the action makes no folder
        path.rename(made.artifacts / path.name)
        path.parent.rmdir()
    if "unpacked" in layout or layout == "folder":
        zipfile.ZipFile(path).extractall(made.artifacts if layout == "alone unpacked" else path.parent)
        path.unlink()
        if layout == "alone unpacked":
            path.parent.rmdir()
    if "nameless" in layout:  # what the action calls an archive that the server does not name
        path = path.rename(path.with_name("artifact"))
    if layout == "nameless alone":
        path.rename(made.artifacts / path.name)
        path.parent.rmdir()
    if layout == "stray":
        (made.artifacts / ".DS_Store").write_bytes(b"x")
    if "alone" not in layout:
        made.upload("beta", played["beta"])
    found = arrivals(made)
    assert found["playback-alpha"].passed and found["playback-alpha"].data == files["alpha.coverage"]
    assert all(arrival.passed for arrival in found.values())


def archive(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for member, data in members:
            made.writestr(member, data)
    return buffer.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def flipped(data: bytes, marker: bytes) -> bytes:
    at = data.index(marker) + len(marker) + 40  # inside the packed bytes of the first member of that name
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def bomb(files: dict[str, bytes]) -> bytes:
    """Claim in the directory that a member unpacks to 3 GiB."""
    data = archive(*files.items())
    at = data.index(b"PK\x01\x02")
    return data[: at + 24] + struct.pack("<I", 3 << 30) + data[at + 28 :]


def lying_bomb(files: dict[str, bytes]) -> bytes:
    """Claim that 300 MB of zeros, where the data should be, unpack to ten bytes."""
    data = bytearray(archive(("alpha.coverage", bytes(300_000_000)), ("alpha.run.json", files["alpha.run.json"])))
    for mark, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        place = data.index(mark) + at
        data[place : place + 4] = struct.pack("<I", 10)
    return bytes(data)


def with_members(files: dict[str, bytes], count: int) -> bytes:
    """Add empty members, many of them."""
    return archive(*files.items(), *((f"logs/{number}", b"") for number in range(count)))


def with_endless_directory(files: dict[str, bytes]) -> bytes:
    """Claim a table of contents of 4 GiB, which zipfile would take for the whole file's start."""
    data = archive(*files.items())
    at = data.rindex(b"PK\5\6") + 12
    return data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :]


def packed(method: int, files: dict[str, bytes]) -> bytes:
    """Pack as GitHub does not, and damage what is packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return flipped(buffer.getvalue(), b"alpha.coverage")


Damage = Callable[[dict[str, bytes], dict[str, bytes]], bytes]
DAMAGED: dict[str, tuple[str, Damage]] = {
    "empty file": ("archive is damaged", lambda f, o: b""),
    "no archive": ("archive is damaged", lambda f, o: b"<html>503</html>" * 50),
    "truncated": ("archive is damaged", lambda f, o: archive(*f.items())[:-500]),
    "flipped bit": ("archive is damaged", lambda f, o: flipped(archive(*f.items()), b"alpha.coverage")),
    "empty archive": ("neither data nor a run record", lambda f, o: archive()),
    "empty data": ("the data file is empty", lambda f, o: archive(*(f | {"alpha.coverage": b""}).items())),
    "half the data": ("not a readable coverage.py data file",
                      lambda f, o: archive(*(f | {"alpha.coverage": f["alpha.coverage"][:5000]}).items())),
    "other schema": ("another schema than 1",
                     lambda f, o: archive(*(f | {"alpha.run.json": f["alpha.run.json"].replace(b'"schema": 1', b'"schema": 9')}).items())),  # noqa: E501
    "no record": ("it holds no run record", lambda f, o: archive(("alpha.coverage", f["alpha.coverage"]))),
    "no data": ("it holds no data, though", lambda f, o: archive(("alpha.run.json", f["alpha.run.json"]))),
    "record of another": ("of 'beta', not of 'alpha'",
                          lambda f, o: archive(*(f | {"alpha.run.json": o["beta.run.json"]}).items())),
    "data of another": ("its lines are of profile 'beta', not of 'alpha'",
                        lambda f, o: archive(*(f | {"alpha.coverage": o["beta.coverage"]}).items())),
    "files of another": ("it holds 'beta.coverage', which is not of", lambda f, o: archive(*(f | o).items())),
    "path traversal": ("leads out of it", lambda f, o: archive(*f.items(), ("../../evil.sh", b"x"))),
    "absolute path": ("leads out of it", lambda f, o: archive(*f.items(), ("/etc/passwd", b"x"))),
    "backslashes": ("leads out of it", lambda f, o: archive(*f.items(), ("..\\evil", b"x"))),
    "drive": ("leads out of it", lambda f, o: archive(*f.items(), ("C:evil", b"x"))),
    "link": ("holds the link", lambda f, o: archive(*f.items(), (link("logs/x"), b"/etc/passwd"))),
    "bomb": ("unpacks to more than", lambda f, o: bomb(f)),
    "lying bomb": ("archive is damaged", lambda f, o: lying_bomb(f)),
    "many members": ("more than 10000 files", lambda f, o: with_members(f, 10_000)),
    "endless directory": ("more than 10000 files", lambda f, o: with_endless_directory(f)),
    "packed with lzma": ("not packed as GitHub", lambda f, o: packed(zipfile.ZIP_LZMA, f)),
    "packed with bzip2": ("not packed as GitHub", lambda f, o: packed(zipfile.ZIP_BZIP2, f)),
    "finished is no text": ("not a run record",
                            lambda f, o: archive(*(f | {"alpha.run.json": f["alpha.run.json"].replace(b'"attempts": 1', b'"attempts": "1"')}).items())),  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_artifact_is_named_and_left_out(damage: str, tmp_path: Path, played) -> None:
    sentence, make = DAMAGED[damage]
    made = project(tmp_path)
    made.upload("beta", played["beta"])
    made.upload("alpha", {}).write_bytes(make(dict(played["alpha"]), dict(played["beta"])))
    found = arrivals(made)
    assert sentence in found["playback-alpha"].problem and "\n" not in found["playback-alpha"].problem
    assert not found["playback-alpha"].passed and found["playback-beta"].passed
    assert not list(tmp_path.rglob("evil*"))


def test_a_bomb_is_not_unpacked_before_it_is_judged(tmp_path: Path, played) -> None:
    made = project(tmp_path)
    made.upload("beta", played["beta"])
    made.upload("alpha", {}).write_bytes(lying_bomb(dict(played["alpha"])))
    tracemalloc.start()
    try:
        assert arrivals(made)["playback-alpha"].problem
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_to_an_archive_only_this_one_is_left_out(seed: int, tmp_path: Path, played) -> None:
    made, draw = project(tmp_path), random.Random(seed)
    path = made.upload("alpha", played["alpha"])
    whole = [archive(*played["alpha"].items()), packed(zipfile.ZIP_LZMA, played["alpha"]),
             packed(zipfile.ZIP_STORED, played["alpha"])]  # fmt: skip
    for _ in range(100):
        data = bytearray(draw.choice(whole))
        for _ in range(draw.choice((1, 1, 3))):
            at = draw.randrange(draw.choice((0, len(data) - 400)), len(data))
            data[at : at + draw.choice((1, 1, 4, 40))] = draw.randbytes(draw.choice((0, 1, 1, 4)))
        path.write_bytes(data)
        found = arrivals(made)["playback-alpha"]  # and no exception
        assert "\n" not in found.problem and (not found.passed or found.data == played["alpha"]["alpha.coverage"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(tmp_path: Path, played) -> None:
    made, files = project(tmp_path), played["alpha"]
    twice = archive(*files.items(), ("alpha.coverage", played["beta"]["beta.coverage"]))
    made.upload("alpha", {}).write_bytes(twice)
    made.upload("beta", played["beta"])
    assert "'alpha.coverage' twice" in arrivals(made)["playback-alpha"].problem


def test_data_cut_anywhere_never_passes_as_less_data(tmp_path: Path, played) -> None:
    made, files = project(tmp_path), played["beta"]
    made.upload("alpha", played["alpha"])
    whole = files["beta.coverage"]
    for length in range(0, len(whole), len(whole) // 40):
        made.upload("beta", files | {"beta.coverage": whole[:length]})
        assert arrivals(made)["playback-beta"].problem, length


def test_links_in_folders_are_not_followed(tmp_path: Path, played) -> None:
    made = project(tmp_path)
    folder = made.artifacts / "playback-alpha"
    folder.mkdir()
    (folder / "alpha.run.json").write_bytes(played["alpha"]["alpha.run.json"])
    (tmp_path / "secret").write_bytes(played["alpha"]["alpha.coverage"])
    (folder / "alpha.coverage").symlink_to(tmp_path / "secret")
    (made.artifacts / "playback-beta").symlink_to(folder)
    found = arrivals(made)
    assert "holds the link" in found["playback-alpha"].problem
    assert found["playback-beta"].problem == "it is a link"


# ── nights ───────────────────────────────────────────────────────────────────────────────────────────────────────


def page(made: Project, path: str) -> str:
    return (made.root / "site" / path).read_text("utf-8")


def build(made: Project, slug: str) -> dict:
    return json.loads(page(made, "data/build.json"))["profiles"][slug]


def test_nights_carry_on_from_each_other(tmp_path: Path) -> None:
    made = project(tmp_path)
    for slug in ("alpha", "beta"):
        made.upload(slug, made.play(slug))
    first = made.collect()
    assert not first["partial"] and first["profiles"]["gamma"]["state"] == "absent"
    assert "There is no earlier night" in made.summary()
    # The week: only the heavy profile is due, the others are kept as they are.
    made.night = 1
    made.upload("gamma", made.play("gamma"))
    week = made.collect("weekly")
    assert {slug: item["state"] for slug, item in week["profiles"].items()} == {
        "alpha": "kept", "beta": "kept", "gamma": "fresh"}  # fmt: skip
    assert "pkg.stock.count" in week["covered"] and "1 gained" not in made.summary()
    assert "- pkg.stock.count\n" in made.summary()
    # A night with a failed and a corrupt playback, and a changed source.
    made.night = 2
    made.upload("alpha", made.play("alpha", status="failed", problems=("GET /: no answer <b>",)))
    made.upload("beta", {}).write_bytes(b"PK torn")
    said: list[str] = []
    with pytest.raises(Finding, match=r"the night is partial \(2 profiles without a good playback: alpha, beta; 1 art"):
        made.collect(say=said.append)
    assert any("playback-beta: its archive is damaged" in sentence for sentence in said)
    record = json.loads(zipfile.ZipFile(made.bundle).read("night.json"))
    assert record["partial"] and record["profiles"]["alpha"] == {
        "state": "carried", "why": "the playback failed, GET /: no answer <b>", "age_days": 2,
        "since": "2026-03-03", "symbols": record["profiles"]["alpha"]["symbols"]}  # fmt: skip
    assert record["covered"] == week["covered"]  # nothing is lost while good data is carried
    told = build(made, "alpha")
    assert told["status"] == "passed" and told["recorded"].startswith("2026-03-01")
    assert "carried forward" in told["problems"][0] and "2 days old" in told["problems"][0]
    for path in ("profiles/alpha.html", "profiles/beta.html", "index.html"):
        assert "carried forward" in page(made, path), path
    assert "carried forward" not in page(made, "profiles/gamma.html")
    assert "no answer &#60;b&#62;" in made.summary() and "<b>" not in made.summary()
    # The next night still fails: older data, the same first night; then all is well again.
    made.night = 3
    made.upload("beta", made.play("beta", attempts=3))
    with pytest.raises(Finding, match="1 profile without a good playback: alpha"):
        made.collect()
    record = json.loads(zipfile.ZipFile(made.bundle).read("night.json"))
    assert (record["profiles"]["alpha"]["since"], record["profiles"]["alpha"]["age_days"]) == ("2026-03-03", 3)
    assert record["profiles"]["beta"]["state"] == "flaky" and "`beta` is flaky" in made.summary()
    made.night = 4
    for slug in ("alpha", "beta"):
        made.upload(slug, made.play(slug))
    assert made.collect()["profiles"]["alpha"]["since"] is None
    assert "carried forward" not in page(made, "index.html")


def test_a_failed_playback_without_anything_better_is_shown_as_failed(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.upload("alpha", made.play("alpha"))
    made.upload("beta", made.play("beta", status="failed", problems=("no answer",)))
    with pytest.raises(Finding):
        made.collect()
    assert build(made, "beta")["status"] == "failed"
    made.night = 1
    made.upload("alpha", made.play("alpha"))
    with pytest.raises(Finding):
        made.collect()  # beta uploaded nothing: the failed data is all there is
    assert build(made, "beta")["status"] == "failed"


def test_lost_and_gained_symbols_are_named(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.upload("alpha", made.play("alpha"))
    made.upload("beta", made.play("beta"))
    made.collect()
    made.night = 1
    source = made.root / "pkg" / "shop.py"
    source.write_text(source.read_text().replace("def pay(", "def settle(a):\n    return a\n\n\ndef pay("))
    (made.root / "drivers" / "beta.py").unlink()
    DRIVERS_BEFORE = DRIVERS["beta"]
    try:
        DRIVERS["beta"] = "from pkg.shop import settle\nsettle(3)\n"
        made.upload("beta", made.play("beta"))
        made.upload("alpha", made.play("alpha"))
    finally:
        DRIVERS["beta"] = DRIVERS_BEFORE
    made.collect()
    text = made.summary()
    lost, gained = text.split("<summary>Lost")[1].split("<summary>Gained")
    assert "- pkg.shop.pay\n" in lost and "- pkg.mail.send\n" in lost and "- pkg.shop.settle\n" in gained


def test_a_heavy_profile_that_is_late_is_marked(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.upload("gamma", made.play("gamma"))
    made.collect("weekly")
    made.night = 9
    os.rename(made.root / "bundles/0", made.root / "bundles/8")
    for slug in ("alpha", "beta"):
        made.upload(slug, made.play(slug))
    with pytest.raises(Finding, match="gamma"):
        made.collect()
    assert "last played 9 days ago" in build(made, "gamma")["problems"][0]


def test_a_heavy_profile_may_be_played_each_night(tmp_path: Path) -> None:
    made = project(tmp_path)
    text = (tmp_path / FILE).read_text("utf-8").replace('2 * * *"}', '2 * * *", plays: [heavy]}')
    (tmp_path / FILE).write_text(text.replace('* * 0"}', '* * 0", plays: [light]}'), "utf-8")
    made.upload("gamma", made.play("gamma"))
    assert {slug: item["state"] for slug, item in made.collect()["profiles"].items()} == {
        "alpha": "absent", "beta": "absent", "gamma": "fresh"}  # fmt: skip
    made.night = 3
    os.rename(made.root / "bundles/0", made.root / "bundles/2")
    for slug in ("alpha", "beta"):
        made.upload(slug, made.play(slug))
    with pytest.raises(Finding, match="gamma"):  # after three days without its nightly playback it is late
        made.collect("weekly")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bundle of a good night."""
    made = project(tmp_path_factory.mktemp("bundle"))
    for slug in ("alpha", "beta"):
        made.upload(slug, made.play(slug))
    made.collect()
    return made.bundle.read_bytes()


@pytest.mark.parametrize("damage", ["torn", "no night", "other schema", "data", "nothing"])
def test_a_damaged_bundle_is_left_out(damage: str, tmp_path: Path, bundle: bytes) -> None:
    path = tmp_path / NAME
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    other = files["night.json"].replace(b'"schema": 1', b'"schema": 2')
    change = {"no night": {"night.json": b"{}"}, "other schema": {"night.json": other},
              "data": {"data/alpha.coverage": b"torn"}}  # fmt: skip
    if damage == "torn":
        path.write_bytes(bundle[:300])
    elif damage != "nothing":
        write_bundle(path, files | change[damage])
    last, said = read_last(tmp_path)
    assert len(said) == (damage != "nothing")
    assert set(last.good) == ({"beta"} if damage == "data" else set())


def test_a_damaged_bundle_costs_the_past_and_nothing_else(tmp_path: Path, bundle: bytes) -> None:
    made = project(tmp_path)
    (tmp_path / "bundles/0").mkdir(parents=True)
    made.bundle.write_bytes(bundle[:-9])
    made.night = 1
    made.upload("alpha", made.play("alpha"))
    with pytest.raises(Finding, match="1 profile without a good playback: beta; 1 artifact left out"):
        made.collect()
    assert "There is no earlier night" in made.summary() and "the last bundle" in made.summary()


def test_equal_nights_make_equal_bundles(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.upload("alpha", made.play("alpha"))
    made.upload("beta", made.play("beta"))
    made.collect()
    data = made.bundle.read_bytes()
    made.collect()
    assert made.bundle.read_bytes() == data
    with zipfile.ZipFile(made.bundle) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_changed_source_rebuilds_only_what_changed(tmp_path: Path) -> None:
    made = project(tmp_path)
    for slug in ("alpha", "beta"):
        made.upload(slug, made.play(slug))
    made.collect()
    before = {path: path.read_bytes() for path in (tmp_path / "site").rglob("*.html")}
    made.night = 1
    (tmp_path / "pkg/stock.py").write_text("def count():\n    return 4\n")
    for slug in ("alpha", "beta"):
        made.upload(slug, made.play(slug))
    made.collect()
    changed = {
        path.relative_to(tmp_path / "site").as_posix() for path, data in before.items() if path.read_bytes() != data
    }
    assert "symbols/pkg.stock.count.html" in changed
    assert not {path for path in changed if path.startswith("symbols/pkg.shop") or path.startswith("symbols/pkg.mail")}


def test_a_damaged_cache_only_costs_time(tmp_path: Path) -> None:
    made = project(tmp_path)
    for slug in ("alpha", "beta"):
        made.upload(slug, made.play(slug))
    made.collect()
    before = {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()}
    for path in [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]:
        path.write_bytes(path.read_bytes()[:20] + b"torn")
    (tmp_path / "site/index.html").write_bytes(b"torn")
    made.collect()
    assert {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()} == before


def test_the_coverage_directory_of_somebody_else_is_not_emptied(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.upload("alpha", made.play("alpha"))
    (tmp_path / "collected").mkdir()
    (tmp_path / "collected/mine.coverage").write_bytes(b"precious")
    with pytest.raises(CovatlasError, match="holds data that collect did not put there"):
        made.collect()
    assert (tmp_path / "collected/mine.coverage").read_bytes() == b"precious"


def test_a_night_of_nothing_is_an_error_and_leaves_the_site(tmp_path: Path) -> None:
    made = project(tmp_path)
    with pytest.raises(CovatlasError, match="no profile data") as error:
        made.collect()
    assert error.value.exit_code == 2 and not (tmp_path / "site").exists()


HOSTILE = "</details> # h | <img src=x> [l](http://e) `c` ~~s~~ https://evil.example www.evil.example $a$ &amp; é\n"


@pytest.mark.parametrize("length", [1, 5000])
def test_twenty_thousand_hostile_names_leave_room_for_the_rest(length: int) -> None:
    names = tuple(f"{HOSTILE * (length if number < 300 else 1)}{number}" for number in range(20_000))
    decisions = tuple(
        Decision(f"p-{number}", "carried", HOSTILE * length, None, 1, "2026-03-01") for number in range(1000)
    )
    record = {"partial": True, "due": "nightly", "collected": "2026-03-01T03:00:00Z", "covered": names,
              "symbols": 20_000, "left_out": (HOSTILE * length,) * 1000,
              "profiles": {decision.slug: {"symbols": 1} for decision in decisions}}  # fmt: skip
    parts = tuple((1, name) for name in names)
    gaps = tuple((name, 1) for name in names[:10])
    text = summary(Night(record, decisions, "2026-02-28", names, 3, names, (1, 2), gaps, 1, 1, 1, 1,
                         Bundled(Path("b.zip"), 10, parts)))  # fmt: skip
    assert len(text.encode()) < 1024 * 1024 // 2 and "left out.\n" not in text[-200:]
    assert "20,000 lost, 20,000 gained. 3 covered symbols left the source." in text and "its budget of 250 MB" in text
    assert text.count("<details>") == text.count("</details>") == 2  # none of theirs
    assert not re.search(r"<img|://|www\.|(?<!\\)[$~`\[](?!p-)|&amp;", re.sub(r"`p-\d+`", "", text))


def test_the_summary_stays_below_what_github_shows() -> None:
    text = "x" * 99 + "\n"
    assert _bounded(text) == text
    long = _bounded(text * 20_000)
    assert len(long.encode()) < 1024 * 1024 and long.endswith("left out.\n")
    assert len(_bounded("é\n" * MAX_BYTES).encode()) < 1024 * 1024


def test_a_bundle_beyond_its_budget_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert BUDGET == 250_000_000
    monkeypatch.setattr("sitegen.collect_bundle.BUDGET", 100)
    made = project(tmp_path)
    made.upload("alpha", made.play("alpha"))
    made.upload("beta", made.play("beta"))
    with pytest.raises(Finding, match="the bundle is over its budget"):
        made.collect()
    assert "over its budget" in made.summary() and "data/alpha.coverage" in made.summary()


def test_the_command_writes_the_record_as_json(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.upload("alpha", made.play("alpha"))
    made.upload("beta", made.play("beta", finished=(FIRST_NIGHT - timedelta(days=1)).isoformat()))
    command = [sys.executable, "-m", "sitegen.cli", "collect", "--artifacts", str(made.artifacts), "--source", "pkg",
               "--coverage-dir", "collected", "--summary", "s.md", "--jobs", "1", "--format", "json"]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["profiles"]["alpha"]["state"] == "fresh"
    assert (tmp_path / "covatlas-night.zip").is_file() and (tmp_path / "s.md").read_text().startswith("## Covatlas")
