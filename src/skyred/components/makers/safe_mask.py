"""The maker `safe-mask`: the range of energy and offset with reliable data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from astropy import units as u

from skyred.components.makers.checks import on_regions
from skyred.components.makers.scripted import skip_if_empty
from skyred.errors import Problem, SkipObservation
from skyred.fields import Position, option, position, quantity
from skyred.interfaces import Chain, Maker, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset

    from skyred.scripting import Script

METHODS = ("aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak")


@component
class SafeMask(Maker):
    """The range of energy and offset with reliable data."""

    kind = "safe-mask"
    makes = ("mask",)
    methods: tuple[str, ...] = option(
        ("aeff-default",),
        choices=METHODS,
        many=True,
        doc="Methods; safe pixels are those that pass all of them.",
    )
    aeff_percent: float = option(
        10.0,
        min=0,
        max=100,
        doc="Smallest accepted effective area, in percent of the maximum (aeff-max).",
    )
    bias_percent: float = option(
        10.0, min=0, max=100, doc="Largest energy bias in percent (edisp-bias)."
    )
    position: Position | None = position(
        None,
        doc="Position at which effective area and energy bias are evaluated; by default the centre "
        "of the map or of the on region (DL4), or the pointing (DL3).",
    )
    fixed_offset: u.Quantity | None = quantity(
        None,
        unit="deg",
        min="0 deg",
        doc="Offset at which effective area and energy bias are evaluated, instead of a position.",
    )
    offset_max: u.Quantity = quantity(
        "3 deg", min="0 deg", doc="Largest offset from the pointing (offset-max)."
    )
    irfs: str = option(
        "DL4",
        choices=("DL4", "DL3"),
        doc="Whether projected (DL4) or raw (DL3) IRFs are used.",
    )

    @property
    def largest_offset(self) -> u.Quantity | None:
        """The option ``offset_max`` if the method ``offset-max`` is used; None for no limit."""
        return self.offset_max if "offset-max" in self.methods else None

    def validate(self) -> Iterable[Problem]:
        """Check that at least one method is set, and not both a position and an offset.

        Yields
        ------
        Problem
            No method, or both a position and an offset.
        """
        if not self.methods:
            yield Problem(
                ("methods",), "is empty", f"expected at least one of {', '.join(METHODS)}"
            )
        if self.position is not None and self.fixed_offset is not None:
            yield Problem(
                ("position",), "cannot be combined with fixed_offset", "remove one of them"
            )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check that a position or offset has an effect.

        gammapy ignores both for spectra with DL4 IRFs.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            A position or offset without effect.
        """
        for name in ("position", "fixed_offset"):
            if getattr(self, name) is None or self.irfs == "DL3":
                continue
            for entry_name, _ in on_regions(self, pipeline):
                yield Problem(
                    (name,),
                    "has no effect: the DL4 IRFs are evaluated for the on region of "
                    f"data.{entry_name}",
                    f"set irfs: DL3, or remove {name}",
                )

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Set the safe mask with the methods of gammapy's `SafeMaskMaker`.

        Unlike in gammapy, ``aeff-max`` with DL4 IRFs keeps the first energy bin if its area is
        above the limit.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset of the run, as returned by the previous maker.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.datasets.MapDataset
            The dataset, with its safe mask.

        Raises
        ------
        SkipObservation
            If no pixel is safe.
        """
        from skyred.components.makers.effective_area import AreaMaskMaker

        maker = AreaMaskMaker(
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
            raise SkipObservation(f"the safe mask ({', '.join(self.methods)}) excludes all pixels")
        return dataset

    def write_script(self, script: Script) -> None:
        """Write code that runs gammapy's maker, with the options of the selected methods.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.makers", "SafeMaskMaker")
        options = [f"methods={literal(self.methods)}"]
        if "aeff-max" in self.methods:
            options.append(f"aeff_percent={literal(self.aeff_percent)}")
        if "edisp-bias" in self.methods:
            options.append(f"bias_percent={literal(self.bias_percent)}")
        if "offset-max" in self.methods:
            options.append(f"offset_max={script.quantity(self.offset_max)}")
        if self.position is not None:
            options.append(f"position={script.position('SAFE_MASK_POSITION', self.position)}")
        if self.fixed_offset is not None:
            options.append(f"fixed_offset={script.quantity(self.fixed_offset)}")
        if self.irfs != "DL4":
            options.append(f"irfs={literal(self.irfs)}")
        maker = script.local("safe_mask_maker")
        script.body.add(f"{maker} = SafeMaskMaker({', '.join(options)})")
        if "aeff-max" in self.methods and self.irfs == "DL4":
            from skyred.components.makers.effective_area import write_area_mask

            write_area_mask(script, maker, self.aeff_percent)
        script.loop.add(f"dataset = {maker}.run(dataset, observation)")
        skip_if_empty(script)
