"""The makers of maps, around gammapy's: `map`, `safe-mask`, `fov-background`."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.errors import FieldError, Problem, SkipObservation
from skyred.fields import Location, Position, Regions, option, position, quantity, regions
from skyred.interfaces import Maker, component

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from gammapy.maps import WcsGeom, WcsNDMap

PARTS = ("counts", "exposure", "background", "psf", "edisp")
RESPONSES = {"exposure": "aeff", "background": "bkg", "psf": "psf", "edisp": "edisp"}
NORMS = ("pl-norm", "lp-norm", "ecpl-norm")
METHODS = ("aeff-default", "aeff-max", "edisp-bias", "offset-max", "bkg-peak")


@component
class MapData(Maker):
    """Counts, exposure, background, PSF and energy dispersion, projected onto the map."""

    kind = "map"
    parts: tuple[str, ...] = option(PARTS, choices=PARTS, many=True, doc="What is made.")
    background_oversampling: int | None = option(
        None, type=int, min=1, doc="Oversampling of the background in energy."
    )

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Responses that the chosen parts are made of."""
        return tuple(RESPONSES[part] for part in self.parts if part in RESPONSES)

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Fill the maps with gammapy's `MapDatasetMaker`."""
        from gammapy.makers import MapDatasetMaker

        maker = MapDatasetMaker(
            selection=list(self.parts), background_oversampling=self.background_oversampling
        )
        return maker.run(dataset, observation)


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
        None, doc="Where area and bias are judged; by default the centre of the map."
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


@component
class FoVBackground(Maker):
    """The background template, normalised to the counts outside an exclusion."""

    kind = "fov-background"
    method: str = option("fit", choices=("scale", "fit"), doc="How: one factor, or a fit.")
    exclude: Regions = regions(
        (),
        doc="Where sources are: DS9 regions, .reg files, or FITS mask maps (0 where excluded; "
        "what a mask map does not cover is not excluded).",
    )
    spectral: str = option(
        "pl-norm", choices=NORMS, doc="Norm model of the background, by gammapy's tag."
    )
    free_tilt: bool = option(False, doc="Whether the tilt of pl-norm is fitted too.")
    min_counts: int = option(0, min=0, doc="A run needs more counts than this outside.")
    min_background: float = option(
        0.0, min=0, doc="A run needs more predicted background than this outside."
    )

    def validate(self) -> Iterable[Problem]:
        """A tilt can only be fitted."""
        if self.free_tilt and self.method != "fit":
            yield Problem(("free_tilt",), "needs method: fit", "leave it out, or fit")

    def check_deeply(self) -> Iterable[Problem]:
        """Every exclusion must be one: gammapy takes an unreadable one for none at all."""
        try:
            self.exclude.build()
            for mask in self.exclude.masks:
                _mask_map(mask)
        except FieldError as error:
            yield error.problem.below("exclude")
        except (OSError, ValueError) as error:
            yield Problem(("exclude",), f"cannot be read: {error}", "expected regions or a map")

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Normalise with gammapy's `FoVBackgroundMaker`; skips a run that it fails for."""
        from gammapy.makers import FoVBackgroundMaker

        maker = FoVBackgroundMaker(
            method=self.method,
            exclusion_mask=self._mask(dataset.counts.geom),
            spectral_model=self._spectral(),
            min_counts=self.min_counts,
            min_npred_background=self.min_background,
        )
        safe = dataset.mask_safe.copy() if dataset.mask_safe else None
        dataset = maker.run(dataset, observation)
        # gammapy gives up on a run by emptying its safe mask, with a log line
        if dataset.mask_safe is not None and not dataset.mask_safe.data.any():
            raise SkipObservation(self._why_not(dataset, safe))
        return dataset

    def _why_not(self, dataset: MapDataset, safe: WcsNDMap | None) -> str:
        inside = self._mask(dataset.counts.geom).data
        if safe is not None:
            inside = inside & safe.data
        counts = int(dataset.counts.data[inside].sum())
        background = float(dataset.background.data[inside].sum())
        found = f"{counts} counts for {background:.1f} predicted outside the exclusion"
        if counts > self.min_counts and background > self.min_background:
            return f"the background cannot be normalised: {found}, but gammapy's maker gave up"
        needed = f"{self.min_counts} counts and {self.min_background} predicted"
        return f"the background cannot be normalised: {found}, more are needed than {needed}"

    def _spectral(self) -> Any:
        from gammapy.modeling.models import Model

        model = Model.create(self.spectral, model_type="spectral")
        if self.free_tilt:
            model.tilt.frozen = False
        return model

    def _mask(self, geom: WcsGeom) -> WcsNDMap:
        """Give the map that is True where no source is, on the geometry of a dataset."""
        from gammapy.maps import Map

        image = geom.to_image()
        allowed = np.ones(image.data_shape, dtype=bool)
        if excluded := self.exclude.build():
            allowed &= image.region_mask(excluded, inside=False).data
        for place in self.exclude.masks:
            # what a mask map does not cover is not excluded
            covered = _mask_map(place).interp_to_geom(image, fill_value=1)
            allowed &= covered.data.astype(bool)
        return Map.from_geom(geom, data=np.broadcast_to(allowed, geom.data_shape).copy())


def _mask_map(place: Location) -> WcsNDMap:
    """Read a mask map, or take it as it was read for another run if the file is the same still."""
    state = place.path().stat()
    return _read_mask(place.path(), state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=4)
def _read_mask(path: Path, changed: int, size: int) -> WcsNDMap:
    from gammapy.maps import Map

    mask = Map.read(path)
    if not mask.geom.is_image:
        mask = mask.reduce_over_axes()
    mask.data = mask.data.astype(bool)
    return mask
