"""Runs generated workflows without GitHub: every `run:` step for real, every action by a local stand-in.

A job gets a clean clone of its own. Artifacts, caches and deployments live in folders of the store, and are laid out as
the official actions lay them out: no folder where there is only one artifact, no hidden files, a fresh RUNNER_TEMP.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

STATUS = re.compile(r"\b(always|success|failure|cancelled)\(\)")
# What `gh api` answers: the published map, or the list of artifacts. Beside our own bundles it has four newer ones that
# must not be taken. gh does `--jq` itself; here jq does it, where there is one.
GH = """#!{python}
import json, os, shutil, subprocess, sys
assert sys.argv[1] == "api", sys.argv
path = next(word for word in sys.argv[2:] if word.startswith("repos/org/app/"))
if path == "repos/org/app/pages":
    assert sys.argv[3:] == ["--jq", ".html_url"]
    sys.exit(print("file://" + {pages!r} + "/") if os.path.isdir({pages!r}) else 1)
if "/contents/" in path:
    assert sys.argv[2:4] == ["--header", "Accept: application/vnd.github.raw"]
    name, _, branch = path.partition("/contents/")[2].partition("?ref=")
    sys.exit(subprocess.run(["git", "-C", {origin!r}, "show", branch + ":" + name]).returncode)
assert path.startswith("repos/org/app/actions/artifacts?name=covatlas-bundle"), sys.argv
def artifact(run, branch="main", head=7, expired=False, id=None):
    return {{"id": id or run, "name": "covatlas-bundle", "expired": expired,
            "workflow_run": {{"id": run, "head_branch": branch, "head_repository_id": head, "repository_id": 7}}}}
runs = sorted(map(int, os.listdir({artifacts!r})))
ours = [run for run in runs if os.path.exists(os.path.join({artifacts!r}, str(run), "covatlas-bundle.zip"))]
if not shutil.which("jq"):
    sys.exit(print(*ours[-1:]))
listed = [artifact(901, branch="other"), artifact(902, head=8), artifact(903, expired=True),
          artifact(int(os.environ["GITHUB_RUN_ID"]), id=904), *map(artifact, ours)]
done = subprocess.run(["jq", "--raw-output", sys.argv[sys.argv.index("--jq") + 1]],
                      input=json.dumps({{"artifacts": listed}}), text=True, stdout=subprocess.PIPE, check=True)
