"""Reductions of public data with skyred and with plain gammapy, as in its tutorials."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import yaml
from astropy import units as u
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.makers import (
    FoVBackgroundMaker,
    MapDatasetMaker,
    ReflectedRegionsBackgroundMaker,
    SafeMaskMaker,
    SpectrumDatasetMaker,
    WobbleRegionsFinder,
)
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from regions import Regions

CRAB_RUNS = (23523, 23526, 23559, 23592)
RXJ_RUNS = (20326, 20327, 20349, 20350, 20396, 20397, 20421, 20422, 20517, 20518, 20519, 20521,
            20898, 20899, 20900)  # fmt: skip
PKS_RUNS = (33787, 33788, 33789, 33790, 33791, 33792, 33793, 33794, 33795, 33796, 33797, 33798,
            33799, 33800, 33801)  # fmt: skip


@attrs.frozen
class Case:
    """A reduction that skyred and gammapy do.

    Parameters
    ----------
    name : str
        The name.
    goal : float
        The smallest accepted ratio of the CPU times.
    archive : str
        The folder of the archive in GAMMAPY_DATA.
    runs : tuple of int
        The runs; empty for all.
    energy, energy_true : tuple
        The smallest and the largest energy in TeV, and the number of bins.
    """

    name: str
    goal: float
    archive: str
    runs: tuple[int, ...]
    energy: tuple[float, float, int]
    energy_true: tuple[float, float, int]

    @property
    def folder(self) -> Path:
        """The folder of the archive."""
        return Path(os.environ["GAMMAPY_DATA"], self.archive)

    def axes(self) -> tuple[MapAxis, MapAxis]:
        """Return the axes of reconstructed and true energy."""
        energy, energy_true = (
            MapAxis.from_energy_bounds(low * u.TeV, high * u.TeV, nbin=n_bins, name=name)
            for name, (low, high, n_bins) in (
                ("energy", self.energy),
                ("energy_true", self.energy_true),
            )
        )
        return energy, energy_true

    def observations(self, irfs: Any = "full-enclosure") -> Any:
        """Return the observations, as a script opens them."""
        return DataStore.from_dir(self.folder).get_observations(
            list(self.runs) or None, required_irf=irfs
        )

    def pipeline(self) -> Any:
        """Return the pipeline of skyred."""
        from skyred import Pipeline

        entry: dict[str, Any] = {"archive": str(self.folder), **self.entry()}
        if self.runs:
            entry["select"] = [{"kind": "observation-ids", "ids": list(self.runs)}]
        for name in ("energy", "energy_true"):
            low, high, n_bins = getattr(self, name)
            entry["geometry"][name] = {"min": f"{low} TeV", "max": f"{high} TeV", "bins": n_bins}
        return Pipeline.from_yaml(yaml.safe_dump({"data": {"data": entry}}))

    def entry(self) -> dict[str, Any]:
        """Return the geometry, the makers and the stacker of skyred."""
        raise NotImplementedError

    def reduce_with_gammapy(self) -> Any:
        """Reduce the runs with plain gammapy."""
        raise NotImplementedError


@attrs.frozen
class MapCase(Case):
    """A stacked map.

    Parameters
    ----------
    center : str
        The centre of the map in the frame, in deg.
    frame : str
        The frame.
    width : tuple of float
        Its width in deg.
    bin_size : float
        The size of a pixel in deg.
    methods : tuple of str
        The methods of the safe mask.
    exclude : str
        The exclusion region; no background is fitted without.
    """

    center: tuple[float, float] = (83.633, 22.014)
    frame: str = "icrs"
    width: tuple[float, float] = (2, 2)
    bin_size: float = 0.02
    methods: tuple[str, ...] = ("offset-max", "aeff-max")
    exclude: str = "icrs; circle(83.63, 22.14, 0.2)"

    def entry(self) -> dict[str, Any]:
        """Return the geometry, the makers and the stacker of a map."""
        makers: list[dict[str, Any]] = [
            {"kind": "map"},
            {"kind": "safe-mask", "methods": list(self.methods), "offset_max": "2.5 deg"},
        ]
        if self.exclude:
            makers.append({"kind": "fov-background", "method": "fit", "exclude": [self.exclude]})
        names = ("l", "b") if self.frame == "galactic" else ("ra", "dec")
        geometry = {
            "kind": "map",
            "center": {
                name: f"{value} deg" for name, value in zip(names, self.center, strict=True)
            },
            "frame": self.frame,
            "width": [f"{width} deg" for width in self.width],
            "bin_size": f"{self.bin_size} deg",
        }
        return {"geometry": geometry, "make": makers, "stack": {"kind": "sum"}}

    def reduce_with_gammapy(self) -> MapDataset:
        """Stack cutouts of the runs, as in gammapy's tutorial on 3D analysis."""
        energy, energy_true = self.axes()
        geom = WcsGeom.create(
            skydir=self.center, frame=self.frame, width=self.width, binsz=self.bin_size,
            axes=[energy],
        )  # fmt: skip
        stacked = MapDataset.create(geom, energy_axis_true=energy_true, name="stacked")
        maker = MapDatasetMaker()
        safe_mask = SafeMaskMaker(methods=list(self.methods), offset_max=2.5 * u.deg)
        background = self._create_background_maker(geom)
        for observation in self.observations():
            cutout = stacked.cutout(
                observation.get_pointing_icrs(observation.tmid),
                width=5 * u.deg,
                name=f"run-{observation.obs_id}",
            )
            dataset = safe_mask.run(maker.run(cutout, observation), observation)
            if background is not None:
                dataset = background.run(dataset)
            stacked.stack(dataset)
        return stacked

    def _create_background_maker(self, geom: WcsGeom) -> FoVBackgroundMaker | None:
        if not self.exclude:
            return None
        region = Regions.parse(self.exclude, format="ds9")
        mask = Map.from_geom(geom.to_image(), data=~geom.to_image().region_mask(region).data)
        return FoVBackgroundMaker(method="fit", exclusion_mask=mask)


