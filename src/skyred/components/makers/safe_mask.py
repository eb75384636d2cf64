"""The maker `safe-mask`: the range of energy and offset with reliable data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred.components.geometries.axes import EnergyAxis
from skyred.components.makers.checks import on_regions
from skyred.components.makers.scripted import skip_if_empty
from skyred.errors import Problem, SkipObservation
from skyred.fields import Position, option, position, quantity
from skyred.interfaces import Chain, Maker, component, reductions_using
from skyred.interfaces.fit_range import TOLERANCE
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from numpy.typing import NDArray

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
        doc="Methods; safe pixels are those that pass all of them, inside the energy range. Can be "
        "empty if energy_min or energy_max is set.",
    )
    energy_min: u.Quantity | None = quantity(
        None,
        unit="TeV",
        min="1e-9 TeV",
        doc="Lowest safe reconstructed energy; a bin that is partly below it is not safe.",
    )
    energy_max: u.Quantity | None = quantity(
        None,
        unit="TeV",
        min="1e-9 TeV",
        doc="Highest safe reconstructed energy; a bin that is partly above it is not safe.",
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
        """Check the energy range, and that not both a position and an offset are set.

        Yields
        ------
        Problem
            Neither a method nor an energy range, an invalid range, or both a position and an
            offset.
        """
        low, high = self.energy_min, self.energy_max
        if not self.methods and low is None and high is None:
            yield Problem(
                ("methods",),
                "is empty",
                f"expected at least one of {', '.join(METHODS)}, or energy_min or energy_max",
            )
        if low is not None and high is not None and low >= high:
            yield Problem(
                ("energy_min",),
                f"{low} is not below energy_max, {high}",
                "expected the lowest and the highest safe energy",
            )
        if self.position is not None and self.fixed_offset is not None:
            yield Problem(
                ("position",), "cannot be combined with fixed_offset", "remove one of them"
            )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check that the energy range contains a bin, and that a position or offset has an effect.

        gammapy ignores both for spectra with DL4 IRFs.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            An energy range without a complete bin, or a position or offset without effect.
        """
        for entry_name, reduction in reductions_using(self, pipeline):
            axis = getattr(getattr(reduction, "geometry", None), "energy", None)
            if not isinstance(axis, EnergyAxis) or any(True for _ in axis.validate()):
                continue  # the geometry reports it
            if not self._safe_bins(axis.bin_edges()).any():
                low, high = axis.bounds
                yield Problem(
                    ("energy_min" if self.energy_min is not None else "energy_max",),
                    f"no energy bin of data.{entry_name} is entirely {self._energy_text}",
                    f"expected a range within {low} to {high} that contains at least one bin",
                )
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
        """Set the safe mask with the methods of gammapy's `SafeMaskMaker`, and the energy range.

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
        if self._energy_text:
            axis = dataset._geom.axes["energy"]
            dataset.mask_safe.data &= self._safe_bins(axis.edges)[:, None, None]
        if not dataset.mask_safe.data.any():
            names = ", ".join(filter(None, (*self.methods, self._energy_text)))
            raise SkipObservation(f"the safe mask ({names}) excludes all pixels")
        return dataset

    @property
    def _energy_text(self) -> str:
        """Description of the energy range; "" without a range."""
        low, high = self.energy_min, self.energy_max
        if low is not None and high is not None:
            return f"within {low} to {high}"
        return f"above {low}" if low is not None else f"below {high}" if high is not None else ""

    def _safe_bins(self, edges: u.Quantity) -> NDArray[np.bool_]:
        """Return the mask of the energy bins inside the energy range, as `Geom.energy_mask`.

        Edges that differ from the range only by rounding are inside.
        """
        safe = np.ones(len(edges) - 1, dtype=bool)
        if self.energy_min is not None:
            safe &= edges[:-1] >= self.energy_min * (1 - TOLERANCE)
        if self.energy_max is not None:
            safe &= edges[1:] <= self.energy_max * (1 + TOLERANCE)
        return safe

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
        bounds = [
            f"{name}={factor} * {script.quantity(getattr(self, name))}"
            for name, factor in (("energy_min", 1 - TOLERANCE), ("energy_max", 1 + TOLERANCE))
            if getattr(self, name) is not None
        ]
        if bounds:
            script.loop.add(
                f"dataset.mask_safe &= dataset.mask_safe.geom.energy_mask({', '.join(bounds)})"
            )
        skip_if_empty(script)
