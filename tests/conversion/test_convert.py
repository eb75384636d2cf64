"""Conversion of configurations: detection, errors, and settings that are not converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from astropy import units as u
from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.analysis.config import CONFIG_PATH
from gammapy.maps import RegionGeom

import skyred
from skyred.errors import ConfigError, path_text

OBSERVATIONS = """
observations:
  datastore: $GAMMAPY_DATA/hess-dl3-dr1
  obs_ids: [23523]
"""
SPECTRUM = (
    OBSERVATIONS
    + """
datasets:
  type: 1d
  on_region: {frame: icrs, lon: 83.633 deg, lat: 22.014 deg, radius: 0.11 deg}
"""
)
MAPS = (
    OBSERVATIONS
    + """
datasets:
  type: 3d
  geom: {wcs: {skydir: {frame: icrs, lon: 83.633 deg, lat: 22.014 deg}}}
"""
)
TARGET = """
target:
  source_name: Crab
  components:
    - {name: Crab, type: SkyModel, spectral: {type: PowerLawSpectralModel, parameters: [
        {name: index, value: 2, frozen: false}]}}
"""
INSTRUMENT = """
dataset1d:
  instruments:
    - name: HESS data
      input_dl4: true
      dl4_dataset_info: {dl4_dataset: {input_dir: spectra, glob_pattern: {dl4_files: "pha*.fits"}}}
"""
MAP_INSTRUMENT = """
dataset3d:
  instruments:
    - name: HESS
      input_dl3: [{type: gadf-dl3, input_dir: hess}]
      dataset_info: {background: {method: fov_background}}
"""


def convert(content: str, models: str | None = "models.yaml") -> dict[str, Any]:
    """Return the converted configuration as plain data."""
    converted: dict[str, Any] = yaml.safe_load(skyred.convert(content, models).yaml)
    return converted


def skipped_settings(content: str, models: str | None = "models.yaml") -> dict[str, bool]:
    """Return the settings that are not converted, and whether they may change the results."""
    skipped = skyred.convert(content, models).skipped
    return {path_text(setting.path): setting.changes_results for setting in skipped}


def data_entry(content: str) -> dict[str, Any]:
    """Return the only data entry of a converted configuration."""
    (entry,) = convert(content)["data"].values()
    return dict(entry)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]\n", "is not a configuration of gammapy or asgardpy; expected a mapping"),
        ("{}", "expected at least one of the sections dataset1d, "),
        ("data: {}\nfit: {kind: newton}\n", "is a configuration of skyred already"),
        ("fit: {}\nfit: {}\n", "the key 'fit' is duplicated"),
        ("fit: [\n", "invalid YAML"),
    ],
)
def test_invalid_document_is_an_error(content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        skyred.convert(content)


def test_all_errors_of_gammapy_are_reported_with_their_lines() -> None:
    content = """
observations:
  obs_id: [1]
  obs_cone: {lon: 3 TeV}
datasets:
  type: 2d
