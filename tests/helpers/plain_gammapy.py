"""The H.E.S.S. Crab analysis in plain gammapy, as in its low-level tutorial.

skyred is compared with these results, so it is not used here.
"""

import os
from pathlib import Path

import attrs
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore, Observation
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from regions import CircleSkyRegion

OFFSET_MAX = 2.5 * u.deg
EDGES = [1, 2, 4, 10] * u.TeV
EXAMPLE = Path(__file__).parents[2] / "examples" / "crab.yaml"
RUNS = (23523, 23526, 23559, 23592)


def archive() -> Path:
    """Return the folder of the H.E.S.S. DL3 DR1."""
    return Path(os.environ.get("GAMMAPY_DATA", ""), "hess-dl3-dr1")


def joint_crab_archive(name: str) -> Path:
    """Return the folder of an archive of Nigro et al. 2019: magic, veritas or fact.

    It is in the folder $JOINT_CRAB_DL3, by default ``joint-crab-dl3`` next to $GAMMAPY_DATA.
    """
    default = archive().parent.parent / "joint-crab-dl3"
    return Path(os.environ.get("JOINT_CRAB_DL3") or default, name)


def observations(runs: tuple[int, ...] = ()) -> list[Observation]:
    """Return observations; by default all within 5 deg of the Crab nebula."""
    store = DataStore.from_dir(archive())
    if runs:
        return list(store.get_observations(list(runs)))
    cone = {"type": "sky_circle", "frame": "icrs", "lon": "83.633 deg", "lat": "22.014 deg",
            "radius": "5 deg"}  # fmt: skip
    return list(store.get_observations(store.obs_table.select_observations(cone)["OBS_ID"]))


