"""What a maker asks of the whole pipeline: its data entries, and the geometry they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skyred.errors import Problem
from skyred.interfaces.chain import Chain, Reduction
from skyred.interfaces.geometry import Geometry
from skyred.interfaces.maker import Maker


def entries_of(maker: Maker, pipeline: Chain) -> Iterator[tuple[str, Reduction]]:
    """Yield the data entries that a maker is part of, with their names."""
    for entry, reduction in pipeline.entries():
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
    for entry, reduction in entries_of(maker, pipeline):
        if not isinstance(reduction.geometry, Geometry):
            continue  # it could not be built
        found = reduction.geometry.dataset_type
        if found not in (None, needed):
            yield Problem(
                (),
                f"the maker {maker.kind!r} needs the geometry {needed!r}, "
                f"and that of data.{entry} is {reduction.geometry.kind!r}",
                "change one of the two",
            )
