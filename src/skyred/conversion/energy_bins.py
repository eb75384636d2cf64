"""Energy bins that gammapy masks, and skyred does not, because of rounding or a known fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u

from skyred.conversion.source import Source
from skyred.fields.quantities import plain as plain_quantity

if TYPE_CHECKING:
    from gammapy.maps import MapAxis

TOLERANCE = 1e-6  # relative, of the fit range of skyred


def gammapy_axis(axis: Mapping[str, Any]) -> MapAxis:
    """Return gammapy's axis for a converted energy axis.

    Parameters
    ----------
    axis : mapping
        The converted axis, with `edges`, or with `min`, `max` and `bins`.

    Returns
    -------
    gammapy.maps.MapAxis
        The axis.
    """
    from gammapy.maps import MapAxis

    if "edges" in axis:
        return MapAxis.from_energy_edges(u.Quantity(list(map(u.Quantity, axis["edges"]))))
    per_decade = axis.get("per_decade", False)
    return MapAxis.from_energy_bounds(axis["min"], axis["max"], axis["bins"], per_decade=per_decade)


def exclude_rounded_bins(
    source: Source,
    paths: tuple[str, str],
    limits: Sequence[u.Quantity | None],
    edges: u.Quantity,
) -> list[str]:
    """Return a fit range without the bins that gammapy excludes because an edge is rounded.

    skyred would fit these bins. They are reported as settings that are not converted.

    Parameters
    ----------
    source : Source
        The configuration.
    paths : tuple of str
        The paths of the lowest and the highest energy in the configuration.
    limits : sequence of astropy.units.Quantity or None
        The lowest and the highest energy; None without a limit.
    edges : astropy.units.Quantity
        The edges of the axis of reconstructed energy, as the original program computes them.

    Returns
    -------
    list of str
        The lowest and the highest energy of the bins that gammapy fits.
    """
    energies = []
    for path, limit, outer_edge, sign in zip(paths, limits, edges[[0, -1]], (-1, 1), strict=True):
        energy = outer_edge if limit is None else limit
        excess = sign * (edges / energy - 1).to_value("")
        fitted = edges[excess <= 0]
        if np.any((excess > 0) & (excess <= TOLERANCE)) and len(fitted):
            energy = fitted[-1] if sign > 0 else fitted[0]
            reason = (
                f"gammapy excludes the bin that ends at {limit:g}, because the edge of the axis "
                "differs from it by a rounding error; so does the new file"
            )
            source.skip(path, reason, changes_results=False)
        energies.append(str(plain_quantity(energy)))
    return energies


def report_first_bin(
    source: Source,
    path: str,
    safe_mask: Mapping[str, Any],
    energies: Mapping[str, Any],
) -> None:
    """Report that gammapy masks the first bin in addition.

    With projected IRFs, the method aeff-max of gammapy always masks the first bin of the true
    energy (https://github.com/gammapy/gammapy/issues/5834).

    Parameters
    ----------
    source : Source
        The configuration.
    path : str
        The path of the methods in the configuration.
    safe_mask : mapping
        The converted safe mask.
    energies : mapping
        The converted energy axes `energy` and `energy_true`.
    """
    if "aeff-max" not in safe_mask["methods"] or safe_mask.get("irfs", "DL4") != "DL4":
        return
    low, low_true = (
        u.Quantity(axis.get("min", axis.get("edges", [""])[0]))
        for axis in (energies["energy"], energies["energy_true"])
    )
    if low_true >= low:
        source.skip(
            path,
            "with aeff-max, gammapy also masks the first energy bin, because energy_true begins at "
            "the same energy or above; skyred does not",
        )
