"""Calls of components in a worker, with checks of what they return and change."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from skyred.errors import ComponentError, SkyredError
from skyred.interfaces.observation_rows import recorded_by
from skyred.io.captured_warnings import capture_warnings
from skyred.plugins.component_errors import add_source, exit_error

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

    from skyred.interfaces import Maker
    from skyred.run.worker.observation_guard import ObservationGuard

HOW_TO_CHANGE = (
    "copy what you change, or return a changed observation from modify_observation, for example "
    "with skyred.with_irfs"
)


class RuleError(ComponentError):
    """Raised if a component violates a rule; stops the analysis, not only the current run."""


@contextmanager
def faults_of(source: str) -> Iterator[None]:
    """Raise a `RuleError` if a component exits Python.

    Parameters
    ----------
    source : str
        The component, with its plugin.

    Yields
    ------
    None
        The component is called inside the context.

    Raises
    ------
    RuleError
        If it does.
    """
    try:
        yield
    except SystemExit as error:
        raise RuleError(str(exit_error(source, error))) from error


@contextmanager
def errors_outside_runs(source: str) -> Iterator[None]:
    """Raise a `RuleError` as `faults_of`, and add the component to other errors.

    Parameters
    ----------
    source : str
        The component, with its plugin.

    Yields
    ------
    None
        The component is called inside the context.

    Raises
    ------
    RuleError
        If it does.
    """
    try:
        with faults_of(source):
            yield
    except SkyredError:  # a `RuleError` names the component
        raise
    except Exception as error:
        add_source(error, source)
        raise


def call_guarded(
    function: Callable[[Observation], Any], guard: ObservationGuard, source: str
) -> Any:
    """Call a component with an observation, and check that it leaves the observation unchanged.

    Parameters
    ----------
    function : callable
        The call, with the observation as its only argument.
    guard : ObservationGuard
        The observation.
    source : str
        The component, with its plugin.

    Returns
    -------
    object
        The value that the component returns.

    Raises
    ------
    RuleError
        If the component changes the observation, also by writing to its read-only arrays, or exits
        Python.
    """
    try:
        with faults_of(source):
            returned = function(guard.observation)
    except Exception as error:
        _require_unchanged(guard, source)
        if _is_read_only(error):
            if guard.values and _succeeds(function, guard.observation):
                raise RuleError(
                    f"the {source} writes to a read-only array of the observation "
                    f"{guard.observation.obs_id} ({error}), which other makers read too: "
                    f"{HOW_TO_CHANGE}"
                ) from error
            error.add_note("copy options and views before you change them, with np.array")
        raise
    _require_unchanged(guard, source)
    return returned


def require_dataset(dataset: Any, source: str) -> None:
    """Check that a geometry or a maker returned a dataset.

    Parameters
    ----------
    dataset : object
        The returned object.
    source : str
        The component, with its plugin.

    Raises
    ------
    RuleError
        If it is no dataset.
    """
    if not hasattr(dataset, "stat_type"):
        raise RuleError(
            f"the {source} returned {_describe_type(dataset)}; it must return the dataset"
        )


def require_total(total: Any, source: str) -> None:
    """Check that a stacker returned a total after a dataset was added or totals were merged.

    Parameters
    ----------
    total : object
        The returned object.
    source : str
        The stacker, with its plugin.

    Raises
    ------
    RuleError
        If it is None.
    """
    if total is None:
        raise RuleError(
            f"the {source} returned None in place of the total of the datasets that were added; "
            "add and merge must return the new total"
        )


def run_maker(maker: Maker, dataset: Dataset, guard: ObservationGuard, source: str) -> Dataset:
    """Run a maker, and check that it returns a dataset and leaves the observation unchanged.

    Parameters
    ----------
    maker : Maker
        The maker.
    dataset : Dataset
        The dataset of the previous maker.
    guard : ObservationGuard
        The observation.
    source : str
        The maker, with its plugin.

    Returns
    -------
    Dataset
        The dataset that it returns.

    Raises
    ------
    RuleError
        If the maker violates a rule.
    SkipObservation
        If the maker skips the observation.
    """
    name = getattr(dataset, "name", None)
    dataset = call_guarded(partial(maker.make, dataset), guard, source)
    require_dataset(dataset, source)
    new_name = getattr(dataset, "name", None)
    if new_name != name:
        raise RuleError(
            f"the {source} returned the dataset {new_name!r} in place of {name!r}; it must "
            "keep the name, because results and models refer to datasets by name"
        )
    return dataset


def modify_observation(maker: Maker, guard: ObservationGuard, source: str) -> Observation:
    """Return the observation that a maker returns in place of another one.

    Parameters
    ----------
    maker : Maker
        The maker.
    guard : ObservationGuard
        The observation, which the maker must not change.
    source : str
        The maker, with its plugin.

    Returns
    -------
    gammapy.data.Observation
        The observation that the maker returns.

    Raises
    ------
    RuleError
        If the maker changes the observation, or returns something else than an observation with the
        same OBS_ID.
    """
    modified = call_guarded(maker.modify_observation, guard, source)
    original = guard.observation
    if not hasattr(modified, "obs_id"):
        raise RuleError(
            f"modify_observation of the {source} returned {_describe_type(modified)}; it must "
            "return an observation: a new one, or the same if nothing is changed"
        )
    if str(modified.obs_id) != str(original.obs_id):
        raise RuleError(
            f"modify_observation of the {source} returned the observation {modified.obs_id} in "
            f"place of {original.obs_id}; it must keep the OBS_ID"
        )
    return modified


def _require_unchanged(guard: ObservationGuard, source: str) -> None:
    if change := guard.find_change():
        raise RuleError(
            f"the {source} changed {change} of the observation {guard.observation.obs_id}, which "
            f"other makers read too: {HOW_TO_CHANGE}"
        )


def _is_read_only(error: Exception) -> bool:
    """Return whether an error is that of numpy for a change of a read-only array."""
    return isinstance(error, ValueError) and "read-only" in str(error).replace(" ", "-")


def _succeeds(function: Callable[[Observation], Any], observation: Observation) -> bool:
    """Return whether a call succeeds with a copy of an observation; nothing is recorded."""
    try:
        with capture_warnings(), recorded_by(None):
            function(copy.deepcopy(observation))
    except (Exception, SystemExit):
        return False
    return True


def _describe_type(result: Any) -> str:
    return "None" if result is None else f"an object of the type {type(result).__name__}"
