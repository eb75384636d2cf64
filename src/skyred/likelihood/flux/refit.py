"""Joint fits of the norm of a source and the norm spectra of backgrounds.

All other model contributions are fixed, so only the norm spectra of the backgrounds have to be
evaluated again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from skyred.interfaces.objective import Objective
from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Counts, weighted_slopes
from skyred.likelihood.count_templates import ScaledCounts
from skyred.likelihood.counts_dataset import CountsDataset
from skyred.likelihood.fixed_counts import sum_of_cubes
from skyred.likelihood.flux.columns import FittedNorm
from skyred.likelihood.flux.norm import Norm
from skyred.likelihood.flux.profile import FixedProfile, RefittedProfile
from skyred.likelihood.likelihood import CompiledLikelihood, Likelihood
from skyred.likelihood.minimise import minimise
from skyred.likelihood.priors import Priors
from skyred.likelihood.statistics import Cash

if TYPE_CHECKING:
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SkyModel
    from numpy.typing import NDArray

    from skyred.interfaces.records import FitResult
    from skyred.likelihood.contribution import Contribution
    from skyred.likelihood.flux.slices import EnergySlices, SplitDataset
    from skyred.likelihood.parameters import ParameterSpace, Vector

    Array = NDArray[np.float64]


class Signal:
    """Model contribution of the source, with its norm as the parameter.

    Parameters
    ----------
    counts : array
        Predicted counts at norm one in every bin, shape (energies, y, x).
    index : int
        Index of the norm in the state.
    bins : Bins
        The bins of the dataset.
    """

    name, exact = "", True

    def __init__(self, counts: Array, index: int, bins: Bins) -> None:
        self.template, self.index = counts, index
        self.free = frozenset([index])
        self.unit_counts = Counts(bins.select(counts), float(counts[bins.mask].sum()))

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Empty set: the counts are linear in the norm."""
        return set()

    def bin_indices(self) -> slice:
        """Return all selected bins.

        Returns
        -------
        slice
            All indices.
        """
        return slice(None)

    def counts(self, state: Vector) -> Counts:
        """Return the predicted counts.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        Counts
            The predicted counts.
        """
        norm = float(state[self.index])
        return Counts(norm * self.unit_counts.by_bin, norm * self.unit_counts.total)

    def slopes(self, state: Vector, indices: frozenset[int]) -> Iterator[tuple[int, Counts]]:
        """Yield the derivative of the predicted counts with respect to the norm.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            Ignored.

        Yields
        ------
        (int, Counts)
            Index of the norm in the state, and the derivative.
        """
        yield self.index, self.unit_counts

    def gradient(
        self, state: Vector, weights: Array, weight_of_total: float, indices: frozenset[int]
    ) -> Iterator[tuple[int, float]]:
        """Return the derivative of a weighted sum of the predicted counts with respect to the norm.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        weights : array
            Weights of the counts in the selected bins, shape (k,).
        weight_of_total : float
            Weight of the total counts.
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        iterator of (int, float)
            Index of the norm in the state, and the derivative.
        """
        return weighted_slopes(self, state, weights, weight_of_total, indices)

    def cube(self, state: Vector) -> Array:
        """Return the predicted counts in every bin, masked or not.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts, shape (energies, y, x).
        """
        return float(state[self.index]) * self.template

    def may_be_negative(self, state: Vector) -> bool:
        """Return whether the norm is negative.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether predicted counts may be negative.
        """
        return bool(state[self.index] < 0)


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
        contributions = [
            contribution
            for split in split_datasets.values()
            for contribution in split.dataset.contributions
        ]
        others = [contribution for contribution in contributions if contribution.name != model.name]
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
        contributions = [
            contribution
            for name in ranges
            for contribution in self.split_datasets[name].dataset.contributions
        ]
        others = [
            contribution for contribution in contributions if contribution.name != self.source
        ]
        other_indices = [_free_indices(contribution, self.free) or set() for contribution in others]
        free = [*sorted(set().union(*other_indices)), self.index]
        likelihood = CompiledLikelihood(attrs.evolve(self.space, free=np.array(free)), datasets)
        objective = with_start(build_objective_without_priors(likelihood), len(free) - 1, start)
        result = minimise(objective)
        norm = norm_from_result(result, len(free) - 1, start.scale)
        profile = RefittedProfile(attrs.evolve(objective, start=result.values), len(free) - 1)
        state = likelihood.state(result.values)
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


def with_start(objective: Objective, index: int, norm: Norm) -> Objective:
    """Return an objective that starts at a fitted norm, clipped to the limits.

    Parameters
    ----------
    objective : Objective
        The objective.
    index : int
        Index of the norm in its parameters.
    norm : Norm
        The fitted norm.

    Returns
    -------
    Objective
        The objective with this start; the same objective if the fit of the norm failed.
    """
    low, high = objective.limits[index]
    if not norm.success or not np.isfinite(norm.value):
        return objective
    start = objective.start.copy()
    start[index] = np.clip(norm.value, low, high)
    return attrs.evolve(objective, start=start)


def norm_from_result(result: FitResult, index: int, scale: float) -> Norm:
    """Return the norm in a fit result.

    Parameters
    ----------
    result : FitResult
        Result of the fit of the norm and other parameters.
    index : int
        Index of the norm in the parameters.
    scale : float
        First distance in the search for errors and limits if the norm has no error.

    Returns
    -------
    Norm
        The norm.
    """
    value, error = float(result.values[index]), float(result.errors[index])
    is_constrained = np.isfinite(error) and error > 0
    # the norm may be constrained although other parameters are degenerate, such as norm and tilt
    # of a background in one energy bin
    success = result.success or (bool(result.unconstrained) and is_constrained)
    return Norm(value, error, float(result.stat), bool(success), error if is_constrained else scale)


def build_objective_without_priors(likelihood: CompiledLikelihood) -> Objective:
    """Build the objective of datasets without priors.

    Parameters
    ----------
    likelihood : CompiledLikelihood
        The likelihood of the datasets.

    Returns
    -------
    Objective
        The objective of its free parameters.
    """
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
