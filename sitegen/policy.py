"""The Content-Security-Policy of a page: nothing from elsewhere, and of inline scripts only the theme's own."""

from __future__ import annotations

import base64
import hashlib
import re

_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
# Short, for every page has it. What is not named here (fonts, data, workers) comes from the site itself.
_RULES = (
    "default-src 'self'",
    "img-src 'self' data:",  # Material's icons are data: addresses in its style sheets
    "style-src 'self' 'unsafe-inline'",  # the width of a bar is a style attribute
    "object-src 'none'",
    "form-action 'self'",
)


def policy_tag(scripts: str, base: str = "'none'") -> str:
    """Return the meta tag that allows the site's own files and exactly the inline scripts of `scripts`, a text of HTML.

    `base` is where a `<base>` may lead. What a page shows from source, slugs or headers must never be among `scripts`.
    """
    hashes = dict.fromkeys(_source(script) for script in _INLINE.findall(scripts))
    rules = (*_RULES, f"base-uri {base}", " ".join(("script-src 'self'", *hashes)))
    return f'<meta http-equiv="Content-Security-Policy" content="{";".join(rules)}">'


def _source(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