def geom() -> WcsGeom:
    """Return the geometry of ``examples/crab.yaml``."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    return WcsGeom.create(
        skydir=SkyCoord(83.633, 22.014, unit="deg"),
        width=(2, 2),
        binsz=0.02,
        frame="icrs",
        proj="CAR",
        axes=[axis],
    )


def empty_dataset(name: str = "plain") -> MapDataset:
    """Return an empty dataset with the axes of ``examples/crab.yaml``."""
    axis = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=10, name="energy_true")
    return MapDataset.create(geom(), energy_axis_true=axis, name=name)


def exclusion_mask() -> Map:
    """Return a mask that is False in the excluded circle."""
    circle = CircleSkyRegion(SkyCoord(83.63, 22.14, unit="deg"), 0.2 * u.deg)
    return ~geom().region_mask([circle])


def make(observation: Observation, stacked: MapDataset) -> MapDataset:
    """Return the dataset of one run, with its fitted background model.

    Parameters
    ----------
    observation : Observation
        The run.
    stacked : MapDataset
        Dataset with the geometry of the stack, from which the cutout is made.
    """
    position = observation.get_pointing_icrs(observation.tmid)
    name = f"run-{observation.obs_id}"
    dataset = stacked.cutout(position=position, width=2 * OFFSET_MAX, name=name)
    dataset = MapDatasetMaker().run(dataset, observation)
    safe_mask = SafeMaskMaker(methods=["offset-max", "aeff-max"], offset_max=OFFSET_MAX)
    dataset = safe_mask.run(dataset, observation)
    return FoVBackgroundMaker(method="fit", exclusion_mask=exclusion_mask()).run(dataset)


def background_norm(dataset: MapDataset) -> float:
    """Return the fitted background norm of a run."""
    return dataset.models[f"{dataset.name}-bkg"].spectral_model.norm.value


@attrs.define
class Reduced:
    """The stacked dataset, and the background of each run.

    Parameters
    ----------
    dataset : MapDataset
        The stacked dataset.
    norms : list of float
        Fitted background norm of each run.
    templates : list of array
        Background of each run on the stacked geometry, before the norm is applied.
    """

    dataset: MapDataset
    norms: list[float]
    templates: list[np.ndarray]


def reduce(runs: tuple[int, ...] = ()) -> MapDataset:
    """Reduce runs, and stack their datasets."""
    stacked = empty_dataset()
    for observation in observations(runs):
        stacked.stack(make(observation, stacked))
    return stacked


def reduce_with_templates() -> Reduced:
    """Reduce all runs of the Crab nebula, and keep their background norms and templates."""
    stacked = empty_dataset()
    norms, templates = [], []
    for observation in observations():
        dataset = make(observation, stacked)
        stacked.stack(dataset)
        norms.append(background_norm(dataset))
        template = Map.from_geom(geom())
        template.stack(dataset.background, weights=dataset.mask_safe)
        templates.append(template.data)
    return Reduced(stacked, norms, templates)


def models(*datasets: str) -> Models:
    """Return a point source, and a background model for each name of a dataset."""
    spectral = PowerLawSpectralModel(
        index=2.702, amplitude="4.712e-11 cm-2 s-1 TeV-1", reference="1 TeV"
    )
    spatial = PointSpatialModel(lon_0="83.63308 deg", lat_0="22.0145 deg", frame="icrs")
    source = SkyModel(spectral_model=spectral, spatial_model=spatial, name="crab")
    return Models([source, *(FoVBackgroundModel(dataset_name=name) for name in datasets)])


@attrs.define
class Fitted:
    """Result of gammapy's fit; the errors are MIGRAD's estimates."""

    values: np.ndarray
    errors: np.ndarray
    stat: float
    models: Models


def fit(dataset: MapDataset) -> Fitted:
    """Fit `models` to a dataset."""
    datasets = Datasets([dataset])
    datasets.models = models(dataset.name)
    stat = Fit().run(datasets).total_stat
    free = datasets.models.parameters.free_parameters
    return Fitted(
        np.array([parameter.value for parameter in free]),
        np.array([parameter.error for parameter in free]),
        float(stat),
        datasets.models.copy(),
    )


def hesse_errors(dataset: MapDataset, models: Models) -> np.ndarray:
    """Return the errors of the free parameters from HESSE, which `Fit.run` does not call.

    The likelihood of a point source is not differentiable at pixel centres, and HESSE steps across
    them. Its errors therefore depend on the initial steps, by up to 20 %, except with strategy 2.
    """
    datasets = Datasets([dataset])
    datasets.models = models.copy()
    fitter = Fit(covariance_opts={"strategy": 2})
    # without an optimizer, gammapy calls HESSE, and restores the errors of parameters
    variances = np.diag(fitter.covariance(datasets).matrix)
    return np.sqrt(variances[[not p.frozen for p in datasets.models.parameters]])


def flux_points(dataset: MapDataset, models: Models) -> FluxPoints:
    """Estimate flux points of the Crab nebula in `EDGES`, with all optional quantities."""
    datasets = Datasets([dataset])
    datasets.models = models
    estimator = FluxPointsEstimator(source="crab", energy_edges=EDGES, selection_optional="all")
    return estimator.run(datasets)


def arrays(dataset: MapDataset) -> dict[str, np.ndarray]:
    """Return all arrays of a map dataset."""
    return {
        "counts": dataset.counts.data,
        "background": dataset.background.data,
        "mask_safe": dataset.mask_safe.data,
        "exposure": dataset.exposure.data,
        "psf": dataset.psf.psf_map.data,
        "psf_exposure": dataset.psf.exposure_map.data,
        "edisp": dataset.edisp.edisp_map.data,
        "edisp_exposure": dataset.edisp.exposure_map.data,
    }


def simulate(models: Models, seed: int = 1) -> MapDataset:
    """Simulate counts of models on a small map with simple IRFs, with gammapy's `fake`."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
    image = WcsGeom.create(
        skydir=SkyCoord(83.633, 22.014, unit="deg"), width=1, binsz=0.05, frame="icrs"
    )
    dataset = MapDataset.create(
        image.to_cube([energy]), energy_axis_true=energy_true, name="sim", migra_axis=None
    )
    dataset.exposure = Map.from_geom(
        image.to_cube([energy_true]), data=3e9 * np.ones((6, 20, 20)), unit="m2 s"
    )
    dataset.psf = PSFMap.from_gauss(energy_true, sigma="0.08 deg")
    dataset.edisp = EDispKernelMap.from_diagonal_response(energy, energy_true)
    dataset.background.data = np.repeat([1.5, 0.4, 0.1], 400).reshape(3, 20, 20)
    dataset.mask_safe.data[...] = True
    dataset.models = models.copy()
    dataset.fake(random_state=seed)
    dataset.models = None
    return dataset
