"""The types of the IRFs of a run: class, unit, reference frame and axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skyred.run.worker.open_observation import InMemoryHDU

IRFS = ("aeff", "edisp", "psf", "_bkg", "_rad_max")  # attributes of gammapy's `Observation`


def describe_irfs(observation: Any) -> str:
    """Return the types of the IRFs that the makers of a run have loaded.

    Runs with the same description are reduced by the same code. No IRF is loaded for it.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The run, after its reduction.

    Returns
    -------
    str
        For each IRF its class, unit, whether it is point-like, reference frame and axes; only the
        class of the HDU if the observation does not keep its IRFs.
    """
    return "; ".join(
        f"{name.lstrip('_')}: {' '.join(words)}"
        for name in IRFS
        if (words := tuple(_describe(getattr(observation, "__dict__", {}), name)))
    )


def _describe(attributes: dict[str, Any], name: str) -> Iterator[str]:
    hdu = attributes.get(f"_{name}_hdu")  # as gammapy's `LazyFitsData` stores it
    irf = attributes.get(name, getattr(hdu, "loaded", None))
    if irf is None:
        if hdu is not None and not isinstance(hdu, InMemoryHDU):
            yield str(hdu.hdu_class)
        return
    yield type(irf).__name__
    yield str(getattr(irf, "unit", ""))
    yield "point-like" if getattr(irf, "is_pointlike", False) else "full-enclosure"
    yield str(getattr(irf, "fov_alignment", ""))
    for axis in getattr(irf, "axes", None) or ():
        yield ":".join(str(getattr(axis, word, "")) for word in ("name", "unit", "interp"))
        if getattr(axis, "nbin", 0) == 1:  # not interpolated
            yield "one bin"
