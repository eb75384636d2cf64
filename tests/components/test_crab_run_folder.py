"""The run folder of the example, read by plain gammapy and by skyred."""

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
def again(crab) -> Result:
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
    def test_exists(self, crab, name):
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
        picture = matplotlib.image.imread(crab.folder / "plots" / f"{name}.png")
        height, width, _ = picture.shape
        assert min(height, width) >= 400
        # neither empty nor of one colour: more than 1 % of the pixels are not background
        assert np.mean(np.any(picture != picture[0, 0], axis=-1)) > 0.01
        assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 20

    def test_every_line_of_the_log_is_json(self, crab):
        for line in (crab.folder / "log.jsonl").read_text().splitlines():
            assert {"time", "level", "message"} <= set(json.loads(line))

    @pytest.mark.parametrize("name", FILES)
    def test_files_do_not_contain_the_path_of_the_folder(self, crab, name):
        # a run folder can be moved, so that files must not contain its path or the staging folder
        content = (crab.folder / name).read_bytes()
        assert str(crab.folder.parent).encode() not in content


@pytest.mark.filterwarnings("error:Checksum verification failed")
class TestOpenedByGammapy:
    def test_datasets(self, crab):
        datasets = Datasets.read(crab.folder / "datasets" / "datasets.yaml")
        assert datasets.names == ["hess"]
        assert datasets["hess"].counts.data.sum() == 2479

    def test_datasets_with_models_have_the_statistic_of_the_fit(self, crab):
        datasets = Datasets.read(
            crab.folder / "datasets" / "datasets.yaml", crab.folder / "models.yaml"
        )
        # the kernel was computed at an earlier position of the fit: up to 0.04
        assert datasets.stat_sum() == pytest.approx(crab.result.fit.stat, abs=0.05)

    def test_models_with_covariance(self, crab):
        models = Models.read(crab.folder / "models.yaml")
        assert models.names == ["crab", "hess-bkg"]
        free = models.parameters.free_parameters
        # gammapy writes the covariance with 9 significant digits
        np.testing.assert_allclose([p.error for p in free], crab.result.fit.errors, rtol=1e-7)
        np.testing.assert_array_equal([p.value for p in free], crab.result.fit.values)

    def test_flux_points(self, crab):
        points = FluxPoints.read(crab.folder / "estimates" / "flux-points.fits")
        expected = crab.result.estimates["flux-points"].flux
        np.testing.assert_array_equal(points.norm.data, expected.norm.data)
        assert points.dnde.unit.is_equivalent("cm-2 s-1 TeV-1")

    def test_flux_points_have_the_model_as_reference(self, crab):
        models = Models.read(crab.folder / "models.yaml")
        points = FluxPoints.read(
            crab.folder / "estimates" / "flux-points.fits", reference_model=models["crab"]
        )
        expected = crab.result.estimates["flux-points"].flux.dnde.quantity
        # the reference flux is evaluated again, up to rounding
        np.testing.assert_allclose(points.dnde.quantity.to_value(expected.unit), expected.value)

    def test_excess_map(self, crab):
        maps = FluxMaps.read(crab.folder / "estimates" / "excess-map.fits")
        expected = crab.result.estimates["excess-map"].maps
        np.testing.assert_array_equal(maps.sqrt_ts.data, expected.sqrt_ts.data)

    def test_residual_maps(self, crab):
        maps = Maps.read(crab.folder / "estimates" / "residuals.fits")
        assert set(maps) == {"counts", "npred", "residuals", "sqrt_ts"}


