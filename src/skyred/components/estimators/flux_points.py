"""The estimator `flux-points`: the spectrum of a source in bins of energy."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import (
    bin_problems,
    rising_problems,
    source_problems,
)
from skyred.components.estimators.flux_options import (
    error_width,
    limit_confidence,
    optional_columns,
    refit_others,
)
from skyred.components.estimators.scripted import changed_options, edges_option
from skyred.errors import Problem
from skyred.fields import option, quantity
from skyred.interfaces import Chain, Estimator, Product, component
from skyred.products.flux_tables import reference_of
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxPoints as GammapyFluxPoints
    from gammapy.modeling.models import Models, SkyModel
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


log = logging.getLogger(__name__)
NEAR = 0.01  # of an energy: what two edges may differ by and be one


@attrs.define(eq=False)
class FluxPointsProduct(Product):
    """Flux points of a source, with its fitted model.

    Norms are fluxes in units of the magnitude of the model's flux: ``flux.reference_model`` is the
    fitted model where that is positive, and its opposite where it is negative. Without a reference
    model gammapy's ``FluxPoints.read`` takes the positive reference fluxes in the file; with one it
    needs that one, not a fitted model of negative amplitude.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        The flux points.
    model : SkyModel or None
        The fitted model of the source, with its covariance.
    """

    flux: GammapyFluxPoints
    model: SkyModel | None = None

    @property
    def source(self) -> str:
        """Name of the source; "" if its model is not known."""
        return "" if self.model is None else str(self.model.name)

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (gadf-sed, everything) and ``NAME.ecsv`` (dnde, to be read)."""
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        self.flux.write(fits, format="gadf-sed", sed_type="likelihood", overwrite=True)
        _note_source(fits, self.source)
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``, with the model it names."""
        from astropy.io import fits
        from gammapy.estimators import FluxPoints as GammapyFluxPoints

        path = folder / f"{name}.fits"
        source = fits.getheader(path, 1).get("SOURCE", "")
        model = models[source] if models is not None and source in models.names else None
        flux = GammapyFluxPoints.read(path, reference_model=reference_of(path, model))
        return cls(name, flux, model)

    def table(self) -> Table:
        """Give energies, differential flux and all optional columns."""
        table = self.flux.to_table(sed_type="dnde", format="gadf-sed")
        for column in table.itercols():
            if column.dtype.kind == "f" and column.name.startswith("dnde"):
                column.format = ".4e"
        return table

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the spectral energy distribution: butterfly, model and flux points.

        Fluxes of less than 2 sigma, negative ones among them, are drawn as upper limits. The axis
        is logarithmic, unless something drawn is not positive.
        """
        from skyred.products.plotting.flux_points import draw_flux_points

        spectral = None if self.model is None else self.model.spectral_model
        return draw_flux_points(self.flux, spectral, self.source or self.name, ax)


def _note_source(path: Path, source: str) -> None:
    # gammapy's format has no place for it, and reading needs it to find the model again
    from astropy.io import fits

    fits.setval(path, "SOURCE", value=source, comment="name of the source's model", ext=1)


@component
class FluxPoints(Estimator):
    """Flux points of a source: its norm fitted in each bin of energy."""

    kind = "flux-points"
    product = FluxPointsProduct
    source: str = option(type=str, doc="Name of the source.")
    energy_edges: u.Quantity = quantity(
        many=True,
        unit="TeV",
        min="1e-9 TeV",
        doc="Edges of the bins; an edge of the energy axis is taken for each.",
    )
    columns: tuple[str, ...] = optional_columns()
    reoptimize: bool = refit_others()
    n_sigma: float = error_width()
    n_sigma_ul: float = limit_confidence()

    def validate(self) -> Iterable[Problem]:
        """Edges rise."""
        yield from rising_problems(self.energy_edges)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of the source, the energy edges and the energy axes."""
        yield from source_problems(self.source, pipeline)
        yield from bin_problems(self.energy_edges, pipeline)

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> FluxPointsProduct:
        """Estimate by the flat likelihood, with the numbers of gammapy's `FluxPointsEstimator`."""
        from skyred.likelihood import flux_points

        flux = flux_points(
            datasets,
            self.source,
            self.energy_edges,
            selection_optional=list(self.columns),
            reoptimize=self.reoptimize,
            n_sigma=self.n_sigma,
            n_sigma_ul=self.n_sigma_ul,
            allow_multiple_telescopes=True,  # each data entry is there on purpose
        )
        _tell_of_moved_edges(self.label, self.energy_edges, flux.geom.axes["energy"].edges)
        return FluxPointsProduct(self.label, flux, datasets.models.copy()[self.source])

    def write_script(self, script: Script) -> None:
        """Run gammapy's estimator."""
        script.use("gammapy.estimators", "FluxPointsEstimator")
        # each dataset is there on purpose, whatever its telescope
        options = [*flux_options(self, script), "allow_multiple_telescopes=True"]
        if len(script.datasets_made) > 1:
            self._write_by_bin(script, options)
            return
        script.body.add(
            f"estimator = FluxPointsEstimator({', '.join(options)})",
            "flux_points = estimator.run(datasets)",
            'print(flux_points.to_table(sed_type="dnde", format="gadf-sed"))',
            f'flux_points.write(folder / "{self.label}.fits", sed_type="likelihood", '
            "overwrite=True)",
        )
        script.draw('flux_points.plot(ax=axes, sed_type="e2dnde")', self.label)

    def _write_by_bin(self, script: Script, options: list[str]) -> None:
        """Write one bin after the other: gammapy stumbles where a dataset lacks one of them."""
        script.use("itertools", "pairwise")
        script.use("astropy.table", "vstack")
        edges = options[1].removeprefix("energy_edges=")
        options[1] = "energy_edges=u.Quantity(bounds)"
        script.body.add(
            "# one bin after the other: gammapy stumbles where a dataset has nothing in one",
            "tables = []",
        )
        with script.body.inside(f"for bounds in pairwise({edges}):"):
            script.body.add(
                f"estimator = FluxPointsEstimator({', '.join(options)})",
                "flux_points = estimator.run(datasets)",
                'table = flux_points.to_table(sed_type="dnde", format="gadf-sed")',
                "# what is of each dataset differs in length",
                "table.keep_columns([each for each in table.colnames if table[each].ndim == 1])",
                "tables.append(table)",
            )
        script.body.add(
            'table = vstack(tables, metadata_conflicts="silent")',
            "print(table)",
            f'table.write(folder / "{self.label}.ecsv", overwrite=True)',
        )


def flux_options(estimator: Any, script: Script) -> list[str]:
    """Write the options that gammapy's estimators of fluxes share."""
    options = [f"source={literal(estimator.source)}"]
    options += edges_option(script, estimator.label, estimator.energy_edges)
    options.append(f"selection_optional={literal(estimator.columns)}")
    return options + changed_options(estimator, "reoptimize", "n_sigma", "n_sigma_ul")


def _tell_of_moved_edges(label: str, asked: u.Quantity, made: u.Quantity) -> None:
    """Say in the log which edges are others than those asked for: the axis has none there."""
    near = np.abs(np.log(asked[:, None] / made[None, :]).to_value("")).min(axis=1)
    if moved := [f"{edge:.4g}" for edge, far in zip(asked, near, strict=True) if far > NEAR]:
        log.warning(
            "%s: the energy axis has no edge at %s; the bins have the edges %s %s",
            label,
            ", ".join(moved),
            ", ".join(f"{edge:.4g}" for edge in made.to_value(asked.unit)),
            asked.unit,
        )
