"""Reference makers: gammapy's makers, whose results faster makers must reproduce."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import Dataset

    Compare = Callable[[Any, "Dataset", Callable[[], "Dataset"], "Observation"], None]

_COMPARE: ContextVar[Compare | None] = ContextVar("_COMPARE", default=None)


def run_with_reference(
    maker: Any, reference: Any, dataset: Dataset, observation: Observation
) -> Dataset:
    """Run a gammapy maker, and compare its dataset with that of a reference if this is requested.

    The reference gets copies of the input, so that it cannot change the result.

    Parameters
    ----------
    maker, reference : object
        The maker and its reference: objects with ``run(dataset, observation)``.
    dataset : gammapy.datasets.Dataset
        The dataset of the run, as returned by the previous maker.
    observation : gammapy.data.Observation
        The run.

    Returns
    -------
    gammapy.datasets.Dataset
        The dataset of the maker.
    """
    compare = _COMPARE.get()
    if compare is None:
        return maker.run(dataset, observation)
    copies = copy.deepcopy((dataset, observation))
    result: Dataset = maker.run(dataset, observation)
    compare(reference, result, partial(reference.run, *copies), observation)
    return result


@contextmanager
def comparison_with_references(compare: Compare) -> Iterator[None]:
    """Compare the datasets of `run_with_reference` with those of its reference in this context.

    Parameters
    ----------
    compare : callable
        Called after each maker with its reference, the dataset of the maker, a function that
        returns the dataset of the reference, and the observation.
    """
    token = _COMPARE.set(compare)
    try:
        yield
    finally:
        _COMPARE.reset(token)
