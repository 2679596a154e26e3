"""The control blueprint at /__covatlas__/: status, jobs, routes and flush of a traced app, for the playback client.

It is served beside the app, not by it: the app's hooks, which want a login or a CSRF token of everybody, see nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from instrument.errors import CovatlasError
from instrument.journal import boards
from instrument.runtime import Runtime, ensure, failure
from instrument.shards import shard_counts
from instrument.slug import SlugError, parse_slug

log = logging.getLogger("covatlas")
_HOPS = 5  # of the URL map's own redirects, which may lead in a circle
PREFIX = "/__covatlas__"
blueprint = Blueprint("covatlas", __name__, url_prefix=PREFIX)


class Control:
    """WSGI middleware: answers what is asked below PREFIX about `app`, and passes on everything else."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]], app: Flask) -> None:
        self.wsgi = wsgi
        self.own = Flask(__name__, static_folder=None)
        self.own.register_blueprint(blueprint)
        self.own.extensions[__name__] = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        ours = environ.get("PATH_INFO", "").startswith(f"{PREFIX}/")
        return (self.own.wsgi_app if ours else self.wsgi)(environ, start_response)


def _app() -> Flask:
    app: Flask = current_app.extensions[__name__]
    return app


@blueprint.before_request
def check_token() -> tuple[Response, int] | None:
    """Answer 403 to a caller without the shared token, where one is set."""
    runtime = ensure()
    if runtime is not None and not runtime.knows(request.headers.get("X-Profile-Token")):
        return jsonify(error="X-Profile-Token is missing or wrong"), 403
    return None


@blueprint.get("/status")
def status() -> Response:
    """Say whether this app traces, what is open and what is pending, over all of its processes."""
    runtime = ensure()
    if runtime is None:
        return jsonify(enabled=False, problem=failure() or "the flag is off")
    directory = runtime.settings.coverage_dir
    jobs, pending, untraced = _counted_jobs(runtime)
    live = boards(directory)
    open_traces: Counter[str] = Counter()
    for board in live:
        open_traces.update(board.open)
    return jsonify(
        enabled=True,
        problem=runtime.problem or next((board.problem for board in live if board.problem), None),
        engine=runtime.engine.name,
        pid=os.getpid(),
        host=socket.gethostname(),
        coverage_dir=str(directory),
        commit=runtime.settings.commit,
        open=open_traces,
        pending=pending,
        shards=shard_counts(directory),
        refused=max(runtime.refused, sum(board.refused for board in live)),
        jobs=jobs,
        untraced_jobs=untraced,
    )


@blueprint.get("/jobs")
def jobs() -> tuple[Response, int] | Response:
    """List the RQ jobs that traced requests of ?slug= caused, with what became of each."""
    runtime = ensure()
    try:
        slug = parse_slug(request.args.get("slug", ""))
    except SlugError as error:
        return jsonify(error=str(error)), 400
    index = _index(runtime) if runtime else None
    if isinstance(index, str) or index is None:
        return jsonify(jobs=[], pending=0, unknown=index)
    found = _told(lambda: index.jobs(slug))
    if isinstance(found, str):
        return jsonify(jobs=[], pending=0, unknown=found)
    return jsonify(jobs=found, pending=sum(not job["done"] for job in found))


@blueprint.get("/routes")
def routes() -> Response:
    """List the rules of the app's URL map."""
    rules = [
        {"rule": rule.rule, "methods": sorted(rule.methods or ()), "endpoint": rule.endpoint}
        for rule in _app().url_map.iter_rules()
    ]
    return jsonify(routes=sorted(rules, key=lambda item: (item["rule"], item["endpoint"])))


@blueprint.post("/match")
def match() -> tuple[Response, int] | Response:
    """Answer the rule that serves each (method, path) of the posted list, null where none does."""
    asked = (request.get_json(silent=True) or {}).get("requests")
    if not isinstance(asked, list):
        return jsonify(error='post {"requests": [{"method": …, "path": …}, …]}'), 400
    return jsonify(routes=[_rule(item) for item in asked])


@blueprint.post("/digests")
def digests() -> tuple[Response, int] | Response:
    """Answer the sha256 of each posted source file that is traced and can be read: the source that runs here."""
    runtime = ensure()
    asked = (request.get_json(silent=True) or {}).get("files")
    if not isinstance(asked, list):
        return jsonify(error='post {"files": [path, …]}'), 400
    found = {}
    for path in asked if runtime else ():
        with contextlib.suppress(OSError, ValueError, TypeError):  # gone, or no path at all
            if runtime.scope.holds(path):
                found[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return jsonify(digests=found)


@blueprint.post("/flush")
def flush() -> tuple[Response, int] | Response:
    """Turn this process's finished traces, and those of processes that are gone, into shards."""
    runtime = ensure()
    try:
        return jsonify(shards=runtime.flush() if runtime else 0)
    except (OSError, CovatlasError) as error:
        log.error("covatlas: the journals stay as they are: %s", error)
        return jsonify(error=str(error)), 507


def _rule(item: Any) -> str | None:
    try:
        path, method = str(item["path"]), str(item["method"])
    except (KeyError, TypeError):
        return None
    adapter = _app().url_map.bind("localhost", default_method=method)
    for _ in range(_HOPS):
        try:
            rule, _arguments = adapter.match(unquote(path.split("?")[0]), return_rule=True)
            return rule.rule
        except RequestRedirect as redirect:  # `/runs/7` of the rule `/runs/<id>/`
            path = redirect.new_url.removeprefix("http://localhost")
        except HTTPException:
            return None
    return None


def _index(runtime: Runtime) -> Any:
    """Return the job index, a sentence why there is none, or None if the app has no RQ side."""
    if "instrument.rq" not in sys.modules:
        return None
    from instrument.rq import JobIndex

    return JobIndex.connect(_app().config.get("REDIS_URL") or runtime.settings.redis_url)


def _counted_jobs(runtime: Runtime) -> tuple[str, dict[str, int], dict[str, int]]:
    """Return where jobs are counted, those that are pending and those that run without their trace, per slug."""
    index = _index(runtime)
    if index is None:
        return "none", {}, {}
    if isinstance(index, str):
        return f"unknown: {index}", {}, {}
    found = _told(lambda: (index.pending(), index.untraced()))
    return (f"unknown: {found}", {}, {}) if isinstance(found, str) else ("redis", *found)


def _told(question: Callable[[], Any]) -> Any:
    """Return what the job index says, or a sentence why it says nothing: Redis went away, or does not let us read."""
    from redis.exceptions import RedisError

    try:
        return question()
    except (RedisError, ValueError, TypeError, KeyError) as error:  # what we wrote there can be spoiled
        return f"the jobs cannot be read from Redis ({error})"
