"""The maker `acceptance`: the background of each run from what all runs show, by zenith angle."""

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
from skyred_acceptance.camera import Array, Camera, site
from skyred_acceptance.checks import reach_problems
from skyred_acceptance.model import rates, response
from skyred_acceptance.tally import Tally

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from gammapy.irf import BackgroundIRF

log = logging.getLogger(__name__)


@component
class Acceptance(Maker):
    """Background from an acceptance model learnt from all runs, outside an exclusion."""

    makes = ("background",)
    kind = "acceptance"
    model: str = option(
        "radial",
        choices=("radial", "3d"),
        doc="Round in the field of view, or of any shape there.",
    )
    energy: u.Quantity = quantity(
        unit="TeV", count=2, doc="Range of reconstructed energy: at least that of the geometry."
    )
    energy_bins: int = option(8, min=1, doc="Bins in it, equal in log(energy).")
    offset_max: u.Quantity = quantity(
        "2.5 deg",
        max="10 deg",
        doc="How far from the pointing the model reaches (3d: in longitude and in latitude).",
    )
    offset_bins: int = option(10, min=1, doc="Bins from the pointing to offset_max.")
    alignment: str = option(
        "altaz",
        choices=("altaz", "radec"),
        doc="What the field of view of model: 3d is aligned with: horizon or right ascension.",
    )
    zenith_edges: u.Quantity | None = quantity(
        None,
        unit="deg",
        many=True,
        min="0 deg",
        max="90 deg",
        doc="Edges of bins in zenith angle at mid-run, each with a model; one for all if left out.",
    )
    zenith: str = option(
        "nearest",
        choices=("nearest", "interpolate"),
        doc="Model of a run: that of its bin, or linear in cos(zenith) between those of two.",
    )
    exclude: Regions = exclusion()
    target_radius: u.Quantity | None = quantity(
        None, unit="deg", min="0 deg", doc="Radius around the target of each run to exclude too."
    )
    min_counts: int = option(10, min=1, doc="Counts that each bin of energy and zenith must have.")

    def validate(self) -> Iterable[Problem]:
        """Ranges must rise and be above zero."""
        low, high = self.energy
        if not 0 * low < low < high:
            yield Problem(("energy",), f"is {self.energy}", "expected two increasing energies")
        if self.offset_max <= 0:
            yield Problem(("offset_max",), f"is {self.offset_max}", "expected more than 0 deg")
        edges = self.zenith_edges
        if edges is not None and (len(edges) < 2 or np.any(np.diff(edges.value) <= 0)):
            yield Problem(
                ("zenith_edges",), f"{edges} must increase", "expected two or more angles"
            )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of the geometry, of the model's reach and of the exclusion."""
        yield from geometry_problems(self, "map", pipeline)
        yield from reach_problems(self, self.energy, self.offset_max, pipeline)
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
        """Learn the acceptance: one pass, a run at a time.

        Raises
        ------
        ValueError
            If a bin of energy, zenith angle or field of view has too little to learn from.
        """
        tallies: dict[int, Tally] = {}
        lost: dict[str, str] = {}
        with _tables_as_they_are():
            for observation in observations:
                try:
                    self._learn(tallies, observation)
                except Exception as error:  # one run must not lose the others
                    log.warning("acceptance: nothing learnt from %s: %s", observation.obs_id, error)
                    lost[str(observation.obs_id)] = f"{type(error).__name__}: {error}"
        used = {index: tallies[index] for index in sorted(tallies)}
        models = [self._rates(index, tally) for index, tally in used.items()]
        return LearntAcceptance(
            **{name: getattr(self, name) for name in specs(Acceptance)},
            bins=np.array(list(used)),
            cos_zeniths=np.array([each.cos_zenith / each.livetime for each in used.values()]),
            rates=np.array(models),
            lost=lost,
        )

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Refuse to: nothing was learnt yet."""
        raise TypeError("the maker 'acceptance' must be prepared with the runs before it can make")

    def zenith_bin(self, zenith: float) -> int | None:
        """Give the bin of a zenith angle in deg, the lower edge in it; None if it is in none."""
        if self.zenith_edges is None:
            return 0
        edges = self.zenith_edges.to_value("deg")
        index = int(np.searchsorted(edges, zenith, side="right")) - 1
        return index if 0 <= index < len(edges) - 1 else None

    def _learn(self, tallies: dict[int, Tally], observation: Observation) -> None:
        zenith, camera = zenith_angle(observation), self.camera
        index = self.zenith_bin(zenith)
        if index is None:
            return
        found = Tally.of(camera, observation, zenith, self.exclude, self.target_radius)
        tallies[index] = tallies.get(index, Tally.nothing(camera)) + found

    def _rates(self, index: int, tally: Tally) -> Array:
        where = "all runs"
        if self.zenith_edges is not None:
            low, high = self.zenith_edges.to_value("deg")[index : index + 2]
            where = f"the zenith bin {low:g} to {high:g} deg"
        log.info(
            "acceptance: %s: %d runs, %.2f h, %d counts",
            *(where, tally.runs, tally.livetime / 3600, tally.counts.sum()),
        )
        return rates(self.camera, tally, self.min_counts, where)


@component
class LearntAcceptance(Acceptance):
    """The same, with what the runs showed."""

    kind = "acceptance"
    bins: Array = array(doc="Which bins in zenith angle have a model.")
    cos_zeniths: Array = array(doc="Mean cosine of the zenith angle of each, by livetime.")
    rates: Array = array(
        doc="Rates in s-1 MeV-1 sr-1, per livetime: zenith bin, energy, field of view."
    )
    lost: Mapping[str, str] = option(
        type=dict, doc="Runs that nothing could be learnt from, and why."
    )

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Give the dataset with the model's background, by gammapy's `make_map_background_irf`.

        Raises
        ------
        SkipObservation
            If the run is in no bin of zenith angle.
        """
        from gammapy.makers.utils import make_map_background_irf

        if dataset.models:
            raise ValueError(
                f"maker acceptance: the dataset has the models {dataset.models.names} already, "
                "which would scale the new background; put it before fov-background"
            )
        if why := self.lost.get(str(observation.obs_id)):
            raise ValueError(f"nothing could be learnt from this run: {why}")
        ontime = observation.observation_time_duration
        with _tables_as_they_are():
            background = make_map_background_irf(
                pointing=observation.pointing,
                ontime=ontime,
                bkg=self.irf(zenith_angle(observation)),
                geom=dataset.counts.geom,
                time_start=observation.tstart,
                location=observation.observatory_earth_location,
            )
        # gammapy takes rates for those of the time with the dead time in it
        live = observation.observation_live_time_duration / ontime
        dataset.background = background * live.to_value("")
        return dataset

    def irf(self, zenith: float) -> BackgroundIRF:
        """Give the model at a zenith angle in deg as gammapy's background; rates per livetime.

        Raises
        ------
        SkipObservation
            If it is in no bin of zenith angle.
        """
        index = self.zenith_bin(zenith)
        if index is None:
            edges = self.zenith_edges
            span = "" if edges is None else f" ({edges[0]} to {edges[-1]})"
            raise SkipObservation(f"zenith angle {zenith:.1f} deg is in no bin{span}")
        if index not in self.bins:
            raise ValueError(f"no run at a zenith angle like {zenith:.1f} deg was learnt from")
        if self.zenith == "nearest":
            return response(self.camera, self.rates[list(self.bins).index(index)])
        return response(self.camera, self._between(np.cos(np.deg2rad(zenith))))

    def _between(self, cos_zenith: float) -> Array:
        """Interpolate rates; beyond the first and the last model they stay what they are."""
        order = np.argsort(self.cos_zeniths)
        place = np.interp(cos_zenith, self.cos_zeniths[order], np.arange(len(order)))
        low, part = int(place), place % 1
        high = min(low + 1, len(order) - 1)
        return np.asarray((1 - part) * self.rates[order[low]] + part * self.rates[order[high]])


def zenith_angle(observation: Observation) -> float:
    """Give the zenith angle of the pointing in the middle of a run, in deg."""
    site(observation)
    with _tables_as_they_are():
        return float(observation.get_pointing_altaz(observation.tmid).zen.to_value("deg"))


@contextmanager
def _tables_as_they_are() -> Iterator[None]:
    """Keep astropy from a download of tables of the Earth's rotation, for an arc second."""
    from astropy.utils import iers

    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        yield
