"""Sign-in by name (a sample needs no passwords), sessions and CSRF tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, session, url_for

from watershed.web.errors import invalid, json_object

blueprint = Blueprint("auth", __name__)


def csrf_token() -> str:
    """Return the session's token, which every form must send back."""
    return session.setdefault("csrf", secrets.token_hex(16))


def check_csrf() -> None:
    """Refuse a form without the session's token."""
    sent, own = request.form.get("csrf_token", ""), session.get("csrf", "")
    if not own or not secrets.compare_digest(sent.encode(), own.encode()):
        abort(400, "the form is out of date; load the page again")


def signed_in(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let only signed-in users reach a view."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if "user" in session:
            return view(*args, **kwargs)
        if request.path.startswith("/api/"):
            abort(401, "sign in first")
        return redirect(url_for("auth.form"))

    return guarded


@blueprint.app_context_processor
def template_values() -> dict[str, Any]:
    return {"csrf_token": csrf_token, "user": session.get("user")}


@blueprint.get("/login")
def form():
    return render_template("login.html")


@blueprint.post("/login")
def sign_in():
    check_csrf()
    name = request.form.get("name", "").strip()
    if not name:
        return render_template("login.html", problem="Who are you?"), 422
    session["user"] = name
    return redirect(url_for("pages.home"))


@blueprint.post("/logout")
def sign_out():
    check_csrf()
    session.clear()
    return redirect(url_for("auth.form"))


@blueprint.post("/api/session")
def sign_in_api():
    """Sign in with `{"name": …}`."""
    name = json_object().get("name")
    if not isinstance(name, str) or not name:
        raise invalid("name is missing")
    session["user"] = name
    return {"user": name}, 201
