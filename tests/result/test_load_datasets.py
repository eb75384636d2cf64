"""Reduced datasets from files as entries of `data:`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from gammapy.datasets import Datasets

import small_datasets as small
from skyred import Orchestrator, Pipeline, ReducedData, Reduction, Result
from skyred.components.gammapy import EnergyAxis, SpectrumData, SpectrumGeometry, Sum
from skyred.errors import ArchiveError, ConfigError, FieldError, ModelError
from skyred.interfaces import FitRange
from toys import ToyModel, toy_pipeline, toy_plugins


def write_index(folder: Path, *datasets: Any) -> Path:
    Datasets(list(datasets)).write(folder / "datasets.yaml")
    return folder / "datasets.yaml"


def write_ogip(folder: Path, name: str, seed: int = 3) -> Path:
    dataset = small.spectrum_on_off(name, seed=seed)
    dataset.exposure.meta = {"livetime": 100 * small.u.s}
    path = folder / f"pha_obs{name}.fits"
    dataset.write(path, format="ogip")
    return path


def create_orchestrator(locations: Any, **options: Any) -> Orchestrator:
    pipeline = Pipeline(data={"other": ReducedData(datasets=locations, **options)})
    return Orchestrator(pipeline, plugins=toy_plugins())


@pytest.mark.slow
def test_all_types_of_datasets_in_an_index_are_read(tmp_path: Path) -> None:
    expected = Datasets(
        [small.map_dataset(), small.map_on_off(), small.spectrum_on_off(), small.flux_points()]
    )
    index = write_index(tmp_path, *expected)
    datasets = create_orchestrator(str(index)).reduce()
    assert datasets.names == expected.names
    assert [type(dataset) for dataset in datasets] == [type(dataset) for dataset in expected]
    np.testing.assert_array_equal(datasets[1].counts_off.data, expected[1].counts_off.data)


def test_ogip_file_agrees_with_gammapy(tmp_path: Path) -> None:
    from gammapy.datasets import SpectrumDatasetOnOff

    path = write_ogip(tmp_path, "run7")
    (loaded,) = create_orchestrator(str(path)).reduce()
    gammapy_dataset = SpectrumDatasetOnOff.read(path)
    assert loaded.stat_type == "wstat"
    for name in ("counts", "counts_off", "acceptance", "acceptance_off", "exposure"):
        np.testing.assert_array_equal(
            getattr(loaded, name).data, getattr(gammapy_dataset, name).data
        )


def test_original_name_and_file_of_a_dataset_are_kept(tmp_path: Path) -> None:
    (loaded,) = create_orchestrator(str(write_ogip(tmp_path, "run7"))).reduce()
    assert loaded.meta_table["DATASET_NAME"].tolist() == ["run7"]
    assert loaded.meta_table["DATASET_FILE"].tolist() == ["pha_obsrun7.fits"]


def test_wildcard_matches_several_files_in_order_of_their_names(tmp_path: Path) -> None:
    for name, seed in (("b", 1), ("a", 2)):
        write_ogip(tmp_path, name, seed)
    datasets = create_orchestrator(f"{tmp_path}/pha_obs?.fits").reduce()
    assert [loaded.meta_table["DATASET_NAME"][0] for loaded in datasets] == ["a", "b"]


def test_file_listed_twice_is_read_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_ogip(tmp_path, "run7")
    with caplog.at_level(logging.WARNING):
        assert len(create_orchestrator([str(path), f"{tmp_path}/pha*.fits"]).reduce()) == 1
    assert "listed twice" in caplog.text


def test_fit_range_of_an_entry_is_applied_to_all_its_datasets(tmp_path: Path) -> None:
    index = write_index(tmp_path, small.map_dataset("a"), small.map_dataset("b"))
    edges = small.ENERGY.edges[[0, 1]]
    for loaded in create_orchestrator(str(index), fit_range=FitRange(energy=edges)).reduce():
        assert loaded.mask_fit.data[0].all()
        assert not loaded.mask_fit.data[1:].any()


def test_empty_fit_range_is_reported_with_the_dataset(tmp_path: Path) -> None:
    index = write_index(tmp_path, small.map_dataset("a"))
    with pytest.raises(ModelError, match="contains no bins of the dataset 'a'"):
        create_orchestrator(str(index), fit_range=FitRange(energy=["50 TeV", "60 TeV"])).reduce()


def test_fit_range_outside_the_axis_is_reported_before_data_are_read() -> None:
    with pytest.raises(FieldError, match=r"fit_range.energy: 50.0 TeV to 60.0 TeV is outside"):
        Reduction(
            archive="sim:crab",
            geometry=SpectrumGeometry(
                on_region=small.CIRCLE,
                energy=EnergyAxis(min="1 TeV", max="10 TeV", bins=2),
                energy_true=EnergyAxis(min="1 TeV", max="10 TeV", bins=2),
            ),
            make=[SpectrumData()],
            stack=Sum(),
            fit_range=FitRange(energy=["50 TeV", "60 TeV"]),
        )


def test_fit_range_is_applied_to_reduced_observations() -> None:
    low, high = "1 TeV", "3.2 TeV"
    pipeline = toy_pipeline(fit_range=FitRange(energy=[low, high]))
    (dataset,) = Orchestrator(pipeline, plugins=toy_plugins()).reduce()
    assert dataset.mask_fit.data.squeeze().tolist() == [True, False]


def test_datasets_from_files_and_from_observations_are_combined(tmp_path: Path) -> None:
    (reduction,) = toy_pipeline().data.values()
    reduced_data = ReducedData(datasets=str(write_index(tmp_path, small.spectrum_dataset())))
    pipeline = Pipeline(data={"other": reduced_data, "toy": reduction}, model=[ToyModel()])
    orchestrator = Orchestrator(pipeline, plugins=toy_plugins())
    assert orchestrator.reduce().names == ["spectrum", "toy"]
    assert list(orchestrator.select()) == ["toy"]


@pytest.mark.slow
def test_all_read_files_are_inputs_of_the_run(tmp_path: Path) -> None:
    path = write_ogip(tmp_path, "run7")
    index = write_index(tmp_path, small.map_dataset())
    pipeline = Pipeline(data={"other": ReducedData(datasets=[str(path), str(index)])})
    result = pipeline.run(tmp_path / "out", plugins=toy_plugins())
    assert result.folder is not None
    report = json.loads((result.folder / "report.json").read_text())
    names = {Path(record["path"]).name for record in report["inputs"]}
    assert names >= {"pha_obsrun7.fits", "pha_obsrun7_arf.fits", "pha_obsrun7_bkg.fits"}
    assert names >= {"pha_obsrun7_rmf.fits", "datasets.yaml", "map.fits"}


@pytest.mark.slow
def test_datasets_of_a_run_folder_can_be_used_by_another_run(tmp_path: Path) -> None:
    first = create_orchestrator(
        str(write_ogip(tmp_path, "run7")), fit_range=FitRange(energy=small.ENERGY.edges[[0, 2]])
    )
    first.run(tmp_path / "first")
    second = create_orchestrator(str(tmp_path / "first" / "datasets" / "datasets.yaml"))
    (loaded,) = second.reduce()
    # gammapy does not read the fit range of on-off datasets
    np.testing.assert_array_equal(loaded.mask_fit.data, first.datasets[0].mask_fit.data)
    second.run(tmp_path / "second")
    loaded = Result.read(tmp_path / "second", plugins=toy_plugins()).datasets
    assert loaded is not None
    assert loaded[0].stat_sum() == pytest.approx(first.datasets[0].stat_sum(), rel=1e-9)


def test_files_without_datasets_are_reported(tmp_path: Path) -> None:
    image = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(image)
    with pytest.raises(ArchiveError, match=r"image.fits has no dataset: .*expected COUNTS"):
        create_orchestrator(str(image)).reduce()
    notes = tmp_path / "notes.fits"
    notes.write_text("no FITS at all")
    with pytest.raises(ArchiveError, match=r"data.other: .*notes.fits cannot be read as FITS"):
        create_orchestrator(str(notes)).reduce()
    models = tmp_path / "models.yaml"
    models.write_text("components: []")
    with pytest.raises(ArchiveError, match=r"models.yaml has no 'datasets' list"):
        create_orchestrator(str(models)).reduce()


def test_spectrum_without_background_or_irf_file_is_reported(tmp_path: Path) -> None:
    path = write_ogip(tmp_path, "run7")
    (tmp_path / "pha_obsrun7_arf.fits").unlink()
    with pytest.raises(
        ArchiveError, match=r"pha_obsrun7.fits refers to .*arf.fits, which does not exist"
    ):
        create_orchestrator(str(path)).reduce()
    path = write_ogip(tmp_path, "run8")
    with fits.open(path, mode="update") as hdus:
        del hdus["SPECTRUM"].header["BACKFILE"]
    with pytest.raises(ArchiveError, match=r"names no background file \(BACKFILE\)"):
        create_orchestrator(str(path)).reduce()


def test_missing_files_are_reported_before_data_are_read(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"data.other.datasets: no such file or folder: .*pha\*.fits"
    ):
        create_orchestrator(f"{tmp_path}/pha*.fits")


def test_entry_has_either_an_archive_or_datasets() -> None:
    for entry_yaml, message in (
        ("{fit_range: {energy: [1 TeV, 2 TeV]}}", r"data.other: has neither archive nor datasets"),
        (
            "{archive: 'sim:crab', datasets: x.fits}",
            r"data.other: has both datasets and an archive",
        ),
        ("{datasets: x.fits, stack: {kind: sum}}", r"data.other.stack: unknown key"),
        ("{archive: 'sim:crab'}", r"data.other: missing key 'geometry'; expected a geometry"),
    ):
        with pytest.raises(ConfigError, match=message):
            Pipeline.from_yaml(f"data:\n  other: {entry_yaml}\n", plugins=toy_plugins())


def test_reduced_data_are_not_among_the_reductions() -> None:
    pipeline = Pipeline(data={"other": ReducedData(datasets="datasets.yaml")})
    assert list(pipeline.reductions()) == []
    assert not hasattr(pipeline.data["other"], "with_name")  # a method of entries with a geometry


def test_entry_in_yaml_equals_the_entry_in_python(tmp_path: Path) -> None:
    index = write_index(tmp_path, small.map_dataset())
    config = f"data:\n  other:\n    datasets: {index}\n    fit_range: {{energy: [1 TeV, 5 TeV]}}\n"
    pipeline = Pipeline.from_yaml(config, plugins=toy_plugins())
    entry = ReducedData(datasets=str(index), fit_range=FitRange(energy=["1 TeV", "5 TeV"]))
    assert pipeline == Pipeline(data={"other": entry})
    assert Pipeline.from_yaml(pipeline.to_yaml(), plugins=toy_plugins()) == pipeline


@pytest.mark.slow
def test_names_of_datasets_are_kept_or_derived_from_the_entry(tmp_path: Path) -> None:
    index = write_index(tmp_path, small.map_dataset("a"), small.spectrum_dataset("b"))
    assert create_orchestrator(str(index)).reduce().names == ["a", "b"]
    datasets = create_orchestrator(str(index), names="entry").reduce()
    assert datasets.names == ["other-1", "other-2"]
    assert datasets[1].meta_table["DATASET_NAME"].tolist() == ["b"]


@pytest.mark.slow
def test_equal_names_in_two_entries_are_reported_with_the_remedy(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        write_index(tmp_path / folder, small.map_dataset("a"))
    entries = {
        folder: ReducedData(datasets=str(tmp_path / folder / "datasets.yaml"))
        for folder in ("first", "second")
    }
    message = r"data.second: a dataset of data.first also has the name 'a'; set 'names: entry'"
    with pytest.raises(ArchiveError, match=message):
        Orchestrator(Pipeline(data=entries), plugins=toy_plugins()).reduce()
    entries["second"] = entries["second"].evolve(names="entry")
    names = Orchestrator(Pipeline(data=entries), plugins=toy_plugins()).reduce().names
    assert names == ["a", "second-1"]


@pytest.mark.parametrize(
    "create",
    [small.map_dataset, small.map_on_off, small.spectrum_dataset, small.spectrum_on_off],
    ids=lambda create: create.__name__,
)
def test_single_file_of_any_type_is_read(create: Any, tmp_path: Path) -> None:
    dataset = create("single")
    path = tmp_path / "file.fits"
    dataset.to_hdulist().writeto(path)
    (loaded,) = create_orchestrator(str(path)).reduce()
    assert (type(loaded), loaded.name) == (type(dataset), "single")
    loaded.models = dataset.models = ToyModel().build([dataset])
    assert loaded.stat_sum() == pytest.approx(dataset.stat_sum(), rel=1e-9)


def test_single_file_without_a_name_is_named_after_the_entry(tmp_path: Path) -> None:
    hdus = small.map_dataset().to_hdulist()
    del hdus[0].header["NAME"]
    hdus.writeto(tmp_path / "file.fits")
    (loaded,) = create_orchestrator(f"{tmp_path}/file.fits").reduce()
    assert loaded.name == "other-1"


def test_background_model_in_a_file_is_assigned_to_its_dataset(tmp_path: Path) -> None:
    from gammapy.modeling.models import FoVBackgroundModel, Models

    index = write_index(tmp_path, small.map_dataset("a"))
    Models([FoVBackgroundModel(dataset_name="a")]).write(tmp_path / "models.yaml")
    config = f"""
