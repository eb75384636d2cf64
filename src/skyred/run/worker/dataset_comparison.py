"""Comparison of a reduced dataset with that of gammapy's maker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.run.worker.documented_differences import (
    find_clipped,
    find_edge_pixels,
    find_partial_energies,
)

if TYPE_CHECKING:
    from gammapy.maps import Geom, Map
    from numpy.typing import NDArray

EXACT = ("counts", "safe mask", "fit mask")
TOLERANCE = 1e-6
ROTATING_TOLERANCE = 1e-5  # of backgrounds that rotate, whose coordinates astropy computes
LIVETIME_TOLERANCE = 1e-9
NEGLIGIBLE = 1e-5  # of the largest value: smaller values are compared with less precision


@attrs.frozen
class Agreement:
    """The comparison of one quantity of two datasets.

    Parameters
    ----------
    quantity : str
        The name of the quantity, such as "background" or "exposure of the PSF".
    difference : float
        The largest relative difference.
    tolerance : float
        The largest relative difference that is accepted.
    details : str
        The values and the position of the largest difference, or how the quantities differ.
    """

    quantity: str
    difference: float = 0.0
    tolerance: float = 0.0
    details: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether the difference is accepted."""
        return self.difference <= self.tolerance


def compare_datasets(dataset: Any, expected: Any, observation: Any) -> tuple[Agreement, ...]:
    """Compare a dataset with that of gammapy.

    Counts, masks and good time intervals must be equal. Differences of other values are relative to
    gammapy's value plus 1e-5 of the largest value of the map.

    Parameters
    ----------
    dataset, expected : gammapy.datasets.Dataset
        The dataset, and that of gammapy.
    observation : gammapy.data.Observation
        The run, with IRFs that gammapy has not changed.

    Returns
    -------
    tuple of Agreement
        One for each quantity.
    """
    if type(dataset) is not type(expected):
        return (_mismatch("type of the dataset", type(dataset), type(expected)),)
    comparisons = [_compare_good_time(dataset, expected), _compare_livetime(dataset, expected)]
    maps, expected_maps = dict(_iter_maps(dataset)), dict(_iter_maps(expected))
    for name in dict.fromkeys((*maps, *expected_maps)):
        pair = maps.get(name), expected_maps.get(name)
        if pair[0] is None or pair[1] is None:
            states = ("missing" if sky_map is None else "a map" for sky_map in pair)
            comparisons.append(_mismatch(name, *states))
        else:
            comparisons.append(_compare_maps(name, *pair, observation))
    return tuple(comparisons)


def _iter_maps(dataset: Any) -> Iterator[tuple[str, Any]]:
    """Yield the maps of a dataset with the names of their quantities."""
    for name, label in (("mask_safe", "safe mask"), ("mask_fit", "fit mask")):
        if getattr(dataset, name, None) is not None:
            yield label, getattr(dataset, name)
    for name in ("counts", "exposure", "background"):
        if getattr(dataset, name, None) is not None:
            yield name, getattr(dataset, name)
    for name, label in (("psf", "PSF"), ("edisp", "energy dispersion")):
        irf_map = getattr(dataset, name, None)
        if irf_map is not None:
            yield label, getattr(irf_map, f"{name}_map")
            if irf_map.exposure_map is not None:
                yield f"exposure of the {label}", irf_map.exposure_map


def _compare_good_time(dataset: Any, expected: Any) -> Agreement:
    name, pair = "good time intervals", (dataset.gti, expected.gti)
    if pair[0] is None or pair[1] is None:
        return Agreement(name) if pair[0] is pair[1] else _mismatch(name, *pair)
    times, expected_times = (
        np.array([gti.time_start.tt.mjd, gti.time_stop.tt.mjd]) for gti in pair
    )
    if np.array_equal(times, expected_times):
        return Agreement(name)
    return _mismatch(
        name, *(f"{len(gti.table)} with {gti.time_sum.to_value('s')} s" for gti in pair)
    )


def _compare_livetime(dataset: Any, expected: Any) -> Agreement:
    values = [
        u.Quantity(dataset.exposure.meta.get("livetime", np.nan), "s").value
        if dataset.exposure is not None and dataset.exposure.meta
        else np.nan
        for dataset in (dataset, expected)
    ]
    if np.isnan(values).all():
        return Agreement("livetime")
    if values[0] == values[1]:  # also 0
        return Agreement("livetime", 0.0, LIVETIME_TOLERANCE)
    is_comparable = np.isfinite(values).all() and values[1]
    difference = abs(values[0] / values[1] - 1) if is_comparable else np.inf
    details = f"{values[0]} s instead of {values[1]} s"
    return Agreement("livetime", float(difference), LIVETIME_TOLERANCE, details)


