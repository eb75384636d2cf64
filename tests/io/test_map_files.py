"""Files of maps: the bytes of gammapy, for maps with and without a fast encoding."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from gammapy.maps import LabelMapAxis, Map, MapAxis, Maps, RegionGeom, WcsGeom, WcsNDMap
from hypothesis import given, settings, strategies as st

from fits_comparison import in_any_order, try_to_encode
from skyred.io.fits_encoding import encode_with_astropy, format_card, write_hdus
from skyred.io.map_files import encode_map, write_map, write_maps

ENERGY = MapAxis.from_energy_bounds("0.7 TeV", "31 TeV", nbin=5)
ENERGY_TRUE = MapAxis.from_energy_bounds("300 GeV", "40 TeV", nbin=3, name="energy_true")
RAD = MapAxis.from_bounds(0, 0.66, nbin=7, unit="deg", name="rad")
NODES = MapAxis.from_nodes([1, 3, 10] * u.keV, name="energy", interp="log")
SKY: dict[str, Any] = {"skydir": (83.633, 22.014), "npix": (4, 3), "binsz": 0.02}
GEOMS = {
    "energies": WcsGeom.create(**SKY, axes=[ENERGY]),
    "psf": WcsGeom.create(**SKY, axes=[RAD, ENERGY_TRUE]),
    "nodes": WcsGeom.create(**SKY, axes=[NODES]),
    "image": WcsGeom.create(**SKY),
    "galactic tangent plane": WcsGeom.create(npix=3, proj="TAN", frame="galactic", axes=[ENERGY]),
    "all sky": WcsGeom.create(binsz=90, proj="AIT", axes=[ENERGY_TRUE, ENERGY]),
    "several pixel sizes": WcsGeom.create(npix=([3, 4, 5, 6, 7], [2, 2, 2, 2, 2]), axes=[ENERGY]),
    "labels": WcsGeom.create(**SKY, axes=[LabelMapAxis(["a", "b"], name="model")]),
    "phases": WcsGeom.create(**SKY, axes=[MapAxis.from_bounds(0, 1, 2, unit="", name="phase")]),
    "region": RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[ENERGY]),
}
DTYPES = ["float32", "float64", "int64", "int32", "int16", "bool", "uint8", "uint16"]
META = {"livetime": 12.5 * u.s, "text": "a long value " * 12}

AXIS_NAMES = ["energy", "energy_true", "rad", "time", "energy_min", "x", "x_min", "channel"]
AXIS_NAMES += ["ENERGY", "Energy", "X", "a b", "é", "x" * 70]
UNITS = ["", "TeV", "keV", "deg", "cm-2 s-1 TeV-1", "m2 s", "erg", "1000 s", "3 m", "foo", "mag"]
METAS = st.none() | st.dictionaries(
    st.text(max_size=9),
    st.text(max_size=90) | st.integers() | st.floats() | st.sampled_from([2 * u.s, b"a", [None]]),
    max_size=3,
)


@st.composite
def axes(draw: st.DrawFn, name: str) -> MapAxis:
    """Draw axes of all types of nodes, interpolations and units."""
    create = draw(st.sampled_from([MapAxis.from_edges, MapAxis.from_nodes]))
    unit = u.Unit(draw(st.sampled_from(UNITS)), parse_strict="silent")
    interp = draw(st.sampled_from(["lin", "log", "sqrt"]))
    values = np.arange(1, draw(st.integers(3, 5)), dtype=draw(st.sampled_from(["f8", "f8", "i8"])))
    return create(values, unit=unit, interp=interp, name=name)


@st.composite
def maps(draw: st.DrawFn) -> Map:
    """Draw maps with any axes, units, metadata and types of data."""
    names = draw(st.lists(st.sampled_from(AXIS_NAMES), max_size=2, unique_by=str.upper))
    geom = WcsGeom.create(**SKY, axes=[draw(axes(name)) for name in names])
    unit = u.Unit(draw(st.sampled_from(UNITS)), parse_strict="silent")
    return create_map(geom, draw(st.sampled_from(DTYPES)), unit=unit, meta=draw(METAS))


def create_map(geom: Any, dtype: str = "float32", **options: Any) -> Map:
    values = np.random.default_rng(0).normal(0, 40, geom.data_shape)
    if dtype != "bool":
        values = np.abs(values) if dtype.startswith("u") else values
    return Map.from_geom(geom, data=(values if dtype != "bool" else values > 0).astype(dtype),
                         **options)  # fmt: skip


def gammapy_bytes(hdus: fits.HDUList) -> bytes:
    buffer = BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", GEOMS)
def test_bytes_of_a_map_are_those_of_gammapy(tmp_path: Path, name: str) -> None:
    sky_map = create_map(GEOMS[name], unit="m2 s", meta=META)
    write_map(tmp_path / "map.fits", sky_map)
    encoded = (tmp_path / "map.fits").read_bytes()
    assert in_any_order(encoded) == in_any_order(gammapy_bytes(sky_map.to_hdulist()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_bytes_do_not_depend_on_the_type_of_the_data(tmp_path: Path, dtype: str) -> None:
    sky_map = create_map(GEOMS["energies"], dtype)
    write_map(tmp_path / "map.fits", sky_map)
    encoded = (tmp_path / "map.fits").read_bytes()
    assert in_any_order(encoded) == in_any_order(gammapy_bytes(sky_map.to_hdulist()))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(sky_map=maps())
def test_bytes_and_warnings_of_any_map_are_those_of_gammapy(sky_map: Map) -> None:
    expected = try_to_encode(lambda: in_any_order(gammapy_bytes(sky_map.to_hdulist())))
    with TemporaryDirectory() as folder:
        path = Path(folder, "map.fits")
        encoded, messages = try_to_encode(lambda: write_map(path, sky_map) or path.read_bytes())
        is_written = isinstance(encoded, bytes)
        assert list(Path(folder).iterdir()) == ([path] if is_written else [])
    assert (in_any_order(encoded) if is_written else encoded, messages) == expected


@pytest.mark.parametrize("write", [write_map, lambda path, m: write_maps(path, Maps(counts=m))])
def test_masked_arrays_are_refused(tmp_path: Path, write: Any) -> None:
    sky_map = create_map(GEOMS["energies"])
    sky_map._data = np.ma.masked_array(sky_map.data, sky_map.data > 3)
    with pytest.raises(TypeError, match="masked array"):
        write(tmp_path / "map.fits", sky_map)
    assert list(tmp_path.iterdir()) == []


def test_earlier_file_is_kept_if_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "map.fits"
    path.write_bytes(b"earlier")
    with pytest.raises(ZeroDivisionError):
        write_hdus(path, (bytes(1 // n) for n in (1, 0)))
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"earlier"


def test_checksums_are_valid_after_a_map_was_read_changed_and_written(tmp_path: Path) -> None:
    sky_map, path = create_map(GEOMS["psf"], meta=META), tmp_path / "map.fits"
    for _ in range(3):
        hdus = encode_with_astropy([fits.PrimaryHDU()], checksum=True)
        write_hdus(path, [*hdus, *encode_map(sky_map, "psf", checksum=True)])
        with fits.open(path, checksum=True) as hdulist:  # warns of an invalid checksum
            hdulist.verify("exception")
            assert all(hdu.verify_checksum() == hdu.verify_datasum() == 1 for hdu in hdulist)
        expected, sky_map = sky_map, Map.read(path, hdu="psf")
        np.testing.assert_array_equal(sky_map.data, expected.data)
        sky_map.data += 1


def test_bytes_of_several_maps_are_those_of_gammapy(tmp_path: Path) -> None:
    geom = GEOMS["energies"]
    maps = Maps(counts=create_map(geom), sqrt_ts=create_map(geom, "float64", unit="cm-2 s-1"))
    write_maps(tmp_path / "maps.fits", maps)
    encoded = (tmp_path / "maps.fits").read_bytes()
    assert in_any_order(encoded) == in_any_order(gammapy_bytes(maps.to_hdulist()))


@pytest.mark.parametrize("name", ["psf", "region"])
def test_checksums_are_valid_and_equal_to_those_of_astropy(tmp_path: Path, name: str) -> None:
    sky_map, card = create_map(GEOMS[name]), format_card("CREATOR", "a test")
    hdus = encode_with_astropy([fits.PrimaryHDU()], checksum=True)
    hdus += encode_map(sky_map, "psf", cards=[card], checksum=True)
    (tmp_path / "map.fits").write_bytes(b"".join(hdus))
    expected = sky_map.to_hdulist(hdu="psf")
    for hdu in expected[1:]:
        hdu.header["CREATOR"] = "a test"
    expected.writeto(tmp_path / "expected.fits", checksum=True)
    with fits.open(tmp_path / "map.fits", checksum=True) as hdulist:  # warns of an invalid checksum
        for hdu, expected_hdu in zip(hdulist, fits.open(tmp_path / "expected.fits"), strict=True):
            assert sorted(hdu.header) == sorted(expected_hdu.header)
            assert hdu.header["DATASUM"] == expected_hdu.header["DATASUM"]
            assert hdu.verify_checksum() == hdu.verify_datasum() == 1


def test_gammapy_reads_the_file(tmp_path: Path) -> None:
    sky_map = create_map(GEOMS["psf"], unit="sr-1")
    write_map(tmp_path / "map.fits", sky_map)
    loaded = Map.read(tmp_path / "map.fits")
    assert isinstance(loaded, WcsNDMap)
    assert loaded.geom == sky_map.geom
    assert loaded.unit == sky_map.unit
    np.testing.assert_array_equal(loaded.data, sky_map.data)
