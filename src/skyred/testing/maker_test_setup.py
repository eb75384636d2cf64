"""The test setup of a maker: its geometry, preceding makers, inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from skyred.errors import SkipObservation
from skyred.interfaces import Maker
from skyred.testing.case import ComponentCase
from skyred.testing.compare import Contents, contents
from skyred.testing.copies import duplicate
from skyred.testing.requirement import NotChecked, RequirementViolated
from skyred.testing.sample import NAME, MakerSetting, run_preceding_makers
from skyred.testing.steps import describe_error, step

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

# the dataset, or the exception with the reason why the run is skipped
MakerOutput: TypeAlias = "Dataset | SkipObservation"


@attrs.frozen(eq=False)
class MakerTestSetup:
    """A maker in a suitable setting.

    Parameters
    ----------
    setting : MakerSetting
        The geometry and the preceding makers.
    maker : Maker
        The prepared maker.
    inputs : list of Dataset
        The output of the preceding makers for each observation.
    outputs : list of Dataset or SkipObservation
        The output of the maker for each observation.
    """

    setting: MakerSetting
    maker: Maker
    inputs: list[Any]
    outputs: list[Any]

    def datasets(self) -> list[tuple[int, Any]]:
        """Return the output datasets with the indices of their observations.

        Returns
        -------
        list of (int, Dataset)
            The index and the dataset of each observation that was not skipped.
        """
        return [
            (index, output)
            for index, output in enumerate(self.outputs)
            if not isinstance(output, SkipObservation)
        ]


def find_test_setup_or_skip(case: ComponentCase) -> MakerTestSetup:
    """Return the test setup of a maker, or skip the check if there is none.

    Another requirement checks that the maker makes a dataset.

    Parameters
    ----------
    case : ComponentCase
        The maker.

    Returns
    -------
    MakerTestSetup
        The maker in the first suitable setting.

    Raises
    ------
    NotChecked
        If there is no suitable setting, or the output of the maker is not a dataset.
    """
    try:
        setup = find_test_setup(case)
    except RequirementViolated as violation:
        raise NotChecked(str(violation)) from violation
    if not all(hasattr(dataset, "stat_type") for _, dataset in setup.datasets()):
        raise NotChecked("its output is not a dataset")
    return setup


def find_test_setup(case: ComponentCase) -> MakerTestSetup:
    """Return the test setup of a maker in the first setting where it makes a dataset.

    Parameters
    ----------
    case : ComponentCase
        The maker.

    Returns
    -------
    MakerTestSetup
        The maker in the first suitable setting.

    Raises
    ------
    RequirementViolated
        If there is no suitable setting; the message contains the error in each setting.
    """
    if "test setup" not in case.memo:
        messages = []
        for setting in _settings(case):
            outcome = _try_setting(case, setting)
            if isinstance(outcome, MakerTestSetup):
                case.memo["test setup"] = outcome
                break
            messages.append(f"on {setting.description}: {outcome}")
        else:
            raise RequirementViolated(f"it makes no dataset in any setting: {'; '.join(messages)}")
    setup = case.memo["test setup"]
    assert isinstance(setup, MakerTestSetup)
    return setup


def run_maker(maker: Maker, dataset: Dataset, observation: Observation) -> MakerOutput:
    """Run a maker on a copy of a dataset.

    Parameters
    ----------
    maker : Maker
        The prepared maker.
    dataset : Dataset
        The output of the preceding makers, which is copied.
    observation : Observation
        The observation, which is not copied.

    Returns
    -------
    Dataset or SkipObservation
        The output, or the exception with which the maker skips the observation.
    """
    try:
        with step(f"reducing run {observation.obs_id}"):
            return maker.make(duplicate(dataset), maker.modify_observation(observation))
    except SkipObservation as skip:
        return skip


def output_contents(output: MakerOutput) -> Contents:
    """Return the contents of the output of a maker.

    Parameters
    ----------
    output : Dataset or SkipObservation
        The output.

    Returns
    -------
    dict of str to array or str
        The contents by name.
    """
    if isinstance(output, SkipObservation):
        return {"skipped": output.reason}
    return contents(output)


def run_maker_contents(maker: Maker, dataset: Dataset, observation: Observation) -> Contents:
    """Run a maker and return the contents of its output; can be called in another process.

    Parameters
    ----------
    maker : Maker
        The prepared maker.
    dataset : Dataset
        The output of the preceding makers.
    observation : Observation
        The observation.

    Returns
    -------
    dict of str to array or str
        The contents by name.
    """
    return output_contents(run_maker(maker, dataset, observation))


def _settings(case: ComponentCase) -> Iterator[MakerSetting]:
    sample, crab = case.sample, case.crab
    if sample.geometry is None:
        yield from crab.maker_settings()
        return
    reduction = crab.reduction("maps").evolve(
        geometry=sample.geometry, make=tuple(sample.after) or (case.component,)
    )
    kinds = ", ".join(maker.kind for maker in sample.after)
    description = f"your geometry after {kinds}" if kinds else "your geometry"
    yield MakerSetting(description, reduction.with_name(NAME), is_filled=bool(sample.after))


def _try_setting(case: ComponentCase, setting: MakerSetting) -> MakerTestSetup | str:
    """Return the test setup in a setting, or the reason why the setting is not suitable."""
    observations = case.observations()
    try:
        with step("preparing the maker"):
            maker = case.component.prepare(case.observations())
        inputs = _inputs(case, setting)
        outputs = [
            run_maker(maker, dataset, observation)
            for dataset, observation in zip(inputs, observations, strict=True)
        ]
    except Exception as error:  # the setting is not suitable
        return describe_error(error)
    setup = MakerTestSetup(setting, maker, inputs, outputs)
    if not setup.datasets():
        return f"it skips every run ({outputs[0].reason})" if outputs else "there is no run"
    if not setting.is_filled and not case.sample.geometry and not _fills_counts(setup):
        return "it fills no counts"
    return setup


def _inputs(case: ComponentCase, setting: MakerSetting) -> list[Any]:
    if case.sample.observations is None and case.sample.geometry is None:
        return case.crab.datasets_before(setting)
    return [run_preceding_makers(setting, run) for run in case.observations()]


def _fills_counts(setup: MakerTestSetup) -> bool:
    (_, dataset), *_ = setup.datasets()
    return getattr(dataset, "counts", None) is not None and dataset.counts.data.sum() > 0
