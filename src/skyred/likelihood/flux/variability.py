"""Variability: the comparison of a light curve with a constant flux."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@attrs.frozen
class Variability:
    """Comparison of a light curve with a constant flux.

    Parameters
    ----------
    fvar, fvar_err : float
        Fractional variability and its error; NaN if the fluxes scatter less than expected from
        their errors, or their mean is not positive.
    chi2 : float
        Chi-square of the fluxes around their weighted mean.
    dof : int
        Degrees of freedom: number of fluxes minus one.
    p_value : float
        Probability of this or a larger chi-square for a constant flux.

    References
    ----------
    Vaughan et al. 2003, MNRAS 345, 1271, eqs. 10 and B2.
    """

    fvar: float
    fvar_err: float
    chi2: float
    dof: int
    p_value: float

    @classmethod
    def from_fluxes(cls, flux: ArrayLike, error: ArrayLike) -> Self | None:
        """Compare fluxes with a constant flux.

        Parameters
        ----------
        flux, error : array_like
            Fluxes and their symmetric errors, of the same shape and unit; fluxes that are not
            finite, or whose error is not finite and positive, are ignored.

        Returns
        -------
        Variability or None
            The comparison; None if there are fewer than two valid fluxes.
        """
        from gammapy.stats import compute_fvar
        from scipy.stats import chi2

        values, errors = np.ravel(flux).astype(float), np.ravel(error).astype(float)
        is_valid = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
        if is_valid.sum() < 2:
            return None
        values, errors = values[is_valid], errors[is_valid]
        mean = np.average(values, weights=errors**-2)
        chi_square = float((((values - mean) / errors) ** 2).sum())
        with np.errstate(all="ignore"):
            fvar, fvar_err = compute_fvar(values, errors)
        if values.mean() <= 0:  # a fraction of the mean is undefined
            fvar = fvar_err = np.nan
        dof = len(values) - 1
        p_value = float(chi2.sf(chi_square, dof))
        return cls(float(fvar), float(fvar_err), chi_square, dof, p_value)

    def __str__(self) -> str:
        fvar = ""
        if np.isfinite(self.fvar):
            fvar = f"Fvar = {self.fvar:.2f} ± {self.fvar_err:.2f}, "
        p_value = "p < 1e-10" if self.p_value < 1e-10 else f"p = {self.p_value:.2g}"
        return f"{fvar}constant: χ² = {self.chi2:.1f} / {self.dof}, {p_value}"
