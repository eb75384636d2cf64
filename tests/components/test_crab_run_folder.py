"""The run folder of the example: opened by plain gammapy, and read back complete."""

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
    def test_is_there(self, crab, name):
        assert (crab.folder / name).is_file()

    def test_nothing_else_is_there(self, crab):
        found = {path.relative_to(crab.folder) for path in crab.folder.rglob("*") if path.is_file()}
        plots = {Path("plots", f"{name}.png") for name in PLOTS}
        assert found == {Path(name) for name in FILES} | plots

    def test_no_staging_folder_is_left_beside_it(self, crab):
        assert list(crab.folder.parent.iterdir()) == [crab.folder]

    @pytest.mark.slow
    @pytest.mark.parametrize("name", PLOTS)
    def test_plot_shows_something(self, crab, name):
        picture = matplotlib.image.imread(crab.folder / "plots" / f"{name}.png")
        height, width, _ = picture.shape
        assert min(height, width) >= 400
        # neither empty nor of one colour: some hundredth of the pixels are not background
        assert np.mean(np.any(picture != picture[0, 0], axis=-1)) > 0.01
        assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 20

    def test_every_line_of_the_log_is_json(self, crab):
        for line in (crab.folder / "log.jsonl").read_text().splitlines():
            assert {"time", "level", "message"} <= set(json.loads(line))

    @pytest.mark.parametrize("name", FILES)
    def test_no_file_knows_where_it_was_written(self, crab, name):
        # a run folder may be moved: the hidden staging folder and its own place are nobody's input
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
        # the kernel of the fit was made on its way: that is worth up to 0.04
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
        # the reference flux is evaluated again: only rounding is left
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

    def test_configuration_gives_the_pipeline_again(self, crab, again):
        pipeline = Pipeline.from_yaml(again.config)
        assert pipeline == crab.pipeline
        assert pipeline.digest() == again.digest

    @pytest.mark.parametrize(
        "name",
        ["counts", "background", "mask_safe", "exposure", "psf", "psf_exposure", "edisp",
         "edisp_exposure"],
    )  # fmt: skip
    def test_arrays_of_the_dataset(self, crab, again, name):
        written, read = crab.result.datasets["hess"], again.datasets["hess"]
        np.testing.assert_array_equal(arrays(read)[name], arrays(written)[name])

    def test_livetime_and_good_time(self, crab, again):
        written, read = crab.result.datasets["hess"], again.datasets["hess"]
        assert read.exposure.meta["livetime"] == written.exposure.meta["livetime"]
        assert str(read.gti) == str(written.gti)

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
        read, written = (r.estimates["flux-points"] for r in (again, crab.result))
        assert_same_columns(
            read.flux.to_table(sed_type="likelihood"), written.flux.to_table(sed_type="likelihood")
        )
        assert read.model.name == "crab"
        # gammapy writes the covariance with 9 significant digits
        np.testing.assert_allclose(
            read.model.covariance.data, written.model.covariance.data, rtol=1e-7
        )

    @pytest.mark.parametrize("name", ["flux-points", "residuals", "excess-map"])
    def test_tables_of_estimates(self, crab, again, name):
        read, written = again.estimates[name].table(), crab.result.estimates[name].table()
        assert read.colnames == written.colnames
        for column in written.colnames:
            if written[column].dtype.kind in "fi":
                np.testing.assert_allclose(read[column], written[column], rtol=1e-12)

    def test_maps_of_residuals(self, crab, again):
        read, written = (r.estimates["residuals"] for r in (again, crab.result))
        for name in written.maps:
            np.testing.assert_array_equal(read.maps[name].data, written.maps[name].data)
        assert read.maps["sqrt_ts"].geom == written.maps["sqrt_ts"].geom

    def test_maps_of_the_excess(self, crab, again):
        read, written = (r.estimates["excess-map"].maps for r in (again, crab.result))
        assert set(written.available_quantities) <= set(read.available_quantities)
        for name in ("npred_excess", "sqrt_ts", "flux"):
            first, second = getattr(read, name), getattr(written, name)
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

    def test_folder_may_be_moved(self, crab, again, tmp_path):
        moved = shutil.copytree(crab.folder, tmp_path / "elsewhere")
        result = Result.read(moved)
        assert set(result.estimates) == set(again.estimates)


class TestLedger:
    def test_is_an_ecsv_table_with_units_and_descriptions(self, crab):
        table = Table.read(crab.folder / "observations.ecsv")
        assert table["obs_id"].tolist() == list(RUNS)
        assert set(table["status"]) == {"reduced"}
        assert str(table["seconds"].unit) == "s"
        assert all(column.description for column in table.itercols())
        assert table["counts"].sum() == 2479
        assert np.round(table["background_norm"], 2).tolist() == [0.99, 1.08, 0.99, 1.10]


class TestReport:
    def test_says_how_it_ended_and_what_it_was(self, crab, report):
        assert report["state"] == "finished"
        assert report["error"] == ""
        assert report["digest"] == crab.pipeline.digest()
        assert [step["name"] for step in report["steps"]] == [
            "select", "reduce", "model", "fit", "estimate",
        ]  # fmt: skip
        assert {"skyred", "gammapy", "astropy", "numpy"} <= set(report["versions"])
        assert {owner["distribution"] for owner in report["plugins"]} == {"skyred"}
        assert report["watchers"] == []

    def test_inputs_have_their_digests(self, report):
        assert len(report["inputs"]) == 6  # two index files, four runs
        for entry in report["inputs"]:
            content = Path(entry["path"]).read_bytes()
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()

    def test_outcomes_are_those_of_the_ledger(self, crab, report):
        ids = [outcome["obs_id"] for outcome in report["outcomes"]]
        assert ids == [outcome.obs_id for outcome in crab.result.outcomes]

    def test_values_of_the_environment_are_not_in_it(self, crab):
        text = (crab.folder / "report.json").read_text()
        # short values such as "1" are in any file; that of GAMMAPY_DATA begins the inputs' paths
        values = {v for k, v in os.environ.items() if len(v) > 8 and k != "GAMMAPY_DATA"}
        found = [v for v in values if v in text and not os.environ["GAMMAPY_DATA"].startswith(v)]
        assert found == []

    def test_configuration_keeps_variables_unexpanded(self, crab):
        assert "$GAMMAPY_DATA/hess-dl3-dr1" in (crab.folder / "config.yaml").read_text()
