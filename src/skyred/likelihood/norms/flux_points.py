"""gammapy's flux points estimator, with the norm of each bin found on flat arrays.

What surrounds the norm is gammapy's: its options, its checks of the datasets, the reference model
and the `FluxPoints` that it makes of the rows. (gammapy is imported with this module, which is
itself only imported when flux points are asked for.)
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u
from gammapy.estimators import FluxPoints, FluxPointsEstimator
from gammapy.maps import MapAxis

from skyred.errors import SkyredWarning
from skyred.likelihood.norms.norm import Norm, best_norm, crossing, sensitivity
from skyred.likelihood.norms.profile import Held, Profile, Refitted
from skyred.likelihood.norms.slices import EnergySlices, Slice, can_slice
from skyred.likelihood.objective import objective_from
from skyred.likelihood.parameters import ParameterSpace
from skyred.likelihood.total import Likelihood
from skyred.minimise import minimise

if TYPE_CHECKING:
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import SkyModel

Row = dict[str, Any]
OPTIONAL = {
    "errn-errp": ("norm_errn", "norm_errp"),
    "ul": ("norm_ul",),
    "sensitivity": ("norm_sensitivity",),
}


@attrs.define(eq=False)
class Fitted:
    """The norm fitted in one bin: along which profile, and where the rest was then."""

    norm: Norm
    profile: Profile
    slices: list[Slice]
    held: Held


class FlatFluxPointsEstimator(FluxPointsEstimator):  # type: ignore[misc]
    """Flux points of a source; takes the options of gammapy's `FluxPointsEstimator`.

    Parameters
    ----------
    check : bool
        Whether every source is compared with gammapy's own evaluation first.
    **options
        Those of gammapy's estimator.
    """

    tag = "FlatFluxPointsEstimator"

    def __init__(self, check: bool = False, **options: Any) -> None:
        self.check = check
        super().__init__(**options)

    def run(self, datasets: Datasets) -> FluxPoints:
        """Estimate the flux points; leaves datasets and models as they were."""
        likelihood = Likelihood(datasets, self.check)
        self.model: SkyModel = likelihood.space.models[self.source]
        self.flat = can_slice(likelihood) and (likelihood.exact or not self.reoptimize)
        why = "; ".join(likelihood.notes) or "its datasets are not of counts"
        if self.norm.prior is not None:
            self.flat, why = False, "their norm has a prior"
        if not self.flat:
            warnings.warn(f"flux points are estimated by gammapy: {why}", SkyredWarning, 3)
        else:
            self.slices = EnergySlices(likelihood, self.model.name)
            self.offset = _priors_of_the_rest(likelihood.space, self.model)
        return super().run(datasets)

    def estimate_flux_point(
        self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity
    ) -> Row:
        """Estimate one flux point."""
        if not self.flat:
            return dict(super().estimate_flux_point(datasets, energy_min, energy_max))
        slices = self.slices.between(energy_min, energy_max)
        if not slices:
            model = self.model.spectral_model
            return dict(self._nan_result(datasets, model, energy_min, energy_max))
        row = self._reference(slices)
        names = [each.name for each in slices]
        counts = np.array([each.counts for each in slices], dtype=int)
        if not any(each.bins for each in slices):
            return {**row, **self._nothing(slices), "counts": counts, "datasets": names}
        if self.reoptimize:
            fitted = self._refit(datasets, energy_min, energy_max)
        else:
            fitted = self._fit(slices)
        return {**row, **self._columns(fitted), "counts": counts, "datasets": names}

    def _reference(self, slices: list[Slice]) -> Row:
        """Give the fluxes of the model in the bins that the slices cover."""
        lows, highs = zip(*(each.edges for each in slices), strict=True)
        axis = MapAxis.from_energy_edges([u.Quantity(lows).min(), u.Quantity(highs).max()])
        with np.errstate(invalid="ignore", divide="ignore"):
            fluxes = self.model.spectral_model.reference_fluxes(energy_axis=axis)
        return {name: value.item() for name, value in fluxes.items()}

    # -- the norm -------------------------------------------------------------------------------

    def _fit(self, slices: list[Slice]) -> Fitted:
        """Fit the norm with the rest held."""
        held = Held([each.term for each in slices], self.offset)
        norm = best_norm(held, self.norm.value, *self._limits())
        return Fitted(norm, held, slices, held)

    def _refit(self, datasets: Datasets, energy_min: u.Quantity, energy_max: u.Quantity) -> Fitted:
        """Fit the norm together with the free parameters of the rest."""
        sliced = datasets.slice_by_energy(energy_min, energy_max)
        models = datasets.models._slice_by_energy(energy_min, energy_max)
        scaled, source = self.get_scale_model(models), models[self.source]
        source.parameters.freeze_all()
        source.spectral_model = scaled
        sliced.models = models
        likelihood = Likelihood(sliced, self.check)
        objective = objective_from(likelihood)
        found = minimise(objective)
        likelihood.space.set(found.values)
        index = [id(each) for each in likelihood.space.free_parameters].index(id(scaled.norm))
        value, error = float(found.values[index]), float(found.errors[index])
        norm = Norm(value, error, found.stat, found.success)
        profile = Refitted(attrs.evolve(objective, start=found.values), index)
        scaled.norm.value = 1.0
        slices = EnergySlices(likelihood, source.name).all()
        return Fitted(norm, profile, slices, Held([each.term for each in slices]))

    def _limits(self) -> tuple[float, float]:
        low, high = self.norm.min, self.norm.max
        return float(np.fmax(low, -np.inf)), float(np.fmin(high, np.inf))  # NaN: none

    # -- the columns ----------------------------------------------------------------------------

    def _columns(self, fitted: Fitted) -> Row:
        norm, stat_null = fitted.norm, fitted.profile.stat(0.0)
        row = {
            "norm": norm.value,
            "stat": norm.stat,
            "success": norm.success,
            "norm_err": norm.error * self.n_sigma,
            "ts": stat_null - norm.stat,
            "stat_null": stat_null,
            "npred": np.array([each.term.npred(norm.value) for each in fitted.slices]),
            "npred_excess": np.array([each.term.excess(norm.value) for each in fitted.slices]),
        }
        low, high = self._limits()
        if "errn-errp" in self.selection_optional:
            row["norm_errp"] = crossing(fitted.profile, norm, self.n_sigma, 1, high)
            row["norm_errn"] = crossing(fitted.profile, norm, self.n_sigma, -1, low)
        if "ul" in self.selection_optional:
            row["norm_ul"] = norm.value + crossing(fitted.profile, norm, self.n_sigma_ul, 1, high)
        if "scan" in self.selection_optional:
            row["norm_scan"] = scan = self._scan(norm)
            row["stat_scan"] = np.array([fitted.profile.stat(value) for value in scan])
        if "sensitivity" in self.selection_optional:
            sigma = self.n_sigma_sensitivity
            row["norm_sensitivity"] = sensitivity(fitted.held.asimov, norm, sigma)
        return row

    def _scan(self, norm: Norm) -> Any:
        parameter = self.norm.copy()  # its range may depend on value and error
        parameter.value, parameter.error = norm.value, np.nan_to_num(norm.error)
        return parameter.scan_values

    def _nothing(self, slices: list[Slice]) -> Row:
        """Give the columns of a bin that is masked in all datasets, as gammapy fills them."""
        nan = dict.fromkeys(["norm", "norm_err", "ts"], np.nan)
        for selected, columns in OPTIONAL.items():
            if selected in self.selection_optional:
                nan |= dict.fromkeys(columns, np.nan)
        row: Row = {**nan, "stat": 0.0, "stat_null": 0.0, "success": False}
        row["npred"], row["npred_excess"] = np.full(len(slices), np.nan), np.zeros(len(slices))
        if "scan" in self.selection_optional:
            row["norm_scan"] = scan = self.norm.copy().scan_values
            row["stat_scan"] = np.nan * scan
        return row


def _priors_of_the_rest(space: ParameterSpace, model: SkyModel) -> float:
    """Add up the priors that gammapy counts: all but those of the source's own spectrum."""
    own = {id(parameter) for parameter in model.spectral_model.parameters}
    rest = [each for each in space.models.parameters if id(each) not in own and each.prior]
    return float(sum(each.prior_stat_sum() for each in rest))
