"""Negative controls: the exactness check sees each fault that is planted on purpose, so its silence means something."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.exact.faults import FAULTS
from tests.exact.proof import ENGINES, compare, environment, fire, oracle, recorded, werkzeug

# Faults of the tracing around an engine; all others are the sysmon engine's own.
ANY_ENGINE = {"no_propagation", "inheriting_worker"}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_fails_for_a_planted_fault(fault: str, tmp_path: Path) -> None:
    if fault not in ANY_ENGINE and sys.version_info < (3, 12):
        pytest.skip("the sysmon engine needs CPython 3.12")
    for attempt in range(5):  # some faults strike only where two requests meet
        directory = tmp_path / f"data{attempt}"
        with werkzeug(environment(directory, ENGINES[0]), tmp_path, fault) as port:
            sent = fire(port, oracle(), 800)
        recall, precision, differences = compare(sent, recorded(directory), oracle())
        if differences:
            break
    assert differences, "the fault went unseen"
    assert recall < 1.0 or precision < 1.0
    log = (tmp_path / "server.log").read_text()
    assert "Traceback" not in log.replace("RuntimeError", ""), "the fault must be wrong lines, not a broken server"
