"""Client of the app's control blueprint at `/__covatlas__/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

from instrument.errors import CovatlasError
from instrument.playback.session import CONNECT_TIMEOUT_S, http_session
from instrument.record import JobRun, Route

PREFIX = "/__covatlas__"
TOKEN_HEADER = "X-Profile-Token"
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What `status` says: `jobs` is "redis", "none" or "unknown: <why>", `problem` why tracing is off, if it is."""

    host: str
    coverage_dir: str
    open: dict[str, int]
    pending: dict[str, int]
    refused: int
    jobs: str
    problem: str | None
    commit: str | None

    def busy(self, slug: str) -> tuple[int, int]:
        """Return the slug's number of open traces and of pending jobs."""
        return self.open.get(slug, 0), self.pending.get(slug, 0)


class ControlError(CovatlasError):
    """Say that the control blueprint did not answer as it should."""


class JobsUnknown(ControlError):
    """Say that the app cannot read its jobs from Redis; it may tell them when it is asked again."""

    def __init__(self, why: str) -> None:
        super().__init__(f"nobody can tell whether the RQ jobs are done ({why})")


class Control:
    """The control blueprint of one app."""

    def __init__(self, base_url: str, token: str | None) -> None:
        self._root = base_url + PREFIX
        self._http = http_session(base_url)
        if token:
            self._http.headers[TOKEN_HEADER] = token

    def status(self) -> ServerStatus:
        """Return the server's status; raise ControlError "the server does not trace: …" where there is none."""
        try:
            value = self._ask("GET", "/status")
            if value["enabled"] is not True:
                raise ControlError(f"the server does not trace: {value.get('problem') or 'it says enabled: false'}")
            return ServerStatus(
                host=str(value["host"]),
                coverage_dir=str(value["coverage_dir"]),
                open=_counts(value["open"]),
                pending=_counts(value["pending"]),
                refused=int(value.get("refused") or 0),
                jobs=str(value.get("jobs") or "none"),
                problem=value.get("problem") or None,
                commit=value.get("commit") or None,
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ControlError(
                f"the server does not trace: {self._root}/status is not the answer of Covatlas; mend --base-url"
            ) from None

    def jobs(self, slug: str) -> tuple[JobRun, ...]:
        """Return the RQ jobs that the slug's requests caused, those of earlier playbacks too, or raise JobsUnknown."""
        value = self._ask("GET", "/jobs", params={"slug": slug})
        try:
            if value.get("unknown"):  # the list is empty then, and that says nothing
                raise JobsUnknown(f"unknown: {value['unknown']}")
            return tuple(
                JobRun(
                    str(job["id"]),
                    str(job["request"]),
                    str(job.get("function") or ""),
                    str(job["status"]),
                    int(job["attempts"] or 0),
                )
                for job in value["jobs"]
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._unreadable("/jobs") from None

    def routes(self) -> tuple[Route, ...]:
        """Return the app's URL map."""
        value = self._ask("GET", "/routes")
        try:
            return tuple(Route(r["rule"], tuple(r["methods"]), r["endpoint"]) for r in value["routes"])
        except (KeyError, TypeError):
            raise self._unreadable("/routes") from None

    def match(self, sent: Sequence[tuple[str, str]]) -> tuple[str | None, ...]:
        """Return the rule that each (method, path) hits, None where none does."""
        asked = {"requests": [{"method": method, "path": path} for method, path in sent]}
        value = self._ask("POST", "/match", json=asked)
        try:
            rules = tuple(value["routes"])
        except (KeyError, TypeError):
            raise self._unreadable("/match") from None
        if len(rules) != len(sent) or not all(rule is None or isinstance(rule, str) for rule in rules):
            raise self._unreadable("/match")
        return rules

    def digests(self, files: Sequence[str]) -> dict[str, str]:
        """Return the sha256 of those source files that the app can read, as they are where it runs."""
        value = self._ask("POST", "/digests", json={"files": list(files)})
        try:
            return {name: str(value["digests"][name]) for name in files if name in value["digests"]}
        except (KeyError, TypeError):
            raise self._unreadable("/digests") from None

    def flush(self) -> None:
        """Have the app write its finished traces as shards."""
        self._ask("POST", "/flush")

    def close(self) -> None:
        """Drop the connection."""
        self._http.close()

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(
                method, self._root + path, timeout=(CONNECT_TIMEOUT_S, _TIMEOUT_S), allow_redirects=False, **arguments
            )
            found = answer.json() if answer.status_code == 200 else None
        except requests.JSONDecodeError:
            raise self._unreadable(path) from None
        except requests.RequestException as error:
            raise ControlError(f"{self._root}{path} does not answer ({type(error).__name__})") from None
        if answer.status_code in (401, 403):
            raise ControlError(
                f"the server does not trace: {self._root}{path} refuses the shared token ({answer.status_code}); "
                "set PROFILE_COVERAGE_TOKEN to the server's"
            )
        if answer.status_code != 200 and path == "/status":
            raise ControlError(
                f"the server does not trace: {self._root}/status answers {answer.status_code}; give the app "
                "ProfileCoverage(app) and start it with ENABLE_PROFILE_COVERAGE=1"
            )
        if answer.status_code != 200:
            raise ControlError(f"{self._root}{path} answers {answer.status_code}; look into the server's log")
        return found

    def _unreadable(self, path: str) -> ControlError:
        if path == "/status":
            return ControlError(
                f"the server does not trace: {self._root}/status is not the answer of Covatlas; mend --base-url"
            )
        return ControlError(f"{self._root}{path} is not the answer of Covatlas; update it on the server or here")


def _counts(table: dict[str, Any]) -> dict[str, int]:
    return {str(slug): int(count) for slug, count in table.items()}
