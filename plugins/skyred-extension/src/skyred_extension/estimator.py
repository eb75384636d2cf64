"""The estimator `source-extension`: the likelihood ratio of an extended and a point source."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred import (
    SERIAL_TASKS,
    Estimator,
    ModelError,
    Problem,
    Tasks,
    component,
    option,
    quantity,
)
from skyred_extension.hypotheses import (
    POINT,
    R68,
    SIZES,
    Hypothesis,
    fit_or_message,
    half_pixel,
    is_close,
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
BELOW_MIN = 0.1  # the smallest size of the fit, relative to size_min
AT_LIMIT = "the best size is {}: choose a {}; TS is a lower bound"
NO_FLUX = "the flux of the source is negative or zero: there is no excess that could be extended"


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
        The reason, if the test failed, and remarks.
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

    @property
    def success(self) -> bool:
        """Whether TS and size are established."""
        return bool(np.isfinite([self.ts, self.size]).all())

    def with_remarks(self, *remarks: str) -> Extension:
        """Return a copy with more remarks."""
        return attrs.evolve(self, message="; ".join(filter(None, (self.message, *remarks))))


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
        False, doc="Whether the position is fitted even if the model freezes it."
    )
    radius: Quantity = quantity(
        "0.5 deg",
        min="1e-3 deg",
        max="10 deg",
        doc="Largest distance of the fitted position from that of the model, in each coordinate.",
    )
    size_min: Quantity | None = quantity(
        None,
        unit="deg",
        min="1e-4 deg",
        max="10 deg",
        doc="Smallest size of the profile; by default, half a pixel.",
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
        if self.size_min is not None and not self.size_min < self.size_max:
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
            If the source does not exist or has no position, if no dataset is a map, or if half a
            pixel is not smaller than `size_max`.
        """
        point = point_hypothesis(
            datasets,
            self.source,
            free_position=self.free_position,
            radius=self.radius.to_value("deg"),
        )
        sizes = self._sizes(datasets)
        point, result, message = _fit_point(point)
        if result is None:
            nothing = np.full(self.points, np.nan)
            return self._product(Extension(message=message), point, sizes, nothing, {})
        extended = point.with_shape(self.shape)
        profile = compute_profile(attrs.evolve(extended, stat_point=result.stat), sizes, tasks)
        extension, extended_result = self._find_size(result.stat, extended, sizes, profile)
        extension = extension.with_remarks(message)
        results = {POINT: result, self.shape: extended_result}
        is_point = extension.size == 0 or extended_result is None
        best = point if is_point else extended
        if best.has_no_flux():
            extension = Extension(result.stat, message=NO_FLUX).with_remarks(extension.message)
        elif point.has_no_flux():
            extension = extension.with_remarks(
                "the flux of the best point source is negative or zero"
            )
        if best.is_at_limit():
            extension = extension.with_remarks(
                f"the position is at its limit, {self.radius} from the model"
            )
        return self._product(extension, best, sizes, profile, results)

    def _sizes(self, datasets: Datasets) -> Array:
        """Return the sizes of the profile, in deg."""
        size_max = self.size_max.to_value("deg")
        if self.size_min is not None:
            return np.geomspace(self.size_min.to_value("deg"), size_max, self.points)
        size_min = half_pixel(datasets)
        if not size_min < size_max:
            raise ModelError(
                f"size_max, {size_max:g} deg, is not larger than half a pixel, {size_min:g} deg; "
                "expected a larger size_max, or a size_min below it"
            )
        return np.geomspace(size_min, size_max, self.points)

    def _find_size(
        self, stat_point: float, extended: Hypothesis, sizes: Array, profile: Array
    ) -> tuple[Extension, FitResult | None]:
        """Fit the size from the lowest point of the profile, and compute its upper limit."""
        if np.isnan(profile).all():
            message = f"no fit of the {self.shape} converged"
            return Extension(stat_point, message=message), None
        reference = extended.copy()  # the starting point of all fits with a fixed size
        start, smallest, largest = sizes[int(np.nanargmin(profile))], sizes[0], sizes[-1]
        result, message = extended.fit_from(start, smallest=smallest, largest=largest)
        is_smallest = result is not None and is_close(extended.size_in_deg, smallest, smallest)
        if result is not None and is_smallest:
            profile[0] = np.fmin(profile[0], result.stat)
        pixel = half_pixel(extended.datasets)
        is_point = result is None or result.stat >= stat_point
        if (is_smallest and not is_point) or (is_point and smallest > 1.01 * pixel):
            # the best size may be between zero and size_min
            start = min(smallest, pixel) if is_point else start
            smallest = BELOW_MIN * min(smallest, pixel)
            extended.copy_values(reference)  # a fit that ends at a limit may be far from the best
            result, message = extended.fit_from(start, smallest=smallest, largest=largest)
            if result is None:
                message = f"sizes below size_min are not excluded: {message}"
                return Extension(stat_point, message=message), None
        lowest = float(np.nanmin(profile))
        stat = np.inf if result is None else result.stat
        if lowest < min(stat, stat_point) - TOLERANCE:
            message = message or (
                "the profile is below the minimum: the fit did not find the best size"
            )
            return Extension(stat_point, message=message), result
        if stat >= stat_point:
            extension = Extension(stat_point, stat_point, 0.0)
            if _misses_small_sizes(profile, stat_point + self._rise):
                message = "a better size is not excluded: fits of the profile did not converge"
                return Extension(stat_point, message=message), result
        elif is_close(extended.size_in_deg, largest, largest):
            message = AT_LIMIT.format("at or above size_max", "larger size_max")
            return Extension(stat_point, stat, message=message), result
        elif is_close(extended.size_in_deg, smallest, smallest):
            message = AT_LIMIT.format(f"below {smallest:.2g} deg", "smaller size_min")
            return Extension(stat_point, stat, message=message), result
        else:
            error = float((extended.size.error * extended.size.unit).to_value("deg"))
            extension = Extension(stat_point, stat, extended.size_in_deg, error)
        return self._add_limit(extension, reference, sizes, profile), result

    @property
    def _rise(self) -> float:
        """The rise of the statistic at the upper limit."""
        from scipy.stats import chi2

        return float(chi2.ppf(2 * self.confidence - 1, 1))

    def _add_limit(
        self, extension: Extension, reference: Hypothesis, sizes: Array, profile: Array
    ) -> Extension:
        @cache
        def stat(size: float) -> float:
            if size == 0:
                return extension.stat_point
            value = stat_at_size(reference, size)
            if np.isnan(value) and extension.size > 0:
                return stat_at_size(reference, size, start=extension.size)
            return value

        threshold = extension.stat + self._rise
        limit, remark = find_upper_limit(stat, extension.size, threshold, sizes, profile)
        n_failed = int(np.isnan(profile).sum())
        failures = f"{n_failed} of {len(sizes)} fits of the profile did not converge"
        extension = attrs.evolve(extension, limit=limit)
        return extension.with_remarks(remark, failures if n_failed else "")

    def _product(
        self, extension: Extension, best: Hypothesis, sizes: Array, profile: Array,
        results: dict[str, Any],
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
            **best.position(is_valid=bool(np.isfinite(extension.ts))),
            "stat_point": extension.stat_point,
            "stat_ext": extension.stat,
            "success": extension.success,
            "message": extension.message,
        }
        meta = {"threshold": self.threshold, "confidence": self.confidence}
        return ExtensionProduct(
            self.label,
            summary_table(row, {**meta, "frame": best.spatial_model.frame}),
            profile_table(sizes, profile, extension.stat),
            parameter_table(results),
        )


def _fit_point(point: Hypothesis) -> tuple[Hypothesis, FitResult | None, str]:
    """Fit the point source; if this fails with a free position, fit it with a fixed position.

    Returns
    -------
    hypothesis : Hypothesis
        The hypothesis that was fitted.
    result : FitResult or None
        The result, if it is valid.
    message : str
        The reason if it is not, or that the position is fixed.
    """
    fixed = point.with_fixed_position()
    result, message = fit_or_message(point)
    if result is not None or not point.has_free_position:
        return point, result, message
    result, _ = fit_or_message(fixed)
    remark = f"the position is fixed, because {message} with a free position"
    return fixed, result, remark if result is not None else message


def _misses_small_sizes(profile: Array, threshold: float) -> bool:
    """Return whether fits failed below the first size whose statistic is above a threshold."""
    is_above = profile > threshold
    first = int(np.argmax(is_above)) if is_above.any() else len(profile)
    return bool(np.isnan(profile[:first]).any())
