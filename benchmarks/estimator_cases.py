"""The cases of the benchmark of estimators: light curves and flux profiles of real data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import likelihood_cases as cases
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints, FluxProfileEstimator, LightCurveEstimator
from gammapy.modeling.models import FoVBackgroundModel, Models
from gammapy.utils.regions import (
    make_concentric_annulus_sky_regions,
    make_orthogonal_rectangle_sky_regions,
)

import plain_flare as flare
import plain_gammapy
from skyred.likelihood import flux_profile, light_curve

if TYPE_CHECKING:
    from regions import SkyRegion

TARGET = 20.0  # ratio of the CPU times of gammapy and skyred
ONE_BIN = (0.4, 20.0)  # TeV
THREE_BINS = (0.4, 1.0, 3.0, 20.0)


@attrs.frozen
class Job:
    """A light curve or flux profile to estimate.

    Parameters
    ----------
    case : Case
        Datasets and models.
    estimate_with_gammapy, estimate_with_skyred : callable
        Functions of datasets that return flux points.
    """

    case: cases.Case
    estimate_with_gammapy: Callable[[Datasets], FluxPoints]
    estimate_with_skyred: Callable[[Datasets], FluxPoints]


# -- light curves --------------------------------------------------------------------------------


@functools.cache
def flare_datasets() -> Datasets:
    return flare.reduce(flare.FLARE)


@functools.cache
def crab_runs() -> Datasets:
    """Reduce four runs of the Crab, with a map and a fitted background for each."""
    datasets = []
    for observation in plain_gammapy.observations(plain_gammapy.RUNS):
        dataset = plain_gammapy.make(observation, plain_gammapy.empty_dataset())
        dataset.background = dataset.npred_background()
        dataset.models = None
        datasets.append(dataset)
    return Datasets(datasets)


def curve(name: str, title: str, **options: Any) -> Job:
    """Create the job of a light curve of the flare or of the Crab, with one flux for each run."""
    is_flare = name.startswith("flare")
    datasets, source = (flare_datasets, "pks") if is_flare else (crab_runs, "crab")
    case = cases.Case(
        name=name,
        title=title,
        create_datasets=lambda: cases.copies(*datasets()),
        create_models=flare.models
        if is_flare
        else lambda: plain_gammapy.models(*crab_runs().names),
        target=TARGET,
    )
    return Job(
        case,
        lambda datasets: LightCurveEstimator(source=source, **options).run(datasets),
        lambda datasets: light_curve(datasets, source, "run", **options).flux,
    )


def flare_run() -> Job:
    return curve("flare", "PKS 2155-304, 15 on-off spectra", energy_edges=ONE_BIN * u.TeV)


def flare_all() -> Job:
    title = "the same, all optional columns"
    return curve("flare-all", title, energy_edges=ONE_BIN * u.TeV, selection_optional="all")


def flare_bins() -> Job:
    title = "the same, three energy bins, errors and limits"
    optional = ["errn-errp", "ul"]
    edges = THREE_BINS * u.TeV
    return curve("flare-bins", title, energy_edges=edges, selection_optional=optional)


def maps() -> Job:
    return curve("maps", "Crab, 4 maps", energy_edges=[1, 10] * u.TeV)


def maps_limits() -> Job:
    title = "the same, errors and limits"
    optional = ["errn-errp", "ul"]
    return curve("maps-limits", title, energy_edges=[1, 10] * u.TeV, selection_optional=optional)


def maps_free() -> Job:
    title = "the same, the backgrounds fitted again"
    return curve("maps-free", title, energy_edges=[1, 10] * u.TeV, reoptimize=True)


# -- flux profiles -------------------------------------------------------------------------------


def profile(name: str, title: str, regions: Sequence[SkyRegion], **options: Any) -> Job:
    """Create the job of a flux profile of the Crab."""
    edges = [1, 10] * u.TeV
    case = cases.Case(
        name=name,
        title=title,
        create_datasets=lambda: cases.copies(cases.crab_dataset()),
        create_models=lambda: Models([FoVBackgroundModel(dataset_name="hess")]),
        target=TARGET,
    )
    return Job(
        case,
        lambda datasets: FluxProfileEstimator(regions, energy_edges=edges, **options).run(datasets),
        lambda datasets: flux_profile(datasets, regions, None, edges, **options).flux,
    )


def line(name: str = "line", title: str = "Crab, 20 boxes on a line", **options: Any) -> Job:
    ends = SkyCoord([84.2, 83.1], [22.014, 22.014], unit="deg")
    wcs = cases.crab_dataset().counts.geom.wcs
    boxes = make_orthogonal_rectangle_sky_regions(*ends, wcs, 0.2 * u.deg, 20)
    return profile(name, title, boxes, **options)


def line_limits() -> Job:
    title = "the same, errors and limits"
    return line("line-limits", title, selection_optional=["errn-errp", "ul"])


def rings() -> Job:
    center = SkyCoord(83.633, 22.014, unit="deg")
    annuli = make_concentric_annulus_sky_regions(center, 0.8 * u.deg, nbin=11)
    return profile("rings", "Crab, 10 rings", annuli)


JOBS: Mapping[str, Callable[[], Job]] = {
    "flare": flare_run, "flare-all": flare_all, "flare-bins": flare_bins, "maps": maps,
    "maps-limits": maps_limits,
    "maps-free": maps_free, "line": line, "line-limits": line_limits, "rings": rings,
}  # fmt: skip


def warm_up_jobs() -> Sequence[Job]:
    """Return small jobs for warm-up: light curves of two runs, and a profile only with skyred."""
    profile_job = attrs.evolve(line(), estimate_with_gammapy=lambda datasets: datasets)
    return [_with_two_runs(flare_run()), _with_two_runs(maps_free()), profile_job]


def _with_two_runs(job: Job) -> Job:
    def create_datasets() -> Datasets:
        return cases.copies(*job.case.create_datasets()[:2])

    return attrs.evolve(job, case=attrs.evolve(job.case, create_datasets=create_datasets))
