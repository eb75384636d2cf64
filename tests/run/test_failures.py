"""Errors for failed runs: which runs are counted, and the advice."""

from __future__ import annotations

import pytest

from skyred.errors import RunsFailedError
from skyred.interfaces.records import Outcome
from skyred.run.failures import raise_on_failures
from toys import toy_pipeline


def test_runs_of_entries_that_skip_errors_are_not_counted() -> None:
    pipeline = toy_pipeline(2)
    entry = pipeline.data["toy"]
    pipeline = pipeline.evolve(data={"toy": entry, "skipped": entry.evolve(on_error="skip")})
    outcomes = [
        Outcome("toy", 1, "failed", reason="broken"),
        Outcome("toy", 2, "reduced"),
        Outcome("skipped", 1, "failed", reason="broken"),
    ]
    with pytest.raises(RunsFailedError, match=r"^1 of 2 runs failed"):
        raise_on_failures(outcomes, pipeline)
    raise_on_failures(outcomes[1:], pipeline)


@pytest.mark.parametrize(("on_fault", "is_advised"), [("fail", True), ("note", False)])
def test_on_fault_is_advised_only_if_it_is_not_set(on_fault: str, is_advised: bool) -> None:
    pipeline = toy_pipeline(1)
    entry = pipeline.data["toy"].evolve(on_fault=on_fault)
    outcomes = [Outcome("toy", 1, "failed", reason="truncated", maker="inspection")]
    with pytest.raises(RunsFailedError) as excinfo:
        raise_on_failures(outcomes, pipeline.evolve(data={"toy": entry}))
    assert ("on_fault: note" in str(excinfo.value)) is is_advised