class TestReadBack:
    def test_configuration_digest_and_outcomes(self, crab, again):
        assert again.config == crab.result.config
        assert again.digest == crab.result.digest == crab.pipeline.digest()
        assert again.outcomes == crab.result.outcomes
        assert again.kinds == crab.result.kinds
        assert again.folder == crab.folder

    def test_steps(self, crab, again):
        assert [step.name for step in again.steps] == [step.name for step in crab.result.steps]
        assert [s.summary for s in again.steps] == [s.summary for s in crab.result.steps]

    def test_configuration_reads_back_as_the_same_pipeline(self, crab, again):
        pipeline = Pipeline.from_yaml(again.config)
        assert pipeline == crab.pipeline
        assert pipeline.digest() == again.digest

    @pytest.mark.parametrize(
        "name",
        ["counts", "background", "mask_safe", "exposure", "psf", "psf_exposure", "edisp",
         "edisp_exposure"],
    )  # fmt: skip
    def test_arrays_of_the_dataset(self, crab, again, name):
        expected, read = crab.result.datasets["hess"], again.datasets["hess"]
        np.testing.assert_array_equal(arrays(read)[name], arrays(expected)[name])

    def test_livetime_and_good_time(self, crab, again):
        expected, read = crab.result.datasets["hess"], again.datasets["hess"]
        assert read.exposure.meta["livetime"] == expected.exposure.meta["livetime"]
        assert str(read.gti) == str(expected.gti)

    def test_dataset_has_the_models_with_their_errors(self, crab, again):
        assert again.datasets.models.names == crab.result.models.names
        free = again.datasets.models.parameters.free_parameters
        np.testing.assert_allclose([p.error for p in free], crab.result.fit.errors, rtol=1e-7)

    def test_fit_to_the_last_digit(self, crab, again):
        fit, expected = again.fit, crab.result.fit
        for name in ("values", "errors", "covariance"):
            np.testing.assert_array_equal(getattr(fit, name), getattr(expected, name))
        for name in ("names", "units", "stat", "success", "message", "nfev", "edm", "at_limit"):
            assert getattr(fit, name) == getattr(expected, name), name

    def test_flux_points(self, crab, again):
        read, expected = (r.estimates["flux-points"] for r in (again, crab.result))
        assert_same_columns(
            read.flux.to_table(sed_type="likelihood"), expected.flux.to_table(sed_type="likelihood")
        )
        assert read.model.name == "crab"
        # gammapy writes the covariance with 9 significant digits
        np.testing.assert_allclose(
            read.model.covariance.data, expected.model.covariance.data, rtol=1e-7
        )

    @pytest.mark.parametrize("name", ["flux-points", "residuals", "excess-map"])
    def test_tables_of_estimates(self, crab, again, name):
        read, expected = again.estimates[name].table(), crab.result.estimates[name].table()
        assert read.colnames == expected.colnames
        for column in expected.colnames:
            if expected[column].dtype.kind in "fi":
                np.testing.assert_allclose(read[column], expected[column], rtol=1e-12)

    def test_maps_of_residuals(self, crab, again):
        read, expected = (r.estimates["residuals"] for r in (again, crab.result))
        for name in expected.maps:
            np.testing.assert_array_equal(read.maps[name].data, expected.maps[name].data)
        assert read.maps["sqrt_ts"].geom == expected.maps["sqrt_ts"].geom

    def test_maps_of_the_excess(self, crab, again):
        read, expected = (r.estimates["excess-map"].maps for r in (again, crab.result))
        assert set(expected.available_quantities) <= set(read.available_quantities)
        for name in ("npred_excess", "sqrt_ts", "flux"):
            first, second = getattr(read, name), getattr(expected, name)
            assert first.unit == second.unit
            # gammapy divides by the reference flux and multiplies again: rounding of float64
            np.testing.assert_allclose(first.data, second.data, rtol=1e-12)

    def test_products_read_back_can_be_drawn(self, again):
        for product in again.estimates.values():
            for draw in product.pictures().values():
                axes = draw()
                assert axes.get_xlabel()
                assert axes.get_ylabel()
                matplotlib.pyplot.close(axes.get_figure())

    def test_folder_can_be_moved(self, crab, again, tmp_path):
        moved = shutil.copytree(crab.folder, tmp_path / "elsewhere")
        result = Result.read(moved)
        assert set(result.estimates) == set(again.estimates)


class TestObservationLog:
    def test_is_an_ecsv_table_with_units_and_descriptions(self, crab):
        table = Table.read(crab.folder / "observations.ecsv")
        assert table["obs_id"].tolist() == list(RUNS)
        assert set(table["status"]) == {"reduced"}
        assert str(table["seconds"].unit) == "s"
        assert all(column.description for column in table.itercols())
        assert table["counts"].sum() == 2479
        assert np.round(table["background_norm"], 2).tolist() == [0.99, 1.08, 0.99, 1.10]


class TestReport:
    def test_has_state_digest_steps_and_versions(self, crab, report):
        assert report["state"] == "finished"
        assert report["error"] == ""
        assert report["digest"] == crab.pipeline.digest()
        assert [step["name"] for step in report["steps"]] == [
            "select", "reduce", "model", "fit", "estimate",
        ]  # fmt: skip
        assert {"skyred", "gammapy", "astropy", "numpy"} <= set(report["versions"])
        assert {owner["distribution"] for owner in report["plugins"]} == {"skyred"}
        assert report["watchers"] == []

    def test_inputs_have_digests(self, report):
        assert len(report["inputs"]) == 6  # two index files, four runs
        for entry in report["inputs"]:
            content = Path(entry["path"]).read_bytes()
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()

    def test_outcomes_agree_with_the_observation_log(self, crab, report):
        ids = [outcome["obs_id"] for outcome in report["outcomes"]]
        assert ids == [outcome.obs_id for outcome in crab.result.outcomes]

    def test_has_no_values_of_environment_variables(self, crab):
        report = (crab.folder / "report.json").read_text()
        # short values such as "1" are in any file; paths of inputs start with GAMMAPY_DATA
        values = {v for k, v in os.environ.items() if len(v) > 8 and k != "GAMMAPY_DATA"}
        exposed = [
            v for v in values if v in report and not os.environ["GAMMAPY_DATA"].startswith(v)
        ]
        assert exposed == []

    def test_configuration_keeps_variables_unexpanded(self, crab):
        assert "$GAMMAPY_DATA/hess-dl3-dr1" in (crab.folder / "config.yaml").read_text()
