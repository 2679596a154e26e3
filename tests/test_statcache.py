"""sitegen.statcache: a file's digest is believed only while nothing can have changed it."""

from __future__ import annotations

import hashlib
import os
import struct
import time
from pathlib import Path

import pytest

from sitegen import statcache
from sitegen.statcache import look_at, save


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of three files whose token is younger than they are."""
    site = tmp_path / "site"
    for name in ("a.html", "b/c.html", "d.html"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(name.encode())
    time.sleep(0.02)
    (site / "token").write_bytes(b"t")
    names = ("a.html", "b/c.html", "d.html")
    save(site, "token", tmp_path / "memory", {name: _sha(name.encode()) for name in names})
    return site


def _look(site: Path) -> tuple[dict[str, str], int]:
    present = look_at(site, "token", site.with_name("memory"))
    truth = {
        path.relative_to(site).as_posix(): _sha(path.read_bytes())
        for path in site.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    assert {path: found for path, found in present.digests.items() if found} == truth
    return dict(present.digests), present.read


def test_files_as_they_were_are_not_read(site: Path) -> None:
    assert _look(site)[1] == 1  # the token


@pytest.mark.parametrize("restore", [False, True])
def test_an_edit_of_the_same_size_is_seen_even_with_its_times_put_back(site: Path, restore: bool) -> None:
    path = site / "a.html"
    before = path.stat()
    path.write_bytes(b"A.html")
    if restore:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _look(site)[0]["a.html"] == _sha(b"A.html")


def test_an_edit_in_the_tick_of_the_token_is_seen(site: Path) -> None:
    # As on a file system whose clock did not move between the file, the token and the edit.
    path = site / "a.html"
    token = (site / "token").stat()
    path.write_bytes(b"1.html")
    os.utime(path, ns=(token.st_mtime_ns, token.st_mtime_ns))
    save(site, "token", site.with_name("memory"), {"a.html": _sha(b"1.html")})
    with path.open("r+b") as file:
        file.write(b"2")
    os.utime(path, ns=(token.st_mtime_ns, token.st_mtime_ns))
    assert _look(site)[0]["a.html"] == _sha(b"2.html")


@pytest.mark.parametrize("young", [("a.html",), ("a.html", "b/c.html", "d.html")])
def test_a_file_as_young_as_the_token_is_read(
    site: Path, young: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system whose clock ticks seldom: size and times say nothing."""
    real = statcache.stats_below

    def coarse(folder: Path) -> dict[str, statcache.Stat]:
        return {
            path: struct.pack("=qqqQ", 6, *(7, 7) if path in (*young, "token") else (5, 5), 1) for path in real(folder)
        }

    monkeypatch.setattr(statcache, "stats_below", coarse)
    names = ("a.html", "b/c.html", "d.html")
    save(site, "token", site.with_name("memory"), {name: _sha(name.encode()) for name in names})
    (site / "a.html").write_bytes(b"A.html")
    digests, read = _look(site)
    assert digests["a.html"] == _sha(b"A.html") and read == 1 + len(young)


def test_a_file_replaced_by_another_of_the_same_times_is_seen(site: Path) -> None:
    path = site / "a.html"
    before = path.stat()
    other = site.with_name("other")
    other.write_bytes(b"B.html")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, path)
    assert _look(site)[0]["a.html"] == _sha(b"B.html")


def test_links_and_vanished_files_have_no_digest(site: Path) -> None:
    (site / "d.html").unlink()
    (site / "d.html").symlink_to(site / "a.html")
    (site / "a.html").unlink()
    digests, _ = _look(site)
    assert "a.html" not in digests and digests["d.html"] == ""


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_a_damaged_memory_only_costs_time(site: Path, damage: bytes | None) -> None:
    memory = site.with_name("memory")
    data = memory.read_bytes()
    memory.write_bytes(data[:-4] + b"zzzz" if damage is None else damage)
    assert _look(site)[1] == 4
    (site / "token").write_bytes(b"another")
    memory.write_bytes(data)
    assert _look(site)[1] == 4


def _untouched(site: Path) -> str:
    return look_at(site, "token", site.with_name("memory")).token


def test_a_site_as_it_was_is_known_by_its_token_whatever_others_put_there(site: Path) -> None:
    assert _untouched(site) == _sha(b"t")
    (site / "CNAME").write_text("foreign")
    assert _untouched(site) == _sha(b"t")


@pytest.mark.parametrize("change", ["edit", "replace", "delete", "token", "memory", "no memory"])
def test_a_touched_site_is_not_as_it_was(site: Path, change: str) -> None:
    path, memory = site / "b/c.html", site.with_name("memory")
    before = path.stat()
    if change == "edit":
        path.write_bytes(b"B/c.html")
    elif change == "replace":
        site.with_name("other").write_bytes(b"B/c.html")
        os.replace(site.with_name("other"), path)
    elif change == "delete":
        path.unlink()
    elif change == "token":
        (site / "token").write_bytes(b"u")
    elif change == "memory":
        memory.write_bytes(memory.read_bytes()[:-1] + b"z")
    else:
        memory.unlink()
    if change in ("edit", "replace"):
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    later = time.time_ns() + 10**9
    os.utime(site / "token", ns=(later, later))  # so that no file is too young to be believed
    assert _untouched(site) == ""
