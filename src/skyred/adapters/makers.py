"""gammapy's makers as components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyred.adapters.signatures import refusal, runs, runs_with
from skyred.errors import SkipObservation
from skyred.fields import foreign
from skyred.interfaces import Maker, component

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.data import Observation
    from gammapy.datasets import Dataset


def adapt_maker(other: object) -> Maker | None:
    """Take a gammapy maker: anything with ``run(dataset, observation)``.

    Returns
    -------
    Maker or None
        None if it has no ``run``.

    Raises
    ------
    FieldError
        If its ``run`` takes something else.
    """
    if not runs(other):
        return None
    if not runs_with(other, "dataset", "observation"):
        what = "expected a maker, with run(dataset, observation)"
        if hasattr(other, "makers"):
            what += "; it is a chain of its own: put its makers here, one by one"
        raise refusal(other, what)
    return AdaptedMaker(adapted=other)


@component
class AdaptedMaker(Maker):
    """A gammapy maker as it is."""

    kind = "adapted"
    needs = None
    adapted: Any = foreign(doc="Anything with run(dataset, observation).")

    @property
    def largest_offset(self) -> Quantity | None:
        """The ``offset_max`` of gammapy's safe mask, if its method is used."""
        methods = getattr(self.adapted, "methods", ())
        found: Quantity | None = getattr(self.adapted, "offset_max", None)
        return found if "offset-max" in methods else None

    def make(self, dataset: Dataset, observation: Observation) -> Dataset:
        """Run the gammapy maker.

        Raises
        ------
        SkipObservation
            If it empties the safe mask: so gammapy's makers leave out a run.
        TypeError
            If it gives no dataset.
        """
        held = _holds_something(dataset)
        made = self.adapted.run(dataset=dataset, observation=observation)
        name = type(self.adapted).__name__
        if not hasattr(made, "mask_safe"):
            raise TypeError(f"{name}.run gave {made!r:.80}; expected a dataset")
        if held and not _holds_something(made):
            raise SkipObservation(f"{name} leaves nothing in the safe mask")
        return made


def _holds_something(dataset: Dataset) -> bool:
    return dataset.mask_safe is not None and bool(dataset.mask_safe.data.any())
