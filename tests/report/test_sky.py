"""The data of the sky viewer: images as of gammapy, directions of pixels, and overlays."""

import base64
import json
import shutil
import subprocess
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets
from gammapy.estimators import ExcessMapEstimator
from gammapy.maps import Map, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from regions import CircleSkyRegion, Regions

import small_datasets as small
from skyred.report.arrays import encode_array
from skyred.report.directions import MAX_ERROR, direction_grid
from skyred.report.sky import MAX_PIXELS, sky_data
from skyred.report.sky_layers import Layer, dataset_layers
from skyred.report.sky_overlays import Overlay, encode_overlay, exclusion_overlay, source_overlay

NODE = shutil.which("node")
TYPES = {"u1": np.uint8, "u2": np.uint16, "u4": np.uint32, "f4": np.float32}


def decode(data: dict[str, Any]) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(data["bdata"]), TYPES[data["dtype"]])
    shape = [int(size) for size in data.get("shape", str(values.size)).split(",")]
    return values.reshape(shape)


def crab_on_map() -> Datasets:
    dataset = small.map_dataset("map")
    source = SkyModel(
        PowerLawSpectralModel(index=2.3, amplitude="2e-11 cm-2 s-1 TeV-1"),
        PointSpatialModel(lon_0="83.65 deg", lat_0="22.03 deg", frame="icrs"),
        name="crab",
    )
    dataset.mask_safe.data[0, :5] = False
    dataset.mask_safe.data[:, :, :2] = False
    dataset.models = [source, FoVBackgroundModel(dataset_name="map")]
    return Datasets([dataset])


def test_layers_agree_with_gammapy() -> None:
    datasets = crab_on_map()
    (dataset,) = datasets
    layers = {
        layer.name.split(" (")[0].split(" at")[0]: layer for layer in dataset_layers(datasets)
    }
    assert list(layers) == ["Counts", "Excess", "Significance", "Residual",
                            "Residual significance", "Exposure"]  # fmt: skip
    mask = dataset.mask_safe.data
    in_mask = mask.any(axis=0)
    for name, cube in (
        ("Counts", dataset.counts.data),
        ("Excess", dataset.counts.data - dataset.npred_background().data),
        ("Residual", dataset.counts.data - dataset.npred().data),
    ):
        expected = np.where(mask, cube, 0).sum(axis=0)
        np.testing.assert_allclose(layers[name].image.data[in_mask], expected[in_mask], atol=1e-4)
        assert np.isnan(layers[name].image.data[~in_mask]).all()
    estimator = ExcessMapEstimator(0.1 * u.deg, sum_over_energy_groups=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = estimator.run(dataset).sqrt_ts.data[0]
        dataset.models = [FoVBackgroundModel(dataset_name="map")]
        excess = estimator.run(dataset).sqrt_ts.data[0]
    for name, expected in (("Significance", excess), ("Residual significance", residual)):
        # gammapy rounds counts and background to single precision
        np.testing.assert_allclose(layers[name].image.data[in_mask], expected[in_mask], atol=2e-3)
    energy = np.sqrt(10) * u.TeV
    position = dataset.counts.geom.to_image().get_coord()
    expected = dataset.exposure.interp_by_coord(
        {"skycoord": position.skycoord, "energy_true": energy}
    )
    np.testing.assert_allclose(layers["Exposure"].image.data, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.array([0, 300, 70000]), np.array([0.5, np.nan, -2])],
    ids=["counts", "large counts", "numbers"],
)
def test_arrays_are_encoded_exactly(array: np.ndarray) -> None:
    np.testing.assert_array_equal(decode(json.loads(json.dumps(encode_array(array)))), array)


@pytest.mark.parametrize(
    ("frame", "proj", "width", "tolerance"),
    [
        ("icrs", "TAN", 3, 1.5 * MAX_ERROR),
        ("galactic", "CAR", 12, 1.5 * MAX_ERROR),
        ("icrs", "CAR", 40, 1.5 * MAX_ERROR),
        ("galactic", "AIT", 360, 1),  # the projection is not smooth at its edge
    ],
)
def test_interpolated_directions_are_accurate(
    frame: str, proj: str, width: float, tolerance: float
) -> None:
    geom = WcsGeom.create(
        skydir=small.centre(frame) if width < 90 else (0, 0), width=(width, width / 2),
        binsz=max(0.02, width / 400), proj=proj, frame=frame,
    )  # fmt: skip
    grid = json.loads(json.dumps(direction_grid(geom)))
    vectors = decode(grid["vectors"])
    random = np.random.default_rng(1)
    n_x, n_y = (int(np.ravel(n)[0]) for n in geom.npix)
    x, y = random.uniform(0, n_x - 1, 400), random.uniform(0, n_y - 1, 400)
    interpolated = _interpolate(grid, vectors, x, y)
    longitude, latitude = geom.wcs.wcs_pix2world(x, y, 0)
    is_valid = np.isfinite(longitude) & np.isfinite(interpolated).all(axis=-1)
    assert is_valid.sum() > 200
    coordinates = geom.center_skydir.__class__(
        longitude[is_valid], latitude[is_valid], unit="deg", frame=geom.frame
    )
    expected = coordinates.icrs.cartesian.xyz.value.T
    distance = np.linalg.norm(interpolated[is_valid] - expected, axis=-1)
    pixel = np.deg2rad(np.min(np.abs(geom.wcs.wcs.cdelt)))
    assert distance.max() < tolerance * pixel + 1e-6  # single precision


