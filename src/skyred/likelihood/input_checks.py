"""Checks of data and models before a fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.errors import FitError
from skyred.likelihood.gammapy_dataset import GammapyDataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.bins import Bins
    from skyred.likelihood.likelihood import CompiledLikelihood
    from skyred.likelihood.parameters import ParameterSpace

    Array = NDArray[np.float64]


def check_parameters(space: ParameterSpace) -> None:
    """Check values and limits of the free parameters.

    Parameters
    ----------
    space : ParameterSpace
        The parameters.

    Raises
    ------
    FitError
        If a value is not finite, a minimum is above the maximum, or both limits are equal and
        different from the value.
    """
    for parameter, name in zip(space.free_parameters, space.names(), strict=True):
        if not np.isfinite(parameter.value):
            raise FitError(
                f"parameter {name} starts at {parameter.value}; set it to a finite value"
            )
        if parameter.min > parameter.max:
            raise FitError(
                f"parameter {name} has a minimum, {parameter.min:.6g}, above its maximum, "
                f"{parameter.max:.6g}; correct its limits"
            )
        if parameter.min == parameter.max:
            raise FitError(
                f"parameter {name} starts at {parameter.value:.6g}, but both its limits are "
                f"{parameter.min:.6g}; set it to that value, or widen its limits"
            )


def list_starts_outside_limits(space: ParameterSpace) -> list[str]:
    """List the free parameters that start outside their limits.

    Parameters
    ----------
    space : ParameterSpace
        The parameters.

    Returns
    -------
    list of str
        One sentence per parameter.
    """
    notes = []
    parameters = zip(space.free_parameters, space.names(), space.limits(), strict=True)
    for parameter, name, (low, high) in parameters:
        if not low <= parameter.value <= high:
            side, limit = ("below", low) if parameter.value < low else ("above", high)
            notes.append(
                f"{name} starts at {parameter.value:.6g}, {side} its limit: the fit begins at "
                f"{limit:.6g}"
            )
    return notes


def check_counts(dataset: Any) -> None:
    """Check that the fitted counts are finite and not negative.

    Parameters
    ----------
    dataset : gammapy.datasets.Dataset
        A dataset; counts and off counts are checked if it has them.

    Raises
    ------
    FitError
        If counts inside the mask are NaN, infinite or negative.
    """
    for attribute, name in (("counts", "counts"), ("counts_off", "off counts")):
        counts = getattr(dataset, attribute, None)
        if counts is None:
            continue
        mask = True if dataset.mask is None else np.asarray(_data(dataset.mask), dtype=bool)
        values = np.asarray(_data(counts), dtype=float)
        for invalid, kind in ((~np.isfinite(values), "not finite"), (values < 0, "negative")):
            if n_bins := int((invalid & mask).sum()):
                raise FitError(
                    f"the {name} of {dataset.name!r} are {kind} in {n_bins} of the fitted bins; "
                    "correct them, or set mask_fit to false there"
                )


def check_flux_points(name: str, bins: Bins, values: Array, errors: Array) -> None:
    """Check that the fitted flux points have finite values and positive errors.

    Parameters
    ----------
    name : str
        The name of the dataset.
    bins : Bins
        The points that are fitted.
    values, errors : array
        The fluxes and their errors, shape (energies, 1, 1).

    Raises
    ------
    FitError
        If a value is not finite, or an error is not positive and finite.
    """
    if n_points := int((~np.isfinite(bins.select(values))).sum()):
        raise FitError(
            f"the flux is not finite for {n_points} of the fitted flux points of {name!r}; "
            "set mask_fit to false there"
        )
    if n_points := int((~(np.isfinite(bins.select(errors)) & (bins.select(errors) > 0))).sum()):
        raise FitError(
            f"the error is not positive and finite for {n_points} of the fitted flux points of "
            f"{name!r}; "
            "set their errors, or set mask_fit to false there"
        )


def check_bins(likelihood: CompiledLikelihood) -> None:
    """Check that there are bins to fit.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood.

    Raises
    ------
    FitError
        If the masks of all datasets are empty.
    """
    masks = [getattr(dataset, "bins", None) for dataset in likelihood.datasets]
    if masks and all(bins is not None and not bins.mask.any() for bins in masks):
        names = _format_names(dataset.name for dataset in likelihood.datasets)
        raise FitError(
            f"no bin is fitted: the mask of {names} is empty; widen mask_safe or mask_fit"
        )


def check_source_positions(likelihood: CompiledLikelihood) -> None:
    """Check that every source with free parameters contributes to a dataset.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood.

    Raises
    ------
    FitError
        If a source with free parameters starts outside the fitted part of all maps.
    """
    # sources that do not contribute to a dataset, and the name of the dataset, by source name
    non_contributing: dict[str, list[tuple[str, Any]]] = {}
    sources_on_maps, constrained_indices = set[str](), set[int]()
    for dataset in likelihood.datasets:
        for contribution in getattr(dataset, "contributions", ()):
            if getattr(contribution, "contributes", True):
                sources_on_maps.add(contribution.name)
                constrained_indices.update(contribution.free)
            else:
                non_contributing.setdefault(contribution.name, []).append(
                    (dataset.name, contribution)
                )
        if isinstance(dataset, GammapyDataset):  # it is unknown which sources contribute here
            sources_on_maps.update(model.name for model in dataset.dataset.models or ())
    for name, contributions in non_contributing.items():
        source = contributions[0][1]
        if name in sources_on_maps or source.free <= constrained_indices:
            continue
        position = source.model.position
        longitude, latitude = position.data.lon.deg, position.data.lat.deg
        raise FitError(
            f"source {name!r} does not reach any dataset: its position, longitude {longitude:.6g} "
            f"deg, latitude {latitude:.6g} deg ({position.frame.name}), is outside the fitted part "
            f"of the maps of {_format_names(dataset for dataset, _ in contributions)}; "
            "move it, or remove it"
        )


def check_predictions(likelihood: CompiledLikelihood) -> None:
    """Check that every model predicts finite counts at the start of the fit.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The compiled likelihood.

    Raises
    ------
    FitError
        If a contribution to the counts is NaN or infinite. The message lists parameters that are
        zero or at a limit, where some models are not defined.
    """
    space = likelihood.space
    limits = np.array(space.limits()).reshape(-1, 2)
    start = likelihood.state(np.clip(likelihood.initial_state[space.free], *limits.T))
    for dataset in likelihood.datasets:
        for contribution in getattr(dataset, "contributions", ()):
            if np.isfinite(contribution.counts(start).total):
                continue
            values = _describe_extreme_values(space, contribution.name)
            raise FitError(
                f"the counts of {dataset.name!r} predicted by model {contribution.name!r} are not "
                f"finite at the start of the fit{f' ({values})' if values else ''}; "
                "change its parameters"
            )


def _describe_extreme_values(space: ParameterSpace, name: str) -> str:
    """Describe the parameters of a model that are zero or at a limit."""
    model = next((model for model in space.models if model.name == name), None)
    descriptions = [
        f"{parameter.name} = {parameter.value:.6g} {parameter.unit}".rstrip()
        for parameter in (() if model is None else model.parameters)
        if parameter.value in (0, parameter.min, parameter.max)
        and parameter.name not in ("lon_0", "lat_0")
    ]
    return ", ".join(descriptions)


def _data(array: Any) -> Any:
    return getattr(array, "data", array)


def _format_names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
