"""Errors as JSON under /api, as a page elsewhere."""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template, request
from werkzeug.exceptions import HTTPException, UnprocessableEntity


def invalid(message: str) -> UnprocessableEntity:
    """Return the exception for input that cannot be used."""
    return UnprocessableEntity(message)


def json_object() -> dict[str, Any]:
    """Return the JSON object that was sent; anything else is refused."""
    body = request.get_json()
    if not isinstance(body, dict):
        raise invalid("send a JSON object")
    return body


def answer(error: HTTPException):
    """Return the answer to a failed request."""
    if request.path.startswith("/api/"):
        return {"error": error.description}, error.code
    return render_template("error.html", error=error), error.code


def register(app: Flask) -> None:
    """Make `answer` the app's error handler."""
    app.register_error_handler(HTTPException, answer)
