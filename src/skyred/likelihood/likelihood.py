"""The likelihood of datasets as a function of the free parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.interfaces.objective import Conditional
from skyred.likelihood.compile import Compiler
from skyred.likelihood.compiled_dataset import CompiledDataset
from skyred.likelihood.contribution import HasCaches
from skyred.likelihood.cross_check import CrossCheck
from skyred.likelihood.input_checks import check_parameters
from skyred.likelihood.parameters import ParameterSpace

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative
    from skyred.interfaces.records import FitResult
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


DIFFERENCE_STEP = 1e-3  # in units of a parameter's step


class CompiledLikelihood:
    """Sum of the statistics of compiled datasets.

    Parameters
    ----------
    space : ParameterSpace
        The parameters, free and frozen.
    datasets : sequence of CompiledDataset
        The datasets.
    notes : iterable of str
        The datasets and models that gammapy evaluates, with the reasons.

    Attributes
    ----------
    initial_state : array
        Values of all parameters when the object was created, shape (m,).
    """

    def __init__(
        self, space: ParameterSpace, datasets: Sequence[CompiledDataset], notes: Iterable[str] = ()
    ) -> None:
        self.space, self.datasets = space, datasets
        self.notes = tuple(dict.fromkeys(notes))
        self.initial_state = self.space.state()

    @property
    def exact(self) -> bool:
        """Whether all derivatives are accurate enough for Newton steps; see `Contribution`."""
        return all(dataset.exact for dataset in self.datasets)

    @property
    def contributions(self) -> list[Any]:
        """The model contributions of all datasets that gammapy does not evaluate."""
        return [
            contribution
            for dataset in self.datasets
            for contribution in getattr(dataset, "contributions", ())
        ]

    @property
    def may_be_non_smooth(self) -> NDArray[np.bool_]:
        """Mask of parameters along which the statistic may be non-differentiable, shape (n,)."""
        return self.space.free_mask(
            index for dataset in self.datasets for index in dataset.may_be_non_smooth
        )

    def state(self, x: Vector) -> Vector:
        """Return the values of all parameters.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        array
            Values of all parameters, free and frozen, shape (m,).
        """
        state = self.initial_state.copy()
        state[self.space.free] = x
        return state

    def stat(self, x: Vector) -> float:
        """Return the fit statistic, without priors.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        float
            The statistic, -2 log L up to a constant; NaN if a parameter is not finite.
        """
        if not np.isfinite(x).all():  # MIGRAD passes such values when it diverges
            return np.nan
        state = self.state(x)
        return sum(dataset.stat(state) for dataset in self.datasets)

    def gradient(self, x: Vector) -> Array:
        """Return the gradient of the statistic.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        array
            The gradient, shape (n,).
        """
        return self._gradient(self.space.free, x)

    def gradient_by(self, positions: Index) -> Derivative:
        """Return a function for the gradient with respect to some of the free parameters.

        Parameters
        ----------
        positions : array of int
            Indices, in the vector of free parameters, of the parameters to differentiate with
            respect to, shape (k,).

        Returns
        -------
        callable
            Function of the free parameters, shape (n,), that returns the gradient, shape (k,).
        """
        return partial(self._gradient, self.space.free[positions])

    def fisher(self, x: Vector) -> Array:
        """Return the Fisher matrix: approximate second derivatives of the statistic.

        In this Gauss-Newton approximation, the second derivatives of the predicted counts are
        neglected. The weights of the bins are computed from the measured counts, not from their
        expectation values.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        array
            The Fisher matrix, shape (n, n).
        """
        return self._fisher(self.space.free, x)

    def condition(self, positions: Index, x: Vector) -> Conditional:
        """Return the statistic as a function of some of the free parameters.

        Parameters
        ----------
        positions : array of int
            Indices, in the vector of free parameters, of the parameters that vary, shape (k,).
        x : array
            The free parameters, shape (n,), with the values at which the others are fixed.

        Returns
        -------
        Conditional
            Statistic, gradient and Fisher matrix. Only the model contributions that depend on
            the varying parameters are evaluated.
        """
        indices, state = self.space.free[positions], self.state(x)
        varying = frozenset(indices.tolist())
        conditional = copy(self)
        conditional.datasets = [dataset.condition(state, varying) for dataset in self.datasets]
        gradient = partial(conditional._gradient, indices)
        fisher = partial(conditional._fisher, indices)
        return Conditional(conditional.stat, gradient, fisher)

    def _gradient(self, indices: Index, x: Vector) -> Array:
        state = self.state(x)
        if any(dataset.may_clip(state) for dataset in self.datasets):
            return self._finite_differences(indices, x)
        positions = {index: position for position, index in enumerate(indices.tolist())}
        gradient, requested_indices = np.zeros(len(indices)), frozenset(positions)
        for dataset in self.datasets:
            for index, slope in dataset.gradient(state, requested_indices).items():
                gradient[positions[index]] += slope
        return gradient

    def _fisher(self, indices: Index, x: Vector) -> Array:
        state = self.state(x)
        positions = {index: position for position, index in enumerate(indices.tolist())}
        fisher, requested_indices = np.zeros((len(indices), len(indices))), frozenset(positions)
        for dataset in self.datasets:
            block_indices, block = dataset.fisher(state, requested_indices)
            block_positions = np.array(
                [positions[index] for index in block_indices.tolist()], dtype=int
            )
            fisher[np.ix_(block_positions, block_positions)] += block
        return fisher

    def _finite_differences(self, indices: Index, x: Vector) -> Array:
        """Return the gradient by finite differences, for predicted counts clipped at zero."""
        is_requested = np.isin(self.space.free, indices)
        steps = DIFFERENCE_STEP * self.space.steps()
        return np.array(
            [
                (self.stat(x + step) - self.stat(x - step)) / (2 * step.sum())
                for step in np.diag(steps)[is_requested]
            ]
        )

    def refresh(self, x: Vector) -> bool:
        """Look up the IRFs again, at the source positions given by the free parameters.

        Between two calls, the statistic depends only on the free parameters: the IRFs are those of
        the last call, or of the start. A source that has left its cutout has the IRFs of the
        nearest node of a grid (`IrfPositions`). After a call, the statistic equals
        `Datasets.stat_sum` for newly assigned models.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        bool
            Whether the IRFs of any source were looked up again, which may change the statistic.
        """
        state = self.state(x)
        changes = [dataset.refresh(state) for dataset in self.datasets]
        return any(changes)

    def clear_caches(self) -> None:
        """Drop all cached values whose rounding errors depend on earlier calls.

        Results after a call are bit-identical, whatever was computed before. Otherwise they may
        differ in the last digits, since the first counts of a source shape are computed by another
        method than later ones (`Template`).
        """
        for dataset in self.datasets:
            if isinstance(dataset, HasCaches):
                dataset.clear_caches()

    def npred(self, x: Vector) -> dict[str, Array]:
        """Return the predicted counts of each dataset, as gammapy's `npred`.

        They include the background; for on-off data, its maximum likelihood estimate.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        dict of array
            Predicted counts by dataset name, in the shape of the data; for flux points, the
            predicted flux in cm-2 s-1 TeV-1.
        """
        state = self.state(x)
        return {dataset.name: dataset.npred(state) for dataset in self.datasets}

    def accept(self, result: FitResult) -> None:
        """Write a fit result to the models.

        Parameters
        ----------
        result : FitResult
            The result: values, errors and covariance.
        """
        self.space.write_back(result)


class Likelihood(CompiledLikelihood):
    """Compiled likelihood of datasets with their models.

    The vector of free parameters is first extended to a state, the values of all parameters
    (`ParameterSpace`). From the state, the flux (`SpectralFlux`) and the template
    (`Shape`, `Footprint`) of each source are computed. Their product is the predicted counts of
    the source (`SourceContribution`); backgrounds and count templates are usually
    `ScaledCounts`. The sum of all predicted counts enters the statistic (`Cash`, `WStat`,
    `ChiSquare`).

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        Datasets with models assigned.
    check : bool
        Whether to compare every source with gammapy first; by default, only sources whose model
        classes are not defined in gammapy are compared.

    Attributes
    ----------
    notes : tuple of str
        The datasets and models that gammapy evaluates, with the reasons.
    """

    def __init__(self, datasets: Datasets, check: bool = False) -> None:
        space = ParameterSpace.from_datasets(datasets)
        check_parameters(space)
        compiler = Compiler(space, CrossCheck(check))
        compiled = [compiler.compile(dataset) for dataset in datasets]
        super().__init__(space, compiled, compiler.notes)
