"""The run folder of `crab.yaml`, read by plain gammapy and by skyred."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.estimators import FluxMaps, FluxPoints
from gammapy.maps import Maps
from gammapy.modeling.models import Models

from plain_gammapy import RUNS, arrays
from skyred import Pipeline, Result

pytestmark = pytest.mark.data

FILES = [
    "config.yaml",
    "report.html",
    "report.json",
    "observations.ecsv",
    "datasets/datasets.yaml",
    "datasets/hess.fits",
    "models.yaml",
    "models_covariance.dat",
    "fit.yaml",
    "estimates/flux-points.fits",
    "estimates/flux-points.ecsv",
    "estimates/residuals.fits",
    "estimates/residuals.by-energy.fits",
    "estimates/residuals.ecsv",
    "estimates/excess-map.fits",
    "estimates/excess-map.yaml",
    "log.jsonl",
    "SHA256SUMS",
]
PLOTS = [
    "counts-hess",
    "flux-points",
    "residuals",
    "residuals-spectrum",
    "excess-map",
    "excess-map-counts",
]


@pytest.fixture(scope="session")
def loaded(crab) -> Result:
    return Result.read(crab.folder)


@pytest.fixture(scope="session")
def report(crab) -> dict:
    return json.loads((crab.folder / "report.json").read_text())


def assert_same_columns(table: Table, expected: Table) -> None:
    assert table.colnames == expected.colnames
    for name in expected.colnames:
        np.testing.assert_array_equal(table[name].data, expected[name].data, err_msg=name)
        assert (table[name].unit or "") == (expected[name].unit or ""), name


class TestFiles:
    @pytest.mark.parametrize("name", FILES)
    def test_file_exists(self, crab, name):
        assert (crab.folder / name).is_file()

    def test_folder_has_no_other_files(self, crab):
        files = {path.relative_to(crab.folder) for path in crab.folder.rglob("*") if path.is_file()}
        plots = {Path("plots", f"{name}.png") for name in PLOTS}
        assert files == {Path(name) for name in FILES} | plots

    def test_staging_folder_is_removed(self, crab):
        assert list(crab.folder.parent.iterdir()) == [crab.folder]

    @pytest.mark.slow
    @pytest.mark.parametrize("name", PLOTS)
    def test_plots_are_not_empty(self, crab, name):
        image = matplotlib.image.imread(crab.folder / "plots" / f"{name}.png")
        height, width, _ = image.shape
        assert min(height, width) >= 400
        # more than 1 % of the pixels differ from the background colour
        assert np.mean(np.any(image != image[0, 0], axis=-1)) > 0.01
        assert len(np.unique(image.reshape(-1, image.shape[-1]), axis=0)) > 20

    def test_every_line_of_the_log_is_json(self, crab):
        for line in (crab.folder / "log.jsonl").read_text().splitlines():
            assert {"time", "level", "message"} <= set(json.loads(line))

    @pytest.mark.parametrize("name", FILES)
    def test_files_do_not_contain_the_path_of_the_folder(self, crab, name):
        # run folders can be moved, so files must not contain the path of the (staging) folder
        content = (crab.folder / name).read_bytes()
        assert str(crab.folder.parent).encode() not in content


@pytest.mark.filterwarnings("error:Checksum verification failed")
class TestFilesReadByGammapy:
    def test_datasets_agree(self, crab):
        datasets = Datasets.read(crab.folder / "datasets" / "datasets.yaml")
        assert datasets.names == ["hess"]
        assert datasets["hess"].counts.data.sum() == 2479

    def test_datasets_with_models_have_the_statistic_of_the_fit(self, crab):
        datasets = Datasets.read(
            crab.folder / "datasets" / "datasets.yaml", crab.folder / "models.yaml"
        )
        # the fit computed its PSF kernel at an earlier position, which changes stat by up to 0.04
        assert datasets.stat_sum() == pytest.approx(crab.result.fit.stat, abs=0.05)

    def test_models_and_covariance_agree(self, crab):
        models = Models.read(crab.folder / "models.yaml")
        assert models.names == ["crab", "hess-bkg"]
        free = models.parameters.free_parameters
        # gammapy writes the covariance with 9 significant digits
        errors = [parameter.error for parameter in free]
        np.testing.assert_allclose(errors, crab.result.fit.errors, rtol=1e-7)
        np.testing.assert_array_equal(free.value, crab.result.fit.values)

    def test_flux_points_agree(self, crab):
        points = FluxPoints.read(crab.folder / "estimates" / "flux-points.fits")
        expected = crab.result.estimates["flux-points"].flux
        np.testing.assert_array_equal(points.norm.data, expected.norm.data)
        assert points.dnde.unit.is_equivalent("cm-2 s-1 TeV-1")

    def test_flux_points_can_be_read_with_the_fitted_model_as_reference(self, crab):
        models = Models.read(crab.folder / "models.yaml")
        points = FluxPoints.read(
            crab.folder / "estimates" / "flux-points.fits", reference_model=models["crab"]
        )
        expected = crab.result.estimates["flux-points"].flux.dnde.quantity
        # the reference flux is evaluated again, so it agrees up to rounding
        np.testing.assert_allclose(points.dnde.quantity.to_value(expected.unit), expected.value)

    def test_excess_map_agrees(self, crab):
        maps = FluxMaps.read(crab.folder / "estimates" / "excess-map.fits")
        expected = crab.result.estimates["excess-map"].maps
        np.testing.assert_array_equal(maps.sqrt_ts.data, expected.sqrt_ts.data)

    def test_residual_maps_are_complete(self, crab):
        maps = Maps.read(crab.folder / "estimates" / "residuals.fits")
        assert set(maps) == {"counts", "npred", "residuals", "sqrt_ts"}


class TestResultRead:
    """``Result.read`` of the folder, compared with the result in memory."""

    def test_configuration_digest_and_outcomes_agree(self, crab, loaded):
        assert loaded.config == crab.result.config
        assert loaded.digest == crab.result.digest == crab.pipeline.digest()
        assert loaded.outcomes == crab.result.outcomes
        assert loaded.kinds == crab.result.kinds
        assert loaded.folder == crab.folder

    def test_steps_agree(self, crab, loaded):
        steps, expected = (
            [(step.name, step.summary) for step in result.steps] for result in (loaded, crab.result)
        )
        assert steps == expected

    def test_pipeline_of_the_configuration_is_equal(self, crab, loaded):
        pipeline = Pipeline.from_yaml(loaded.config)
        assert pipeline == crab.pipeline
        assert pipeline.digest() == loaded.digest

    @pytest.mark.parametrize(
        "name",
        ["counts", "background", "mask_safe", "exposure", "psf", "psf_exposure", "edisp",
         "edisp_exposure"],
    )  # fmt: skip
    def test_arrays_of_the_dataset_are_equal(self, crab, loaded, name):
        dataset, expected = loaded.datasets["hess"], crab.result.datasets["hess"]
        np.testing.assert_array_equal(arrays(dataset)[name], arrays(expected)[name])

    def test_livetime_and_good_time_intervals_are_equal(self, crab, loaded):
        dataset, expected = loaded.datasets["hess"], crab.result.datasets["hess"]
        assert dataset.exposure.meta["livetime"] == expected.exposure.meta["livetime"]
        assert str(dataset.gti) == str(expected.gti)

    def test_dataset_has_the_models_with_their_errors(self, crab, loaded):
        assert loaded.datasets.models.names == crab.result.models.names
        free = loaded.datasets.models.parameters.free_parameters
        errors = [parameter.error for parameter in free]
        np.testing.assert_allclose(errors, crab.result.fit.errors, rtol=1e-7)

    def test_fit_is_equal_to_the_last_digit(self, crab, loaded):
        fit, expected = loaded.fit, crab.result.fit
        for name in ("values", "errors", "covariance"):
            np.testing.assert_array_equal(getattr(fit, name), getattr(expected, name))
        for name in ("names", "units", "stat", "success", "message", "nfev", "edm", "at_limit"):
            assert getattr(fit, name) == getattr(expected, name), name

    def test_flux_points_agree(self, crab, loaded):
        product, expected = (result.estimates["flux-points"] for result in (loaded, crab.result))
        assert_same_columns(
            product.flux.to_table(sed_type="likelihood"),
            expected.flux.to_table(sed_type="likelihood"),
        )
        assert product.model.name == "crab"
        # gammapy writes the covariance with 9 significant digits
        np.testing.assert_allclose(
            product.model.covariance.data, expected.model.covariance.data, rtol=1e-7
        )

    @pytest.mark.parametrize("name", ["flux-points", "residuals", "excess-map"])
    def test_tables_of_estimates_agree(self, crab, loaded, name):
        table, expected = loaded.estimates[name].table(), crab.result.estimates[name].table()
        assert table.colnames == expected.colnames
        for column in expected.colnames:
            if expected[column].dtype.kind in "fi":
                np.testing.assert_allclose(table[column], expected[column], rtol=1e-12)

    def test_residual_maps_are_equal(self, crab, loaded):
        maps, expected = (result.estimates["residuals"].maps for result in (loaded, crab.result))
        for name in expected:
            np.testing.assert_array_equal(maps[name].data, expected[name].data)
        assert maps["sqrt_ts"].geom == expected["sqrt_ts"].geom

    def test_excess_maps_agree(self, crab, loaded):
        maps, expected = (result.estimates["excess-map"].maps for result in (loaded, crab.result))
        assert set(expected.available_quantities) <= set(maps.available_quantities)
        for name in ("npred_excess", "sqrt_ts", "flux"):
            quantity, expected_quantity = getattr(maps, name), getattr(expected, name)
            assert quantity.unit == expected_quantity.unit
            # rounding: gammapy divides by the reference flux, and multiplies by it again
            np.testing.assert_allclose(quantity.data, expected_quantity.data, rtol=1e-12)

    def test_products_can_be_plotted(self, loaded):
        for product in loaded.estimates.values():
            for draw in product.plot_functions().values():
                axes = draw()
                assert axes.get_xlabel()
                assert axes.get_ylabel()
                matplotlib.pyplot.close(axes.get_figure())

    def test_folder_can_be_moved(self, crab, loaded, tmp_path):
        result = Result.read(shutil.copytree(crab.folder, tmp_path / "moved"))
        assert set(result.estimates) == set(loaded.estimates)


class TestObservationLog:
    def test_log_is_an_ecsv_table_with_units_and_descriptions(self, crab):
        table = Table.read(crab.folder / "observations.ecsv")
        assert table["obs_id"].tolist() == list(RUNS)
        assert set(table["status"]) == {"reduced"}
        assert str(table["seconds"].unit) == "s"
        assert all(column.description for column in table.itercols())
        assert table["counts"].sum() == 2479
        assert np.round(table["background_norm"], 2).tolist() == [0.99, 1.08, 0.99, 1.10]


class TestReport:
    def test_report_has_state_digest_steps_and_versions(self, crab, report):
        assert report["state"] == "finished"
        assert report["error"] == ""
        assert report["digest"] == crab.pipeline.digest()
        assert [step["name"] for step in report["steps"]] == [
            "select", "reduce", "model", "fit", "estimate",
        ]  # fmt: skip
        assert {"skyred", "gammapy", "astropy", "numpy"} <= set(report["versions"])
        assert {owner["distribution"] for owner in report["plugins"]} == {"skyred"}
        assert report["watchers"] == []

    def test_inputs_have_checksums(self, report):
        assert len(report["inputs"]) == 6  # two index files, four runs
        for entry in report["inputs"]:
            content = Path(entry["path"]).read_bytes()
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()

    def test_outcomes_agree_with_the_observation_log(self, crab, report):
        ids = [outcome["obs_id"] for outcome in report["outcomes"]]
        assert ids == [outcome.obs_id for outcome in crab.result.outcomes]

    def test_values_of_environment_variables_are_not_in_the_report(self, crab):
        report = (crab.folder / "report.json").read_text()
        # short values such as "1" are in any file; paths of inputs start with $GAMMAPY_DATA
        data_folder = os.environ["GAMMAPY_DATA"]
        values = {value for value in os.environ.values() if len(value) > 8}
        assert [
            value for value in values if value in report and not data_folder.startswith(value)
        ] == []

    def test_environment_variables_are_not_expanded_in_the_configuration(self, crab):
        assert "$GAMMAPY_DATA/hess-dl3-dr1" in (crab.folder / "config.yaml").read_text()
