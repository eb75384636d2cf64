"""The likelihood of datasets: the sum over them, as a function of the free parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from skyred.interfaces.objective import Conditional
from skyred.likelihood.compile import Flattener
from skyred.likelihood.cross_check import Trust
from skyred.likelihood.datasets import FlatDataset
from skyred.likelihood.input_checks import check_parameters
from skyred.likelihood.parameters import ParameterSpace
from skyred.likelihood.shapes import PointShape

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from numpy.typing import NDArray

    from skyred.interfaces.objective import Derivative
    from skyred.interfaces.records import FitResult
    from skyred.likelihood.parameters import Vector

    Array = NDArray[np.float64]
    Index = NDArray[np.int64]


STEP_OF_DIFFERENCES = 1e-3  # of a parameter's step


class Total:
    """The sum over datasets that are laid out flat.

    Parameters
    ----------
    space : ParameterSpace
        Which parameters are free.
    datasets : sequence of FlatDataset
        The datasets.
    notes : sequence of str
        What is evaluated by gammapy, and why.
    """

    def __init__(
        self, space: ParameterSpace, datasets: Sequence[FlatDataset], notes: Iterable[str] = ()
    ) -> None:
        self.space, self.datasets = space, datasets
        self.notes = tuple(dict.fromkeys(notes))
        self.frozen = self.space.state()

    @property
    def exact(self) -> bool:
        """Whether gradient and Fisher matrix are."""
        return all(dataset.exact for dataset in self.datasets)

    @property
    def may_be_non_smooth(self) -> NDArray[np.bool_]:
        """Along which free parameters the statistic may have kinks, shape (n,)."""
        places = {place for dataset in self.datasets for place in dataset.may_be_non_smooth}
        return np.array([place in places for place in self.space.free.tolist()], dtype=bool)

    @property
    def costly(self) -> NDArray[np.bool_]:
        """Which free parameters are of the shape of an extended source, shape (n,)."""
        places: set[int] = set()
        for dataset in self.datasets:
            for part in getattr(dataset, "parts", ()):
                if hasattr(part, "cutout") and part.contributes:
                    point = isinstance(part.shape, PointShape)
                    places |= set() if point else part.share.free_places
        return np.array([place in places for place in self.space.free.tolist()], dtype=bool)

    @property
    def factors(self) -> NDArray[np.bool_]:
        """Which free parameters are factors of the flux of a source, shape (n,)."""
        parts = [part for dataset in self.datasets for part in getattr(dataset, "parts", ())]
        spectra = [part.spectrum for part in parts if hasattr(part, "spectrum")]
        places = {int(each.share.places[each.norm]) for each in spectra if each.norm is not None}
        return np.array([place in places for place in self.space.free.tolist()], dtype=bool)

    def state(self, x: Vector) -> Vector:
        """Give the values of all parameters for those of the free ones."""
        state = self.frozen.copy()
        state[self.space.free] = x
        return state

    def stat(self, x: Vector) -> float:
        """Give the fit statistic, without priors; NaN where a parameter is not finite."""
        if not np.isfinite(x).all():  # as MIGRAD tries when it is lost
            return np.nan
        state = self.state(x)
        return sum(dataset.stat(state) for dataset in self.datasets)

    def gradient(self, x: Vector) -> Array:
        """Return its gradient, shape (n,)."""
        return self._gradient(self.space.free, x)

    def gradient_by(self, places: Index) -> Derivative:
        """Return a function for the gradient by some of the free parameters, shape (k,)."""
        return partial(self._gradient, self.space.free[places])

    def fisher(self, x: Vector) -> Array:
        """Return the Fisher matrix, the second derivatives that are left on average, (n, n)."""
        return self._fisher(self.space.free, x)

    def condition(self, places: Index, x: Vector) -> Conditional:
        """Return the statistic as a function of some of the free parameters.

        Parameters
        ----------
        places : array of int
            Which of the free parameters, shape (k,).
        x : array
            The free parameters, shape (n,): the values of the others.

        Returns
        -------
        Conditional
            Only the model contributions that depend on these parameters are evaluated.
        """
        chosen, state = self.space.free[places], self.state(x)
        wanted = frozenset(chosen.tolist())
        total = copy(self)
        total.datasets = [dataset.condition(state, wanted) for dataset in self.datasets]
        gradient, fisher = partial(total._gradient, chosen), partial(total._fisher, chosen)
        return Conditional(total.stat, gradient, fisher)

    @property
    def blocks(self) -> list[Index]:
        """The free parameters that belong to one model or to models with common parameters."""
        index = {place: at for at, place in enumerate(self.space.free.tolist())}
        groups = [set(part.free) for each in self.datasets for part in getattr(each, "parts", ())]
        blocks: list[set[int]] = []
        for group in groups:
            apart = [block for block in blocks if block.isdisjoint(group)]
            blocks = [*apart, group.union(*(b for b in blocks if not b.isdisjoint(group)))]
        ordered = [np.array(sorted(index[place] for place in block)) for block in blocks if block]
        complete = sum(map(len, ordered)) == len(index)
        return sorted(ordered, key=lambda block: int(block[0])) if complete else []

    def _gradient(self, chosen: Index, x: Vector) -> Array:
        state = self.state(x)
        if any(dataset.clips(state) for dataset in self.datasets):
            return self._differences(chosen, x)
        index = {place: at for at, place in enumerate(chosen.tolist())}
        gradient, wanted = np.zeros(len(chosen)), frozenset(index)
        for dataset in self.datasets:
            for place, slope in dataset.gradient(state, wanted).items():
                gradient[index[place]] += slope
        return gradient

    def _fisher(self, chosen: Index, x: Vector) -> Array:
        state = self.state(x)
        index = {place: at for at, place in enumerate(chosen.tolist())}
        fisher, wanted = np.zeros((len(chosen), len(chosen))), frozenset(index)
        for dataset in self.datasets:
            places, block = dataset.fisher(state, wanted)
            at = np.array([index[place] for place in places.tolist()], dtype=int)
            fisher[np.ix_(at, at)] += block
        return fisher

    def _differences(self, chosen: Index, x: Vector) -> Array:
        """Return the gradient by differences, where predicted counts are clipped at zero."""
        wanted = np.isin(self.space.free, chosen)
        steps = STEP_OF_DIFFERENCES * self.space.steps()
        return np.array(
            [
                (self.stat(x + step) - self.stat(x - step)) / (2 * step.sum())
                for step in np.diag(steps)[wanted]
            ]
        )

    def refresh(self, x: Vector) -> bool:
        """Look the IRFs of all sources up at the values in a vector.

        Between two calls the statistic is a function of the vector alone: IRFs are those of the
        last call, or of the start; sources that leave their cutout have those of the nearest node
        of a grid. After a call it is that of `Datasets.stat_sum` for models that are assigned anew.

        Parameters
        ----------
        x : array
            The free parameters, shape (n,).

        Returns
        -------
        bool
            Whether any source has other spatial parameters than at the last call; if not, the
            statistic is unchanged.
        """
        state = self.state(x)
        changes = [dataset.refresh(state) for dataset in self.datasets]
        return any(changes)

    def npred(self, x: Vector) -> dict[str, Array]:
        """Return the predicted counts of each dataset, as gammapy's `Dataset.npred`.

        They include the background, of on-off data too. Of flux points the predicted flux, in
        cm-2 s-1 TeV-1.
        """
        state = self.state(x)
        return {dataset.name: dataset.npred(state) for dataset in self.datasets}

    def accept(self, result: FitResult) -> None:
        """Write a result to the models."""
        self.space.write_back(result)


class Likelihood(Total):
    """Datasets with their models, laid out flat.

    One evaluation goes from a vector of the free parameters to a state of all of them
    (`ParameterSpace`), for each source to its flux (`Spectrum`) and its template (`Shape`,
    `Footprint`), from both to predicted counts (`Source`, `ScaledCounts`), and from their sum to
    the statistic (`Cash`, `WStat`, `ChiSquare`).

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        With models assigned.
    check : bool
        Whether every source is compared with gammapy first; else those with classes that are not
        gammapy's own.

    Attributes
    ----------
    notes : tuple of str
        What is evaluated by gammapy, and why.
    """

    def __init__(self, datasets: Datasets, check: bool = False) -> None:
        space = ParameterSpace.of(datasets)
        check_parameters(space)
        flattener = Flattener(space, Trust(check))
        flat = [flattener.flat(each) for each in datasets]
        super().__init__(space, flat, flattener.notes)
