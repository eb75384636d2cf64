"""The maker `safe-mask`: the range in which the data can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from astropy import units as u

from skyred.defaults.gammapy.makers.checks import on_regions
from skyred.errors import Problem, SkipObservation
from skyred.fields import Position, option, position, quantity
from skyred.interfaces import Chain, Maker, component

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset

METHODS = ("aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak")


@component
class SafeMask(Maker):
    """The range of energy and offset in which the data can be trusted."""

    kind = "safe-mask"
    methods: tuple[str, ...] = option(
        ("aeff-default",), choices=METHODS, many=True, doc="Methods, combined with and."
    )
    aeff_percent: float = option(
        10.0, min=0, max=100, doc="Percentage of the largest effective area (aeff-max)."
    )
    bias_percent: float = option(
        10.0, min=0, max=100, doc="Largest energy bias in percent (edisp-bias)."
    )
    position: Position | None = position(
        None, doc="Where area and bias are judged; by default the centre of the map or on region."
    )
    fixed_offset: u.Quantity | None = quantity(
        None, unit="deg", min="0 deg", doc="Offset at which they are judged, instead of a position."
    )
    offset_max: u.Quantity = quantity(
        "3 deg", min="0 deg", doc="Largest offset from the pointing (offset-max)."
    )
    irfs: str = option(
        "DL4",
        choices=("DL4", "DL3"),
        doc="Whether projected (DL4) or raw (DL3) responses are used.",
    )

    def validate(self) -> Iterable[Problem]:
        """A position or an offset, not both; some method."""
        if not self.methods:
            yield Problem(("methods",), "is empty", f"expected some of {', '.join(METHODS)}")
        if self.position is not None and self.fixed_offset is not None:
            yield Problem(("position",), "is given beside fixed_offset", "give one of the two")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """A place must have an effect: gammapy passes over it where there is the on region only."""
        for name in ("position", "fixed_offset"):
            if getattr(self, name) is None or self.irfs == "DL3":
                continue
            for entry, _ in on_regions(self, pipeline):
                yield Problem(
                    (name,),
                    f"is of no use: the DL4 responses of data.{entry} are those of its on region",
                    "give irfs: DL3, or leave it out",
                )

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Set the mask with gammapy's `SafeMaskMaker`; skips a run that is left with nothing."""
        from gammapy.makers import SafeMaskMaker

        maker = SafeMaskMaker(
            methods=list(self.methods),
            aeff_percent=self.aeff_percent,
            bias_percent=self.bias_percent,
            position=self.position.skycoord if self.position else None,
            fixed_offset=self.fixed_offset,
            offset_max=self.offset_max,
            irfs=self.irfs,
        )
        dataset = maker.run(dataset, observation)
        if not dataset.mask_safe.data.any():
            raise SkipObservation(f"the safe mask ({', '.join(self.methods)}) leaves nothing")
        return dataset
