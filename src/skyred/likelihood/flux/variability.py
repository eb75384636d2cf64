"""Variability: how far a light curve is from a constant flux."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@attrs.frozen
class Variability:
    """A light curve compared with a constant flux.

    Parameters
    ----------
    fvar, fvar_err : float
        Fractional excess variance (Vaughan et al. 2003, MNRAS 345, 1271, eqs. 10 and B2); NaN if
        the fluxes scatter less than their errors say, or their mean is not positive.
    chi2 : float
        Of the fluxes around their weighted mean.
    dof : int
        Number of fluxes less one.
    p_value : float
        How likely a constant flux scatters so much or more.
    """

    fvar: float
    fvar_err: float
    chi2: float
    dof: int
    p_value: float

    @classmethod
    def of(cls, flux: ArrayLike, error: ArrayLike) -> Self | None:
        """Compare fluxes of symmetric errors; None if fewer than two are known."""
        from gammapy.stats import compute_fvar
        from scipy.stats import chi2

        values, errors = np.ravel(flux).astype(float), np.ravel(error).astype(float)
        known = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
        if known.sum() < 2:
            return None
        values, errors = values[known], errors[known]
        mean = np.average(values, weights=errors**-2)
        found = float((((values - mean) / errors) ** 2).sum())
        with np.errstate(all="ignore"):
            fvar, fvar_err = compute_fvar(values, errors)
        if values.mean() <= 0:  # a fraction of nothing
            fvar = fvar_err = np.nan
        dof = len(values) - 1
        return cls(float(fvar), float(fvar_err), found, dof, float(chi2.sf(found, dof)))

    def __str__(self) -> str:
        scatter = ""
        if np.isfinite(self.fvar):
            scatter = f"$F_\\mathrm{{var}}$ = {self.fvar:.2f} ± {self.fvar_err:.2f}, "
        chance = "p < 1e-10" if self.p_value < 1e-10 else f"p = {self.p_value:.2g}"
        return f"{scatter}constant: $\\chi^2$ = {self.chi2:.1f} / {self.dof}, {chance}"
