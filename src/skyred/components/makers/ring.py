"""The makers `ring-background` and `adaptive-ring-background`: off counts from a ring."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.components.makers.on_off import with_off
from skyred.components.makers.ring_checks import ring_problems
from skyred.components.makers.ring_sums import OffMaps, add_around, first_enough
from skyred.components.makers.scripted import skip_if_empty, write_exclusion
from skyred.errors import ExportError, Problem, SkipObservation, SkyredWarning
from skyred.fields import Regions, exclusion, option, quantity
from skyred.interfaces import Chain, Maker, component, value

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset, MapDatasetOnOff
    from gammapy.maps import WcsNDMap

    from skyred.scripting import Script


@value
class Ring(Maker):
    """Off counts of each pixel, from those around it: what both makers share.

    The background template says how many off counts stand for one in the pixel. Berge, Funk &
    Hinton (2007), A&A 466, 1219, section 3.2.
    """

    needs = ("bkg",)
    r_in: u.Quantity = quantity(unit="deg", min="0 deg", doc="Inner radius of the ring.")
    exclude: Regions = exclusion()

    @property
    @abstractmethod
    def reach(self) -> str:
        """Say how far the rings go, for messages."""

    @abstractmethod
    def off(self, counts: WcsNDMap, background: WcsNDMap, safe: Any, inside: Any) -> OffMaps:
        """Give off counts and off acceptance of each pixel; `inside` is where they come from."""

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of the map, the order of the makers and the exclusion."""
        yield from ring_problems(self, pipeline)
        yield from self.exclude.problems("exclude")

    def make(self, dataset: MapDataset, observation: Observation) -> MapDatasetOnOff:
        """Give the dataset with off counts.

        Raises
        ------
        SkipObservation
            If no pixel finds background in its ring.
        """
        geom = dataset.counts.geom
        safe = dataset.mask_safe.copy(data=dataset.mask_safe.data.astype(bool))
        if dataset.background is None or geom.data_shape[0] != 1:
            raise ValueError(
                f"the maker {self.kind!r} needs a background template in one energy bin"
            )
        # only what is safe: gammapy takes off counts from outside the safe mask too
        inside = self.exclude.outside(geom) & safe
        if not inside.data.any():
            raise SkipObservation("the exclusion leaves nothing inside the safe mask")
        background = dataset.npred_background()
        maps = self.off(dataset.counts, background, safe.data[0], inside.data[0])
        found = safe & safe.copy(data=maps.found[np.newaxis])
        self._say(int(safe.data.sum()), int(found.data.sum()))
        counts_off = dataset.counts.copy(data=maps.counts[np.newaxis])
        acceptance_off = background.copy(data=maps.acceptance[np.newaxis])
        # an acceptance with no off acceptance beside it would be an alpha of 1e308
        acceptance = background.copy(data=background.data * maps.found)
        made = with_off(dataset, counts_off, acceptance, acceptance_off)
        made.mask_safe = found
        return made

    def _say(self, safe: int, found: int) -> None:
        if found == 0:
            raise SkipObservation(f"no pixel finds background in its ring ({self.reach})")
        if found < safe:
            message = f"{safe - found} of {safe} safe pixels find no background in their ring"
            warnings.warn(f"{message} ({self.reach}): taken out", SkyredWarning, stacklevel=3)