@attrs.frozen
class SpectrumCase(Case):
    """Spectra of runs with reflected regions.

    Parameters
    ----------
    on_region : str
        The on region.
    exclude : str
        The exclusion region.
    n_off_regions : int
        The number of off regions; 0 for as many as fit.
    containment : bool
        Whether the exposure is corrected for containment.
    irfs : str
        The required IRFs.
    method : str
        The method of the safe mask.
    """

    on_region: str = ""
    exclude: str = ""
    n_off_regions: int = 0
    containment: bool = True
    irfs: str = "full-enclosure"
    method: str = "aeff-max"

    def entry(self) -> dict[str, Any]:
        """Return the geometry, the makers and the stacker of spectra."""
        reflected: dict[str, Any] = {"kind": "reflected-regions"}
        if self.n_off_regions:
            reflected |= {"finder": "wobble", "n_off_regions": self.n_off_regions}
        if self.exclude:
            reflected["exclude"] = [self.exclude]
        makers = [
            {"kind": "spectrum", "containment_correction": self.containment},
            reflected,
            {"kind": "safe-mask", "methods": [self.method]},
        ]
        geometry = {"kind": "spectrum", "on_region": self.on_region}
        return {"geometry": geometry, "make": makers, "stack": {"kind": "keep"}}

    def reduce_with_gammapy(self) -> Datasets:
        """Return a spectrum for each run, as in gammapy's tutorial on spectra."""
        energy, energy_true = self.axes()
        region = Regions.parse(self.on_region, format="ds9")[0]
        geom = RegionGeom.create(region, axes=[energy])
        empty = SpectrumDataset.create(geom, energy_axis_true=energy_true, name="empty")
        maker = SpectrumDatasetMaker(
            selection=["counts", "exposure", "edisp"], containment_correction=self.containment
        )
        finder = WobbleRegionsFinder(self.n_off_regions) if self.n_off_regions else None
        background = ReflectedRegionsBackgroundMaker(
            region_finder=finder, exclusion_mask=self._exclusion_mask(region)
        )
        safe_mask = SafeMaskMaker(methods=[self.method])
        datasets = Datasets()
        for observation in self.observations(self.irfs):
            dataset = maker.run(empty.copy(name=f"data-{observation.obs_id}"), observation)
            dataset = background.run(dataset, observation)
            datasets.append(safe_mask.run(dataset, observation))
        return datasets

    def _exclusion_mask(self, region: Any) -> Map | None:
        if not self.exclude:
            return None
        geom = WcsGeom.create(skydir=region.center, width=6, binsz=0.01, proj="TAN", frame="icrs")
        return ~geom.region_mask(Regions.parse(self.exclude, format="ds9"))


def create_cases() -> tuple[Case, ...]:
    """Return all cases."""
    hess = "hess-dl3-dr1"
    return (
        MapCase("crab", 8, hess, CRAB_RUNS, (1, 10, 4), (0.5, 20, 10)),
        MapCase("crab-5deg", 8, hess, CRAB_RUNS, (0.3, 30, 20), (0.1, 60, 30), width=(5, 5)),
        MapCase(
            "cta", 10, "cta-1dc/index/gps", (110380, 111140, 111159), (0.1, 10, 10), (0.03, 30, 15),
            center=(0, 0), frame="galactic", width=(8, 6), bin_size=0.02,
            methods=("offset-max",), exclude="",
        ),
        SpectrumCase(
            "rxj", 5, hess, RXJ_RUNS, (0.2, 30, 15), (0.1, 60, 25),
            on_region="icrs; circle(258.3875, -39.76, 0.5)", containment=False,
        ),
        SpectrumCase(
            "pks", 5, hess, PKS_RUNS, (0.2, 30, 20), (0.1, 60, 30),
            on_region="icrs; circle(329.71694, -30.22558, 0.11)",
            exclude="icrs; circle(329.71694, -30.22558, 0.4)",
        ),
        SpectrumCase(
            "magic", 5, "magic/rad_max/data", (), (0.05, 100, 17), (0.01, 100, 40),
            on_region="icrs; point(83.63, 22.01)", n_off_regions=3, containment=False,
            irfs="point-like", method="aeff-default",
        ),
    )  # fmt: skip


CASES = {case.name: case for case in create_cases()}
