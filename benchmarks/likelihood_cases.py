"""The cases of the likelihood benchmark: new datasets with models for each fit.

Datasets are reduced or simulated once, and copied without models. Therefore gammapy has not cached
any evaluation, and each fit starts as in a new session.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import attrs
import likelihood_simulated as simulated
from astropy import units as u
from gammapy.datasets import Datasets, FluxPointsDataset, MapDataset, SpectrumDatasetOnOff
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    LogParabolaSpectralModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)

import plain_gammapy


@attrs.frozen
class Case:
    """Datasets and models to fit, and optionally flux points of a source.

    Parameters
    ----------
    name, title : str
        Identifier, and description of data and models.
    create_datasets : callable
        Function that returns new datasets without models.
    create_models : callable
        Function that returns new models, at the start values of the fit.
    target : float, optional
        Target for the ratio of the fit times of gammapy and skyred.
    source : str
        Source of the flux points; "" if there are none.
    edges : tuple of float
        Energy edges of the flux points, in TeV.
    target_points : float, optional
        Target for the ratio of the times for the flux points.
    pairs : int
        Largest number of pairs that are timed, because gammapy takes minutes for some cases.
    """

    name: str
    title: str
    create_datasets: Callable[[], Datasets]
    create_models: Callable[[], Models]
    target: float | None = None
    source: str = ""
    edges: tuple[float, ...] = ()
    target_points: float | None = None
    pairs: int = 1000

    def datasets(self, models: Models | None = None) -> Datasets:
        """Return new datasets with copies of models, by default at the start values of the fit."""
        datasets = self.create_datasets()
        datasets.models = self.create_models() if models is None else models.copy()
        return datasets

    @property
    def energy_edges(self) -> u.Quantity:
        return self.edges * u.TeV


def copies(*datasets: MapDataset) -> Datasets:
    """Copy datasets without models, with the same names."""
    return Datasets([dataset.copy(name=dataset.name) for dataset in datasets])


@functools.cache
def crab_dataset() -> MapDataset:
    return plain_gammapy.reduce().copy(name="hess")


def crab() -> Case:
    return Case(
        name="crab",
        title="H.E.S.S. Crab, map: point, power law",
        create_datasets=lambda: copies(crab_dataset()),
        create_models=lambda: plain_gammapy.models("hess"),
        target=30,
        source="crab",
        edges=tuple(plain_gammapy.EDGES.to_value("TeV")),
        target_points=120,
    )


def gaussian() -> Case:
    names = ("gaussian",)
    return Case(
        name="gaussian",
        title="simulated map: Gaussian, log parabola",
        create_datasets=lambda: copies(simulated.extended_dataset()),
        create_models=lambda: simulated.models((simulated.EXTENDED,), names, start=True),
        target=8,
        source=simulated.EXTENDED.name,
        edges=tuple(plain_gammapy.EDGES.to_value("TeV")),
    )


def five() -> Case:
    names = tuple(simulated.ARRAYS)
    return Case(
        name="five",
        title="simulated CTA north + south, maps: five sources",
        create_datasets=lambda: copies(*simulated.five_datasets()),
        create_models=lambda: simulated.models(simulated.FIVE, names, start=True),
        target=30,
        pairs=3,
    )


@functools.cache
def onoff_datasets() -> tuple[SpectrumDatasetOnOff, ...]:
    folder = Path(os.environ["GAMMAPY_DATA"], "joint-crab", "spectra", "hess")
    files = sorted(folder.glob("pha_obs*.fits"))
    return tuple(SpectrumDatasetOnOff.read(file) for file in files)


def onoff_models() -> Models:
    """Return the models at the start values of the tutorial of gammapy."""
    spectral_model = PowerLawSpectralModel(
        index=2, amplitude="2e-11 cm-2 s-1 TeV-1", reference="1 TeV"
    )
    return Models([SkyModel(spectral_model=spectral_model, name="crab")])


def onoff() -> Case:
    """Return the case of four on-off spectra of the Crab nebula, fitted together."""
    # only up to 20 TeV, because the flux points of gammapy are undefined without counts
    edges = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 6.3, 8.9, 12.6, 20.0)
    return Case(
        name="onoff",
        title="H.E.S.S. Crab, 4 on-off spectra, joint: power law",
        create_datasets=lambda: copies(*onoff_datasets()),
        create_models=onoff_models,
        target=12,
        source="crab",
        edges=edges,
        target_points=80,
    )


@functools.cache
def crab_points() -> FluxPoints:
    """Estimate flux points of the on-off case with gammapy."""
    case = onoff()
    datasets = case.datasets()
    Fit().run(datasets)
    estimator = FluxPointsEstimator(energy_edges=case.energy_edges, source=case.source)
    return estimator.run(datasets)


def points_dataset() -> Datasets:
    return Datasets([FluxPointsDataset(data=crab_points().copy(), name="points")])


def points_models() -> Models:
    spectral_model = LogParabolaSpectralModel(
        amplitude="3e-11 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.3, beta=0.1
    )
    return Models([SkyModel(spectral_model=spectral_model, name="crab", datasets_names=["points"])])


def fluxpoints() -> Case:
    return Case(
        name="fluxpoints",
        title="flux points of the H.E.S.S. Crab: log parabola",
        create_datasets=points_dataset,
        create_models=points_models,
    )


def warm_up_cases() -> tuple[Case, ...]:
    """Return small cases for warm-up: a map and a spectrum, with flux points."""
    small_map = plain_gammapy.simulate(plain_gammapy.models("sim"))
    spectrum = onoff_datasets()[0]
    simulated_map = Case(
        name="small-map",
        title="small map",
        create_datasets=lambda: copies(small_map),
        create_models=lambda: plain_gammapy.models("sim"),
        source="crab",
        edges=(1, 10),
    )
    spectrum_case = attrs.evolve(
        onoff(), name="small-spectrum", create_datasets=lambda: copies(spectrum), edges=(1, 10)
    )
    return simulated_map, spectrum_case


CASES = (crab, gaussian, five, onoff, fluxpoints)