@component
class RingBackground(Ring):
    """Background of each pixel from a ring around it; gives off counts."""

    kind = "ring-background"
    makes = ("off",)
    width: u.Quantity = quantity(unit="deg", min="0 deg", doc="Width of the ring.")

    def validate(self) -> Iterable[Problem]:
        """A ring must have an area."""
        if self.width <= 0:
            yield Problem(("width",), f"is {self.width}", "expected more than 0 deg")

    @property
    def reach(self) -> str:
        """Say how far the ring goes."""
        return f"{self.r_in} to {(self.r_in + self.width).to(self.r_in.unit)}"

    def off(self, counts: WcsNDMap, background: WcsNDMap, safe: Any, inside: Any) -> OffMaps:
        """Sum over gammapy's ring."""
        from gammapy.makers import RingBackgroundMaker

        ring = RingBackgroundMaker(r_in=self.r_in, width=self.width).kernel(counts).array
        return add_around(counts.data[0], background.data[0], inside, ring)

    def write_script(self, script: Script) -> None:
        """Run gammapy's maker, its exclusion all that is not safe too."""
        script.use("gammapy.makers", "RingBackgroundMaker")
        maker, radii = script.local("ring_maker"), (self.r_in, self.width)
        r_in, width = (script.quantity(each) for each in radii)
        script.body.add(f"{maker} = RingBackgroundMaker(r_in={r_in}, width={width})")
        script.loop.add("# off counts are taken from where the data are safe, and no source is")
        allowed = "dataset.mask_safe"
        if self.exclude:
            mask = write_exclusion(script, self.exclude, "dataset.counts.geom", "loop")
            allowed = f"{mask} & {allowed}"
        script.loop.add(
            f"{maker}.exclusion_mask = {allowed}",
            f"dataset = {maker}.run(dataset)",
        )
        skip_if_empty(script)
        script.on_off = True


@component
class AdaptiveRingBackground(Ring):
    """Background of each pixel from a ring that grows until it holds enough; gives off counts."""

    kind = "adaptive-ring-background"
    makes = ("off",)
    r_out_max: u.Quantity = quantity(
        unit="deg", min="0 deg", doc="Largest outer radius of the ring."
    )
    width: u.Quantity = quantity(unit="deg", min="0 deg", doc="Width of the ring, at first.")
    stepsize: u.Quantity = quantity("0.02 deg", min="0 deg", doc="What the ring grows by.")
    threshold_alpha: float = option(
        0.1, min=0, doc="Largest ratio of the background within theta to that of the ring."
    )
    theta: u.Quantity = quantity(
        "0.22 deg", min="0 deg", doc="Radius around a pixel in which its background is summed."
    )
    method: str = option(
        "fixed_width",
        choices=("fixed_width", "fixed_r_in"),
        doc="How it grows: outwards as it is, or in width.",
    )

    def validate(self) -> Iterable[Problem]:
        """There must be a ring to begin with, and a way to grow."""
        for name in ("width", "stepsize", "theta", "threshold_alpha"):
            if getattr(self, name) <= 0:
                yield Problem((name,), f"is {getattr(self, name)}", "expected more than 0")
        if self.r_in + self.width >= self.r_out_max:
            expected = f"expected more than r_in and width together, {self.r_in + self.width}"
            yield Problem(("r_out_max",), f"is {self.r_out_max}", expected)

    @property
    def reach(self) -> str:
        """Say how far the rings go."""
        return f"up to {self.r_out_max}, with alpha up to {self.threshold_alpha:g}"

    def off(self, counts: WcsNDMap, background: WcsNDMap, safe: Any, inside: Any) -> OffMaps:
        """Sum over the first of gammapy's rings that holds enough."""
        around = self._near(background, safe)
        pairs = (counts.data[0], background.data[0])
        rings = (add_around(*pairs, inside, ring) for ring in self._rings(counts))
        return first_enough(rings, around, self.threshold_alpha)

    def write_script(self, script: Script) -> None:
        """Refuse: gammapy's maker takes `theta` for something else."""
        raise ExportError(
            "has no plain gammapy form: gammapy's maker multiplies theta by the size of a pixel "
            "instead of dividing by it; take ring-background"
        )

    def _rings(self, counts: WcsNDMap) -> Sequence[Any]:
        from gammapy.makers import AdaptiveRingBackgroundMaker

        maker = AdaptiveRingBackgroundMaker(
            r_in=self.r_in,
            r_out_max=self.r_out_max,
            width=self.width,
            stepsize=self.stepsize,
            method=self.method,
        )
        return [kernel.array for kernel in maker.kernels(counts)]

    def _near(self, background: WcsNDMap, safe: Any) -> Any:
        # gammapy multiplies theta by the size of a pixel instead of dividing: to it theta is nil
        from astropy.convolution import Tophat2DKernel

        size = background.geom.pixel_scales[0]
        disc = Tophat2DKernel((self.theta / size).to_value("")).array
        return add_around(background.data[0], background.data[0], safe, disc).acceptance
