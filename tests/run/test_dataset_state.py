"""Changes of all parts of datasets are found, and restored."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.data import GTI
from gammapy.datasets import Datasets, FluxPointsDataset, MapDataset
from gammapy.estimators import FluxPoints
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    CompoundSpectralModel,
    GaussianSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateSpatialModel,
    TemplateSpectralModel,
)

from skyred.run.dataset_state import DatasetState
from skyred.run.part_copies import checksum_of


def create_datasets() -> Datasets:
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
    energy_true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")
    geom = WcsGeom.create(skydir=(0, 0), width=1, binsz=0.5, axes=[energy])
    dataset = MapDataset.create(geom, energy_axis_true=energy_true, name="maps")
    dataset.counts.data += 1
    dataset.gti = GTI.create([0, 20] * u.s, [10, 30] * u.s)
    dataset.meta_table = Table({"OBS_ID": [[1, 2]], "TELESCOP": [["hess", "magic"]]})
    table = Table({"e_ref": [1, 3] * u.TeV, "dnde": [1e-11, 1e-12] * u.Unit("cm-2 s-1 TeV-1")})
    table["dnde_err"] = table["dnde"] / 10
    table.meta["SED_TYPE"] = "dnde"
    points = FluxPoints.from_table(table, sed_type="dnde")
    datasets = Datasets([dataset, FluxPointsDataset(data=points, name="points")])
    datasets.models = [create_template(), create_compound()]
    return datasets


def create_template() -> SkyModel:
    sky_map = Map.create(npix=4, unit="sr-1")
    sky_map.data += 1
    spectrum = TemplateSpectralModel([1, 10] * u.TeV, [1, 2] * u.Unit("cm-2 s-1 TeV-1"))
    template = TemplateSpatialModel(sky_map, normalize=False, filename="template.fits")
    return SkyModel(spectrum, template, name="template")


def create_compound() -> SkyModel:
    spectrum = CompoundSpectralModel(
        PowerLawSpectralModel(), PowerLawNormSpectralModel(), operator.mul
    )
    return SkyModel(spectrum, GaussianSpatialModel(frame="icrs"), name="compound")


def summarise(datasets: Datasets) -> list[str]:
    """Return values of all parts that the tests change."""
    maps, points = datasets
    models = datasets.models
    template, compound = models
    return [
        str(part)
        for part in (
            *(maps.counts.geom, maps.counts.geom.axes[0].edges, maps.exposure.unit, maps.stat_type),
            *(maps.psf.psf_map.data.sum(), maps.edisp.edisp_map.data.sum(), maps.gti.table),
            *(maps.meta_table["TELESCOP"].tolist(), points.data.norm.data, points.mask_safe),
            *(points.data.reference_model.parameters.value, template.spatial_model.map.data),
            *(template.spectral_model.values, compound.spatial_model.frame),
            compound.spectral_model.operator,
        )
    ]


def move_stop(datasets):
    datasets[0].gti.table["STOP"] += 1 * u.s


def rename_telescope(datasets):
    datasets[0].meta_table["TELESCOP"][0][0] = "cta"


def change_psf(datasets):
    datasets[0].psf.psf_map.data[0] += 1


def change_points(datasets):
    datasets[1].data.norm.data *= 2


def mask_points(datasets):
    datasets[1].mask_safe = ~datasets[1].mask_safe


def change_edisp(datasets):
    datasets[0].edisp = None


def change_unit(datasets):
    datasets[0].exposure._unit = u.Unit("cm2 s")


def move_geom(datasets):
    geom = datasets[0].counts.geom
    datasets[0].counts._geom = WcsGeom.create(skydir=(5, 5), width=1, binsz=0.5, axes=geom.axes)


def double_energies(datasets):
    datasets[0].counts.geom.axes[0]._nodes *= 2


def change_stat_type(datasets):
    datasets[0].stat_type = "wstat"


def change_reference(datasets):
    datasets[1].data.reference_model.spectral_model.index.value = 5


def change_frame(datasets):
    datasets.models["compound"].spatial_model.frame = "galactic"


def change_operator(datasets):
    datasets.models["compound"].spectral_model.operator = operator.add


def double_template(datasets):
    datasets.models["template"].spatial_model.map.data *= 2


def double_spectrum(datasets):
    datasets.models["template"].spectral_model.values *= 2


def reverse(datasets):
    datasets._datasets.reverse()


def append(datasets):
    datasets.append(datasets[0].copy(name="another"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (move_stop, "gti of maps"),
        (rename_telescope, "meta_table of maps"),
        (change_psf, "irf_map of the psf of maps"),
        (change_points, "norm of the flux points of points"),
        (mask_points, "mask_safe of points"),
        (change_edisp, "irf_map of the edisp of maps"),
        (change_unit, "exposure of maps"),
        (move_geom, "counts of maps"),
        (double_energies, "counts of maps"),
        (change_stat_type, "stat_type of maps"),
        (change_reference, "reference model of the flux points of points"),
        (change_frame, "frame of the spatial model of compound"),
        (change_operator, "operator of the spectral model of compound"),
        (double_template, "map of the spatial model of template"),
        (double_spectrum, "values of the spectral model of template"),
        (reverse, "the names or the order of the datasets"),
        (append, "the names or the order of the datasets"),
    ],
)
def test_changes_are_listed_and_restored(change, message):
    datasets = create_datasets()
    state = DatasetState.read(datasets, copy=True)
    assert state.find_changes(datasets) == []
    change(datasets)
    assert message in state.find_changes(datasets)
    state.restore(datasets)
    assert state.find_changes(datasets) == []
    assert summarise(datasets) == summarise(create_datasets())


def test_maps_that_gammapy_reads_when_they_are_used_are_no_changes(tmp_path):
    datasets = Datasets(create_datasets()[:1])
    datasets.write(tmp_path / "datasets.yaml")
    lazy_datasets = Datasets.read(tmp_path / "datasets.yaml", lazy=True)
    state = DatasetState.read(lazy_datasets, copy=True)
    assert np.isfinite(lazy_datasets[0].npred().data).all()
    assert state.find_changes(lazy_datasets) == []


def test_arrays_of_times_and_objects_have_checksums():
    times = np.array(["2020-01-01", "2021-01-01"], dtype="M8[s]")
    assert checksum_of(times) == checksum_of(times.copy())
    assert checksum_of(times) != checksum_of(times + np.timedelta64(1, "s"))
    objects = np.array([{"a": 1}, None], dtype=object)
    assert checksum_of(objects) == checksum_of(objects.copy())
