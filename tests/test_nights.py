"""`playback-profiles.yml`: what a right one says, and how each wrong value is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from instrument.errors import CovatlasError
from sitegen.nights import Nights, parse_nights, read_nights
from sitegen.workflows import profile_table

ROOT = Path(__file__).parent.parent
RIGHT = """\
app: {install: pip install ., start: ./run, base-url: "http://127.0.0.1:5000", health: "http://127.0.0.1:5000/ok"}
nightly: {cron: "17 2 * * *", timezone: Europe/Zurich}
weekly: {cron: "0 4 * * 0"}
profiles:
  - {slug: a, title: A}
  - {slug: b, title: B, weight: heavy, retries: 2, artifact: playback-bee, options: {job-timeout: 5}}
"""


def test_a_right_file_and_its_defaults() -> None:
    nights = parse_nights(RIGHT, "f.yml")
    light, heavy = nights.profiles
    assert nights.due("nightly") == (light,) and nights.due("weekly") == (heavy,)
    assert (light.kind, light.retries, light.artifact, light.options.job_timeout) == ("har", 0, "playback-a", 60)
    assert (heavy.retries, heavy.artifact, heavy.options.job_timeout) == (2, "playback-bee", 5)
    assert (nights.nightly.timezone, nights.weekly.timezone) == ("Europe/Zurich", "UTC")
    assert (nights.publish.to, nights.publish.branch, nights.perf.profiles) == ("pages", "gh-pages", ())


def test_which_weights_a_workflow_plays_is_a_choice() -> None:
    text = RIGHT.replace('* * *", ', '* * *", plays: [light, heavy], ')
    nights = parse_nights(text, "f.yml")
    light, heavy = nights.profiles
    assert nights.due("nightly") == (light, heavy) and nights.due("weekly") == (heavy,)
    assert "| har | nightly, weekly | 2 |" in profile_table(nights)
    other = parse_nights(text.replace("[light, heavy]", "[heavy]").replace('* * 0"', '* * 0", plays: [light]'), "f.yml")
    assert other.due("nightly") == (heavy,) and other.due("weekly") == (light,)


def test_the_file_of_this_repository() -> None:
    nights: Nights = read_nights(ROOT / "playback-profiles.yml")
    recorded = {path.parent.name for path in (ROOT / "examples/watershed/profiles").glob("*/profile.toml")}
    assert {profile.slug for profile in nights.profiles} == recorded
    assert nights.due("nightly") and nights.due("weekly")


WRONG = {
    "app.base-url = 'x' must be a web address": ('http://127.0.0.1:5000", health', 'x", health'),
    "app.start is missing": (" start: ./run,", ""),
    "app.statr is no key": ("start:", "statr:"),
    "nightly.cron = '60 2 * * *'": ("17 2 * * *", "60 2 * * *"),
    "nightly.cron = '5-2 2 * * *'": ("17 2 * * *", "5-2 2 * * *"),
    "nightly.cron = '17 2 * *'": ("17 2 * * *", "17 2 * *"),
    "nightly.timezone = 'Europe/Zurihc' is no IANA time zone": ("Zurich", "Zurihc"),
    "nightly.timezone = '../../etc/passwd' is no IANA": ("Europe/Zurich", "../../etc/passwd"),
    "nightly.plays = ['huge'] must list light or heavy, or both": ('* * *", ', '* * *", plays: [huge], '),
    "nightly.plays = [] must list": ('* * *", ', '* * *", plays: [], '),
    "nightly.plays = ['light', 'light'] must list": ('* * *", ', '* * *", plays: [light, light], '),
    "nightly.plays = [{}] must list": ('* * *", ', '* * *", plays: [{}], '),
    "nightly and weekly play no 'heavy' one, as 'b' is": ('* * 0"', '* * 0", plays: [light]'),
    "weekly is missing": ('weekly: {cron: "0 4 * * 0"}\n', ""),
    "weekly = 3 must be a table of keys": ('weekly: {cron: "0 4 * * 0"}', "weekly: 3"),
    "profiles[1] (A).slug = 'A' is no slug": ("slug: a", "slug: A"),
    "profiles[1] (index).slug = 'index' is no slug": ("slug: a", "slug: index"),
    "profiles[1] (a).title is missing": (", title: A", ""),
    "profiles[1] (a).title = 'A\\nB' must be one line": ("title: A", 'title: "A\\nB"'),
    "profiles[1] (a).title = '${{ secrets.X }}' must not hold an expression": ("title: A", 'title: "${{ secrets.X }}"'),
    "profiles[2] (b).weight = 'huge' must be light or heavy": ("weight: heavy", "weight: huge"),
    "profiles[2] (b).retries = 9 must be 0 to 5": ("retries: 2", "retries: 9"),
    "profiles[2] (b).retries = True must be a whole number": ("retries: 2", "retries: yes"),
    "profiles[2] (b).artifact = '.hidden' must be 'playback-'": ("playback-bee", ".hidden"),
    "profiles[2] (b).artifact = 'playback-../x' must be 'playback-'": ("playback-bee", "playback-../x"),
    "profiles[2] (b).options.job-timeout = '5'": ("job-timeout: 5", "job-timeout: '5'"),
    "profiles[2] (b).options.jobs is no key": ("job-timeout: 5", "jobs: 5"),
    "profiles: the slug 'a' stands 2 times": ("slug: b", "slug: a"),
    "profiles: the artifact 'playback-a' stands 2 times": ("playback-bee", "playback-a"),
    "the key 'title' stands twice (line 5)": ("title: A", "title: A, title: B"),
    "profiles[1] = 7 must be a table of keys": ("{slug: a, title: A}", "7"),
    "perf.profiles: 'z' is no profile of this file": ("profiles:\n", "perf: {profiles: [z]}\nprofiles:\n"),
    "publish.to = 'ftp' must be pages or branch": ("profiles:\n", "publish: {to: ftp}\nprofiles:\n"),
    "publish.branch = '--force' is no name of a branch": ("profiles:\n", "publish: {branch: --force}\nprofiles:\n"),
    "not YAML that can be read": ("profiles:\n", "profiles: [\n"),
    "nights is no key; the keys are app, nightly": ("profiles:\n", "nights: 1\nprofiles:\n"),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_wrong_value_is_named_with_its_entry_and_key(sentence: str) -> None:
    before, after = WRONG[sentence]
    assert before in RIGHT
    with pytest.raises(CovatlasError) as error:
        parse_nights(RIGHT.replace(before, after, 1), "f.yml")
    assert str(error.value).startswith("f.yml: ") and str(error.value).endswith("mend the file")
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(CovatlasError) as error:
        parse_nights(RIGHT.replace("heavy", "huge").replace("Zurich", "Basle"), "f.yml")
    assert "Basle" in str(error.value) and "huge" in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "a: !!python/object/apply:os.system [true]", "a: &a [*a]", "? {}\n: 1"]
)
def test_what_is_no_such_file_ends_in_a_sentence(text: str) -> None:
    with pytest.raises(CovatlasError, match=r"^f\.yml: "):
        parse_nights(text, "f.yml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CovatlasError, match="does not exist"):
        read_nights(tmp_path / "playback-profiles.yml")


def test_our_cron_is_yaml_text_and_no_number() -> None:
    assert yaml.safe_load("a: 1:30") == {"a": 90}  # why cron must be quoted; an unquoted one is refused as a number
    with pytest.raises(CovatlasError, match="must be a string"):
        parse_nights(RIGHT.replace('"17 2 * * *"', "1:30"), "f.yml")
