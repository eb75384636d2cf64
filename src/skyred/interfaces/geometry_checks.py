"""Checks of the data entries that use a maker, and of their geometries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skyred.errors import Problem
from skyred.interfaces.chain import Chain
from skyred.interfaces.data_entry import Reduction
from skyred.interfaces.geometry import Geometry
from skyred.interfaces.maker import Maker


def reductions_using(maker: Maker, pipeline: Chain) -> Iterator[tuple[str, Reduction]]:
    """Yield the data entries that use a maker, with their names.

    Parameters
    ----------
    maker : Maker
        The maker.
    pipeline : Chain
        The pipeline.

    Yields
    ------
    name : str
        The name of the data entry.
    reduction : Reduction
        The data entry.
    """
    for name, reduction in pipeline.reductions():
        if any(candidate is maker for candidate in getattr(reduction, "make", ())):
            yield name, reduction


def geometry_problems(maker: Maker, dataset_type: str, pipeline: Chain) -> Iterable[Problem]:
    """Yield a problem for each geometry with a dataset type that a maker does not support.

    Parameters
    ----------
    maker : Maker
        The maker.
    dataset_type : {"map", "spectrum"}
        The type of dataset that the maker needs, as in `Geometry.dataset_type`.
    pipeline : Chain
        The pipeline.

    Yields
    ------
    Problem
        One for each data entry with the wrong geometry.
    """
    for name, reduction in reductions_using(maker, pipeline):
        geometry = getattr(reduction, "geometry", None)
        if not isinstance(geometry, Geometry):
            continue  # the geometry could not be built
        if geometry.dataset_type not in (None, dataset_type):
            yield Problem(
                (),
                f"the maker {maker.kind!r} needs a geometry for {dataset_type} datasets, "
                f"but data.{name} has the geometry {geometry.kind!r}",
                "change the maker or the geometry",
            )
