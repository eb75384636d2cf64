"""Changes of all parts of datasets are found, and restored."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.data import GTI
from gammapy.datasets import Datasets, FluxPointsDataset, MapDataset
from gammapy.estimators import FluxPoints
from gammapy.maps import MapAxis, WcsGeom

from skyred.run.dataset_state import DatasetState


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
    return Datasets([dataset, FluxPointsDataset(data=points, name="points")])


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
    assert DatasetState.read(datasets).find_changes(create_datasets()) == []


def test_maps_that_gammapy_reads_when_they_are_used_are_no_changes(tmp_path):
    datasets = Datasets(create_datasets()[:1])
    datasets.write(tmp_path / "datasets.yaml")
    lazy_datasets = Datasets.read(tmp_path / "datasets.yaml", lazy=True)
    state = DatasetState.read(lazy_datasets, copy=True)
    assert np.isfinite(lazy_datasets[0].npred().data).all()
    assert state.find_changes(lazy_datasets) == []
