"""A joint fit of one dataset per run of the Crab, compared with the fit of their stack."""

import astropy.units as u
import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPointsEstimator

import plain_gammapy
from skyred import Orchestrator, Pipeline, Result

pytestmark = [pytest.mark.data, pytest.mark.slow]

EDGES = [1, 10] * u.TeV


@pytest.fixture(scope="session")
def joint(compute_once, crab, run_datasets) -> Result:
    """Return the result of `crab.yaml` with ``stack: {kind: keep}``, on `run_datasets`."""

    def run(folder):
        overrides = ["data.hess.stack.kind=keep"]
        pipeline = Pipeline.from_yaml(crab.pipeline.to_yaml(), overrides=overrides)
        flux_points, *maps = pipeline.estimate
        flux_points = flux_points.evolve(energy_edges=EDGES, columns=())
        orchestrator = Orchestrator(pipeline.evolve(estimate=[flux_points, *maps]))
        orchestrator.datasets = Datasets(run_datasets)
        return orchestrator.run(folder / "joint")

    return compute_once("joint", run)


class TestFit:
    def test_fit_converged(self, joint):
        assert joint.fit.success

    @pytest.mark.parametrize(
        "name",
        ["spectral.index", "spectral.amplitude", "spatial.lon_0", "spatial.lat_0"],
    )
    def test_agrees_with_the_stacked_fit_to_a_fifth_of_the_error(self, crab, joint, name):
        # the likelihoods differ: the stack has averaged IRFs and a single background norm
        stacked_fit, joint_fit = crab.result.fit, joint.fit
        index = stacked_fit.names.index(f"crab.{name}")
        value, error = stacked_fit.values[index], stacked_fit.errors[index]
        assert abs(joint_fit.values[joint_fit.names.index(f"crab.{name}")] - value) < 0.2 * error

    def test_each_run_has_a_background_norm(self, joint):
        expected = [f"hess-{run}-bkg.spectral.norm" for run in plain_gammapy.RUNS]
        assert list(joint.fit.names[4:]) == expected

    def test_mean_background_norm_agrees_with_the_stack(self, crab, joint, run_datasets):
        weights = [run.background.data[run.mask_safe.data].sum() for run in run_datasets]
        mean = np.average(joint.fit.values[4:], weights=weights)
        fit = crab.result.fit
        assert abs(mean - fit.values[-1]) < 0.2 * fit.errors[-1]

    def test_statistic_agrees_with_gammapy_at_the_same_values(self, joint, run_datasets):
        datasets = Datasets([run.copy(name=run.name) for run in run_datasets])
        datasets.models = joint.models.copy()
        # each PSF kernel was computed at a different step of the fit, which changes the statistic
        # by about 0.05
        assert joint.fit.stat == pytest.approx(datasets.stat_sum(), abs=0.4)


class TestEstimates:
    def test_flux_point_agrees_with_gammapy(self, joint, run_datasets):
        datasets = Datasets([run.copy(name=run.name) for run in run_datasets])
        datasets.models = joint.models.copy()
        expected = FluxPointsEstimator(source="crab", energy_edges=EDGES).run(datasets)
        flux = joint.estimates["flux-points"].flux
        for name in ("norm", "norm_err", "ts"):
            # tolerance of gammapy's root finding
            np.testing.assert_allclose(
                getattr(flux, name).data, getattr(expected, name).data, rtol=1e-3
            )

    def test_residual_maps_sum_over_the_runs(self, joint, run_datasets):
        maps = joint.estimates["residuals"].maps
        counts = sum(run.counts.data[run.mask_safe.data].sum() for run in run_datasets)
        assert maps["counts"].data.sum() == counts
        datasets = Datasets([run.copy(name=run.name) for run in run_datasets])
        datasets.models = joint.models.copy()
        npred = sum((dataset.npred().data * dataset.mask_safe.data).sum() for dataset in datasets)
        # PSF kernels at other positions change the sum by far less than a thousandth
        assert maps["npred"].data.sum() == pytest.approx(npred, rel=1e-3)

    def test_model_explains_the_counts(self, joint):
        # at the best-fit norms, the sum of npred is the sum of the counts of each dataset
        maps = joint.estimates["residuals"].maps
        assert maps["residuals"].data.sum() == pytest.approx(0, abs=0.05 * np.sqrt(2479))

    def test_excess_agrees_with_the_stack(self, crab, joint):
        # the peak is at the Crab, where the backgrounds of the two fits differ by less than their
        # errors
        sqrt_ts, expected = (
            result.estimates["excess-map"].maps.sqrt_ts for result in (joint, crab.result)
        )
        assert sqrt_ts.geom.data_shape == expected.geom.data_shape
        assert np.nanmax(sqrt_ts.data) == pytest.approx(np.nanmax(expected.data), abs=0.2)

    def test_folder_can_be_read_back(self, joint):
        loaded = Result.read(joint.folder)
        assert loaded.datasets.names == [f"hess-{run}" for run in plain_gammapy.RUNS]
        assert set(loaded.estimates) == set(joint.estimates)
