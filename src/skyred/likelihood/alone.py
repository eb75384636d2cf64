"""Fits and flux points of gammapy's datasets outside a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from skyred.errors import FitError
from skyred.likelihood.minimise import minimise
from skyred.likelihood.objective import objective_of, restored_on_error
from skyred.likelihood.parameters import value_key

if TYPE_CHECKING:
    from astropy import units as u
    from gammapy.datasets import Dataset, Datasets
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import SkyModel

    from skyred.interfaces import Fitter
    from skyred.interfaces.records import FitResult


def fit(
    datasets: Datasets | Dataset | Iterable[Dataset],
    fitter: Fitter | None = None,
    *,
    minos: bool = False,
    check: bool = False,
) -> FitResult:
    """Fit the models of gammapy datasets, as ``gammapy.modeling.Fit().run(datasets)`` does.

    Afterwards the models hold the best values, their errors and covariance; errors that are NaN in
    the result are 0 there. Unlike those of `Fit.run`, which MIGRAD builds up on its way, the errors
    are of the second derivatives at the minimum.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, or one or more of its datasets
        With models assigned.
    fitter : Fitter, optional
        What minimises or samples; by default Newton steps, MIGRAD if they fail, and HESSE.
    minos : bool
        Whether to find asymmetric errors by MINOS; a fitter has its own option for it.
    check : bool
        Whether every source is compared with gammapy's own evaluation first; else those with
        classes that are not gammapy's own.

    Returns
    -------
    FitResult
        With the parameters in the order of
        ``datasets.models.parameters.unique_parameters.free_parameters``; of parameters that share
        one value, as those of gammapy's `NestedModelSelection`, only the first. Its `success`
        says whether it is a minimum, its `notes` what gammapy evaluated itself.

    Raises
    ------
    FitError
        If there is nothing to fit, the statistic is not finite at the start, or MINOS is asked of a
        fitter.
    """
    if fitter and minos:
        raise FitError(
            f"minos is of no use with a fitter: give it to {fitter.kind!r}, if it has it"
        )
    chosen = gathered(datasets)
    objective = objective_of(chosen, check)
    with restored_on_error(chosen):
        result = fitter.fit(objective) if fitter else minimise(objective, minos=minos)
    objective.accept(result)
    return result


def flux_points(
    datasets: Datasets | Dataset | Iterable[Dataset],
    source: str | int,
    energy_edges: u.Quantity,
    *,
    selection_optional: str | Sequence[str] | None = None,
    n_sigma: float = 1,
    n_sigma_ul: float = 2,
    n_sigma_sensitivity: float = 5,
    reoptimize: bool = False,
    norm: Any = None,
    allow_multiple_telescopes: bool = False,
    check: bool = False,
) -> FluxPoints:
    """Estimate flux points of a source, as gammapy's `FluxPointsEstimator` does.

    In each bin of energy the spectrum of the source is scaled by a norm, and the norm is fitted.
    Datasets and models are left as they were.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets, or one or more of its datasets
        With (fitted) models assigned.
    source : str or int
        The name of the source, or its index in ``datasets.models``.
    energy_edges : Quantity
        Edges of the bins, shape (n + 1,); they fall on the nearest edges of the energy axis.
    selection_optional : "all" or list of {"errn-errp", "ul", "scan", "sensitivity"}, optional
        Which optional columns to fill.
    n_sigma, n_sigma_ul, n_sigma_sensitivity : float
        Width of the errors, confidence of the upper limits and significance of the sensitivity.
    reoptimize : bool
        Whether the free parameters of the rest are fitted again in each bin.
    norm : gammapy.modeling.Parameter or dict, optional
        Start, limits and scan values of the norm.
    allow_multiple_telescopes : bool
        Whether datasets of different telescopes may be taken together.
    check : bool
        Whether every source is compared with gammapy's own evaluation first.

    Returns
    -------
    gammapy.estimators.FluxPoints
        As gammapy's estimator gives it.

    Raises
    ------
    FitError
        If there is no such source model, a dataset is not of counts, the energy axes are no
        parts of one axis, `energy_edges` are no finite energies or two of them fall on one edge,
        there are several telescopes without `allow_multiple_telescopes`, nothing is free to
        reoptimize, or gammapy's estimator, where it has to be used, would lose that free
        parameters share values.
    """
    from astropy import units as u

    from skyred.likelihood.flux.flux_points import FlatFluxPointsEstimator
    from skyred.likelihood.flux.stack_axis import aligned_axes, covered_axis

    chosen, edges = gathered(datasets), u.Quantity(energy_edges)
    require_counts(chosen)
    covered_axis(aligned_axes(chosen), edges)
    if not allow_multiple_telescopes:
        require_one_telescope(chosen)
    model = find_source(chosen, source)
    if reoptimize:
        require_free_background(chosen, model)
    estimator = FlatFluxPointsEstimator(
        check=check,
        source=str(model.name),
        energy_edges=edges,
        selection_optional=selection_optional,
        n_sigma=n_sigma,
        n_sigma_ul=n_sigma_ul,
        n_sigma_sensitivity=n_sigma_sensitivity,
        reoptimize=reoptimize,
        norm=norm,
        allow_multiple_telescopes=allow_multiple_telescopes,
    )
    return estimator.run(chosen)


def gathered(datasets: Any) -> Datasets:
    """Make `Datasets` of one dataset or several; gammapy's own keep their covariance."""
    from gammapy.datasets import Dataset, Datasets

    if isinstance(datasets, Datasets):
        return datasets
    return Datasets(datasets if isinstance(datasets, Dataset) else list(datasets))


