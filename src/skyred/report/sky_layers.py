"""The layers of the sky viewer: images of datasets and of estimates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.errors import format_list
from skyred.products.plotting import format_unit

if TYPE_CHECKING:
    from gammapy.maps import WcsNDMap

    from skyred.likelihood.mosaic import Mosaic

MAX_NAMES = 3  # of the datasets that are summed
RESIDUALS = ("Residual", "Residual significance")
CORRELATION_RADIUS = 0.1  # deg
MIN_RADIUS = 1.5  # pixels; smaller circles are enlarged


@attrs.frozen(eq=False)
class Layer:
    """An image of the sky.

    Parameters
    ----------
    group : str
        The data that it shows: names of datasets, or the name of an estimate.
    name : str
        What it shows, such as "Counts".
    image : gammapy.maps.WcsNDMap
        The values, without energy axis; NaN where there are none.
    unit : str
        The unit, as it is printed.
    is_signed : bool
        Whether the colours are symmetric about zero.
    """

    group: str
    name: str
    image: WcsNDMap
    unit: str = ""
    is_signed: bool = False


def dataset_layers(datasets: Iterable[Any]) -> Iterator[Layer]:
    """Yield counts, excess, significance, residuals and exposure of map datasets.

    Datasets on one pixel grid are summed. Images are sums over energy inside the masks;
    significances are those of the counts in circles, as of gammapy's `ExcessMapEstimator`.

    Parameters
    ----------
    datasets : iterable of Dataset
        The datasets; those without a counts map are ignored.

    Yields
    ------
    Layer
        The layers.
    """
    from skyred.likelihood.mosaic import group_maps

    for group in group_maps(datasets):
        yield from _mosaic_layers(group)


def estimate_layers(estimates: Mapping[str, Any]) -> Iterator[Layer]:
    """Yield the images of estimates.

    Parameters
    ----------
    estimates : mapping of str to Product
        The estimates by name.

    Yields
    ------
    Layer
        The images of `Product.sky_maps`.
    """
    for name, product in estimates.items():
        for label, image in product.sky_maps().items():
            is_signed = bool(np.nanmin(image.data, initial=0) < 0)
            yield Layer(name, label, image, format_unit(image.unit), is_signed)


def _mosaic_layers(datasets: Sequence[Any]) -> Iterator[Layer]:
    from skyred.likelihood.mosaic import Mosaic

    group = format_list([dataset.name for dataset in datasets], MAX_NAMES)
    background = None
    if not any(map(_lacks_background, datasets)):
        background = Mosaic.from_datasets(list(datasets), include_sources=False)
    model = None
    if any(map(_has_sources, datasets)):
        model = Mosaic.from_datasets(list(datasets), include_sources=True)
    counts = _sum_counts(datasets, background or model)
    yield Layer(group, "Counts", counts, "counts")
    for mosaic, names in ((background, ("Excess", "Significance")), (model, RESIDUALS)):
        if mosaic is not None:
            yield from _difference_layers(group, counts, mosaic, names)
    yield from _exposure_layers(group, datasets)


def _difference_layers(
    group: str, counts: WcsNDMap, mosaic: Mosaic, names: tuple[str, str]
) -> Iterator[Layer]:
    """Yield the difference between counts and prediction, and its significance in circles."""
    from skyred.likelihood.correlated_significance import estimate_sqrt_ts

    prediction = _sum_over_energy(mosaic.npred, mosaic.total.mask_safe)
    difference = counts.copy(data=counts.data - prediction.data)
    yield Layer(group, names[0], difference, "counts", is_signed=True)
    pixel_size = np.mean(np.abs(mosaic.geom.wcs.wcs.cdelt))
    radius = max(CORRELATION_RADIUS, MIN_RADIUS * pixel_size)
    sqrt_ts = estimate_sqrt_ts(mosaic, radius * u.deg, by_energy=False)
    name = f"{names[1]} (in circles of {radius:.2g}°)"
    yield Layer(group, name, _as_image(sqrt_ts), "σ", is_signed=True)


def _exposure_layers(group: str, datasets: Sequence[Any]) -> Iterator[Layer]:
    """Yield the exposure at the centre of the energy range, summed over datasets."""
    from gammapy.maps import Map

    from skyred.likelihood.mosaic import union_geom

    if any(dataset.exposure is None or dataset.exposure.geom.is_region for dataset in datasets):
        return
    geom = union_geom([dataset.counts.geom for dataset in datasets]).to_image()
    low, high = datasets[0].counts.geom.axes["energy"].bounds
    energy = np.sqrt(low * high)
    total = Map.from_geom(geom, unit="m2 s")
    coordinates = geom.get_coord()
    for dataset in datasets:
        values = dataset.exposure.interp_by_coord({**coordinates._data, "energy_true": energy})
        values = u.Quantity(values, dataset.exposure.unit).to_value("m2 s")
        total.data += np.nan_to_num(values)
    yield Layer(group, f"Exposure at {energy.value:.3g} {energy.unit}", total, "m² s")


def _sum_counts(datasets: Sequence[Any], mosaic: Mosaic | None) -> WcsNDMap:
    from gammapy.maps import Map

    from skyred.likelihood.mosaic import union_geom

    if mosaic is not None:
        return _sum_over_energy(mosaic.total.counts, mosaic.total.mask_safe)
    total = Map.from_geom(union_geom([dataset.counts.geom for dataset in datasets]))
    for dataset in datasets:
        total.stack(dataset.counts, weights=dataset.mask)
    return _sum_over_energy(total, None)


def _sum_over_energy(cube: WcsNDMap, mask: WcsNDMap | None) -> WcsNDMap:
    """Return the sum inside a mask; NaN where the mask is false at all energies."""
    geom = cube.geom.to_image()
    data = cube.data.astype(float)
    if mask is None:
        return type(cube)(geom, data=data.sum(axis=0))
    is_used = mask.data.astype(bool)
    image = np.where(is_used, data, 0).sum(axis=0)
    return type(cube)(geom, data=np.where(is_used.any(axis=0), image, np.nan))


def _as_image(cube: WcsNDMap) -> WcsNDMap:
    geom = cube.geom.to_image()
    return type(cube)(geom, data=cube.data.reshape(geom.data_shape), unit=cube.unit)


def _lacks_background(dataset: Any) -> bool:
    return dataset.stat_type == "cash" and dataset.background is None


def _has_sources(dataset: Any) -> bool:
    from gammapy.modeling.models import FoVBackgroundModel

    return any(not isinstance(model, FoVBackgroundModel) for model in dataset.models or ())
