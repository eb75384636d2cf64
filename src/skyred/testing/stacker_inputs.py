"""Input for stacker checks: datasets and their totals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from skyred.interfaces import Geometry, Stacker
from skyred.testing.case import ComponentCase
from skyred.testing.compare import Contents, contents
from skyred.testing.copies import duplicate
from skyred.testing.requirement import RequirementViolated
from skyred.testing.sample import NAME
from skyred.testing.steps import NamedSteps, describe_error, step

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

STEPS = {
    "zero": "creating an empty total",
    "add": "adding a dataset",
    "merge": "merging two totals",
    "result": "returning the datasets of a total",
}
FLOAT32_RTOL = 1e-6  # relative, for sums of float32 in another order


@attrs.frozen(eq=False)
class StackerInputs:
    """A stacker with runs to be stacked.

    Parameters
    ----------
    description : str
        The type of the datasets.
    stacker : Stacker
        The prepared stacker.
    geometry : Geometry
        The geometry of the datasets.
    runs : list of (Dataset, Observation)
        At least two runs.
    """

    description: str
    stacker: Stacker
    geometry: Geometry
    runs: list[tuple[Dataset, Observation]]

    def zero(self) -> Any:
        """Return the empty total.

        Returns
        -------
        object
            A total without runs.
        """
        return self.stacker.zero(self.geometry)

    def total(self, *indices: int) -> Any:
        """Return the total of copies of some of the runs.

        Parameters
        ----------
        *indices : int
            The indices of the runs, modulo their number.

        Returns
        -------
        object
            The total.
        """
        total = self.zero()
        for index in indices:
            dataset, run = self.runs[index % len(self.runs)]
            total = self.stacker.add(total, duplicate(dataset), run)
        return total

    def result(self, total: Any) -> list[Dataset]:
        """Return the datasets of a total.

        Parameters
        ----------
        total : object
            The total.

        Returns
        -------
        list of Dataset
            The datasets.
        """
        return list(self.stacker.result(total))

    def contents(self, total: Any) -> Contents:
        """Return the contents of the datasets of a total.

        Parameters
        ----------
        total : object
            The total.

        Returns
        -------
        dict of str to array or str
            The contents by name.
        """
        return contents(self.result(total))


def accepted_inputs(case: ComponentCase) -> list[StackerInputs]:
    """Return the inputs that a stacker accepts, among maps and spectra with off counts.

    Parameters
    ----------
    case : ComponentCase
        The stacker.

    Returns
    -------
    list of StackerInputs
        The accepted inputs, at least one.

    Raises
    ------
    RequirementViolated
        If the stacker accepts none of the inputs; the message contains the error for each of them.
    """
    if "inputs" not in case.memo:
        messages, usable_inputs = [], []
        for inputs in _inputs(case):
            try:
                inputs.result(inputs.total(0))
                usable_inputs.append(inputs)
            except Exception as error:  # the stacker may be intended for other datasets
                messages.append(f"{inputs.description}: {describe_error(error)}")
        if not usable_inputs:
            raise RequirementViolated(f"it accepts none of the datasets: {'; '.join(messages)}")
        case.memo["inputs"] = usable_inputs
    result: list[StackerInputs] = case.memo["inputs"]
    return result


def _inputs(case: ComponentCase) -> Iterable[StackerInputs]:
    table = _table(case)
    with step("preparing the stacker"):
        stacker: Any = NamedSteps(case.component.prepare(table), STEPS)
    crab, sample = case.crab, case.sample
    if sample.datasets is not None:
        geometry = sample.geometry or crab.reduction("maps").geometry
        runs = list(zip(duplicate(sample.datasets), case.observations(), strict=True))
        yield StackerInputs("your datasets", stacker, geometry.evolve(name=NAME), runs)
        return
    for description, entry in (("maps", "maps"), ("spectra with off counts", "spectra")):
        runs = list(zip(crab.reduced_datasets(entry), case.observations(), strict=True))
        yield StackerInputs(description, stacker, crab.reduction(entry).geometry, runs)


def _table(case: ComponentCase) -> Any:
    if case.sample.table is not None:
        return case.table()
    ids = [int(run.obs_id) for run in case.observations()]
    table = case.table()
    return table[[int(obs_id) in ids for obs_id in table["OBS_ID"]]]
