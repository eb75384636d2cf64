"""Converted configurations of gammapy give the results of gammapy's own high-level classes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gammapy.analysis.config import CONFIG_PATH

from gammapy_analysis import check_datasets, check_fit, check_tables, run_analysis
from skyred.conversion import Conversion, convert
from skyred.conversion.counterparts import option_counterparts
from skyred.errors import path_text

CONFIGURATIONS = Path(__file__).parent / "configurations"
MODELS = {"1d": CONFIG_PATH / "model-1d.yaml", "3d": CONFIG_PATH / "model.yaml"}
FLUX_COLUMNS = ["e_ref", "dnde", "dnde_err", "dnde_ul"]
pytestmark = [pytest.mark.data("hess-dl3-dr1")]


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create the files that the configurations name, and return their folder."""
    from gammapy.maps import WcsGeom
    from regions import CircleSkyRegion

    monkeypatch.chdir(tmp_path)
    Path("runs.csv").write_text("23523,20\n23526,20\n23592,20\n", "utf-8")
    geom = WcsGeom.create(skydir=(83.633, 22.014), width=(8, 8), binsz=0.05, frame="icrs")
    region = CircleSkyRegion(geom.center_skydir, 0.3 * geom.pixel_scales[0].unit)
    mask = geom.region_mask([region], inside=False)
    mask.data = mask.data.astype(int)
    mask.write("exclusion.fits")
    return tmp_path


def leaf_paths(settings: Any, prefix: str = "") -> Iterator[str]:
    """Yield the paths of all settings; `parameters` is one setting."""
    for name, setting in settings.items():
        if isinstance(setting, dict) and name != "parameters":
            yield from leaf_paths(setting, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def run_both(
    path: Path, *, with_models: bool = True, skipped: tuple[str, ...] = ()
) -> tuple[Conversion, Any, Any]:
    """Run an analysis with skyred and gammapy; `skipped` are settings that are not converted."""
    settings = yaml.safe_load(path.read_text("utf-8"))
    models = MODELS[settings["datasets"]["type"]] if with_models else None
    conversion = convert(path, models)
    paths = [path_text(setting.path) for setting in conversion.skipped if setting.changes_results]
    assert paths == list(skipped)
    return conversion, conversion.pipeline().run(), run_analysis(path, models, set(settings))


def test_configurations_set_every_option_of_gammapy() -> None:
    paths = {
        path
        for file in CONFIGURATIONS.glob("*.yaml")
        for path in leaf_paths(yaml.safe_load(file.read_text("utf-8")))
    }
    assert paths >= set(option_counterparts("gammapy"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["example-1d", "example-3d"])
def test_examples_of_gammapy_have_the_same_results(name: str) -> None:
    _, result, analysis = run_both(CONFIG_PATH / f"{name}.yaml")
    check_datasets(result, analysis.datasets)
    check_fit(result, analysis)
    expected = analysis.flux_points.data.to_table(sed_type="dnde")
    # both fits stop within 0.01 sigma of the minimum
    check_tables(result.estimates["flux-points"].table(), expected, FLUX_COLUMNS, 1e-3)


@pytest.mark.parametrize("name", ["example-1d", "example-3d", "docs"])
def test_examples_of_workflow_are_converted_as_those_of_analysis(name: str) -> None:
    from gammapy.workflow.config import CONFIG_PATH as WORKFLOW_PATH

    first, second = (
        convert(folder / f"{name}.yaml", "models.yaml") for folder in (CONFIG_PATH, WORKFLOW_PATH)
    )
    assert first.yaml.replace(str(CONFIG_PATH), str(WORKFLOW_PATH)) == second.yaml


@pytest.mark.slow
def test_spectrum_with_reflected_regions_has_the_same_results() -> None:
    _, result, analysis = run_both(CONFIGURATIONS / "reflected.yaml")
    check_datasets(result, analysis.datasets)
    check_fit(result, analysis)
    expected = analysis.flux_points.data.to_table(sed_type="dnde")
    columns = [*FLUX_COLUMNS, "dnde_errn", "dnde_errp"]
    check_tables(result.estimates["flux-points"].table(), expected, columns, 2e-3)
    scan = expected["norm_scan"].data
    np.testing.assert_allclose(result.estimates["flux-points"].table()["norm_scan"].data, scan)


@pytest.mark.slow
def test_maps_with_a_fitted_background_have_the_same_results() -> None:
    _, result, analysis = run_both(CONFIGURATIONS / "maps.yaml")
    check_datasets(result, analysis.datasets)
    check_fit(result, analysis)
    expected = analysis.flux_points.data.to_table(sed_type="dnde")
    check_tables(result.estimates["flux-points"].table(), expected, FLUX_COLUMNS, 1e-2)
    # the fits stop at different points: compare the maps for the same fitted models
    analysis.datasets.models = result.models
    analysis.get_excess_map()
    _check_maps(result, analysis, ["sqrt_ts", "npred_excess", "norm_err"], 1e-3)


@pytest.mark.slow
def test_maps_with_a_ring_background_have_the_same_results() -> None:
    skipped = ("datasets.background.method",)
    _, result, analysis = run_both(CONFIGURATIONS / "ring.yaml", with_models=False, skipped=skipped)
    check_datasets(result, analysis.datasets)
    _check_maps(result, analysis, ["sqrt_ts", "npred_excess", "alpha", "acceptance_on"], 1e-5)


@pytest.mark.slow
def test_light_curve_of_parts_of_runs_has_the_same_results() -> None:
    _, result, analysis = run_both(CONFIGURATIONS / "light-curve.yaml")
    check_datasets(result, analysis.datasets)
    expected = analysis.light_curve.to_table(format="lightcurve", sed_type="flux")
    table = result.estimates["light-curve"].table()
    np.testing.assert_allclose(table["time_min"].data, expected["time_min"].data, atol=1e-8)
    check_tables(table, expected, ["flux", "flux_errn", "flux_errp"], 5e-3)


@pytest.mark.slow
def test_workflow_has_the_same_results(tmp_path: Path) -> None:
    from gammapy.workflow import Workflow, WorkflowConfig

    path = tmp_path / "workflow.yaml"
    shutil.copy(CONFIGURATIONS / "workflow.yaml", path)
    shutil.copy(MODELS["1d"], tmp_path / "models.yaml")
    conversion = convert(path)
    workflow = Workflow(WorkflowConfig.read(path))
    workflow.get_observations()
    workflow.get_datasets()
    workflow.read_models(tmp_path / "models.yaml")
    workflow.run_fit()
    workflow.get_flux_points()
    result = conversion.pipeline().run()
    check_datasets(result, workflow.datasets)
    expected = workflow.flux_points.data.to_table(sed_type="dnde")
    check_tables(result.estimates["flux-points"].table(), expected, FLUX_COLUMNS, 1e-3)


def _check_maps(result: Any, analysis: Any, names: list[str], rtol: float) -> None:
    """Compare maps of the excess, where gammapy's are finite."""
    maps = result.estimates["excess-map"].maps
    for name in names:
        expected = analysis.excess_map[name].data
        valid = np.isfinite(expected)
        scale = np.abs(expected[valid]).max()  # differences of counts are rounded in float32
        np.testing.assert_allclose(
            maps[name].data[valid], expected[valid], rtol=rtol, atol=1e-5 * scale, err_msg=name
        )
