"""The analysis of `examples/crab.yaml` in plain gammapy, as a user would write it.

The products are those of skyred: datasets, models with covariance, flux points with all columns,
residual maps in total and by energy, the residual spectrum, an excess map, and six plots.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from gammapy.datasets import Datasets, MapDataset
from gammapy.estimators import ExcessMapEstimator, FluxPoints
from gammapy.modeling import Fit
from gammapy.stats import CashCountsStatistic
from regions import Regions

import plain_gammapy

Timer = Callable[[str], AbstractContextManager[None]]
RADIUS = "0.1 deg"
REGION = "icrs; circle(83.63, 22.01, 0.5)"


def analyse(folder: Path, timer: Timer) -> float:
    """Run the analysis, write its products, and return the fit statistic.

    Parameters
    ----------
    folder : Path
        An existing folder for the products.
    timer : callable
        Returns a context manager that times a step.

    Returns
    -------
    float
        The fit statistic.
    """
    with timer("reduction"):
        datasets = Datasets([plain_gammapy.reduce()])
    with timer("fit"):
        datasets.models = plain_gammapy.models(*datasets.names)
        result = Fit().run(datasets)
    with timer("flux points"):
        points = plain_gammapy.flux_points(datasets[0], datasets.models)
    with timer("residuals"):
        residuals = estimate_residuals(datasets[0])
        spectrum = create_spectrum(datasets[0])
    with timer("excess map"):
        excess = estimate_excess(datasets[0])
    with timer("run folder"):
        datasets.write(folder / "datasets.yaml", folder / "models.yaml", checksum=True)
        points.write(folder / "flux-points.fits", sed_type="likelihood")
        table = points.to_table(sed_type="dnde", format="gadf-sed")
        table.write(folder / "flux-points.ecsv")
        for name, maps in {**residuals, "excess-map": excess}.items():
            maps.write(folder / f"{name}.fits")
        spectrum.write(folder / "residuals.ecsv")
    with timer("plots"):
        draw(folder, datasets[0], points, residuals["residuals"], excess, spectrum)
    return float(result.total_stat)


def estimate_residuals(dataset: MapDataset) -> dict[str, Any]:
    """Return the significance of the residuals, in one energy bin and in all of them."""
    edges = dataset.counts.geom.axes["energy"].edges
    return {
        "residuals": _excess_estimator(edges[[0, -1]]).run(dataset),
        "residuals-by-energy": _excess_estimator(edges).run(dataset),
    }


def create_spectrum(dataset: MapDataset) -> Table:
    """Return the residual counts in the region, by energy."""
    geom = dataset.counts.geom
    mask = dataset.mask & geom.region_mask(Regions.parse(REGION, format="ds9"))
    counts = (dataset.counts.data * mask.data).sum(axis=(1, 2))
    npred = (dataset.npred().data * mask.data).sum(axis=(1, 2))
    edges = geom.axes["energy"].edges
    sqrt_ts = CashCountsStatistic(counts, npred).sqrt_ts
    columns = {"counts": counts, "npred": npred, "residuals": counts - npred, "sqrt_ts": sqrt_ts}
    return Table({"e_min": edges[:-1], "e_max": edges[1:], **columns})


def estimate_excess(dataset: MapDataset) -> Any:
    """Return the excess over the fitted background without sources."""
    background = dataset.npred_background()
    dataset = dataset.copy(name="without-sources")
    dataset.background, dataset.models = background, None
    return _excess_estimator(dataset.counts.geom.axes["energy"].edges[[0, -1]]).run(dataset)


def _excess_estimator(edges: Any) -> ExcessMapEstimator:
    return ExcessMapEstimator(RADIUS, energy_edges=edges, selection_optional=[])


def draw(
    folder: Path, dataset: MapDataset, points: FluxPoints, residuals: Any, excess: Any,
    spectrum: Table,
) -> None:  # fmt: skip
    """Draw counts, flux points, residuals, the residual spectrum, significance and excess."""
    import matplotlib.pyplot as plt

    images = {
        "counts": dataset.counts.sum_over_axes().smooth("0.05 deg"),
        "residuals": residuals.sqrt_ts,
        "excess-map": excess.sqrt_ts,
        "excess-map-counts": excess.npred_excess,
    }
    for name, image in images.items():
        image.sum_over_axes(keepdims=False).plot(add_cbar=True)
        _save(folder / f"{name}.png")
    axes = plt.figure().add_subplot()
    points.plot(ax=axes, sed_type="e2dnde")
    model = dataset.models["crab"].spectral_model
    model.plot(ax=axes, energy_bounds=[1, 10] * points.energy_ref.unit, sed_type="e2dnde")
    model.plot_error(ax=axes, energy_bounds=[1, 10] * points.energy_ref.unit, sed_type="e2dnde")
    _save(folder / "flux-points.png")
    energy = np.sqrt(spectrum["e_min"] * spectrum["e_max"])
    plt.figure()
    plt.errorbar(energy, spectrum["residuals"], np.sqrt(spectrum["counts"]), fmt="o")
    plt.xscale("log")
    _save(folder / "residuals-spectrum.png")


def _save(path: Path) -> None:
    import matplotlib.pyplot as plt

    plt.savefig(path, dpi=120)
    plt.close()
