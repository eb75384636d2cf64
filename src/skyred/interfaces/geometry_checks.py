"""What a maker asks of the whole pipeline: its data entries, and the geometry they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skyred.errors import Problem
from skyred.interfaces.chain import Chain
from skyred.interfaces.data_entry import Reduction
from skyred.interfaces.geometry import Geometry
from skyred.interfaces.maker import Maker


def reductions_using(maker: Maker, pipeline: Chain) -> Iterator[tuple[str, Reduction]]:
    """Yield the data entries that a maker is part of, with their names."""
    for entry, reduction in pipeline.reductions():
        if any(other is maker for other in getattr(reduction, "make", ())):
            yield entry, reduction


def geometry_problems(maker: Maker, needed: str, pipeline: Chain) -> Iterable[Problem]:
    """Name a geometry whose datasets are not of the type that a maker needs.

    Parameters
    ----------
    maker : Maker
        The maker.
    needed : {"map", "spectrum"}
        The type, as `Geometry.dataset_type`.
    pipeline : Chain
        All of the pipeline.
    """
    for entry, reduction in reductions_using(maker, pipeline):
        geometry = getattr(reduction, "geometry", None)
        if not isinstance(geometry, Geometry):
            continue  # it could not be built
        found = geometry.dataset_type
        if found not in (None, needed):
            yield Problem(
                (),
                f"the maker {maker.kind!r} needs the geometry {needed!r}, "
                f"and that of data.{entry} is {geometry.kind!r}",
                "change one of the two",
            )
