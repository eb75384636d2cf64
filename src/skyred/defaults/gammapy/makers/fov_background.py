"""The maker `fov-background`: the template normalised to the counts of the field of view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skyred.defaults.gammapy.makers.checks import geometry_problems
from skyred.defaults.gammapy.makers.exclusions import EXCLUDE, allowed, exclusion_problems
from skyred.errors import Problem, SkipObservation
from skyred.fields import Regions, option, regions
from skyred.interfaces import Chain, Maker, component

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from gammapy.maps import WcsNDMap

NORMS = ("pl-norm", "lp-norm", "ecpl-norm")


@component
class FoVBackground(Maker):
    """The background template, normalised to the counts outside an exclusion."""

    kind = "fov-background"
    method: str = option("fit", choices=("scale", "fit"), doc="How: one factor, or a fit.")
    exclude: Regions = regions((), doc=EXCLUDE)
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

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """The geometry must be a map."""
        yield from geometry_problems(self, "map", pipeline)

    def check_deeply(self) -> Iterable[Problem]:
        """Every exclusion must be one: gammapy takes an unreadable one for none at all."""
        yield from exclusion_problems(self.exclude)

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Normalise with gammapy's `FoVBackgroundMaker`; skips a run that it fails for."""
        from gammapy.makers import FoVBackgroundMaker

        maker = FoVBackgroundMaker(
            method=self.method,
            exclusion_mask=allowed(self.exclude, dataset.counts.geom),
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
        inside = allowed(self.exclude, dataset.counts.geom).data
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