data: {{other: {{datasets: {index}}}}}
model: [{{kind: file, path: {tmp_path}/models.yaml}}]
"""
    orchestrator = Orchestrator(Pipeline.from_yaml(config))
    orchestrator.run_until("model")
    assert orchestrator.datasets[0].background_model is not None


def test_files_in_other_folders_need_allow_outside(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    index = write_index(tmp_path, small.map_dataset("a")).rename(tmp_path / "index/datasets.yaml")
    index.write_text(index.read_text().replace("filename: ", "filename: ../"))
    with pytest.raises(ArchiveError, match=r"refers to '../a.fits'.*allow_outside: true"):
        create_orchestrator(str(index)).reduce()
    assert create_orchestrator(str(index), allow_outside=True).reduce().names == ["a"]


def test_run_folder_is_read_and_verified(tmp_path: Path) -> None:
    index = write_index(tmp_path, small.map_dataset("a"))
    create_orchestrator(str(index)).run(tmp_path / "run")
    (loaded,) = create_orchestrator(str(tmp_path / "run")).reduce()
    np.testing.assert_array_equal(loaded.counts.data, small.map_dataset().counts.data)
    (tmp_path / "run/datasets/datasets.yaml").open("a").write("# changed\n")
    with pytest.raises(ArchiveError, match=r"data.other: .*datasets.yaml"):
        create_orchestrator(str(tmp_path / "run")).reduce()
    empty_folder = tmp_path / "empty"
    empty_folder.mkdir()
    with pytest.raises(ArchiveError, match=r"has neither datasets.yaml nor"):
        create_orchestrator(str(empty_folder)).reduce()


def test_invalid_index_and_missing_unit_are_reported(tmp_path: Path) -> None:
    index = write_index(tmp_path, small.map_dataset("a"))
    content = index.read_text()
    index.write_text(content.replace("type: MapDataset", "kind: MapDataset"))
    with pytest.raises(ArchiveError, match=r"dataset 1 has no key 'type'"):
        create_orchestrator(str(index)).reduce()
    index.write_text(content.replace("type: MapDataset", "type: Cube"))
    with pytest.raises(ArchiveError, match=r"has the type 'Cube'; expected one of MapDataset"):
        create_orchestrator(str(index)).reduce()
    with fits.open(tmp_path / "a.fits", mode="update") as hdus:
        del hdus["EXPOSURE"].header["BUNIT"]
    with pytest.raises(ArchiveError, match=r"EXPOSURE has the unit ''; expected m2 s"):
        create_orchestrator(f"{tmp_path}/a.fits").reduce()
