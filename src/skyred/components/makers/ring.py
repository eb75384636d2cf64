"""The maker `ring-background`, and the base class of the makers with off counts from a ring."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.makers.checks import exclusion_problems
from skyred.components.makers.on_off import add_off_counts
from skyred.components.makers.ring_checks import ring_problems
from skyred.components.makers.ring_sums import OffMaps, sum_around
from skyred.components.makers.scripted import skip_if_empty, write_exclusion
from skyred.errors import Problem, SkipObservation, SkyredWarning
from skyred.fields import Regions, exclusion, quantity
from skyred.interfaces import Chain, Maker, component, value

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset, MapDatasetOnOff
    from gammapy.maps import WcsNDMap

    from skyred.scripting import Script


@value
class Ring(Maker):
    """The base class of the ring makers: off counts of each pixel from the pixels around it.

    Alpha is the ratio of the background template in the pixel to its sum over the ring.

    References
    ----------
    Berge, Funk & Hinton (2007), A&A 466, 1219, section 3.2.
    """

    needs = ("bkg",)
    r_in: u.Quantity = quantity(unit="deg", min="0 deg", doc="Inner radius of the ring.")
    exclude: Regions = exclusion()

    @property
    @abstractmethod
    def description(self) -> str:
        """The radii of the rings, as text for messages."""

    @abstractmethod
    def compute_off(
        self, counts: WcsNDMap, background: WcsNDMap, safe_mask: Any, off_mask: Any
    ) -> OffMaps:
        """Compute the off counts and the off acceptance of each pixel.

        Parameters
        ----------
        counts : gammapy.maps.WcsNDMap
            The counts, in one energy bin.
        background : gammapy.maps.WcsNDMap
            The background template, in the same pixels.
        safe_mask : numpy.ndarray of bool
            The safe mask, shape (height, width).
        off_mask : numpy.ndarray of bool
            The safe pixels outside the exclusion, same shape: off counts come from these.

        Returns
        -------
        OffMaps
            The off counts and the off acceptance of each pixel.
        """

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the map, the order of the makers and the exclusion.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        yield from ring_problems(self, pipeline)
        yield from exclusion_problems(self.exclude, self, pipeline)

    def make(self, dataset: MapDataset, observation: Observation) -> MapDatasetOnOff:
        """Add off counts to the dataset.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset of the run, as returned by the previous maker.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.datasets.MapDatasetOnOff
            The dataset with off counts. Pixels without enough background in their ring are removed
            from the safe mask.

        Raises
        ------
        SkipObservation
            If the exclusion covers all safe pixels, or no pixel has enough background in its ring.
        ValueError
            If the dataset has no background template, or more than one energy bin.
        """
        geom = dataset.counts.geom
        safe_mask = dataset.mask_safe.copy(data=dataset.mask_safe.data.astype(bool))
        if dataset.background is None or geom.data_shape[0] != 1:
            raise ValueError(
                f"the maker {self.kind!r} needs a background template in one energy bin"
            )
        # only safe pixels, whereas gammapy also uses off counts outside the safe mask
        off_mask = self.exclude.outside(geom) & safe_mask
        if not off_mask.data.any():
            raise SkipObservation("the exclusion covers all safe pixels")
        background = dataset.npred_background()
        maps = self.compute_off(dataset.counts, background, safe_mask.data[0], off_mask.data[0])
        valid = safe_mask & safe_mask.copy(data=maps.valid[np.newaxis])
        self._check_valid_pixels(int(safe_mask.data.sum()), int(valid.data.sum()))
        counts_off = dataset.counts.copy(data=maps.counts[np.newaxis])
        acceptance_off = background.copy(data=maps.acceptance[np.newaxis])
        # pixels with acceptance but without off acceptance would have an alpha of 1e308
        acceptance = background.copy(data=background.data * maps.valid)
        on_off = add_off_counts(dataset, counts_off, acceptance, acceptance_off)
        on_off.mask_safe = valid
        return on_off

    def _check_valid_pixels(self, n_safe: int, n_valid: int) -> None:
        """Warn if some safe pixels have no sufficient ring; skip the run if no pixel has one."""
        if n_valid == 0:
            raise SkipObservation(
                f"no pixel has enough background in its ring ({self.description})"
            )
        if n_valid < n_safe:
            message = (
                f"{n_safe - n_valid} of {n_safe} safe pixels have too little background in their "
                f"ring ({self.description}): removed from the safe mask"
            )
            warnings.warn(message, SkyredWarning, stacklevel=3)


@component
class RingBackground(Ring):
    """Off counts of each pixel from a ring around it."""

    kind = "ring-background"
    makes = ("off",)
    width: u.Quantity = quantity(unit="deg", min="0 deg", doc="Width of the ring.")

    def validate(self) -> Iterable[Problem]:
        """Check that the ring has an area.

        Yields
        ------
        Problem
            A width that is not positive.
        """
        if self.width <= 0:
            yield Problem(("width",), f"invalid value {self.width}", "expected more than 0 deg")

    @property
    def description(self) -> str:
        """The radii of the ring, as text for messages."""
        return f"{self.r_in} to {(self.r_in + self.width).to(self.r_in.unit)}"

    def compute_off(
        self, counts: WcsNDMap, background: WcsNDMap, safe_mask: Any, off_mask: Any
    ) -> OffMaps:
        """Sum counts and background over the ring kernel of gammapy's `RingBackgroundMaker`.

        Parameters
        ----------
        counts : gammapy.maps.WcsNDMap
            The counts, in one energy bin.
        background : gammapy.maps.WcsNDMap
            The background template, in the same pixels.
        safe_mask : numpy.ndarray of bool
            The safe mask, shape (height, width).
        off_mask : numpy.ndarray of bool
            The safe pixels outside the exclusion, same shape: off counts come from these.

        Returns
        -------
        OffMaps
            The off counts and the off acceptance of each pixel.
        """
        from gammapy.makers import RingBackgroundMaker

        ring = RingBackgroundMaker(r_in=self.r_in, width=self.width).kernel(counts).array
        return sum_around(counts.data[0], background.data[0], off_mask, ring)

    def write_script(self, script: Script) -> None:
        """Write code that runs gammapy's maker, with an exclusion that includes the unsafe pixels.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.makers", "RingBackgroundMaker")
        maker, radii = script.local("ring_maker"), (self.r_in, self.width)
        r_in, width = (script.quantity(radius) for radius in radii)
        script.body.add(f"{maker} = RingBackgroundMaker(r_in={r_in}, width={width})")
        script.loop.add("# off counts are taken from safe pixels outside the exclusion")
        off_mask = "dataset.mask_safe"
        if self.exclude:
            mask = write_exclusion(script, self.exclude, "dataset.counts.geom", "loop")
            off_mask = f"{mask} & {off_mask}"
        script.loop.add(
            f"{maker}.exclusion_mask = {off_mask}",
            f"dataset = {maker}.run(dataset)",
        )
        skip_if_empty(script)
        script.on_off = True
