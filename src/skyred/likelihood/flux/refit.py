"""Joint fits of the norm of a source and the free parameters of other models.

If only norm spectra of backgrounds are free, all other model contributions are fixed, so only these
norm spectra have to be evaluated again (`Refit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.interfaces.objective import Objective
from skyred.likelihood.bins import Bins
from skyred.likelihood.count_templates import ScaledCounts
from skyred.likelihood.counts_dataset import CountsDataset
from skyred.likelihood.fixed_counts import sum_of_cubes
from skyred.likelihood.flux.columns import FittedNorm
from skyred.likelihood.flux.norm import Norm
from skyred.likelihood.flux.norm_signal import Signal
from skyred.likelihood.flux.profile import FixedProfile, RefittedProfile
from skyred.likelihood.flux.slices import EnergySlices, SplitDataset
from skyred.likelihood.likelihood import CompiledLikelihood, Likelihood
from skyred.likelihood.minimise import minimise
from skyred.likelihood.objective import build_objective
from skyred.likelihood.priors import Priors
from skyred.likelihood.statistics import Cash

if TYPE_CHECKING:
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    from skyred.interfaces.records import FitResult
    from skyred.likelihood.contribution import Contribution
    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]


@attrs.define(eq=False)
class Refit:
    """Joint fit of the norm of a source and the free parameters of backgrounds.

    Parameters
    ----------
    space : ParameterSpace
        The parameters of all models, followed by the norm.
    split_datasets : dict of SplitDataset
        The datasets by name, split into source and other models.
    source : str
        The name of the source.
    free : set of int
        State indices of the free parameters of other models.
    """

    space: ParameterSpace
    split_datasets: Mapping[str, SplitDataset]
    source: str
    free: set[int]

    @classmethod
    def from_likelihood(
        cls, likelihood: Likelihood, slices: EnergySlices, model: SkyModel, norm: Parameter
    ) -> Self | None:
        """Return the refit for a likelihood, if only norm spectra of backgrounds are free.

        Parameters
        ----------
        likelihood : Likelihood
            The likelihood.
        slices : EnergySlices
            The datasets of the likelihood, split into source and other models.
        model : gammapy.modeling.models.SkyModel
            The source.
        norm : gammapy.modeling.Parameter
            The norm.

        Returns
        -------
        Refit or None
            The refit; None if other parameters are free too, or there are priors.
        """
        space = likelihood.space
        free = set(space.free.tolist()) - set(space.indices_of(model.parameters).tolist())
        split_datasets = {split.dataset.name: split for split in slices.split_datasets}
        others = [
            contribution
            for split in split_datasets.values()
            for contribution in split.dataset.contributions
            if contribution.name != model.name
        ]
        if Priors(space) or any(
            _free_indices(contribution, free) is None for contribution in others
        ):
            return None
        space = attrs.evolve(space, parameters=[*space.parameters, norm])
        return cls(space, split_datasets, str(model.name), free)

    @property
    def index(self) -> int:
        """Index of the norm in the state."""
        return len(self.space.parameters) - 1

    def fit(self, ranges: Mapping[str, tuple[int, int]], start: Norm, sign: int = 1) -> FittedNorm:
        """Fit the norm in ranges of energy bins of some of the datasets.

        Parameters
        ----------
        ranges : dict of (int, int)
            First energy bin, and the bin after the last one, by dataset.
        start : Norm
            Start of the fit: the norm that was fitted with all other parameters fixed.
        sign : {-1, 1}
            Sign of the flux of the source, by which the signal is multiplied.

        Returns
        -------
        FittedNorm
            The fitted norm.
        """
        datasets = [
            self._select_energies(self.split_datasets[name], *bins, sign)
            for name, bins in ranges.items()
        ]
        others = [
            contribution
            for name in ranges
            for contribution in self.split_datasets[name].dataset.contributions
            if contribution.name != self.source
        ]
        other_indices = [_free_indices(contribution, self.free) or set() for contribution in others]
        free = [*sorted(set().union(*other_indices)), self.index]
        likelihood = CompiledLikelihood(attrs.evolve(self.space, free=np.array(free)), datasets)
        objective = _build_objective_without_priors(likelihood)
        values, norm, profile = _fit_norm(objective, len(free) - 1, start)
        state = likelihood.state(values)
        slices = [
            self._evaluate_at(self.split_datasets[name], state).slice(*bins, sign)
            for name, bins in ranges.items()
        ]
        fixed_profile = FixedProfile([dataset_slice.term for dataset_slice in slices])
        return FittedNorm(norm, profile, slices, fixed_profile)

    def _select_energies(
        self, split: SplitDataset, first: int, last: int, sign: int
    ) -> CountsDataset:
        """Return a dataset in a range of energy bins, with all fixed contributions summed."""
        dataset = split.dataset
        mask = np.zeros_like(dataset.bins.mask)
        mask[first:last] = dataset.bins.mask[first:last]
        range_mask = split.range_mask(first, last)
        bins = Bins(mask, dataset.bins.indices[range_mask])
        state, fixed_counts = self.space.state(), np.zeros(mask.shape)
        contributions: list[Contribution] = [Signal(sign * split.signal, self.index, bins)]
        for contribution in dataset.contributions:
            if contribution.name == self.source:
                continue
            if isinstance(contribution, ScaledCounts) and _free_indices(contribution, self.free):
                contributions.append(contribution.select(bins))
            else:
                fixed_counts += contribution.cube(state)
        energy = split.axis.center
        contributions.append(ScaledCounts("", fixed_counts, None, energy, bins, self.space))
        statistic: Any = split.wstat(range_mask) or Cash(bins.select(dataset.counts))
        return CountsDataset(dataset.name, contributions, bins, dataset.counts, statistic)

    def _evaluate_at(self, split: SplitDataset, state: Vector) -> SplitDataset:
        """Return a split dataset with the background for a state, and the source at norm one."""
        others = [
            contribution
            for contribution in split.dataset.contributions
            if contribution.name != self.source
        ]
        background = sum_of_cubes(others, split.signal.shape, state)
        return attrs.evolve(split, background=background)


def _free_indices(contribution: Any, free: set[int]) -> set[int] | None:
    """Return the state indices of the free parameters of a contribution.

    None if it has free parameters, but is not a template with a norm spectrum.
    """
    owner = contribution if hasattr(contribution, "state_indices") else contribution.subset
    indices = set(owner.state_indices.tolist()) & free
    return None if indices and not isinstance(contribution, ScaledCounts) else indices


def refit_likelihood(
    likelihood: Likelihood, source: str, parameter: Parameter, start: Norm
) -> FittedNorm:
    """Fit the norm of a source and all other free parameters of a likelihood.

    Parameters
    ----------
    likelihood : Likelihood
        The likelihood. Its parameters are set to the result, and the norm is set to one.
    source : str
        The name of the source.
    parameter : gammapy.modeling.Parameter
        The norm, one of the free parameters.
    start : Norm
        Start of the fit: the norm that was fitted with all other parameters fixed.

    Returns
    -------
    FittedNorm
        The fitted norm.
    """
    parameter_ids = [id(free_parameter) for free_parameter in likelihood.space.free_parameters]
    index = parameter_ids.index(id(parameter))
    values, norm, profile = _fit_norm(build_objective(likelihood), index, start)
    likelihood.space.set(values)
    parameter.value = 1.0
    slices = EnergySlices(likelihood, source).all()
    fixed_profile = FixedProfile([dataset_slice.term for dataset_slice in slices])
    return FittedNorm(norm, profile, slices, fixed_profile)


def _fit_norm(
    objective: Objective, index: int, start: Norm
) -> tuple[Vector, Norm, RefittedProfile]:
    """Fit all parameters of an objective, from a norm that was fitted with the others fixed.

    Parameters
    ----------
    objective : Objective
        The objective of n parameters.
    index : int
        Index of the norm in its parameters.
    start : Norm
        The norm at which the fit starts, unless its fit failed.

    Returns
    -------
    values : array
        The best values of all parameters, shape (n,).
    norm : Norm
        The fitted norm.
    profile : RefittedProfile
        The statistic along the norm.
    """
    if start.success and np.isfinite(start.value):
        values = objective.start.copy()
        values[index] = np.clip(start.value, *objective.limits[index])
        objective = attrs.evolve(objective, start=values)
    result = minimise(objective)
    profile = RefittedProfile(attrs.evolve(objective, start=result.values), index)
    return result.values, _norm_from_result(result, index, start.scale), profile


def _norm_from_result(result: FitResult, index: int, scale: float) -> Norm:
    """Return the norm in a fit result; its scale is the error, or the given one without error."""
    value, error = float(result.values[index]), float(result.errors[index])
    is_constrained = np.isfinite(error) and error > 0
    # the norm may be constrained although other parameters are degenerate, such as norm and tilt
    # of a background in one energy bin
    success = result.success or (bool(result.unconstrained) and is_constrained)
    return Norm(value, error, float(result.stat), bool(success), error if is_constrained else scale)


def _build_objective_without_priors(likelihood: CompiledLikelihood) -> Objective:
    space = likelihood.space
    return Objective(
        names=[f"parameter {index}" for index in space.free],
        start=likelihood.initial_state[space.free],
        limits=space.limits(),
        steps=space.steps(),
        stat=likelihood.stat,
        gradient_of=likelihood.gradient,
        fisher_of=likelihood.fisher,
        may_be_non_smooth=likelihood.may_be_non_smooth,
    )