"""
    with pytest.raises(ConfigError) as error:
        skyred.convert(content)
    first, second, third = error.value.lines
    assert "<string>:3:3: observations.obs_id: gammapy has no such option; did you mean" in first
    assert "<string>:4:14: observations.obs_cone.lon: " in second
    assert "<string>:6:3: datasets.type: Input should be '1d' or '3d'" in third


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        (SPECTRUM.replace("obs_ids", "obs_file: x\n  obs_ids"), "observations.obs_file", "obs_ids"),
        (OBSERVATIONS + "datasets: {type: 3d}", "datasets.geom.wcs.skydir", "is incomplete"),
        (OBSERVATIONS + "datasets: {type: 1d}", "datasets.on_region", "is incomplete"),
        (SPECTRUM + "  background: {method: ring}", "datasets.background.method", "1d analysis"),
        (MAPS + "  background: {method: reflected}", "datasets.background.method", "3d analysis"),
        (SPECTRUM + "  safe_mask: {parameters: {offset: 2 deg}}",
         "datasets.safe_mask.parameters.offset", "SafeMaskMaker has no argument 'offset'"),
        (SPECTRUM + "flux_points: {}", "flux_points.energy", "is incomplete"),
        (SPECTRUM + "flux_points: {energy: {min: 1 TeV, max: 2 TeV, nbins: 1}, "
         "parameters: {source: x}}", "flux_points.parameters.source", "is set elsewhere"),
        (SPECTRUM + "  geom: {axes: {energy: {min: 1 TeV, max: 2 TeV, nbins: 0}}}",
         "datasets.geom.axes.energy", "is incomplete"),
    ],
)  # fmt: skip
def test_settings_that_gammapy_refuses_are_errors(content: str, path: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        skyred.convert(content, "models.yaml")
    (problem,) = error.value.problems
    assert path_text(problem.path) == path
    assert message in str(problem)


def test_defaults_that_differ_from_those_of_skyred_are_in_the_file() -> None:
    spectrum = data_entry(SPECTRUM)
    maps = data_entry(MAPS + "  background: {method: fov_background}")
    assert spectrum["irfs"] == ["aeff", "edisp", "psf", "bkg"]
    assert spectrum["make"][0] == {
        "kind": "spectrum", "containment_correction": True, "no_background": True,
    }  # fmt: skip
    assert maps["make"][2] == {"kind": "fov-background", "method": "scale"}
    assert maps["geometry"]["cutout_width"] == "5.0 deg"
    assert maps["geometry"]["width"] == ["5.0 deg", "5.0 deg"]


def test_documented_example_names_each_setting_that_is_not_converted() -> None:
    skipped = skipped_settings((CONFIG_PATH / "docs.yaml").read_text("utf-8"))
    assert skipped == {
        "general.log.filemode": False,
        "general.log.format": False,
        "general.log.datefmt": False,
        "datasets.background.method": True,  # a ring needs one energy bin, in gammapy too
        "fit.fit_range.max": False,  # gammapy excludes the last bin because of rounding
        "datasets.on_region": False,
        "datasets.containment_correction": False,
    }


def test_steps_that_need_models_are_not_converted_without_models() -> None:
    content = SPECTRUM + "fit: {}\nflux_points: {energy: {min: 1 TeV, max: 9 TeV, nbins: 2}}\n"
    assert skipped_settings(content, None) == {"fit": True, "flux_points": True}
    assert set(convert(content, None)) == {"data"}


def test_models_file_of_the_configuration_is_used_if_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = SPECTRUM + "general: {models_file: sky.yaml}"
    assert skipped_settings(content, None) == {"general.models_file": True}
    Path("sky.yaml").touch()
    assert convert(content, None)["model"] == [{"kind": "file", "path": "sky.yaml"}]


def test_datasets_file_is_read_if_nothing_is_reduced() -> None:
    content = "general: {datasets_file: reduced.yaml}\nfit: {}\n"
    assert data_entry(content) == {"datasets": ["reduced.yaml"]}


def test_workflow_has_the_estimators_of_its_steps() -> None:
    edges = "energy: {min: 1 TeV, max: 9 TeV, nbins: 2}"
    content = MAPS + f"flux_points: {{{edges}}}\nexcess_map: {{}}\n"
    steps = content + "general: {steps: [data-selection, fit, flux-points]}\n"
    kinds = [estimator["kind"] for estimator in convert(steps)["estimate"]]
    assert kinds == ["flux-points"]
    assert skipped_settings(steps)["excess_map"] is False
    assert "fit" not in convert(content + "general: {steps: [data-selection, flux-points]}\n")
    before = content + "general: {steps: [data-selection, excess-map, fit]}\n"
    (excess_map,) = convert(before)["estimate"]
    assert "subtract_sources" not in excess_map
    assert skipped_settings(before)["general.steps"] is True
    (_, residual_map) = convert(content)["estimate"][::-1]
    assert residual_map["subtract_sources"] is True


def test_options_of_the_command_line_replace_the_general_section() -> None:
    content = MAPS + "general: {n_jobs: 4, outdir: crab, log: {level: DEBUG, filename: crab.log}}"
    assert skyred.convert(content).arguments == (
        "--workers", "4", "--output", "crab", "--log-level", "debug", "--log-file", "crab.log",
    )  # fmt: skip


@pytest.mark.parametrize("highest", ["4 TeV", "10 TeV", "3.981071705534971 TeV", "12 TeV"])
def test_fit_range_has_the_bins_that_gammapy_fits(highest: str) -> None:
    content = MAPS + f"fit: {{fit_range: {{min: 1 TeV, max: {highest}}}}}"
    axis = AnalysisConfig().datasets.geom.axes.energy
    geom = RegionGeom(None, axes=[Analysis._make_energy_axis(axis)])
    n_fitted = geom.energy_mask(1 * u.TeV, u.Quantity(highest)).data.sum()
    low, high = map(u.Quantity, data_entry(content)["fit_range"]["energy"])
    edges = geom.axes["energy"].edges
    tolerance = 1 + 1e-6  # of skyred's fit range
    is_fitted = (edges[:-1] >= low / tolerance) & (edges[1:] <= high * tolerance)
    assert is_fitted.sum() == n_fitted


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (MAPS + "  safe_mask: {methods: [aeff-max]}", None),
        (MAPS.replace("{wcs:", "{axes: {energy_true: {min: 1 TeV, max: 30 TeV, nbins: 9}}, wcs:")
         + "  safe_mask: {methods: [aeff-max]}", "datasets.safe_mask.methods"),
    ],
)  # fmt: skip
def test_masked_first_bin_of_gammapy_is_reported(content: str, path: str | None) -> None:
    changes = [
        name for name, changes_results in skipped_settings(content).items() if changes_results
    ]
    assert changes == ([] if path is None else [path])


def test_instrument_of_asgardpy_is_a_data_entry_with_its_flux_points() -> None:
    content = TARGET + INSTRUMENT + "general: {steps: [datasets-1d, fit, flux-points]}\n"
    converted = convert(content, None)
    entry = converted["data"]["HESS-data"]
    assert entry["datasets"] == ["spectra/pha*.fits"]
    assert entry["fit_range"] == {"energy": ["1.0 GeV", "1.0 TeV"]}  # default of asgardpy
    (estimator,) = converted["estimate"]
    assert estimator["name"] == "flux-points-HESS-data"
    assert estimator["datasets"] == ["HESS-data-*"]


@pytest.mark.parametrize(
    ("selection", "models"),
    [
        ("{}", []),
        ("{roi_radius: 3 deg}", [
            {"kind": "freeze", "parameters": "spectral", "around": "Crab", "beyond": "3.0 deg"},
        ]),
        ("{free_sources: [A, B]}", [
            {"kind": "freeze", "parameters": "spectral", "exclude": ["Crab"]},
            {"kind": "free", "parameters": "norm", "sources": ["A", "B"]},
        ]),
    ],
)  # fmt: skip
def test_region_of_interest_of_asgardpy_freezes_sources(
    selection: str, models: list[dict[str, Any]]
) -> None:
    content = TARGET + f"  roi_selection: {selection}\n" + MAP_INSTRUMENT
    content += "general: {steps: [datasets-3d]}\n"
    assert convert(content, None)["model"][1:] == models


def test_fermi_event_files_are_not_converted() -> None:
    content = (
        TARGET
        + "general: {steps: [datasets-3d]}\n"
        + """
