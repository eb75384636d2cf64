"""The maker `acceptance`: background from a model estimated from all runs, by zenith angle."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u

from skyred import (
    Chain,
    Maker,
    Problem,
    Regions,
    SkipObservation,
    array,
    component,
    exclusion,
    geometry_problems,
    option,
    quantity,
    specs,
)
from skyred_acceptance.camera import Array, Camera, observatory_location
from skyred_acceptance.checks import coverage_problems
from skyred_acceptance.model import rates, response
from skyred_acceptance.tally import Tally

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from gammapy.irf import BackgroundIRF

log = logging.getLogger(__name__)


@component
class Acceptance(Maker):
    """Background from an acceptance model, estimated from all runs outside exclusion regions."""

    makes = ("background",)
    kind = "acceptance"
    model: str = option(
        "radial",
        choices=("radial", "3d"),
        doc="Shape of the model in the field of view: radially symmetric, or any (3d).",
    )
    energy: u.Quantity = quantity(
        unit="TeV", count=2, doc="Range of reconstructed energy: at least that of the geometry."
    )
    energy_bins: int = option(8, min=1, doc="Number of energy bins, equal in log(energy).")
    offset_max: u.Quantity = quantity(
        "2.5 deg",
        max="10 deg",
        doc="Largest distance from the pointing (3d: in longitude and in latitude).",
    )
    offset_bins: int = option(10, min=1, doc="Number of bins from the pointing to offset_max.")
    alignment: str = option(
        "altaz",
        choices=("altaz", "radec"),
        doc="Alignment of the field of view for model: 3d: with the horizon or right ascension.",
    )
    zenith_edges: u.Quantity | None = quantity(
        None,
        unit="deg",
        many=True,
        min="0 deg",
        max="90 deg",
        doc="Edges of the bins in zenith angle at mid-run, each with its own model; by default one "
        "bin.",
    )
    zenith: str = option(
        "nearest",
        choices=("nearest", "interpolate"),
        doc="Model of a run: the model of its bin, or interpolated linearly in cos(zenith).",
    )
    exclude: Regions = exclusion()
    target_radius: u.Quantity | None = quantity(
        None, unit="deg", min="0 deg", doc="Also exclude this radius around the target of each run."
    )
    min_counts: int = option(10, min=1, doc="Minimum counts per bin of energy and zenith angle.")

    def validate(self) -> Iterable[Problem]:
        """Yield a problem for each range that does not increase or is not positive."""
        low, high = self.energy
        if not 0 * low < low < high:
            yield Problem(
                ("energy",), f"invalid range {self.energy}", "expected two increasing energies"
            )
        if self.offset_max <= 0:
            yield Problem(
                ("offset_max",), f"invalid value {self.offset_max}", "expected more than 0 deg"
            )
        edges = self.zenith_edges
        if edges is not None and (len(edges) < 2 or np.any(np.diff(edges.value) <= 0)):
            yield Problem(("zenith_edges",), f"invalid value {edges}", "expected increasing angles")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the geometry, the coverage of the model and the exclusion regions."""
        yield from geometry_problems(self, "map", pipeline)
        yield from coverage_problems(self, self.energy, self.offset_max, pipeline)
        yield from self.exclude.problems("exclude")

    @property
    def camera(self) -> Camera:
        """The bins of the model."""
        low, high = self.energy.to_value("TeV")
        edges = np.geomspace(low, high, self.energy_bins + 1)
        return Camera(
            tuple(edges.tolist()),
            float(self.offset_max.to_value("deg")),
            self.offset_bins,
            self.model == "radial",
            self.alignment == "altaz",
        )

    def prepare(self, observations: Iterable[Observation]) -> Maker:
        """Estimate the acceptance in one pass over the runs.

        Raises
        ------
        ValueError
            If a bin of energy, zenith angle or field of view has too few counts or exposure.
        """
        tallies: dict[int, Tally] = {}
        failures: dict[str, str] = {}
        with _disable_iers_download():
            for observation in observations:
                try:
                    self._add_run(tallies, observation)
                except Exception as error:  # the other runs are still used
                    log.warning("acceptance: run %s is not used: %s", observation.obs_id, error)
                    failures[str(observation.obs_id)] = f"{type(error).__name__}: {error}"
        bins = sorted(tallies)
        cos_zeniths = [
            tallies[index].weighted_cos_zenith / tallies[index].livetime for index in bins
        ]
        return EstimatedAcceptance(
            **{name: getattr(self, name) for name in specs(Acceptance)},
            bins=np.array(bins),
            cos_zeniths=np.array(cos_zeniths),
            rates=np.array([self._rates(index, tallies[index]) for index in bins]),
            failures=failures,
        )

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Raise an error, because the maker has not been prepared.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError("the maker 'acceptance' must be prepared with all runs: call prepare first")

    def zenith_bin(self, zenith: float) -> int | None:
        """Return the index of the bin of a zenith angle in deg; None if it is outside all bins."""
        if self.zenith_edges is None:
            return 0
        edges = self.zenith_edges.to_value("deg")
        index = int(np.searchsorted(edges, zenith, side="right")) - 1
        return index if 0 <= index < len(edges) - 1 else None

    def _add_run(self, tallies: dict[int, Tally], observation: Observation) -> None:
        zenith, camera = zenith_angle(observation), self.camera
        index = self.zenith_bin(zenith)
        if index is None:
            return
        tally = Tally.from_observation(
            camera, observation, zenith, self.exclude, self.target_radius
        )
        tallies[index] = tallies.get(index, Tally.empty(camera)) + tally

    def _rates(self, index: int, tally: Tally) -> Array:
        description = "all runs"
        if self.zenith_edges is not None:
            low, high = self.zenith_edges.to_value("deg")[index : index + 2]
            description = f"the zenith bin {low:g} to {high:g} deg"
        log.info(
            "acceptance: %s: %d runs, %.2f h, %d counts",
            *(description, tally.runs, tally.livetime / 3600, tally.counts.sum()),
        )
        return rates(self.camera, tally, self.min_counts, description)


