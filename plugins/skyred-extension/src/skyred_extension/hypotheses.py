"""The hypotheses of the test: copies of the datasets, with a point or an extended source."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import attrs

from skyred import FitError, ModelError

if TYPE_CHECKING:
    from gammapy.datasets import Datasets

    from skyred import FitResult

POINT = "point"
TAGS = {POINT: "point", "gaussian": "gauss", "disk": "disk"}  # in gammapy
SIZES = {"gaussian": "sigma", "disk": "r_0"}  # the parameter that is the size
# the radius that contains 68 % of the flux, in units of the size, as in fermipy
R68 = {"gaussian": math.sqrt(-2 * math.log(0.32)), "disk": math.sqrt(0.68)}


@attrs.frozen(eq=False)
class Hypothesis:
    """Datasets with one shape of the source; copies, so that the originals never change.

    Parameters
    ----------
    datasets : Datasets
        The datasets, with their models.
    source : str
        The name of the source.
    shape : {"point", "gaussian", "disk"}
        The shape of the source.
    """

    datasets: Datasets
    source: str
    shape: str

    @property
    def spatial_model(self) -> Any:
        """The spatial model of the source."""
        return self.datasets.models[self.source].spatial_model

    @property
    def size(self) -> Any:
        """The parameter that is the size of the source."""
        return getattr(self.spatial_model, SIZES[self.shape])

    def copy(self) -> Hypothesis:
        """Return a copy, with copies of datasets and models; linked parameters stay linked."""
        return attrs.evolve(self, datasets=copy.deepcopy(self.datasets))

    def with_shape(self, shape: str, *, free_position: bool = False) -> Hypothesis:
        """Return a copy in which the source has another shape at the same position.

        Parameters
        ----------
        shape : {"point", "gaussian", "disk"}
            The shape.
        free_position : bool
            Whether the position is made free, if it is frozen.

        Returns
        -------
        Hypothesis
            The copy. The position keeps its limits, priors and links.
        """
        from gammapy.modeling.models import SPATIAL_MODEL_REGISTRY, SkyModel

        new = self.copy()
        old_model = new.datasets.models[self.source]
        spatial_model = SPATIAL_MODEL_REGISTRY.get_cls(TAGS[shape])(
            frame=old_model.spatial_model.frame
        )
        for name in ("lon_0", "lat_0"):
            parameter = getattr(old_model.spatial_model, name)
            parameter.frozen = parameter.frozen and not free_position
            setattr(spatial_model, name, parameter)
        model = SkyModel(
            spectral_model=old_model.spectral_model,
            spatial_model=spatial_model,
            temporal_model=old_model.temporal_model,
            name=old_model.name,
            apply_irf=old_model.apply_irf,
            datasets_names=old_model.datasets_names,
        )
        models = list(new.datasets.models)
        new.datasets.models = [model if other is old_model else other for other in models]
        return attrs.evolve(new, shape=shape)

    def position(self) -> dict[str, float]:
        """Return position and errors in deg, as columns of the result."""
        return {
            f"{name}{suffix}": float((value * parameter.unit).to_value("deg"))
            for name in ("lon", "lat")
            for parameter in [getattr(self.spatial_model, f"{name}_0")]
            for suffix, value in (("", parameter.value), ("_err", parameter.error))
        }

    def fit(self) -> FitResult:
        """Fit all free parameters of the models, from their current values.

        The fitter is that of the pipeline's default, Newton steps. The models are set to the
        result.

        Returns
        -------
        FitResult
            The result, whose `success` may be false.

        Raises
        ------
        FitError
            If there is nothing to fit, or the statistic is not finite.
        """
        from skyred import minimise, objective_of

        objective = objective_of(self.datasets)
        result = minimise(objective)
        objective.accept(result)
        return result

    def fit_with_size(self, size: float) -> FitResult:
        """Fit a copy with the size of the source fixed.

        Parameters
        ----------
        size : float
            The size, in deg.

        Returns
        -------
        FitResult
            The result.

        Raises
        ------
        FitError
            If there is nothing to fit, or the statistic is not finite.
        """
        new = self.copy()
        new.size.quantity = f"{size} deg"
        new.size.frozen = True
        return new.fit()


def point_hypothesis(datasets: Datasets, source: str, *, free_position: bool) -> Hypothesis:
    """Return copies of datasets in which the source is a point.

    Parameters
    ----------
    datasets : Datasets
        The datasets, with their models; they are not changed.
    source : str
        The name of the source.
    free_position : bool
        Whether the position is made free, if it is frozen.

    Returns
    -------
    Hypothesis
        The copies.

    Raises
    ------
    ModelError
        If the source does not exist or has no position, or if no dataset is a map.
    """
    names = [] if datasets.models is None else datasets.models.names
    if source not in names:
        raise ModelError(f"no model {source!r}; available: {', '.join(names) or 'none'}")
    spatial_model = getattr(datasets.models[source], "spatial_model", None)
    if not hasattr(spatial_model, "lon_0"):
        raise ModelError(
            f"the model {source!r} has no spatial model with a position; expected for example "
            "a point or a Gaussian"
        )
    if not any(is_map(dataset) for dataset in datasets):
        raise ModelError(
            "no dataset is a map, so there is no information on the size of a source: use maps "
            "(geometry: {kind: map}), or select them with datasets"
        )
    original = Hypothesis(datasets, source, POINT)
    return original.with_shape(POINT, free_position=free_position)


def is_map(dataset: Any) -> bool:
    """Return whether a dataset is a map of counts, not of a region."""
    counts = getattr(dataset, "counts", None)
    return counts is not None and not counts.geom.is_region


def fit_or_message(hypothesis: Hypothesis) -> tuple[FitResult | None, str]:
    """Fit a hypothesis; return the result if it is valid, or None, and the reason if it is not."""
    try:
        result = hypothesis.fit()
    except FitError as error:
        return None, f"the fit of the {hypothesis.shape} failed: {error}"
    if result.success:
        return result, ""
    return None, f"the fit of the {hypothesis.shape} did not converge: {result.message}"
