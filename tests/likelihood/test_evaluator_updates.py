"""`DatasetIrfs.update` sets the same IRFs and cutouts as gammapy's `MapEvaluator.update`."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import MapDataset
from gammapy.datasets.evaluator import MapEvaluator
from gammapy.irf import EDispKernelMap
from gammapy.maps import Map
from gammapy.modeling.models import SkyModel

import small_datasets as small
from skyred.likelihood.response import DatasetIrfs, Response

KINDS = {
    "point": {},
    "gauss": {"sigma": 0.07 * u.deg},
    "disk": {"r_0": 0.2 * u.deg},
}
# in pixels: the middle of the map, centres and edges of pixels, the edge of the map, and outside
PIXELS = (9.5, 9.0, 12.25, 0.0, -0.5, 19.6, -3.0, 24.0, 80.0)
POSITIONS = [*((x, 9.5) for x in PIXELS), (9.0, 3.0), (-0.5, -0.5), (12.25, -0.5), (19.6, 22.0)]


def model_at(dataset: MapDataset, kind: str, pixel: tuple[float, float]) -> SkyModel:
    model = SkyModel.create("pl", kind, name="source")
    position = dataset.counts.geom.to_image().pix_to_coord(pixel)
    model.spatial_model.frame = dataset.counts.geom.frame
    for name, value in zip(("lon_0", "lat_0"), position, strict=True):
        model.parameters[name].quantity = value
    for name, size in KINDS[kind].items():
        model.parameters[name].quantity = size
    return model


def update_both(
    dataset: MapDataset, model: SkyModel
) -> tuple[MapEvaluator, MapEvaluator, Response | None]:
    """Return skyred's evaluator, gammapy's evaluator, and skyred's response, if there is one."""
    dataset_irfs = DatasetIrfs(dataset)
    actual = dataset_irfs.create_evaluator(model)
    slices = dataset_irfs.update(actual)
    irfs_without_lookup = DatasetIrfs(dataset, fast_kernels=False)
    expected = irfs_without_lookup.create_evaluator(model)
    expected.update(
        dataset.exposure,
        irfs_without_lookup.psf,
        dataset.edisp,
        dataset.counts.geom,
        dataset_irfs.mask_image,
    )
    response = Response.from_evaluator(actual, dataset_irfs, slices) if actual.contributes else None
    return actual, expected, response


def assert_same_update(dataset: MapDataset, model: SkyModel) -> None:
    actual, reference, response = update_both(dataset, model)
    assert actual.contributes == reference.contributes
    assert actual.exposure.geom.data_shape == reference.exposure.geom.data_shape
    np.testing.assert_array_equal(actual.exposure.data, reference.exposure.data)
    assert actual.exposure.unit == reference.exposure.unit
    assert actual.exposure.geom.wcs.wcs.compare(reference.exposure.geom.wcs.wcs)
    assert actual.exposure.geom == reference.exposure.geom
    if dataset.edisp:
        np.testing.assert_array_equal(actual.edisp.pdf_matrix, reference.edisp.pdf_matrix)
        assert actual.edisp.axes == reference.edisp.axes
    if dataset.psf:
        assert actual.psf_width == reference.psf_width
    if response is not None:
        expected = Response.from_evaluator(reference, DatasetIrfs(dataset))
        assert response.slices == expected.slices
        np.testing.assert_array_equal(response.exposure, expected.exposure)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("frame", "proj"), [("icrs", "CAR"), ("galactic", "TAN")])
def test_cutouts_agree_with_gammapy_everywhere(kind: str, frame: str, proj: str) -> None:
    dataset = small.map_dataset(frame=frame, proj=proj)
    for pixel in POSITIONS:
        assert_same_update(dataset, model_at(dataset, kind, pixel))


@pytest.mark.parametrize("psf", ["none", "varying"])
@pytest.mark.parametrize("edisp", ["none", "migra"])
def test_updates_for_other_irfs_agree_with_gammapy(psf: str, edisp: str) -> None:
    dataset = small.map_dataset(psf=psf, edisp=edisp)
    for pixel in ((9.5, 9.5), (3.2, 15.8), (19.4, 4.0), (21.0, 3.0)):
        assert_same_update(dataset, model_at(dataset, "gauss", pixel))


def test_updates_in_another_frame_agree_with_gammapy() -> None:
    dataset = small.map_dataset(frame="galactic", psf="varying")
    model = model_at(small.map_dataset(), "point", (9.5, 11.0))
    assert_same_update(dataset, model)


def with_partial_mask(dataset: MapDataset) -> MapDataset:
    mask = np.zeros(dataset.counts.data.shape, dtype=bool)
    mask[1:, :8, 4:] = True
    dataset.mask_fit = Map.from_geom(dataset.counts.geom, data=mask)
    return dataset


def test_updates_for_a_partial_mask_agree_with_gammapy() -> None:
    dataset = with_partial_mask(small.map_dataset())
    for pixel in product((0.0, 5.5, 12.0), (2.0, 9.0, 11.5, 15.0, 19.0)):
        assert_same_update(dataset, model_at(dataset, "point", pixel))


def with_kernel_per_pixel(dataset: MapDataset) -> MapDataset:
    edisp = dataset.edisp.to_edisp_kernel_map(small.ENERGY)
    data = edisp.edisp_map.data
    data[..., 0, 1] = 0  # a pixel without energy dispersion
    data[2, 1, 1, 2] = np.nan
    dataset.edisp = EDispKernelMap(edisp.edisp_map, edisp.exposure_map)
    return dataset


@pytest.mark.slow
def test_energy_dispersion_agrees_with_gammapy_in_and_between_pixels() -> None:
    dataset = with_kernel_per_pixel(small.map_dataset(edisp="migra"))
    edisp_geom = dataset.edisp.edisp_map.geom.to_image()
    pixels = (-0.6, 0.0, 0.3, 0.5, 0.5 + 1e-9, 1.0, 1.5 - 1e-4, 1.5 + 1e-4, 2.2)
    for pixel in (*product(pixels, (0.0, 1.0)), *product((1.0,), pixels)):
        position = edisp_geom.pix_to_coord(pixel)
        model = model_at(dataset, "point", (9.5, 9.5))
        for name, value in zip(("lon_0", "lat_0"), position, strict=True):
            model.parameters[name].quantity = value
        assert_same_update(dataset, model)


def test_exposure_on_a_different_pixel_grid_has_no_fast_cutouts() -> None:
    dataset = small.map_dataset()
    dataset.exposure = small.map_dataset(lonlat=(83.5, 22.1)).exposure
    assert DatasetIrfs(dataset).cutouts is None