@component
class EstimatedAcceptance(Acceptance):
    """The prepared maker, with the model that was estimated from the runs."""

    kind = "acceptance"
    bins: Array = array(doc="Indices of the zenith angle bins that have a model.")
    cos_zeniths: Array = array(doc="Mean cosine of the zenith angle in each bin, by livetime.")
    rates: Array = array(
        doc="Rates in s-1 MeV-1 sr-1, per livetime, by zenith bin, energy and field of view."
    )
    failures: Mapping[str, str] = option(
        type=dict, doc="Errors of the runs that could not be used for the estimate, by run."
    )

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Set the background of the dataset, computed by gammapy's `make_map_background_irf`.

        Raises
        ------
        SkipObservation
            If the zenith angle of the run is outside all bins.
        ValueError
            If the dataset already has models, or the run could not be used for the estimate.
        """
        from gammapy.makers.utils import make_map_background_irf

        if dataset.models:
            raise ValueError(
                f"maker acceptance: the dataset already has the models {dataset.models.names}, "
                "which would scale the new background; put acceptance before fov-background"
            )
        if error := self.failures.get(str(observation.obs_id)):
            raise ValueError(f"this run could not be used to estimate the acceptance: {error}")
        ontime = observation.observation_time_duration
        with _disable_iers_download():
            background = make_map_background_irf(
                pointing=observation.pointing,
                ontime=ontime,
                bkg=self.irf(zenith_angle(observation)),
                geom=dataset.counts.geom,
                time_start=observation.tstart,
                location=observation.observatory_earth_location,
            )
        # gammapy multiplies rates by the ontime, but these rates are per livetime
        live_fraction = observation.observation_live_time_duration / ontime
        dataset.background = background * live_fraction.to_value("")
        return dataset

    def irf(self, zenith: float) -> BackgroundIRF:
        """Return the model at a zenith angle in deg as a background IRF, with rates per livetime.

        Raises
        ------
        SkipObservation
            If the zenith angle is outside all bins.
        ValueError
            If the model was estimated without runs in the bin.
        """
        index = self.zenith_bin(zenith)
        if index is None:
            edges = self.zenith_edges
            span = "" if edges is None else f" ({edges[0]} to {edges[-1]})"
            raise SkipObservation(f"zenith angle {zenith:.1f} deg is outside all bins{span}")
        if index not in self.bins:
            raise ValueError(f"the model was estimated without runs in the bin of {zenith:.1f} deg")
        if self.zenith == "nearest":
            return response(self.camera, self.rates[list(self.bins).index(index)])
        return response(self.camera, self._interpolate(np.cos(np.deg2rad(zenith))))

    def _interpolate(self, cos_zenith: float) -> Array:
        """Interpolate rates between zenith bins; beyond the outermost bins they are constant."""
        order = np.argsort(self.cos_zeniths)
        position = np.interp(cos_zenith, self.cos_zeniths[order], np.arange(len(order)))
        low, fraction = int(position), position % 1
        high = min(low + 1, len(order) - 1)
        return np.asarray(
            (1 - fraction) * self.rates[order[low]] + fraction * self.rates[order[high]]
        )


def zenith_angle(observation: Observation) -> float:
    """Return the zenith angle of the pointing in the middle of a run, in deg."""
    observatory_location(observation)
    with _disable_iers_download():
        return float(observation.get_pointing_altaz(observation.tmid).zen.to_value("deg"))


@contextmanager
def _disable_iers_download() -> Iterator[None]:
    """Disable the download of IERS tables; they change positions by only about an arcsecond."""
    from astropy.utils import iers

    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        yield
