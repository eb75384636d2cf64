"""gammapy's makers as components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyred.adapters.signatures import accepts_arguments, has_run, signature_error
from skyred.errors import SkipObservation
from skyred.fields import foreign
from skyred.interfaces import Maker, component

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset


def adapt_maker(candidate: object) -> Maker | None:
    """Return a gammapy maker as a component.

    Parameters
    ----------
    candidate : object
        The maker: an object with ``run(dataset, observation)``.

    Returns
    -------
    Maker or None
        The component; None if `candidate` has no ``run``.

    Raises
    ------
    FieldError
        If the ``run`` of `candidate` takes other arguments.
    """
    if not has_run(candidate):
        return None
    if not accepts_arguments(candidate, "dataset", "observation"):
        expected = "expected a maker, with run(dataset, observation)"
        if hasattr(candidate, "makers"):
            expected += "; this object combines several makers: add them one by one"
        raise signature_error(candidate, expected)
    return AdaptedMaker(adapted=candidate)


@component
class AdaptedMaker(Maker):
    """An adapted gammapy maker."""

    kind = "adapted"
    needs = None
    adapted: Any = foreign(doc="An object with run(dataset, observation).")

    @property
    def largest_offset(self) -> Quantity | None:
        """The ``offset_max`` of gammapy's `SafeMaskMaker`, if it uses the method "offset-max"."""
        methods = getattr(self.adapted, "methods", ())
        offset_max: Quantity | None = getattr(self.adapted, "offset_max", None)
        return offset_max if "offset-max" in methods else None

    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Run the gammapy maker.

        Parameters
        ----------
        dataset : Dataset
            The dataset; it may be modified.
        observation : Observation
            The observation.

        Returns
        -------
        Dataset
            The dataset that the maker returns, with the name of `dataset`.

        Raises
        ------
        SkipObservation
            If the maker empties the safe mask, as gammapy's makers do to exclude a run.
        """
        had_safe_bins, name_of_dataset = _has_safe_bins(dataset), dataset.name
        reduced_dataset = self.adapted.run(dataset=dataset, observation=observation)
        name = type(self.adapted).__name__
        if not hasattr(reduced_dataset, "mask_safe"):
            return reduced_dataset  # an error of the run, which names the maker
        if reduced_dataset.name != name_of_dataset:  # gammapy drops it in PhaseBackgroundMaker
            reduced_dataset._name = name_of_dataset
        if had_safe_bins and not _has_safe_bins(reduced_dataset):
            raise SkipObservation(f"{name} leaves no bins in the safe mask")
        return reduced_dataset


def _has_safe_bins(dataset: Dataset) -> bool:
    return dataset.mask_safe is not None and bool(dataset.mask_safe.data.any())
