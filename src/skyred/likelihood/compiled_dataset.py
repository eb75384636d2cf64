"""The interface of compiled datasets: statistic, derivatives and predicted counts of a state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]
    Indices = frozenset[int]


class CompiledDataset(Protocol):
    """Dataset that the likelihood can evaluate.

    A state is the vector of the values of all parameters, free and frozen; see `ParameterSpace`.

    Attributes
    ----------
    name : str
        The name of the dataset.
    """

    name: str

    @property
    def exact(self) -> bool:
        """Whether all derivatives are accurate enough for Newton steps; see `Contribution`."""
        ...

    def stat(self, state: Vector) -> float:
        """Return the fit statistic.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        float
            The fit statistic.
        """
        ...

    def gradient(self, state: Vector, indices: Indices) -> dict[int, float]:
        """Return the derivatives of the statistic.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        dict of float
            The derivatives, by the index of the parameter in the state; only of parameters that
            the dataset depends on.
        """
        ...

    def fisher(self, state: Vector, indices: Indices) -> tuple[Index, Array]:
        """Return the Fisher matrix.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters to differentiate with respect to.

        Returns
        -------
        indices : array of int
            Indices in the state of the k parameters that the dataset depends on, shape (k,).
        matrix : array
            The Fisher matrix, shape (k, k).
        """
        ...

    @property
    def may_be_non_smooth(self) -> set[int]:
        """Parameters along which the statistic may have non-differentiable points.

        Returns
        -------
        set of int
            Indices in the state.
        """
        ...

    def may_clip(self, state: Vector) -> bool:
        """Return whether negative predicted counts may be set to zero.

        If so, the derivatives are not valid.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether predicted counts may be clipped.
        """
        ...

    def refresh(self, state: Vector) -> bool:
        """Look up the IRFs again, at the source positions of a state.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        bool
            Whether the IRFs of any source were looked up again.
        """
        ...

    def condition(self, state: Vector, indices: Indices) -> CompiledDataset:
        """Return the dataset as a function of some parameters, with the others fixed.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).
        indices : frozenset of int
            State indices of the parameters that vary.

        Returns
        -------
        CompiledDataset
            The dataset, with the sum of the fixed contributions.
        """
        ...

    def npred(self, state: Vector) -> Array:
        """Return the predicted counts, including the background.

        Parameters
        ----------
        state : array
            Values of all parameters, shape (m,).

        Returns
        -------
        array
            Predicted counts in the shape of the data.
        """
        ...
