"""Empty datasets of a geometry share their geometries, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest
from gammapy.datasets import MapDataset, SpectrumDataset
from gammapy.maps import MapAxis, RegionGeom, WcsGeom

from skyred import component
from skyred.components.geometries.axes import EnergyAxis
from skyred.components.geometries.sky_map import MapGeometry
from skyred.components.geometries.spectrum import SpectrumGeometry

OPTIONS = {
    "center": ("83.6 deg", "22 deg"),
    "width": "2 deg",
    "bin_size": "0.1 deg",
    "energy": {"min": "1 TeV", "max": "10 TeV", "bins": 4},
    "energy_true": {"min": "0.5 TeV", "max": "20 TeV", "bins": 6},
}
MAPS = ("counts", "exposure", "background", "mask_safe")


def create_geometry(**options):
    axes = {name: EnergyAxis(**OPTIONS[name]) for name in ("energy", "energy_true")}
    return MapGeometry(**(OPTIONS | axes | options))


def list_maps(dataset):
    maps = [getattr(dataset, name) for name in MAPS]
    for irf in (dataset.psf, dataset.edisp):
        maps += [irf._irf_map, irf.exposure_map]
    return maps


@pytest.mark.parametrize("options", [{}, {"irf_bin_size": "0.5 deg"}, {"psf_bins": 10}])
def test_target_is_that_of_gammapy(options):
    geometry = create_geometry(**options)
    energy, energy_true = (
        MapAxis.from_energy_bounds(values["min"], values["max"], values["bins"], name=name)
        for name, values in ((name, OPTIONS[name]) for name in ("energy", "energy_true"))
    )
    geom = WcsGeom.create(skydir=(83.6, 22), width=2, binsz=0.1, frame="icrs", axes=[energy])
    radius = MapAxis.from_bounds(0, 0.66, options.get("psf_bins", 66), unit="deg", name="rad")
    binsz_irf = float(options.get("irf_bin_size", "0.2 deg").split()[0])
    expected = MapDataset.create(geom, energy_true, rad_axis=radius, binsz_irf=binsz_irf)
    for _ in range(2):  # the second one is a copy of the template
        target = geometry.target("crab")
        assert target.name == "crab"
        for part, expected_part in zip(list_maps(target), list_maps(expected), strict=True):
            assert part.geom == expected_part.geom
            assert (part.unit, part.data.dtype) == (expected_part.unit, expected_part.data.dtype)
            np.testing.assert_array_equal(part.data, expected_part.data)
        assert len(target.gti.table) == 0
        assert target.gti.time_ref == expected.gti.time_ref


def test_targets_have_their_own_arrays_and_good_times():
    first, second = (create_geometry().target() for _ in range(2))
    for part in list_maps(first):
        part.data[...] = 1
    first.gti.table["NEW"] = []
    for dataset in (second, create_geometry().target()):
        assert not any((part.data == 1).any() for part in list_maps(dataset))
        assert "NEW" not in dataset.gti.table.colnames


def test_different_options_give_a_different_target():
    create_geometry().target()
    assert create_geometry(bin_size="0.2 deg").target().counts.geom.data_shape == (4, 10, 10)


def test_axes_have_the_units_of_the_configuration():
    tev = create_geometry().target()
    energy = EnergyAxis(min="1000 GeV", max="10000 GeV", bins=4)
    gev = create_geometry(energy=energy).target()
    assert tev.counts.geom.axes["energy"].unit == "TeV"
    assert gev.counts.geom.axes["energy"].unit == "GeV"


@component
class WideGeometry(MapGeometry):
    """A map whose width is not an option."""

    kind = "wide-map"
    n_pixels = 10

    def build_image(self):
        return WcsGeom.create(skydir=(83.6, 22), npix=self.n_pixels, binsz=0.1, frame="icrs")


def test_target_of_a_subclass_is_built_each_time(monkeypatch):
    options = {name: EnergyAxis(**OPTIONS[name]) for name in ("energy", "energy_true")}
    geometry = WideGeometry(**(OPTIONS | options))
    assert geometry.target().counts.geom.data_shape == (4, 10, 10)
    monkeypatch.setattr(WideGeometry, "n_pixels", 20)
    assert geometry.target().counts.geom.data_shape == (4, 20, 20)


def test_copies_of_an_empty_spectrum_are_those_of_gammapy():
    axes = {name: EnergyAxis(**OPTIONS[name]) for name in ("energy", "energy_true")}
    geometry = SpectrumGeometry(on_region="icrs; circle(83.6, 22, 0.1)", **axes)
    target = geometry.target("crab")
    observation = SimpleNamespace(obs_id=5)
    first, second = (geometry.cutout(target, observation, None) for _ in range(2))
    expected = target.copy(name="crab-5")
    assert first.name == expected.name
    assert first.psf is expected.psf is None
    for name in MAPS:
        part, expected_part = getattr(first, name), getattr(expected, name)
        assert part.geom == expected_part.geom
        assert (part.unit, part.data.dtype) == (expected_part.unit, expected_part.data.dtype)
        np.testing.assert_array_equal(part.data, expected_part.data)
        assert not np.shares_memory(part.data, getattr(second, name).data)
    np.testing.assert_array_equal(first.edisp.edisp_map.data, expected.edisp.edisp_map.data)
    assert first.edisp.exposure_map.geom == expected.edisp.exposure_map.geom
    assert first.gti.table is not second.gti.table


@pytest.mark.parametrize("region", ["circle(83.6, 22, 0.1)", "circle(83.6, 22, 0.2)"])
def test_target_of_a_spectrum_is_that_of_gammapy(region):
    energy, energy_true = (
        MapAxis.from_energy_bounds(values["min"], values["max"], values["bins"], name=name)
        for name, values in ((name, OPTIONS[name]) for name in ("energy", "energy_true"))
    )
    axes = {name: EnergyAxis(**OPTIONS[name]) for name in ("energy", "energy_true")}
    geometry = SpectrumGeometry(on_region=f"icrs; {region}", **axes)
    geom = RegionGeom.create(f"icrs; {region}", axes=[energy])
    expected = SpectrumDataset.create(geom, energy_axis_true=energy_true)
    for _ in range(2):  # the second one is a copy of the template
        target = geometry.target("crab")
        assert target.name == "crab"
        assert target.psf is None
        for name in MAPS:
            part, expected_part = getattr(target, name), getattr(expected, name)
            assert part.geom.axes == expected_part.geom.axes
            assert part.geom.region.radius == expected_part.geom.region.radius
            assert (part.unit, part.data.dtype) == (expected_part.unit, expected_part.data.dtype)
            np.testing.assert_array_equal(part.data, expected_part.data)
        expected_kernel = expected.edisp.edisp_map.data
        np.testing.assert_array_equal(target.edisp.edisp_map.data, expected_kernel)


def test_region_file_is_read_for_each_target(tmp_path):
    axes = {name: EnergyAxis(**OPTIONS[name]) for name in ("energy", "energy_true")}
    path = tmp_path / "on.reg"
    geometry = SpectrumGeometry(on_region=str(path), **axes)
    for radius in (0.1, 0.2):
        path.write_text(f"icrs; circle(83.6, 22, {radius})")
        region = geometry.target().counts.geom.region
        assert region.radius.to_value("deg") == pytest.approx(radius)