print(done.stdout, end="")
"""


@dataclass
class Job:
    """One run of a job: its workspace, what its steps wrote, how it ended."""

    name: str
    workspace: Path
    temp: Path
    context: dict[str, Any]
    env: dict[str, str]
    result: str = "success"
    python: Path = Path(sys.executable).parent
    log: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)


class Runner:
    """A repository with its artifacts, caches and deployments; `runs` counts workflow runs.

    Jobs run the clone's code in this Python's environment or, `fresh`, what they install in one of their own.
    """

    def __init__(self, root: Path, origin: Path, variables: dict[str, str], fresh: bool = False) -> None:
        self.root, self.origin, self.variables, self.fresh = root, origin, variables, fresh
        self.artifacts, self.caches, self.pages = root / "artifacts", root / "caches", root / "pages"
        self.runs = 0
        self.jobs: dict[str, Job] = {}
        self.after_upload: Callable[[str, Path], None] = lambda name, path: None
        self._number = itertools.count(1)
        for folder in (self.artifacts, self.caches, root / "bin", root / "home"):
            folder.mkdir(parents=True)
        gh = root / "bin" / "gh"
        places = {"artifacts": str(self.artifacts), "pages": str(self.pages), "origin": str(self.origin)}
        gh.write_text(GH.format(python=sys.executable, **places))
        gh.chmod(0o755)

    def run(self, workflow: str) -> dict[str, Job]:
        """Run a workflow of the default branch; return its jobs by name, matrix jobs as `playback (slug)`."""
        self.runs += 1
        self.jobs = {}
        (self.artifacts / str(self.runs)).mkdir()
        self._workflow(workflow, {}, {})
        return self.jobs

    # ── jobs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _workflow(self, path: str, inputs: dict[str, Any], prefix: dict[str, str]) -> str:
        text = subprocess.run(["git", "-C", str(self.origin), "show", f"main:{path}"], capture_output=True, check=True)
        flow = yaml.safe_load(text.stdout)
        needs: dict[str, dict[str, Any]] = {}
        for name, job in flow["jobs"].items():  # written in the order of their needs
            wanted = job.get("needs", [])
            wanted = [wanted] if isinstance(wanted, str) else wanted
            context = self._context(inputs, {key: needs[key] for key in wanted})
            well = all(needs[key]["result"] == "success" for key in wanted)
            if not _truth(job.get("if", "success()"), context, "success" if well else "failure"):
                needs[name] = {"result": "skipped", "outputs": {}}
                continue
            if "uses" in job:
                result = self._workflow(job["uses"].removeprefix("./"), job.get("with", {}), prefix)
                needs[name] = {"result": result, "outputs": {}}
                continue
            rows = job.get("strategy", {}).get("matrix", {}).get("include", [{}])
            done = [self._job(name, job, flow, {**context, "matrix": row}) for row in rows]
            result = "success" if all(each.result == "success" for each in done) else "failure"
            needs[name] = {"result": result, "outputs": done[-1].outputs}
        return "success" if all(each["result"] in ("success", "skipped") for each in needs.values()) else "failure"

    def _context(self, inputs: dict[str, Any], needs: dict[str, Any]) -> dict[str, Any]:
        return {
            "vars": self.variables, "inputs": inputs, "needs": needs, "steps": {}, "matrix": {}, "env": {},
            "github": {"ref": "refs/heads/main", "ref_name": "main", "run_id": str(self.runs), "run_attempt": "1",
                       "token": "none"},
        }  # fmt: skip

    def _job(self, name: str, job: dict[str, Any], flow: dict[str, Any], context: dict[str, Any]) -> Job:
        folder = self.root / "jobs" / f"{next(self._number)}-{name}"
        temp = self.root / "runner-temp"  # the same path in every job, as on GitHub's machines, and empty
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir(parents=True)
        folder.mkdir(parents=True)
        context["runner"] = {"temp": str(temp), "os": "Linux"}
        env = {}
        for values in (flow.get("env", {}), job.get("env", {})):
            env |= {key: _filled(str(value), context) for key, value in values.items()}
        made = Job(name, folder / "workspace", temp, context, env)
        key = f"{name} ({context['matrix']['slug']})" if context["matrix"] else name
        self.jobs[key] = made
        for step in job["steps"]:
            self._step(made, step, folder)
        made.outputs = {key: _filled(value, context) for key, value in job.get("outputs", {}).items()}
        return made

    def _step(self, job: Job, step: dict[str, Any], folder: Path) -> None:
        if not _truth(step.get("if", "success()"), job.context, job.result):
            job.log.append(f"-- skipped: {step['name']}")
            job.context["steps"][step.get("id")] = {"outputs": {}, "outcome": "skipped"}
            return
        job.log.append(f"-- {step['name']}")
        given = {key: _filled(str(value), job.context) for key, value in step.get("with", {}).items()}
        outputs: dict[str, str] = {}
        outcome = "success"
        try:
            if "run" in step:
                outputs, outcome = self._shell(job, step, folder)
            else:
                action = step["uses"].split("@")[0].removeprefix("actions/")
                outputs = getattr(self, f"_{re.sub('[-/]', '_', action)}")(job, given) or {}
        except (subprocess.CalledProcessError, OSError, LookupError) as error:
            job.log.append(f"failed: {error}")
            outcome = "failure"
            if not step.get("continue-on-error"):
                job.result = "failure"
        job.context["steps"][step.get("id")] = {"outputs": outputs, "outcome": outcome}

    def _shell(self, job: Job, step: dict[str, Any], folder: Path) -> tuple[dict[str, str], str]:
        script, files = folder / "step.sh", {key: folder / key for key in ("GITHUB_ENV", "GITHUB_OUTPUT")}
        script.write_text(step["run"])
        for path in files.values():
            path.write_text("")
        own = {key: _filled(str(value), job.context) for key, value in step.get("env", {}).items()}
        path = os.pathsep.join([str(self.root / "bin"), str(job.python), "/usr/bin", "/bin"])
        pip = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
        code = pip if self.fresh else {"PYTHONPATH": str(job.workspace)}
        fixed = {"PATH": path, "HOME": str(self.root / "home"), **code, "LANG": "C.UTF-8",
                 "RUNNER_TEMP": str(job.temp), "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "CI": "true",
                 "GITHUB_REPOSITORY": "org/app", "GITHUB_RUN_ID": str(self.runs),
                 **{key: str(value) for key, value in files.items()}}  # fmt: skip
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], cwd=job.workspace,
            env=fixed | job.env | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240,
        )  # fmt: skip
        job.log.append(done.stdout.decode("utf-8", "replace"))
        pairs = {key: dict(line.split("=", 1) for line in path.read_text().splitlines()) for key, path in files.items()}
        job.env |= pairs["GITHUB_ENV"]
        job.context["env"] = dict(job.env)
        outputs = pairs["GITHUB_OUTPUT"]
        if done.returncode:
            job.log.append(f"failed: exit code {done.returncode}")
            job.result = "failure" if not step.get("continue-on-error") else job.result
        return outputs, "failure" if done.returncode else "success"

    # ── actions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _checkout(self, job: Job, given: dict[str, str]) -> None:
        command = ["git", "clone", "-q", "--depth=1", "--branch=main", f"file://{self.origin}", str(job.workspace)]
        subprocess.run(command, check=True, capture_output=True)

    def _setup_python(self, job: Job, given: dict[str, str]) -> None:
        assert re.fullmatch(r"3\.\d+", given["python-version"])
        if self.fresh:
            environment = job.workspace.parent / "venv"
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
            job.python = environment / "bin"

    def _upload_artifact(self, job: Job, given: dict[str, str]) -> None:
        path = self.artifacts / str(self.runs) / f"{given['name']}.zip"
        top = job.workspace / given["path"]
        files = [top] if top.is_file() else sorted(item for item in top.rglob("*") if item.is_file())
        base = top.parent if top.is_file() else top
        if given.get("include-hidden-files") != "True":
            files = [item for item in files if not any(p.startswith(".") for p in item.relative_to(base).parts)]
        if not files:
            if given.get("if-no-files-found") == "error":
                raise LookupError(f"no files in {top}")
            return
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for item in files:
                archive.write(item, item.relative_to(base))
        self.after_upload(given["name"], path)

    def _download_artifact(self, job: Job, given: dict[str, str]) -> None:
        folder = self.artifacts / given.get("run-id", str(self.runs))
        target = job.workspace / given["path"]
        if "name" in given:
            with zipfile.ZipFile(folder / f"{given['name']}.zip") as archive:
                archive.extractall(target)
            return
        found = sorted(folder.glob(f"{given['pattern']}.zip"))
        for path in found:
            into = target if len(found) == 1 else target / path.stem
            into.mkdir(parents=True, exist_ok=True)
            assert given["skip-decompress"] == "True"
            shutil.copy(path, into / path.name)

    def _cache_restore(self, job: Job, given: dict[str, str]) -> None:
        names = [given["key"], *given.get("restore-keys", "").split()]
        for name in names:
            found = sorted(self.caches.glob(f"{name}*"), key=lambda path: path.stat().st_mtime_ns)
            if found:
                for number, path in enumerate(given["path"].split()):
                    if (found[-1] / str(number)).exists():
                        _copy(found[-1] / str(number), job.workspace / path)
                return

    def _cache_save(self, job: Job, given: dict[str, str]) -> None:
        for number, path in enumerate(given["path"].split()):
            if (job.workspace / path).exists():
                _copy(job.workspace / path, self.caches / given["key"] / str(number))

    def _upload_pages_artifact(self, job: Job, given: dict[str, str]) -> None:
        assert given["include-hidden-files"] == "true"
        _copy(job.workspace / given["path"], self.root / "pages-artifact")

    def _deploy_pages(self, job: Job, given: dict[str, str]) -> dict[str, str]:
        _copy(self.root / "pages-artifact", self.pages)
        return {"page_url": "https://org.github.io/app/"}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy2(source, target)
        return
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


# ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────


def _truth(condition: str, context: dict[str, Any], status: str) -> bool:
    text = condition.strip().removeprefix("${{").removesuffix("}}").strip()
    if not STATUS.search(text):
        text = f"success() && ({text})"
    return bool(_value(text, context, status))


def _filled(text: str, context: dict[str, Any]) -> str:
    value = re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(_value(match[1].strip(), context, "success")), text)
    return value


def _value(text: str, context: dict[str, Any], status: str) -> Any:
    """Evaluate what our workflows use of GitHub's expressions: contexts, ==, !=, &&, ||, !, status functions."""

    def look(match: re.Match[str]) -> str:
        value: Any = context
        for part in match[0].split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        return repr(value)

    pieces = re.split(r"('[^']*')", text)
    for number in range(0, len(pieces), 2):
        piece = re.sub(r"[a-z]+(?:\.[\w-]+)+", look, pieces[number])
        piece = piece.replace("&&", " and ").replace("||", " or ")
        pieces[number] = re.sub(r"!(?!=)", " not ", piece)
    functions = {
        "always": lambda: True,
        "cancelled": lambda: False,
        "success": lambda: status == "success",
        "failure": lambda: status == "failure",
        "hashFiles": lambda path: "found",
    }
    return eval("".join(pieces), {"__builtins__": {}}, functions)
