"""Settings of the traced app, read from its environment once; every bad value is named with its variable."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from instrument.errors import CovatlasError
from instrument.slug import parse_slug

FLAG = "ENABLE_PROFILE_COVERAGE"
DIRECTORY = "PROFILE_COVERAGE_DIR"
CONFIG = "PROFILE_COVERAGE_CONFIG"
DEFAULT_CONFIG = "coverage.profile-playback.ini"
GRACE_S, MAX_SLUGS, MAX_SHARDS, MAX_BYTES = 60.0, 1000, 10_000, 4 * 1024**3
STRICT = "PROFILE_COVERAGE_STRICT"
ENGINES = ("auto", "sysmon", "ctrace", "pure")
# Variable → its default, and what it means; the documentation's table is made from this.
VARIABLES = {
    FLAG: ("off", "`1` turns tracing on"),
    DIRECTORY: ("`~/.local/share/covatlas/profiles` (XDG)", "where raw data goes, outside the traced source"),
    CONFIG: (f"`{DEFAULT_CONFIG}`, if there is one", "the coverage configuration that says what is traced"),
    "PROFILE_COVERAGE_ENGINE": ("`auto`", "`sysmon` (3.12+), `ctrace` or `pure`"),
    "PROFILE_COVERAGE_TOKEN": ("none", "a shared secret that traced requests and control calls send as "
                               "`X-Profile-Token`; `covatlas play` reads it too"),
    "PROFILE_COVERAGE_ALLOW": ("every slug", "a comma-separated list of the only slugs that are traced"),
    STRICT: ("off", "`1` fails an enqueue or job of a traced request that could not be traced"),
    "PROFILE_COVERAGE_GRACE": (f"{GRACE_S:g}", "seconds after the end of a request or job until a trace is closed that "
                               "something still holds"),
    "PROFILE_COVERAGE_MAX_SLUGS": (f"{MAX_SLUGS}", "slugs in the directory beyond which traces are refused"),
    "PROFILE_COVERAGE_MAX_SHARDS": (f"{MAX_SHARDS}", "shards in the directory beyond which traces are refused"),
    "PROFILE_COVERAGE_MAX_BYTES": (f"{MAX_BYTES}", "bytes in the directory beyond which traces are refused"),
    "PROFILE_COVERAGE_REDIS_URL": ("`REDIS_URL`", "the Redis of the RQ jobs; `REDIS_URL` of the app's config "
                                   "comes first"),
    "PROFILE_COVERAGE_COMMIT": ("`GITHUB_SHA`, else git where it is played", "the commit of the running app"),
}  # fmt: skip
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "": False, "0": False, "false": False, "no": False,
          "off": False}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment asks for; `config` is None where there is no coverage configuration file."""

    enabled: bool
    coverage_dir: Path
    config: Path | None = None
    engine: str = "auto"
    token: str | None = None
    allow: frozenset[str] | None = None
    redis_url: str | None = None
    commit: str | None = None
    strict: bool = False
    grace: float = GRACE_S  # seconds that a trace may be held after its main part
    max_slugs: int = MAX_SLUGS
    max_shards: int = MAX_SHARDS
    max_bytes: int = MAX_BYTES


def is_enabled(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether tracing is asked for; raise CovatlasError for a value that is neither yes nor no."""
    return _switch(environ, FLAG)


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "")
    try:
        return _WORDS[value.strip().lower()]
    except KeyError:
        raise CovatlasError(f"{name}={value!r} is neither on nor off; set it to 1 or 0") from None


def coverage_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of raw data: PROFILE_COVERAGE_DIR, else a folder of the user's data directory (XDG)."""
    value = environ.get(DIRECTORY)
    if value:
        return _path(DIRECTORY, value)
    base = environ.get("XDG_DATA_HOME")
    if not base:
        try:
            base = str(Path(environ.get("HOME") or "~").expanduser() / ".local" / "share")
        except RuntimeError:
            raise CovatlasError(f"this user has no home directory; set {DIRECTORY}") from None
    return Path(base) / "covatlas" / "profiles"


def _path(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise CovatlasError(f"{name}={value!r}: there is no such user's home directory; write the whole path") from None


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the checked settings; raise CovatlasError naming the variable and its bad value."""
    engine = environ.get("PROFILE_COVERAGE_ENGINE", "auto")
    if engine not in ENGINES:
        raise CovatlasError(f"PROFILE_COVERAGE_ENGINE={engine!r} is unknown; the engines are {', '.join(ENGINES)}")
    allow = environ.get("PROFILE_COVERAGE_ALLOW")
    return Settings(
        enabled=is_enabled(environ),
        coverage_dir=coverage_dir(environ),
        config=_config_file(environ),
        engine=engine,
        token=_token(environ),
        allow=_allow_list(allow) if allow else None,
        redis_url=environ.get("PROFILE_COVERAGE_REDIS_URL") or environ.get("REDIS_URL") or None,
        commit=environ.get("PROFILE_COVERAGE_COMMIT") or environ.get("GITHUB_SHA") or None,
        strict=_switch(environ, STRICT),
        grace=_number(environ, "PROFILE_COVERAGE_GRACE", GRACE_S, float),
        max_slugs=int(_number(environ, "PROFILE_COVERAGE_MAX_SLUGS", MAX_SLUGS, int)),
        max_shards=int(_number(environ, "PROFILE_COVERAGE_MAX_SHARDS", MAX_SHARDS, int)),
        max_bytes=int(_number(environ, "PROFILE_COVERAGE_MAX_BYTES", MAX_BYTES, int)),
    )


def _token(environ: Mapping[str, str]) -> str | None:
    value = environ.get("PROFILE_COVERAGE_TOKEN") or None
    if value is not None and not (value.isascii() and value.isprintable() and value == value.strip()):
        # No value in the sentence: it is a secret.
        raise CovatlasError("PROFILE_COVERAGE_TOKEN cannot be sent as a header; use printable ASCII, no outer spaces")
    return value


def _number(environ: Mapping[str, str], name: str, default: float, kind: Callable[[str], float]) -> float:
    value = environ.get(name)
    if not value:
        return default
    try:
        number = kind(value)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:  # false for "nan" too
        raise CovatlasError(f"{name}={value!r} is not a number above 0; mend it, or unset it for {default}")
    return number


def _allow_list(value: str) -> frozenset[str]:
    try:
        return frozenset(parse_slug(word.strip()) for word in value.split(",") if word.strip())
    except CovatlasError as error:
        raise CovatlasError(f"PROFILE_COVERAGE_ALLOW={value!r}: {error}") from None


def _config_file(environ: Mapping[str, str]) -> Path | None:
    value = environ.get(CONFIG)
    if value:
        path = _path(CONFIG, value)
        if not path.is_file():
            raise CovatlasError(f"{CONFIG}={value!r}: there is no such file; name a coverage configuration file")
        return path
    path = Path(DEFAULT_CONFIG).absolute()
    return path if path.is_file() else None
