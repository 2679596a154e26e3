"""`playback-profiles.yml`: what is played at night, read once and checked, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrument.errors import CovatlasError
from sitegen.nights_table import (
    ARTIFACT_PREFIX,
    Table,
    is_artifact,
    is_branch,
    is_cron,
    is_filled,
    is_line,
    is_python,
    is_slug,
    is_url,
    is_zone,
    one_of,
    shown,
    some_of,
    within,
)

if TYPE_CHECKING:
    import yaml

FILE = "playback-profiles.yml"
KINDS = ("har", "events")
WEIGHTS = ("light", "heavy")
MAX_RETRIES = 5


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a workflow starts, five fields of cron read in an IANA time zone, and profiles of which weights it plays."""

    cron: str
    timezone: str
    plays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """How one profile is played: seconds to wait for its jobs, minutes that all of its attempts may take."""

    job_timeout: int = 60
    timeout_minutes: int = 30


@dataclass(frozen=True, slots=True)
class NightProfile:
    """One profile that is played at night; its weight says by which workflow, `kind` is what its recording is."""

    slug: str
    title: str
    description: str
    kind: str
    weight: str
    retries: int
    artifact: str
    options: Options


@dataclass(frozen=True, slots=True)
class App:
    """How the app is made and started in a job; `install` and `start` are shell commands."""

    install: str
    start: str
    base_url: str
    health: str
    health_seconds: int = 120
    python: str = "3.13"
    runner: str = "ubuntu-24.04"


@dataclass(frozen=True, slots=True)
class Publish:
    """Where the site goes: GitHub Pages by its own actions, or a branch of the repository."""

    to: str = "pages"
    branch: str = "gh-pages"


@dataclass(frozen=True, slots=True)
class Perf:
    """Which profiles the performance sample plays, and how many alternating pairs of each."""

    profiles: tuple[str, ...] = ()
    pairs: int = 5


@dataclass(frozen=True, slots=True)
class Nights:
    """The whole file; profiles in its order, each slug and each artifact name once."""

    app: App
    nightly: Schedule
    weekly: Schedule
    profiles: tuple[NightProfile, ...]
    publish: Publish = field(default_factory=Publish)
    perf: Perf = field(default_factory=Perf)

    @property
    def schedules(self) -> dict[str, Schedule]:
        """Return the schedule of each workflow."""
        return {"nightly": self.nightly, "weekly": self.weekly}

    def due(self, workflow: str) -> tuple[NightProfile, ...]:
        """Return the profiles that `nightly` or `weekly` plays."""
        return tuple(profile for profile in self.profiles if profile.weight in self.schedules[workflow].plays)


def read_nights(path: Path) -> Nights:
    """Return the checked file; raise CovatlasError naming every bad value by file, entry and key."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise CovatlasError(f"{path} does not exist; list there what is played at night (site_src/nights.md)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CovatlasError(f"{path}: cannot be read ({error}); mend the file") from None
    return parse_nights(text, str(path))


def parse_nights(text: str, where: str) -> Nights:
    """Return the checked text of a file that `where` names."""
    tree = _load(text, where)
    found: list[str] = []
    night = _nights(Table(tree, "", found))
    if found:
        raise CovatlasError(f"{where}: {'; '.join(found)}; mend the file")
    return night


def _load(text: str, where: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """PyYAML's safe loader that refuses a key which stands twice: the last one would win without a word."""

    def mapping(loader: Loader, node: yaml.MappingNode) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise CovatlasError(f"{where}: the key {key.value!r} stands twice (line {line}); mend the file")
            seen.add(key.value)
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CovatlasError(f"{where}: not YAML that can be read ({reason}); mend the file") from None


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _nights(top: Table) -> Nights:
    app = _app(top.table("app", must=True))
    nightly, weekly = _schedule(top, "nightly", "light"), _schedule(top, "weekly", "heavy")
    rows = top.take("profiles", list, None, lambda value: "" if value else "must list at least one profile")
    profiles = tuple(_profile(row, number, top.found) for number, row in enumerate(rows, 1))
    for what in ("slug", "artifact"):
        names = [getattr(profile, what) for profile in profiles]
        for name in sorted({name for name in names if name and names.count(name) > 1}):
            top.bad(f"profiles: the {what} {name!r} stands {names.count(name)} times")
    for profile in profiles:
        if profile.weight not in (*nightly.plays, *weekly.plays):
            top.bad(f"profiles: nightly and weekly play no {profile.weight!r} one, as {profile.slug!r} is")
    publish, perf = _publish(top.table("publish")), _perf(top.table("perf"), {profile.slug for profile in profiles})
    top.end("app, nightly, weekly, profiles, publish, perf")
    return Nights(app, nightly, weekly, profiles, publish, perf)


def _app(table: Table) -> App:
    app = App(
        install=table.take("install", str, None, is_filled),
        start=table.take("start", str, None, is_filled),
        base_url=table.take("base-url", str, None, is_url),
        health=table.take("health", str, None, is_url),
        health_seconds=table.take("health-seconds", int, 120, within(1, 3600)),
        python=table.take("python", str, "3.13", is_python),
        runner=table.take("runner", str, "ubuntu-24.04", is_line),
    )
    table.end("install, start, base-url, health, health-seconds, python, runner")
    return app


def _schedule(top: Table, name: str, weight: str) -> Schedule:
    table = top.table(name, must=True)
    cron, timezone = table.take("cron", str, None, is_cron), table.take("timezone", str, "UTC", is_zone)
    schedule = Schedule(cron, timezone, tuple(table.take("plays", list, [weight], some_of(*WEIGHTS))))
    table.end("cron, timezone, plays")
    return schedule


def _profile(row: Any, number: int, found: list[str]) -> NightProfile:
    slug = row.get("slug") if isinstance(row, dict) else None
    table = Table(row, f"profiles[{number}]" + (f" ({slug})" if isinstance(slug, str) else ""), found)
    slug = table.take("slug", str, None, is_slug)
    options = table.table("options")
    profile = NightProfile(
        slug=slug,
        title=table.take("title", str, None, is_line),
        description=table.take("description", str, "", is_line),
        kind=table.take("kind", str, "har", one_of(*KINDS)),
        weight=table.take("weight", str, "light", one_of(*WEIGHTS)),
        retries=table.take("retries", int, 0, within(0, MAX_RETRIES)),
        artifact=table.take("artifact", str, ARTIFACT_PREFIX + slug, is_artifact),
        options=Options(
            job_timeout=options.take("job-timeout", int, 60, within(0, 21600)),
            timeout_minutes=options.take("timeout-minutes", int, 30, within(1, 360)),
        ),
    )
    options.end("job-timeout, timeout-minutes")
    table.end("slug, title, description, kind, weight, retries, artifact, options")
    return profile


def _publish(table: Table) -> Publish:
    publish = Publish(table.take("to", str, "pages", one_of("pages", "branch")),
                      table.take("branch", str, "gh-pages", is_branch))  # fmt: skip
    table.end("to, branch")
    return publish


def _perf(table: Table, known: set[str]) -> Perf:
    slugs = table.take("profiles", list, [])
    for slug in slugs:
        if not isinstance(slug, str) or slug not in known:
            table.bad(f"perf.profiles: {shown(slug)} is no profile of this file")
    perf = Perf(tuple(map(str, slugs)), table.take("pairs", int, 5, within(3, 50)))
    table.end("profiles, pairs")
    return perf