def find_source(datasets: Datasets, source: str | int) -> SkyModel:
    """Return a source model of datasets of counts.

    Parameters
    ----------
    datasets : gammapy.datasets.Datasets
        With models assigned.
    source : str or int
        Its name, or its index in ``datasets.models``, as gammapy's estimators take it.

    Returns
    -------
    gammapy.modeling.models.SkyModel
        The source model.

    Raises
    ------
    FitError
        If there is no such source model, or a dataset is not of counts.
    """
    from gammapy.modeling.models import SkyModel

    require_counts(datasets)
    models = [model for dataset in datasets for model in dataset.models or ()]
    names = [model.name for model in models if isinstance(model, SkyModel)]
    listed = list(datasets.models or ())
    if isinstance(source, int):
        if not -len(listed) <= source < len(listed):
            raise FitError(f"no model has the index {source}: the datasets have {len(listed)}")
        source = str(listed[source].name)
    if source not in names:
        raise FitError(
            f"no source is called {source!r}; there are {', '.join(dict.fromkeys(names)) or 'none'}"
        )
    return next(model for model in listed if model.name == source)


def require_counts(datasets: Datasets) -> None:
    """Raise `FitError` unless all datasets are of counts."""
    for dataset in datasets:
        if dataset.tag == "FluxPointsDataset":
            raise FitError(f"{dataset.name!r} holds flux points; only counts give new ones")


def require_one_telescope(datasets: Datasets) -> None:
    """Raise `FitError` if the meta tables of datasets name several telescopes."""
    tables = [each.meta_table for each in datasets if each.meta_table is not None]
    columns = [table["TELESCOP"] for table in tables if "TELESCOP" in table.colnames]
    names = {str(name) for column in columns for name in column.flatten()}
    if len(names) > 1:
        raise FitError(
            "All datasets must use the same value of the 'TELESCOP' meta keyword: these have "
            f"{', '.join(sorted(names))}; pass allow_multiple_telescopes=True to combine them"
        )


def require_free_background(datasets: Datasets, source: SkyModel) -> None:
    """Raise `FitError` if nothing but the source has free parameters: nothing to reoptimize."""
    own = {value_key(parameter) for parameter in source.parameters}
    if all(value_key(each) in own for each in datasets.models.parameters.free_parameters):
        raise FitError(
            f"No free parameters for fitting: reoptimize=True, but all models except {source.name} "
            "are frozen; pass reoptimize=False"
        )
