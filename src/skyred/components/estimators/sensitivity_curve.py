"""Sensitivity curves of spectra: how many counts a detection takes, and which flux gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyred.components.estimators.times import livetime
from skyred.errors import ModelError

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets, SpectrumDataset
    from numpy.typing import NDArray
    from regions import SkyRegion

    from skyred.components.estimators.sensitivity import Sensitivity

    Array = NDArray[np.float64]


DESCRIPTIONS = {
    "e_ref": "centre of the energy bin",
    "e_min": "lower edge of the energy bin",
    "e_max": "upper edge of the energy bin",
    "e2dnde": "smallest energy squared times differential flux that is detected",
    "dnde": "smallest differential flux that is detected",
    "excess": "counts of the source that it takes",
    "background": "counts of the background in the on region",
    "criterion": "what limits it: significance, gamma or bkg; or masked, if it is not safe",
}


def together(datasets: Datasets, region: SkyRegion | None, containment: bool) -> SpectrumDataset:
    """Give one spectrum of all datasets: of maps that of a region.

    Raises
    ------
    ModelError
        If there are maps and no region, on-off data and others, or data that are no counts.
    """
    from gammapy.datasets import Datasets

    spectra = Datasets([_spectrum(each, region, containment) for each in datasets])
    kinds = {type(each).__name__ for each in spectra}
    if len(kinds) > 1:
        raise ModelError(f"a sensitivity is of data of one kind, not of {' and '.join(kinds)}")
    return spectra[0] if len(spectra) == 1 else spectra.stack_reduce(name="all")


def _spectrum(dataset: Any, region: SkyRegion | None, containment: bool) -> SpectrumDataset:
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    if geom is None or getattr(dataset, "exposure", None) is None:
        raise ModelError(f"the dataset {dataset.name!r} has no counts and exposure")
    if dataset.background is None:
        raise ModelError(f"the dataset {dataset.name!r} has no background to detect a source above")
    if geom.is_region:
        spectrum = dataset.copy(name=dataset.name)
        if dataset.stat_type == "cash":
            spectrum.background = dataset.npred_background()
        return spectrum
    if region is None:
        raise ModelError(f"the dataset {dataset.name!r} is a map: give the on region (region: ...)")
    try:
        return dataset.to_spectrum_dataset(
            region, containment_correction=containment, name=dataset.name
        )
    except Exception as error:  # gammapy raises plain exceptions for regions that do not fit
        why = " ".join(str(error).split())
        raise ModelError(f"no spectrum of {dataset.name!r} in the region: {why}") from error


def curve(dataset: SpectrumDataset, options: Sensitivity) -> Table:
    """Give the sensitivity of a spectrum.

    As gammapy's `SensitivityEstimator`, which however fills bins that are not safe too, with the
    flux of the smallest number of gammas; here they are NaN.
    """
    from astropy.table import Table
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

    background = _counts(dataset.background)
    excess, criterion = detected(_significant(dataset, options), background, options)
    axis, model = dataset.counts.geom.axes["energy"], PowerLawSpectralModel(index=options.index)
    spectrum = dataset.copy(name=dataset.name)
    spectrum.models = SkyModel(model)
    with np.errstate(all="ignore"):
        dnde = (excess / _counts(spectrum.npred_signal()) * model(axis.center)).to("cm-2 s-1 TeV-1")
    safe = np.ones(len(excess), bool) if dataset.mask_safe is None else _counts(dataset.mask_safe)
    known = (safe > 0) & np.isfinite(dnde)
    e2dnde = (dnde * axis.center**2).to("erg cm-2 s-1")
    found = Table(
        {
            "e_ref": axis.center.to("TeV"),
            "e_min": axis.edges_min.to("TeV"),
            "e_max": axis.edges_max.to("TeV"),
            "e2dnde": np.where(known, e2dnde, np.nan),
            "dnde": np.where(known, dnde, np.nan),
            "excess": np.where(known, excess, np.nan),
            "background": background,
            "criterion": np.where(known, criterion, "masked"),
        }
    )
    for name, text in DESCRIPTIONS.items():
        found[name].description = text
    found.meta = {"EXTNAME": "SENSITIVITY", "LIVETIME": livetime(dataset).to_value("h")}
    found.meta |= {"NSIGMA": options.n_sigma, "GAMMAMIN": options.gamma_min}
    found.meta |= {"BKGSYST": options.background_systematics, "INDEX": options.index}
    return found


def _counts(values: Any) -> Array:
    return np.asarray(values.data, dtype=float).ravel()


def _significant(dataset: SpectrumDataset, options: Sensitivity) -> Array:
    """Give the excess of the asked significance in each bin."""
    from gammapy.stats import CashCountsStatistic, WStatCountsStatistic

    background = _counts(dataset.background)
    if dataset.stat_type == "wstat":
        alpha = _counts(dataset.alpha)
        off = _counts(dataset.counts_off)
    elif options.alpha is not None:
        alpha = np.full(len(background), options.alpha)
        off = background / alpha
    else:
        known = CashCountsStatistic(background, background)
        return np.asarray(known.n_sig_matching_significance(options.n_sigma), dtype=float)
    measured = WStatCountsStatistic(alpha * off, off, alpha)
    return np.asarray(measured.n_sig_matching_significance(options.n_sigma), dtype=float)


def detected(significant: Array, background: Array, options: Sensitivity) -> tuple[Array, Any]:
    """Give the counts that a detection takes, and what limits it, in each bin.

    Parameters
    ----------
    significant : array
        Counts of the asked significance, shape (n,).
    background : array
        Counts of the background, shape (n,).
    options : Sensitivity
        The smallest number of gammas, and the systematics of the background.
    """
    floor = np.full(len(significant), options.gamma_min)
    systematic = options.background_systematics * background
    few = significant < floor
    excess = np.where(few, floor, significant)
    below = excess < systematic
    criterion = np.where(below, "bkg", np.where(few, "gamma", "significance"))
    return np.where(below, systematic, excess), criterion