dataset3d:
  instruments:
    - {name: LAT, input_dl3: [{type: lat, input_dir: .}], dataset_info: {name: LAT}}
    - {name: HESS, input_dl4: true}
"""
    )
    assert skipped_settings(content)["dataset3d.instruments[0].input_dl3[0]"] is True
    assert list(convert(content)["data"]) == ["HESS"]


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (TARGET + INSTRUMENT + "general: {steps: 3}", "general.steps"),
        (TARGET + "  use_catalog: {selection_radius: x}" + INSTRUMENT,
         "target.use_catalog.selection_radius"),
        (TARGET + "  use_catalog: {selection_radius: 1 TeV}" + INSTRUMENT,
         "target.use_catalog.selection_radius"),
        (TARGET + "dataset1d: {instruments: 4}", "dataset1d.instruments"),
        (TARGET + INSTRUMENT + "fit_params: {fit_range: {min: 1 deg}}", "fit_params.fit_range.min"),
        ("target: {components: 2}\n" + INSTRUMENT, "target.components"),
    ],
)  # fmt: skip
def test_invalid_values_in_a_configuration_of_asgardpy_are_errors(content: str, path: str) -> None:
    if "steps" not in content:
        content += "\ngeneral: {steps: [datasets-1d]}\n"
    with pytest.raises(ConfigError) as error:
        skyred.convert(content)
    assert path_text(error.value.problems[0].path) == path


def test_region_of_interest_is_not_used_without_reduced_maps() -> None:
    content = TARGET + "  roi_selection: {roi_radius: 3 deg}\n" + INSTRUMENT
    content += "general: {steps: [datasets-1d]}\n"
    assert len(convert(content, None)["model"]) == 1
    assert skipped_settings(content)["target.roi_selection"] is False


def test_lowest_energy_without_a_highest_one_includes_the_last_bin() -> None:
    entry = data_entry(MAPS + "fit: {fit_range: {min: 1500 GeV}}")
    low, high = map(u.Quantity, entry["fit_range"]["energy"])
    assert low == 1500 * u.GeV
    axis = AnalysisConfig().datasets.geom.axes.energy
    assert high == Analysis._make_energy_axis(axis).edges[-1]


def test_written_configuration_has_only_the_steps_with_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    config = AnalysisConfig.from_yaml(SPECTRUM + "fit: {fit_range: {min: 1 TeV}}")
    config.write(path)
    converted = yaml.safe_load(skyred.convert(path, "models.yaml").yaml)
    assert "estimate" not in converted
    assert converted["fit"] == {"kind": "newton"}


def test_words_of_yaml_1_1_are_read_as_by_gammapy() -> None:
    content = SPECTRUM + "flux_points: {energy: {min: 1 TeV, max: 9 TeV, nbins: 2}, parameters: "
    (estimator,) = convert(content + "{reoptimize: yes, n_sigma: null}}")["estimate"]
    assert estimator["reoptimize"] is True
    assert "n_sigma" not in estimator


def test_empty_list_of_safe_mask_methods_masks_nothing() -> None:
    makers = data_entry(MAPS + "  safe_mask: {methods: []}")["make"]
    assert [maker["kind"] for maker in makers] == ["map"]


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("lon: 83.633, lat: 22 deg", "datasets.on_region.lon"),
        ("lon: 5:34:31.94, lat: 22 deg", "datasets.on_region.lon"),
    ],
)
def test_values_that_astropy_cannot_read_are_errors(setting: str, path: str) -> None:
    content = OBSERVATIONS + f"datasets: {{type: 1d, on_region: {{{setting}}}}}"
    with pytest.raises(ConfigError, match="gammapy cannot read") as error:
        skyred.convert(content)
    assert path_text(error.value.problems[0].path) == path


def test_two_instruments_of_one_name_are_an_error() -> None:
    content = TARGET + INSTRUMENT + "    - {name: HESS-data, input_dl4: true}\n"
    with pytest.raises(ConfigError, match="the name 'HESS-data' is used twice"):
        skyred.convert(content + "general: {steps: [datasets-1d]}\n")


def test_files_of_runs_have_the_obs_id_as_first_number(tmp_path: Path) -> None:
    for name in ("pha_obs1.fits", "pha_obs11.fits", "pha_obs2.fits"):
        (tmp_path / name).touch()
    content = (
        TARGET
        + INSTRUMENT.replace("spectra", str(tmp_path))
        + ("      dataset_info: {observation: {obs_ids: [1]}}\ngeneral: {steps: [datasets-1d]}\n")
    )
    entry = convert(content)["data"]["HESS-data"]
    assert entry["datasets"] == [f"{tmp_path}/pha_obs1.fits"]