def _interpolate(grid: Any, vectors: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from scipy.interpolate import RegularGridInterpolator

    interpolator = RegularGridInterpolator((grid["y"], grid["x"]), vectors)
    result = interpolator(np.stack([y, x], axis=-1))
    return result / np.linalg.norm(result, axis=-1, keepdims=True)


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_page_computes_the_positions_of_astropy() -> None:
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=3, binsz=0.02, proj="TAN", frame="icrs")
    data = {"size": [150, 150], "frame": "icrs", "directions": direction_grid(geom)}
    static = files("skyred.report") / "static"
    script = "\n".join(
        [
            "const document = {addEventListener() {}}; const window = {};",
            (static / "page.js").read_text(encoding="utf-8"),
            (static / "sky.js").read_text(encoding="utf-8"),
            f"const geometry = new SkyGeometry({json.dumps(data)});",
            "const vector = geometry.direction(12.3, 130.7);",
            "console.log(JSON.stringify([lonLat(vector), lonLat(toGalactic(vector))]));",
        ]
    )
    assert NODE is not None
    output = subprocess.run([NODE, "-e", script], capture_output=True, text=True, check=True).stdout
    (ra, dec), (lon, lat) = json.loads(output)
    position = geom.wcs.pixel_to_world(12.3, 130.7)
    assert [ra, dec] == pytest.approx([position.ra.deg, position.dec.deg], abs=1e-4)
    galactic = position.galactic
    assert [lon, lat] == pytest.approx([galactic.l.deg, galactic.b.deg], abs=1e-4)


def test_large_images_are_averaged_over_blocks() -> None:
    geom = WcsGeom.create(npix=(1200, 900), binsz=0.02)
    image = Map.from_geom(geom, data=np.ones(geom.data_shape))
    data = sky_data([Layer("entry", "Exposure", image, "m² s")], [])
    (layer,) = data["layers"]
    values = decode(layer["values"])
    assert values.size <= MAX_PIXELS
    assert "mean of 2 × 2 pixels" in layer["unit"]
    np.testing.assert_array_equal(values, 1)
    assert data["geometries"][0]["size"] == [600, 450]


def test_overlays_are_in_pixels() -> None:
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=2, binsz=0.02, proj="TAN")
    circle = CircleSkyRegion(geom.center_skydir, 0.2 * u.deg)
    (curve,) = encode_overlay(Overlay("Exclusion regions", [circle], [""]), geom)["curves"]
    radii = np.hypot(np.array(curve[0]) - 49.5, np.array(curve[1]) - 49.5)
    np.testing.assert_allclose(radii, 10, rtol=1e-2)
    models = crab_on_map().models
    ((x, y, label),) = encode_overlay(source_overlay(models), geom)["points"]
    expected = np.array(geom.wcs.world_to_pixel(models["crab"].position))
    assert [x, y] == pytest.approx(expected, abs=1e-3)
    assert label == "crab"


@pytest.mark.parametrize(
    "region",
    [
        "ellipse(83.6, 22, 0.3, 0.1, 20)",
        "box(83.6, 22, 0.4, 0.2, 0)",
        "polygon(83, 22, 84, 22, 84, 23)",
        "annulus(83.6, 22, 0.2, 0.4)",
    ],
)
def test_outlines_of_all_regions_are_drawn(region: str) -> None:
    geom = WcsGeom.create(skydir=(83.63, 22.01), width=4, binsz=0.02, proj="TAN")
    overlay = exclusion_overlay(
        {"make": [{"kind": "a", "exclude": [f"icrs; {region}", "mask.fits"]}]}
    )
    assert len(overlay.regions) == 1
    curves = encode_overlay(overlay, geom)["curves"]
    shape = Regions.parse(f"icrs; {region}", format="ds9")[0].to_pixel(geom.wcs)
    x = np.concatenate([curve[0] for curve in curves])
    box = shape.bounding_box
    assert x.min() == pytest.approx(box.ixmin, abs=2)
    assert x.max() == pytest.approx(box.ixmax, abs=2)
