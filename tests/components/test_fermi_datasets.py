"""Fits of the Fermi-LAT maps of gammapy's tutorials, compared with plain gammapy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.datasets import Datasets, FluxPointsDataset, MapDataset, SpectrumDatasetOnOff
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.modeling import Fit
from gammapy.modeling.models import LogParabolaSpectralModel

from skyred import Orchestrator, Pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = Path(os.environ.get("GAMMAPY_DATA", "?")) / "fermi-3fhl-crab"
GALACTIC_CENTRE = DATA.parent / "fermi-3fhl-gc" / "fermi-3fhl-gc.fits.gz"
SPECTRA = DATA.parent / "joint-crab" / "spectra" / "hess"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs fermi-3fhl-crab in GAMMAPY_DATA"),
]


def test_fit_of_the_crab_is_as_good_as_with_gammapy() -> None:
    orchestrator = Orchestrator(Pipeline.from_yaml(EXAMPLES / "fermi-3fhl-crab.yaml"))
    orchestrator.run_until("fit")
    fit = orchestrator.fit_result
    assert fit is not None
    gammapy_datasets = Datasets.read(
        DATA / "Fermi-LAT-3FHL_datasets.yaml", DATA / "Fermi-LAT-3FHL_models.yaml"
    )
    assert orchestrator.datasets.names == gammapy_datasets.names == ["Fermi-LAT"]
    assert fit.success
    # the statistic of skyred's fit may exceed that of gammapy's by 0.01; for equal parameters, the
    # statistics agree to 1e-8
    assert fit.stat <= Fit().run(gammapy_datasets).total_stat + 0.01
    gammapy_datasets.models.parameters.value = orchestrator.datasets.models.parameters.value
    assert fit.stat == pytest.approx(gammapy_datasets.stat_sum(), rel=1e-8)


def test_statistic_of_the_galactic_centre_agrees_with_gammapy() -> None:
    orchestrator = Orchestrator(Pipeline.from_yaml(EXAMPLES / "fermi-3fhl-gc.yaml"))
    orchestrator.run_until("fit")
    fit = orchestrator.fit_result
    assert fit is not None
    assert fit.success
    gammapy_datasets = Datasets([MapDataset.read(GALACTIC_CENTRE, name="fermi-1")])
    gammapy_datasets.models = orchestrator.datasets.models.copy()
    assert fit.stat == pytest.approx(gammapy_datasets.stat_sum(), rel=1e-8)


class TestMapsWithSpectraAndFluxPoints:
    """Fermi-LAT maps, H.E.S.S. on-off spectra and HAWC flux points of the Crab in one fit."""

    @pytest.fixture(scope="class")
    def orchestrator(self) -> Orchestrator:
        with pytest.MonkeyPatch.context() as context:
            context.chdir(EXAMPLES.parent)  # the path of the flux points is relative
            orchestrator = Orchestrator(Pipeline.from_yaml(EXAMPLES / "joint-crab-maps.yaml"))
            orchestrator.run_until("estimate")
        return orchestrator

    @pytest.fixture(scope="class")
    def gammapy_datasets(self) -> Datasets:
        """Return the same datasets and models, read by gammapy."""
        maps = Datasets.read(
            DATA / "Fermi-LAT-3FHL_datasets.yaml", DATA / "Fermi-LAT-3FHL_models.yaml"
        )
        spectra = []
        for number, path in enumerate(sorted(SPECTRA.glob("pha_obs*.fits")), 1):
            spectrum = SpectrumDatasetOnOff.read(path, name=f"hess-{number}")
            spectrum.mask_fit = spectrum.counts.geom.energy_mask(0.66 * u.TeV, 30 * u.TeV)
            spectra.append(spectrum)
        table = Table.read(EXAMPLES / "hawc-crab-2019.ecsv")
        points = FluxPoints.from_table(table, sed_type="e2dnde", format="gadf-sed")
        datasets = Datasets([*maps, *spectra, FluxPointsDataset(data=points, name="hawc-1")])
        datasets.models = maps.models
        return datasets

    def test_fit_is_as_good_as_that_of_gammapy(
        self, orchestrator: Orchestrator, gammapy_datasets: Datasets
    ) -> None:
        fit, models = orchestrator.fit_result, orchestrator.models
        assert fit is not None
        assert models is not None
        assert fit.success
        assert orchestrator.datasets is not None
        assert orchestrator.datasets.names == gammapy_datasets.names
        assert fit.stat <= Fit().run(gammapy_datasets).total_stat + 0.01
        gammapy_datasets.models.parameters.value = models.parameters.value
        assert fit.stat == pytest.approx(gammapy_datasets.stat_sum(), rel=1e-8)
        # a fit with gammapy from skyred's minimum changes values by less than 1 % of their errors
        errors = np.array([parameter.error for parameter in models.parameters])
        Fit().run(gammapy_datasets)
        differences = np.array(gammapy_datasets.models.parameters.value) - models.parameters.value
        assert (np.abs(differences) <= 0.01 * errors).all()

    @pytest.mark.parametrize(
        ("estimate", "prefix"), [("fermi-flux-points", "Fermi"), ("hess-flux-points", "hess")]
    )
    def test_flux_points_of_one_instrument_agree_with_gammapy(
        self, orchestrator: Orchestrator, gammapy_datasets: Datasets, estimate: str, prefix: str
    ) -> None:
        assert orchestrator.estimates is not None
        assert orchestrator.models is not None
        product = orchestrator.estimates[estimate]
        selected = [dataset for dataset in gammapy_datasets if dataset.name.startswith(prefix)]
        subset = Datasets([dataset.copy(name=dataset.name) for dataset in selected])
        models = orchestrator.models.copy()
        subset.models = [model for model in models if model.name in selected[0].models.names]
        estimator = next(
            estimator for estimator in orchestrator.pipeline.estimate if estimator.label == estimate
        )
        expected = FluxPointsEstimator(
            source="Crab Nebula",
            energy_edges=estimator.energy_edges,
            selection_optional=[],
        ).run(subset)
        np.testing.assert_allclose(product.flux.norm.data, expected.norm.data, rtol=1e-3)
        np.testing.assert_allclose(product.flux.norm_err.data, expected.norm_err.data, rtol=1e-3)

    def test_flux_points_of_hawc_agree_with_the_publication(
        self, gammapy_datasets: Datasets
    ) -> None:
        # best fit of Abeysekara et al. 2019 (neural-network energies): flux at 7 TeV, alpha, beta
        published = LogParabolaSpectralModel(
            amplitude="2.31e-13 cm-2 s-1 TeV-1", reference="7 TeV", alpha=2.73, beta=0.06
        )
        table = Table.read(EXAMPLES / "hawc-crab-2019.ecsv")
        energy = table["e_ref"].quantity
        pulls = (table["e2dnde"].quantity - energy**2 * published(energy)) / table["e2dnde_err"]
        assert (pulls.to_value("") ** 2).sum() < 20  # 9 points, 3 parameters
        assert gammapy_datasets["hawc-1"].data.energy_ref.to_value("TeV") == pytest.approx(
            energy.value
        )
