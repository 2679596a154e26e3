"""The doors over real HTTP: odd slugs and tokens, caps, and a disk or directory that does not take the data."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from instrument import caps, shards
from instrument.settings import Settings
from tests.exact.server import Server


def raw(server: Server, *headers: bytes) -> bytes:
    """Send a request as bytes, since client libraries refuse odd headers; return the answer's status line."""
    host, port = server.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 60) as connection:
        lines = [b"GET /plain/3 HTTP/1.1", b"Host: x", b"Connection: close", *headers]
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.split(b"\r\n", 1)[0]


ODD = [
    b"/", b"..", b"../../etc", b".", b"a.b", b".a", b"a/b", b"a\\b", b"*", b"a?", b"[a]", b"~", b"$(x)", b"a:b", b"a,b",
    "ä".encode(), "ä".encode("latin-1"), "٣".encode(), b"\xff\xfe", b"A", b"Alps", b"-a", b"a-", b"_a", b"a b", b"a\tb",
    b"a" * 65, b"a" * 5000, b"con", b"prn", b"aux", b"nul", b"com1", b"lpt9", b"index", b"a\0b", b"%2e%2e", b"a\x0bb",
    b"",
]  # fmt: skip


def test_odd_slugs_are_refused_and_counted_and_the_request_is_untouched(serve) -> None:
    server = serve()
    for slug in ODD:
        assert raw(server, b"X-Profile-Trace: " + slug) == b"HTTP/1.1 200 OK", slug
    # A doubled header arrives with a comma; a folded one with its line break.
    assert raw(server, b"X-Profile-Trace: alps", b"X-Profile-Trace: coast") == b"HTTP/1.1 200 OK"
    assert raw(server, b"X-Profile-Trace: alps\r\n coast") == b"HTTP/1.1 200 OK"
    assert server.status()["refused"] == len(ODD) + 2
    assert shards.known_slugs(server.directory) == []
    assert sorted(path.name for path in server.directory.iterdir()) == ["journal"]


def test_odd_tokens_are_refused(serve) -> None:
    server = serve(PROFILE_COVERAGE_TOKEN="s3cret?")
    odd = [b"", b"s3cret", b"s3cret?x", b"S3CRET?", b"s3cret\xff", b"\xff\xfe\x00", "s3crét?".encode(), b"x" * 5000]
    for token in odd:
        assert raw(server, b"X-Profile-Trace: alps", b"X-Profile-Token: " + token) == b"HTTP/1.1 200 OK", token
    assert raw(server, b"X-Profile-Trace: alps", b"X-Profile-Token: s3cret?") == b"HTTP/1.1 200 OK"
    assert server.status(X_Profile_Token="s3cret?")["refused"] == len(odd)
    assert len(server.contexts("alps")) == 1


def test_refusals_of_other_processes_are_counted_too(tmp_path: Path, serve) -> None:
    first, second = serve(), serve()
    raw(first, b"X-Profile-Trace: ..")
    raw(second, b"X-Profile-Trace: ..")
    assert first.status()["refused"] == second.status()["refused"] == 2


@pytest.mark.parametrize(("cap", "value"), [("MAX_SLUGS", "2"), ("MAX_SHARDS", "3"), ("MAX_BYTES", "1000")])
def test_a_full_directory_refuses_traces_and_says_once_which_cap(serve, tmp_path: Path, cap: str, value: str) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    for name in ("a.coverage", "a.coverage.vm.1.x", "b.coverage.vm.1.x", "b.coverage.vm.1.y", "notes.txt"):
        (directory / name).write_bytes(b"x" * 400)
    server = serve(**{f"PROFILE_COVERAGE_{cap}": value})
    for _ in range(3):
        assert server.get("/plain/3", X_Profile_Trace="coast").status_code == 200
    assert server.status()["refused"] == 3
    assert server.log.read_text().count(f"PROFILE_COVERAGE_{cap} is {value}: traces are refused") == 1
    if cap == "MAX_SLUGS":  # a slug that is there already may go on
        server.get("/plain/3", X_Profile_Trace="a", X_Profile_Request="r-1")
        assert server.status()["refused"] == 3


def test_looking_at_a_directory_is_no_matter_of_each_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    real = caps.measure
    monkeypatch.setattr(caps, "measure", lambda directory: looks.append(directory) or real(directory))
    mine = caps.Caps(Settings(True, tmp_path, max_slugs=2))
    assert [mine.reached(slug) is None for slug in ("a", "b", "c", "a")] == [True, True, False, True]
    assert looks == [tmp_path]


def say(server: Server, problem: str) -> None:
    """Check that tracing is off for this reason, that the log says so once, and that the app is untouched."""
    for number in range(5):
        assert server.get(f"/plain/{number}", X_Profile_Trace="alps").status_code == 200
    assert problem in server.status()["problem"]
    assert server.log.read_text().count("tracing is off") == 1


def test_a_coverage_directory_that_is_a_file(serve, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    say(serve(), "File exists")


def test_a_directory_that_is_deleted_while_the_app_runs(serve) -> None:
    server = serve()
    server.get("/plain/3", X_Profile_Trace="alps")
    shutil.rmtree(server.directory)
    say(server, "the journal was deleted while the app ran")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk(serve, small_disk: Path) -> None:
    server = serve(PROFILE_COVERAGE_DIR=str(small_disk))
    server.directory = small_disk
    server.get("/plain/3", X_Profile_Trace="alps", X_Profile_Request="r-1")
    with pytest.raises(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    for number in range(200):
        assert server.get(f"/threads/{number}", X_Profile_Trace="alps").status_code == 200
        if server.status()["problem"]:
            break
    say(server, "the disk took only a part of a record" if "part" in server.status()["problem"] else "No space left")
    assert server.status()["open"] == {}
    assert requests.post(server.base + "/__covatlas__/flush", timeout=60).json() == {"shards": 0}
    (small_disk / "ballast").unlink()
    assert "profile:alps:r-1" in server.contexts("alps"), "what was recorded before is there"


def test_a_read_only_disk(serve, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    say(serve(PROFILE_COVERAGE_DIR=str(small_disk)), "is not writable")


def test_a_disk_that_becomes_read_only_while_the_app_runs(serve, small_disk: Path) -> None:
    server = serve(PROFILE_COVERAGE_DIR=str(small_disk))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    say(server, "Read-only file system")