def _compare_maps(name: str, result: Map, expected: Map, observation: Any) -> Agreement:
    geoms = result.geom, expected.geom
    if result.data.shape != expected.data.shape:
        return _mismatch(f"shape of the {name}", result.data.shape, expected.data.shape)
    if result.unit != expected.unit:
        return _mismatch(f"unit of the {name}", repr(result.unit), repr(expected.unit))
    if _describe_axes(geoms[0]) != _describe_axes(geoms[1]):
        return _mismatch(f"axes of the {name}", *map(_describe_axes, geoms))
    regions = [getattr(geom, "region", None) for geom in geoms]  # which RegionGeom does not compare
    differ = geoms[0].is_regular and geoms[0] != geoms[1]
    if type(geoms[0]) is not type(geoms[1]) or differ or regions[0] != regions[1]:
        return _mismatch(f"geometry of the {name}", *geoms)
    if name in EXACT:
        difference = result.data != expected.data
        if not difference.any():
            return Agreement(name)
        index = np.unravel_index(difference.argmax(), difference.shape)
        return Agreement(name, np.inf, 0.0, _describe_difference(result, expected, index))
    return _compare_values(name, result, expected, observation)


def _describe_axes(geom: Geom) -> list[tuple[str, ...]]:
    return [(axis.name, str(axis.unit), getattr(axis, "interp", "")) for axis in geom.axes]


def _compare_values(name: str, result: Map, expected: Map, observation: Any) -> Agreement:
    irf = _irf_of(name, observation)
    tolerance = TOLERANCE
    if name == "background" and str(getattr(irf, "fov_alignment", "")).endswith("ALTAZ"):
        tolerance = ROTATING_TOLERANCE
    differences = _relative_differences(result.data, expected.data)
    if irf is not None and (differences > tolerance).any():
        differences[_documented(name, result, expected, irf, observation)] = 0
    index = np.unravel_index(differences.argmax(), differences.shape)
    details = _describe_difference(result, expected, index)
    return Agreement(name, float(differences[index]), tolerance, details)


def _relative_differences(values: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.float64]:
    """Return the differences, relative to the expected value plus 1e-5 of the largest one."""
    values, expected = values.astype(float), expected.astype(float)
    is_finite = np.isfinite(expected)
    largest = np.abs(expected[is_finite]).max(initial=0)
    with np.errstate(all="ignore"):
        differences = np.abs(values - expected) / (np.abs(expected) + NEGLIGIBLE * largest)
    is_same = (values == expected) | (np.isnan(values) & np.isnan(expected))
    differences[is_same] = 0
    differences[np.isnan(differences)] = np.inf
    return np.asarray(differences)


def _irf_of(name: str, observation: Any) -> Any:
    attribute = {"PSF": "psf", "energy dispersion": "edisp", "background": "bkg"}.get(name, "aeff")
    irf = getattr(observation, attribute, None)
    return irf if hasattr(irf, "axes") else None


def _documented(
    name: str, result: Map, expected: Map, irf: Any, observation: Any
) -> NDArray[np.bool_]:
    """Return the elements that may differ."""
    geom = result.geom
    is_cut = (result.data == 0) != (expected.data == 0)
    is_documented: NDArray[np.bool_] = is_cut & find_edge_pixels(geom, irf, observation)
    if name == "background":
        is_lost = np.isnan(expected.data) & (result.data == 0)
        is_documented |= is_lost & find_partial_energies(geom, irf)
    if name == "energy dispersion":
        is_documented |= find_clipped(geom, result.data, expected.data)
    return is_documented


def _describe_difference(result: Map, expected: Map, index: tuple[Any, ...]) -> str:
    """Return two values and their position: the bin of each axis, and the pixel."""
    axes = list(result.geom.axes)
    bins = [
        f"{axis.name} {axis.edges[i].value:.4g} to {axis.edges[i + 1]:.4g}"
        if hasattr(axis, "edges")
        else f"{axis.name} {i}"
        for axis, i in zip(reversed(axes), index[: len(axes)], strict=True)
    ]
    pixel = ", ".join(str(int(i)) for i in reversed(index[len(axes) :]))
    values = f"{result.data[index]:.10g} instead of {expected.data[index]:.10g}"
    return f"{values} at {', '.join((*bins, f'pixel ({pixel})'))}"


def _mismatch(quantity: str, value: Any, expected: Any) -> Agreement:
    return Agreement(quantity, np.inf, 0.0, f"{value} instead of {expected}")
