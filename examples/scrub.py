"""Takes the secrets out of a recording; what replay needs (form tokens, ids) stays, for it is bound by its place."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

SCRUBBED = "scrubbed"
SECRET_HEADERS = frozenset({"cookie", "authorization", "proxy-authorization", "x-api-key"})
SECRET_NAME = re.compile(r"pass(word|wd|phrase)?$|secret|api_?key|^access_token$", re.IGNORECASE)


def scrub_har(har: dict[str, Any]) -> dict[str, Any]:
    """Replace, in place, the values of cookies, credentials and password fields; return the HAR."""
    for entry in har["log"]["entries"]:
        for message in (entry["request"], entry["response"]):
            for header in message["headers"]:
                header["value"] = scrub_header(header["name"], header["value"])
            for cookie in message.get("cookies", ()):
                cookie["value"] = SCRUBBED
        if "postData" in entry["request"]:
            _scrub_post_data(entry["request"]["postData"])
    return har


def scrub_header(name: str, value: str) -> str:
    """Return a header's value without its secret; of a cookie, name and attributes stay."""
    if name.lower() == "set-cookie":
        return re.sub(r"(?m)^([^=;\n]+)=[^;\n]*", rf"\1={SCRUBBED}", value)
    return SCRUBBED if name.lower() in SECRET_HEADERS else value


def scrub_value(value: Any) -> Any:
    """Return a JSON value with the values of secret keys replaced."""
    if isinstance(value, dict):
        return {key: SCRUBBED if SECRET_NAME.search(key) else scrub_value(item) for key, item in value.items()}
    return [scrub_value(item) for item in value] if isinstance(value, list) else value


def _scrub_post_data(data: dict[str, Any]) -> None:
    for param in data.get("params", ()):
        if SECRET_NAME.search(param["name"]):
            param["value"] = SCRUBBED
    kind, text = data.get("mimeType", ""), data.get("text", "")
    if "json" in kind:
        data["text"] = json.dumps(scrub_value(json.loads(text)))
    elif "x-www-form-urlencoded" in kind:
        pairs = parse_qsl(text, keep_blank_values=True)
        data["text"] = urlencode([(key, SCRUBBED if SECRET_NAME.search(key) else value) for key, value in pairs])
