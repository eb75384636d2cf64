"""The estimator `source-extension`: the likelihood ratio of an extended and a point source."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred import SERIAL_TASKS, Estimator, Problem, Tasks, component, option, quantity
from skyred_extension.hypotheses import (
    POINT,
    R68,
    SIZES,
    Hypothesis,
    fit_or_message,
    point_hypothesis,
)
from skyred_extension.product import ExtensionProduct
from skyred_extension.size import compute_profile, find_upper_limit, stat_at_size
from skyred_extension.tables import parameter_table, profile_table, summary_table

if TYPE_CHECKING:
    from astropy.units import Quantity
    from gammapy.datasets import Datasets
    from numpy.typing import NDArray

    from skyred import Chain, FitResult

    Array = NDArray[np.float64]

TOLERANCE = 0.01  # of the statistic, by which a profile may be below the minimum


@attrs.frozen(eq=False)
class Extension:
    """The best-fit size of a source, in deg; NaN where it is not known.

    Parameters
    ----------
    stat_point, stat : float
        The lowest statistic of the point source, and of any size.
    size, error, limit : float
        The best size (0 for a point source), its error, and its upper limit.
    message : str
        The reason, if the test failed, and remarks on the limit.
    """

    stat_point: float = np.nan
    stat: float = np.nan
    size: float = np.nan
    error: float = np.nan
    limit: float = np.nan
    message: str = ""

    @property
    def ts(self) -> float:
        """The test statistic: the difference of the statistic between the hypotheses."""
        return self.stat_point - self.stat


@component
class SourceExtension(Estimator):
    """Test for extension: TS between a point source and an extended one, size and upper limit."""

    kind = "source-extension"
    product = ExtensionProduct
    source: str = option(doc="Name of the source.")
    shape: str = option(
        "gaussian",
        choices=tuple(SIZES),
        doc="Shape of the extended source; its size is the sigma of the Gaussian, or the radius of "
        "the disk.",
    )
    free_position: bool = option(
        True, doc="Whether the position is fitted in both hypotheses, even if the model freezes it."
    )
    size_min: Quantity = quantity(
        "0.01 deg", min="1e-4 deg", max="10 deg", doc="Smallest size of the profile."
    )
    size_max: Quantity = quantity(
        "1 deg", min="1e-3 deg", max="30 deg", doc="Largest size of the profile and of the source."
    )
    points: int = option(
        15, min=5, max=201, doc="Number of sizes in the profile, in logarithmic steps."
    )
    threshold: float = option(
        16.0, min=0.0, doc="Smallest TS at which the source is called extended."
    )
    confidence: float = option(
        0.95, min=0.5, max=0.9999, doc="Confidence level of the upper limit, one-sided."
    )

    def validate(self) -> Iterable[Problem]:
        """Yield a problem if the range of sizes is empty."""
        if not self.size_min < self.size_max:
            message = f"{self.size_max} is not larger than size_min, {self.size_min}"
            yield Problem(("size_max",), message, "expected a larger value")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield a problem if the source is not one of the models."""
        names = [name for model in pipeline.model for name in model.source_names()]
        if self.source not in names and all(model.knows_names() for model in pipeline.model):
            available = f"available: {', '.join(names) or 'none'}"
            yield Problem(("source",), f"unknown source {self.source!r}", available)

    def estimate(
        self, datasets: Datasets, fit: FitResult | None, tasks: Tasks = SERIAL_TASKS
    ) -> ExtensionProduct:
        """Fit copies of the datasets with both shapes, and compute the profile over the size.

        All free parameters of the models are fitted again in each fit. Datasets and models are not
        changed.

        Raises
        ------
        ModelError
            If the source does not exist or has no position, or if no dataset is a map.
        """
        point = point_hypothesis(datasets, self.source, free_position=self.free_position)
        sizes = np.geomspace(
            self.size_min.to_value("deg"), self.size_max.to_value("deg"), self.points
        )
        result, message = fit_or_message(point)
        extended = point.with_shape(self.shape)
        extended.size.quantity = self.size_min
        extended.size.min = self.size_min.to_value(extended.size.unit)
        extended.size.max = self.size_max.to_value(extended.size.unit)
        extended.size.frozen = False
        if result is None:
            nothing = np.full(self.points, np.nan)
            return self._product(Extension(message=message), point, extended, sizes, nothing, {})
        profile = compute_profile(extended, sizes, tasks)
        extension, extended_result = self._find_size(result.stat, extended, sizes, profile)
        results = {POINT: result, self.shape: extended_result}
        best = extended if extension.size > 0 else point
        return self._product(extension, best, extended, sizes, profile, results)

    def _find_size(
        self, stat_point: float, extended: Hypothesis, sizes: Array, profile: Array
    ) -> tuple[Extension, FitResult | None]:
        """Fit the size from the lowest point of the profile, and compute its upper limit."""
        if np.isnan(profile).all():
            message = f"no fit of the {self.shape} converged"
            return Extension(stat_point, message=message), None
        lowest = int(np.nanargmin(profile))
        reference = extended.copy()  # the starting point of all fits with a fixed size
        extended.size.quantity = f"{sizes[lowest]} deg"
        result, message = fit_or_message(extended)
        is_smallest = result is not None and extended.size.value <= extended.size.min
        if result is not None and not is_smallest and result.stat < stat_point:
            if profile[lowest] < result.stat - TOLERANCE:
                message = "the profile is below the minimum: the fit did not find the best size"
                return Extension(stat_point, message=message), result
            size, error = (
                float(value.to_value("deg"))
                for value in (extended.size.quantity, extended.size.error * extended.size.unit)
            )
            extension = Extension(stat_point, result.stat, size, error)
        elif profile[lowest] > stat_point or lowest == 0:
            stat = min(stat_point, float(profile[0])) if lowest == 0 else stat_point
            extension = Extension(stat_point, stat, 0.0)
        else:
            return Extension(stat_point, message=message), result
        return self._add_limit(extension, reference, sizes, profile), result

    def _add_limit(
        self, extension: Extension, reference: Hypothesis, sizes: Array, profile: Array
    ) -> Extension:
        from scipy.stats import chi2

        @cache
        def stat(size: float) -> float:
            return stat_at_size(reference, size)

        rise = float(chi2.ppf(2 * self.confidence - 1, 1))
        threshold = extension.stat + rise
        limit = find_upper_limit(stat, extension.size, threshold, sizes, profile)
        remarks = []
        if np.isnan(limit):
            remarks.append("no upper limit: it is above size_max, or fits did not converge")
        elif limit == sizes[0]:
            remarks.append("the upper limit is below size_min")
        if n_failed := int(np.isnan(profile).sum()):
            remarks.append(f"{n_failed} of {len(sizes)} fits of the profile did not converge")
        return attrs.evolve(extension, limit=limit, message="; ".join(remarks))

    def _product(
        self, extension: Extension, best: Hypothesis, extended: Hypothesis, sizes: Array,
        profile: Array, results: dict[str, Any],
    ) -> ExtensionProduct:  # fmt: skip
        row = {
            "source": self.source,
            "shape": self.shape,
            "ts_ext": extension.ts,
            "sqrt_ts": np.sqrt(extension.ts),
            "is_extended": bool(extension.ts >= self.threshold),
            "size": extension.size,
            "size_err": extension.error,
            "size_ul": extension.limit,
            "r68": R68[self.shape] * extension.size,
            "r68_err": R68[self.shape] * extension.error,
            "r68_ul": R68[self.shape] * extension.limit,
            **best.position(),
            "stat_point": extension.stat_point,
            "stat_ext": extension.stat,
            "success": bool(np.isfinite(extension.ts)),
            "message": extension.message,
        }
        meta = {"threshold": self.threshold, "confidence": self.confidence}
        return ExtensionProduct(
            self.label,
            summary_table(row, {**meta, "frame": best.spatial_model.frame}),
            profile_table(sizes, profile, extension.stat),
            parameter_table(results),
        )
