"""sitegen.publish: the directory equals the manifest, and nothing of foreign making is touched."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.errors import CovatlasError
from sitegen.press import stage
from sitegen.publish import JOURNAL, TOKEN, Published, manifest_digest, read_token
from sitegen.publish import publish as publish_staged
from sitegen.statcache import look_at, save


def _outputs(**files: str) -> dict[str, bytes]:
    return {name.replace("__", "/"): text.encode() for name, text in files.items()}


def publish(site: Path, outputs: dict[str, bytes]) -> Published:
    """Stage what differs and publish it, as a build does."""
    memory = site.with_name(site.name + ".memory")
    present = look_at(site, TOKEN, memory).digests
    manifest = {path: hashlib.sha256(data).hexdigest() for path, data in outputs.items()}
    with tempfile.TemporaryDirectory() as folder:
        for path, data in outputs.items():
            if present.get(path) != manifest[path]:
                stage(Path(folder), path, data)
        done = publish_staged(site, manifest, present, Path(folder))
    save(site, TOKEN, memory, manifest)
    return done


def _tree(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and path.name != TOKEN
    }


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    publish(tmp_path / "site", _outputs(a="1", b__c="2"))
    before = (tmp_path / "site/a").stat().st_mtime_ns, (tmp_path / "site/a").stat().st_ino
    done = publish(tmp_path / "site", _outputs(a="1", b__c="3", d="4"))
    assert done.written == ("b/c", "d") and done.deleted == ()
    assert before == ((tmp_path / "site/a").stat().st_mtime_ns, (tmp_path / "site/a").stat().st_ino)
    assert publish(tmp_path / "site", _outputs(a="1", b__c="3", d="4")).written == ()


def test_what_is_no_longer_made_is_deleted_with_its_empty_folders(tmp_path: Path) -> None:
    publish(tmp_path, _outputs(a="1", b__c__d="2"))
    (tmp_path / "CNAME").write_text("mine")
    done = publish(tmp_path, _outputs(a="1"))
    assert done.deleted == ("b/c/d",)
    assert _tree(tmp_path) == {"a": "1", "CNAME": "mine"} and not (tmp_path / "b").exists()


def test_a_folder_of_foreign_files_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CovatlasError, match=r"did not make \('thesis.txt'.*choose another --site-dir"):
        publish(tmp_path, _outputs(a="1"))
    assert _tree(tmp_path) == {"thesis.txt": "mine"}


def test_a_foreign_file_in_our_place_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    publish(tmp_path, _outputs(a="1"))
    (tmp_path / "b").write_text("mine")
    with pytest.raises(CovatlasError, match="did not make this file"):
        publish(tmp_path, _outputs(a="2", b="2"))
    assert _tree(tmp_path) == {"a": "1", "b": "mine"} and (tmp_path / TOKEN).exists()


def test_a_folder_without_token_that_holds_only_our_files_is_taken(tmp_path: Path) -> None:
    publish(tmp_path, _outputs(a="1", b="2"))
    (tmp_path / TOKEN).unlink()
    assert publish(tmp_path, _outputs(a="1", b="3")).written == ("b",)


def test_a_file_is_refused_as_site_directory(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("mine")
    with pytest.raises(CovatlasError, match="not a directory"):
        publish(tmp_path / "site", _outputs(a="1"))


def test_the_token_is_away_while_the_tree_is_torn_and_the_next_publication_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, _outputs(a="1", old="x"))

    def burst(source: Path, target: Path) -> None:
        assert not (tmp_path / TOKEN).exists()
        raise RuntimeError("killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr("sitegen.publish._move", burst)
        publish(tmp_path, _outputs(a="2", b="2"))
    assert not (tmp_path / TOKEN).exists() and (tmp_path / JOURNAL).exists()
    (tmp_path / f"d.99{'.covatlas-tmp'}").write_text("left over")
    publish(tmp_path, _outputs(a="3"))
    assert _tree(tmp_path) == {"a": "3"}


def test_a_journal_that_outlived_its_publication_goes_with_the_next_one(tmp_path: Path) -> None:
    publish(tmp_path, _outputs(a="1"))
    (tmp_path / JOURNAL).write_text(json.dumps({"schema": 1, "files": ["a"]}))  # killed after the token, before this
    token = (tmp_path / TOKEN).read_bytes()
    assert publish(tmp_path, _outputs(a="1")).written == ()
    assert _tree(tmp_path) == {"a": "1"} and (tmp_path / TOKEN).read_bytes() == token


def test_the_token_names_every_file_and_the_digest_of_the_manifest(tmp_path: Path) -> None:
    publish(tmp_path, _outputs(a="1", b="2"))
    token = json.loads((tmp_path / TOKEN).read_text())
    assert sorted(token["files"]) == ["a", "b"] and token["digest"] == manifest_digest(token["files"])
    assert read_token(tmp_path) == token["files"]
    (tmp_path / TOKEN).write_text(json.dumps({**token, "files": {"a": "0"}}))
    assert read_token(tmp_path) is None


def test_a_token_that_points_outside_deletes_nothing_outside(tmp_path: Path) -> None:
    site = tmp_path / "site"
    publish(site, _outputs(a="1"))
    (tmp_path / "precious").write_text("mine")
    for evil in ("../precious", str(tmp_path / "precious")):
        (site / TOKEN).write_text(json.dumps({"schema": 1, "files": {"a": "", evil: ""}}))
        publish(site, _outputs(a="1"))
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CovatlasError, match="cannot be written"):
        publish(tmp_path / "file" / "site", _outputs(a="1"))


_NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "f/g/h"])
_SITES = st.dictionaries(_NAMES, st.text(alphabet="xy", max_size=2), max_size=5)


@given(st.lists(_SITES, min_size=1, max_size=5))
def test_after_any_history_the_tree_is_the_last_site(tmp_path_factory: pytest.TempPathFactory, sites: list) -> None:
    root = tmp_path_factory.mktemp("history")
    for site in sites:
        before = _tree(root)
        done = publish(root, {name: text.encode() for name, text in site.items()})
        assert _tree(root) == site
        assert set(done.written) == {name for name, text in site.items() if before.get(name) != text}
        assert set(done.deleted) == set(before) - set(site)
    assert not [name for name in os.listdir(root) if name.endswith(".covatlas-tmp")]
