"""Requirements for the rows of observation tables that makers record."""

from __future__ import annotations

from typing import Any

from skyred.errors import ComponentError, SkipObservation
from skyred.interfaces.observation_rows import RowRecorder, recorded_by
from skyred.interfaces.observation_tables import ObservationTables
from skyred.interfaces.records import Outcome
from skyred.testing.case import ComponentCase
from skyred.testing.compare import Contents, contents, differences
from skyred.testing.maker_test_setup import MakerTestSetup, find_test_setup_or_skip, run_maker
from skyred.testing.requirement import NotChecked, RequirementViolated, require, requirement
from skyred.testing.subprocess_worker import shared_worker


@requirement(
    "records the same columns for all runs, and the same rows each time",
    "maker",
    fix="Pass the same columns, with the same types, shapes and units, to record_row or "
    "record_table for every run; None is a missing value.",
)
def records_consistent_rows(case: ComponentCase) -> None:
    """Check that the recorded rows of all runs fit together, and are reproducible.

    Parameters
    ----------
    case : ComponentCase
        The maker to be checked.
    """
    setup = find_test_setup_or_skip(case)
    first = _recorded_contents(setup, case.observations())
    if not first:
        raise NotChecked("it records no rows")
    changes = differences(first, _recorded_contents(setup, case.observations()))
    require(not changes, f"the second time, {'; '.join(changes[:3])}")
    if case.cls.__module__ != "__main__":
        in_worker = shared_worker().call(_recorded_contents, setup, case.observations())
        changes = differences(first, in_worker)
        require(not changes, f"in another process, {'; '.join(changes[:3])}")


def _recorded_contents(setup: MakerTestSetup, runs: list[Any]) -> Contents:
    """Return the contents of the tables that a maker records for all runs."""
    tables = ObservationTables()
    for dataset, run in zip(setup.inputs, runs, strict=True):
        recorder = RowRecorder()
        with recorded_by(recorder), recorder.running(f"maker {setup.maker.kind}", 0):
            output = run_maker(setup.maker, dataset, run)
        status = "skipped" if isinstance(output, SkipObservation) else "reduced"
        outcome = Outcome("sample", int(run.obs_id), status, rows=tuple(recorder.rows))
        try:
            tables.add(outcome)
        except ComponentError as error:
            raise RequirementViolated(str(error)) from error
    return {
        f"{name}, {key}": value
        for name, table in tables.tables().items()
        for key, value in contents(table).items()
    }
