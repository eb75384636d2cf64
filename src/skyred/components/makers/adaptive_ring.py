"""The maker `adaptive-ring-background`: off counts from a ring that grows for each pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from astropy import units as u

from skyred.components.makers.ring import Ring
from skyred.components.makers.ring_sums import OffMaps, select_first_sufficient_ring, sum_around
from skyred.errors import ExportError, Problem
from skyred.fields import option, quantity
from skyred.interfaces import component

if TYPE_CHECKING:
    from gammapy.maps import WcsNDMap

    from skyred.scripting import Script


@component
class AdaptiveRingBackground(Ring):
    """Off counts of each pixel from a ring that grows until it has enough background."""

    kind = "adaptive-ring-background"
    makes = ("off",)
    r_out_max: u.Quantity = quantity(
        unit="deg", min="0 deg", doc="Largest outer radius of the ring."
    )
    width: u.Quantity = quantity(unit="deg", min="0 deg", doc="Initial width of the ring.")
    stepsize: u.Quantity = quantity("0.02 deg", min="0 deg", doc="Step by which the ring grows.")
    threshold_alpha: float = option(
        0.1, min=0, doc="Largest ratio of the background within theta to that in the ring."
    )
    theta: u.Quantity = quantity(
        "0.22 deg", min="0 deg", doc="Radius of the disc over which the background is summed."
    )
    method: str = option(
        "fixed_width",
        choices=("fixed_width", "fixed_r_in"),
        doc="How the ring grows: in radius at fixed width, or in width at fixed r_in.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the lengths are positive, and that the ring can grow.

        Yields
        ------
        Problem
            An option that is not positive, or an outer radius that is too small.
        """
        for name in ("width", "stepsize", "theta", "threshold_alpha"):
            if getattr(self, name) <= 0:
                yield Problem(
                    (name,), f"invalid value {getattr(self, name)}", "expected more than 0"
                )
        if self.r_in + self.width >= self.r_out_max:
            expected = f"expected more than the sum of r_in and width, {self.r_in + self.width}"
            yield Problem(("r_out_max",), f"invalid value {self.r_out_max}", expected)

    @property
    def description(self) -> str:
        """The largest outer radius of the rings and the threshold, as text for messages."""
        return f"up to {self.r_out_max}, with threshold_alpha {self.threshold_alpha:g}"

    def compute_off(
        self, counts: WcsNDMap, background: WcsNDMap, safe_mask: Any, off_mask: Any
    ) -> OffMaps:
        """Sum counts and background over the first ring kernel with enough background.

        The ring kernels are those of gammapy's `AdaptiveRingBackgroundMaker`.

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
        own_background = self._background_within_theta(background, safe_mask)
        images = (counts.data[0], background.data[0])
        rings = (sum_around(*images, off_mask, ring) for ring in self._rings(counts))
        return select_first_sufficient_ring(rings, own_background, self.threshold_alpha)

    def write_script(self, script: Script) -> None:
        """Raise an error, since gammapy's maker interprets `theta` differently.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            Always.
        """
        raise ExportError(
            "cannot be exported: gammapy's maker multiplies theta by the size of a pixel "
            "instead of dividing by it; use ring-background"
        )

    def _rings(self, counts: WcsNDMap) -> Sequence[Any]:
        """Return the ring kernels of gammapy's `AdaptiveRingBackgroundMaker`, smallest first.

        Parameters
        ----------
        counts : gammapy.maps.WcsNDMap
            The counts, for the pixel size.

        Returns
        -------
        list of numpy.ndarray
            The kernels; 1 in the ring, 0 elsewhere.
        """
        from gammapy.makers import AdaptiveRingBackgroundMaker

        maker = AdaptiveRingBackgroundMaker(
            r_in=self.r_in,
            r_out_max=self.r_out_max,
            width=self.width,
            stepsize=self.stepsize,
            method=self.method,
        )
        return [kernel.array for kernel in maker.kernels(counts)]

    def _background_within_theta(self, background: WcsNDMap, safe_mask: Any) -> Any:
        """Return the background within `theta` of each pixel, shape (height, width).

        Parameters
        ----------
        background : gammapy.maps.WcsNDMap
            The background template, in one energy bin.
        safe_mask : numpy.ndarray of bool
            The safe mask, shape (height, width).

        Returns
        -------
        numpy.ndarray
            The sum of the background over the disc of radius `theta`.
        """
        # not with gammapy's maker: it multiplies theta by the pixel size instead of dividing by it,
        # so that its disc is a single pixel
        from astropy.convolution import Tophat2DKernel

        pixel_size = background.geom.pixel_scales[0]
        disc = Tophat2DKernel((self.theta / pixel_size).to_value("")).array
        return sum_around(background.data[0], background.data[0], safe_mask, disc).acceptance
