"""Sensitivity curves of spectra: the detectable excess, and the corresponding flux."""

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
    "e2dnde": "energy squared times the smallest detectable differential flux",
    "dnde": "smallest detectable differential flux",
    "excess": "excess counts for a detection",
    "background": "background counts in the on region",
    "criterion": "limiting criterion: significance, gamma, bkg, or masked (outside the safe range)",
}


def stack_spectra(
    datasets: Datasets, region: SkyRegion | None, containment: bool
) -> SpectrumDataset:
    """Stack datasets into one spectrum; maps are first reduced to the spectrum in a region.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        The datasets: maps or spectra.
    region : regions.SkyRegion or None
        The on region for maps.
    containment : bool
        Whether the exposure of maps is corrected for the containment of a point source in the
        region.

    Returns
    -------
    gammapy.datasets.SpectrumDataset
        The stacked spectrum.

    Raises
    ------
    ModelError
        If there are maps and no region, datasets with and without off counts, or a dataset
        without counts, exposure or background, or if gammapy cannot use the region.
    """
    from gammapy.datasets import Datasets

    spectra = Datasets([_extract_spectrum(dataset, region, containment) for dataset in datasets])
    class_names = {type(dataset).__name__ for dataset in spectra}
    if len(class_names) > 1:
        raise ModelError(f"sensitivity needs datasets of one type, not {' and '.join(class_names)}")
    return spectra[0] if len(spectra) == 1 else spectra.stack_reduce(name="all")


def _extract_spectrum(dataset: Any, region: SkyRegion | None, containment: bool) -> SpectrumDataset:
    """Return the spectrum of a dataset, with the fitted background or its off counts."""
    geom = getattr(getattr(dataset, "counts", None), "geom", None)
    if geom is None or getattr(dataset, "exposure", None) is None:
        raise ModelError(f"the dataset {dataset.name!r} has no counts or no exposure")
    if dataset.background is None:
        raise ModelError(f"the dataset {dataset.name!r} has no background; a sensitivity needs one")
    if geom.is_region:
        spectrum = dataset.copy(name=dataset.name)
        if dataset.stat_type == "cash":
            spectrum.background = dataset.npred_background()
        return spectrum
    if region is None:
        raise ModelError(f"the dataset {dataset.name!r} is a map: set the on region (region: ...)")
    try:
        return dataset.to_spectrum_dataset(
            region, containment_correction=containment, name=dataset.name
        )
    except Exception as error:  # gammapy raises plain exceptions for unsuitable regions
        reason = " ".join(str(error).split())
        raise ModelError(
            f"cannot extract a spectrum of {dataset.name!r} from the region: {reason}"
        ) from error


def sensitivity_table(dataset: SpectrumDataset, estimator: Sensitivity) -> Table:
    """Compute the sensitivity of a spectrum in each energy bin.

    The method is that of gammapy's `SensitivityEstimator`, but bins outside the safe range are NaN,
    whereas gammapy fills them with the flux of the minimum number of gammas.

    Parameters
    ----------
    dataset : gammapy.datasets.SpectrumDataset
        The spectrum.
    estimator : Sensitivity
        The estimator, with its options.

    Returns
    -------
    astropy.table.Table
        One row per energy bin, with the columns of `DESCRIPTIONS`.
    """
    from astropy.table import Table
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

    background = _to_floats(dataset.background)
    excess, criterion = detectable_excess(
        _significant_excess(dataset, estimator), background, estimator
    )
    axis, model = dataset.counts.geom.axes["energy"], PowerLawSpectralModel(index=estimator.index)
    spectrum = dataset.copy(name=dataset.name)
    spectrum.models = SkyModel(model)
    with np.errstate(all="ignore"):
        dnde = excess / _to_floats(spectrum.npred_signal()) * model(axis.center)
        dnde = dnde.to("cm-2 s-1 TeV-1")
    valid = np.isfinite(dnde)
    if dataset.mask_safe is not None:
        valid &= _to_floats(dataset.mask_safe) > 0
    e2dnde = (dnde * axis.center**2).to("erg cm-2 s-1")
    table = Table(
        {
            "e_ref": axis.center.to("TeV"),
            "e_min": axis.edges_min.to("TeV"),
            "e_max": axis.edges_max.to("TeV"),
            "e2dnde": np.where(valid, e2dnde, np.nan),
            "dnde": np.where(valid, dnde, np.nan),
            "excess": np.where(valid, excess, np.nan),
            "background": background,
            "criterion": np.where(valid, criterion, "masked"),
        }
    )
    for name, description in DESCRIPTIONS.items():
        table[name].description = description
    table.meta = {"EXTNAME": "SENSITIVITY", "LIVETIME": livetime(dataset).to_value("h")}
    table.meta |= {"NSIGMA": estimator.n_sigma, "GAMMAMIN": estimator.gamma_min}
    table.meta |= {"BKGSYST": estimator.background_systematics, "INDEX": estimator.index}
    return table


def _to_floats(spectrum_map: Any) -> Array:
    """Return the values of a spectrum as floats, shape (n,)."""
    return np.asarray(spectrum_map.data, dtype=float).ravel()


def _significant_excess(dataset: SpectrumDataset, estimator: Sensitivity) -> Array:
    """Compute the excess with the required significance in each bin, shape (n,)."""
    from gammapy.stats import CashCountsStatistic, WStatCountsStatistic

    background = _to_floats(dataset.background)
    if dataset.stat_type == "wstat":
        alpha = _to_floats(dataset.alpha)
        counts_off = _to_floats(dataset.counts_off)
    elif estimator.alpha is not None:
        alpha = np.full(len(background), estimator.alpha)
        counts_off = background / alpha
    else:
        statistic = CashCountsStatistic(background, background)
        return np.asarray(statistic.n_sig_matching_significance(estimator.n_sigma), dtype=float)
    statistic = WStatCountsStatistic(alpha * counts_off, counts_off, alpha)
    return np.asarray(statistic.n_sig_matching_significance(estimator.n_sigma), dtype=float)


def detectable_excess(
    significant_excess: Array, background: Array, estimator: Sensitivity
) -> tuple[Array, Any]:
    """Compute the detectable excess and the limiting criterion in each bin.

    Parameters
    ----------
    significant_excess : array
        Excess counts with the required significance, shape (n,).
    background : array
        Background counts, shape (n,).
    estimator : Sensitivity
        The estimator, with the minimum number of gammas and the background systematics.

    Returns
    -------
    tuple of array
        Detectable excess counts, shape (n,), and the criterion: ``significance``, ``gamma`` or
        ``bkg``, shape (n,).
    """
    systematic_excess = estimator.background_systematics * background
    has_too_few_gammas = significant_excess < estimator.gamma_min
    excess = np.where(has_too_few_gammas, estimator.gamma_min, significant_excess)
    is_below_systematics = excess < systematic_excess
    criterion = np.where(has_too_few_gammas, "gamma", "significance")
    criterion = np.where(is_below_systematics, "bkg", criterion)
    return np.where(is_below_systematics, systematic_excess, excess), criterion
