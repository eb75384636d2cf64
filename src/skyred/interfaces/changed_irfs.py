"""Observations with changed IRFs, for makers that study systematic uncertainties."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.irf import IRF

ATTRIBUTES = {"bkg": "_bkg", "rad_max": "_rad_max"}  # of gammapy's `Observation`, if others


def with_irfs(
    observation: Observation,
    *,
    aeff: IRF | None = None,
    edisp: IRF | None = None,
    psf: IRF | None = None,
    bkg: IRF | None = None,
    rad_max: IRF | None = None,
) -> Observation:
    """Return a copy of an observation with other IRFs, for `Maker.modify_observation`.

    Neither the observation nor its IRFs are changed. The copy has its own values of the new IRFs;
    all other parts are those of the observation.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The observation.
    aeff : gammapy.irf.EffectiveAreaTable2D, optional
        The effective area; by default that of the observation.
    edisp : gammapy.irf.EnergyDispersion2D, optional
        The energy dispersion.
    psf : gammapy.irf.PSF3D or another PSF, optional
        The point spread function.
    bkg : gammapy.irf.Background2D or gammapy.irf.Background3D, optional
        The background rate.
    rad_max : gammapy.irf.RadMax2D, optional
        The radius of the directional cut of point-like IRFs.

    Returns
    -------
    gammapy.data.Observation
        The copy.

    Raises
    ------
    TypeError
        If no IRF is passed, or one is not an IRF of gammapy.

    Examples
    --------
    >>> import copy
    >>> aeff = copy.deepcopy(observation.aeff)  # doctest: +SKIP
    >>> aeff.data *= 1.1  # doctest: +SKIP
    >>> scaled_observation = with_irfs(observation, aeff=aeff)  # doctest: +SKIP
    """
    irfs = {"aeff": aeff, "edisp": edisp, "psf": psf, "bkg": bkg, "rad_max": rad_max}
    new_irfs = {name: _copy(name, irf) for name, irf in irfs.items() if irf is not None}
    if not new_irfs:
        raise TypeError("no IRF was passed; expected at least one of " + ", ".join(irfs))
    changed = copy.copy(observation)
    for name, irf in new_irfs.items():
        setattr(changed, ATTRIBUTES.get(name, name), irf)
    return changed


def _copy(name: str, irf: Any) -> Any:
    """Return a copy of an IRF without interpolators, which may be those of earlier values."""
    from astropy.utils import lazyproperty
    from gammapy.irf import IRF
    from gammapy.maps import Map

    if name == "bkg" and isinstance(irf, Map):
        return irf.copy()
    if not isinstance(irf, IRF):
        raise TypeError(f"{name} is {type(irf).__name__}; expected an IRF of gammapy")
    copied = copy.copy(irf)
    for attribute in list(vars(copied)):
        if isinstance(getattr(type(irf), attribute, None), lazyproperty):
            del vars(copied)[attribute]
    copied._data = copy.deepcopy(irf.data)
    copied.meta, copied.interp_kwargs = copy.copy(irf.meta), dict(irf.interp_kwargs)
    return copied
