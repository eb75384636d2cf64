"""Estimator `sensitivity`: the smallest detectable flux in each energy bin."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import edge_problems, order_problems
from skyred.components.estimators.flux_options import energy_edges_option
from skyred.components.estimators.scripted import non_default_arguments
from skyred.errors import ExportError, FieldError, Problem
from skyred.fields import Regions, option, regions
from skyred.interfaces import Chain, Estimator, Product, component
from skyred.products.fits_tables import read_tables, write_tables
from skyred.products.plotting import create_axes, format_unit
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes
    from regions import SkyRegion

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script

MARKERS = {"significance": "o", "gamma": "v", "bkg": "s"}
LABELS = {
    "significance": "limited by significance",
    "gamma": "limited by the minimum number of gammas",
    "bkg": "limited by the systematics of the background",
}


@attrs.define(eq=False)
class SensitivityProduct(Product):
    """A sensitivity curve.

    Parameters
    ----------
    curve : astropy.table.Table
        One row per energy bin: the columns of gammapy's `SensitivityEstimator`, and ``dnde``.
    """

    curve: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` and ``NAME.ecsv``.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        fits, ecsv = folder / f"{self.name}.fits", folder / f"{self.name}.ecsv"
        write_tables(fits, [self.curve])
        self.curve.write(ecsv, format="ascii.ecsv", overwrite=True)
        return [fits, ecsv]

    @classmethod
    def read(cls, folder: Path, name: str, models: Models | None) -> Self:
        """Read ``NAME.fits``.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.
        name : str
            Name of the product, without suffix.
        models : gammapy.modeling.models.Models or None
            Fitted models of the run.

        Returns
        -------
        SensitivityProduct
            The sensitivity curve.
        """
        table = read_tables(folder / f"{name}.fits")[0]
        table = table.filled(np.nan)  # astropy masks NaN in FITS files
        table["criterion"] = table["criterion"].astype(str)
        return cls(name, table)

    def table(self) -> Table:
        """Return the sensitivity curve.

        Returns
        -------
        astropy.table.Table
            One row per energy bin.
        """
        return self.curve

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the sensitivity, with markers for the limiting criterion.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        if ax is None:
            ax = create_axes(6.4, 4.6)
        energy, low, high = (
            self.curve[name].quantity.to_value("TeV") for name in ("e_ref", "e_min", "e_max")
        )
        flux = self.curve["e2dnde"].quantity.to_value("erg cm-2 s-1")
        ax.plot(energy, flux, color="0.6", linewidth=1)
        for criterion, marker in MARKERS.items():
            rows = np.asarray(self.curve["criterion"] == criterion)
            if rows.any():
                xerr = [(energy - low)[rows], (high - energy)[rows]]
                ax.errorbar(energy[rows], flux[rows], xerr=xerr, marker=marker, color="black",
                            linestyle="none", label=LABELS[criterion])  # fmt: skip
        ax.set_xscale("log")
        if np.isfinite(flux).any():  # an empty plot has neither a logarithmic scale nor a legend
            ax.set_yscale("log")
            ax.legend(fontsize="small")
        ax.set_xlabel("Reconstructed energy [TeV]")
        ax.set_ylabel(f"E² dN/dE [{format_unit(u.Unit('erg cm-2 s-1'))}]")
        meta = self.curve.meta
        ax.set_title(f"Sensitivity, {meta['NSIGMA']:g} sigma in {meta['LIVETIME']:.3g} h")
        return ax


@component
class Sensitivity(Estimator):
    """Sensitivity: the smallest flux that would be detected in each energy bin."""

    kind = "sensitivity"
    product = SensitivityProduct
    region: Regions = regions(
        (),
        doc="On region for maps: a single circle, or with containment: false any single region. "
        "Spectra already have on regions.",
    )
    containment: bool = option(
        True,
        doc="Whether the exposure of maps is corrected for the containment of a point source in "
        "the region.",
    )
    index: float = option(2.0, min=-5, max=10, doc="Index of the assumed power law.")
    energy_edges: u.Quantity | None = energy_edges_option("those of the energy axis")
    n_sigma: float = option(5.0, min=0.1, doc="Significance of a detection, in sigma.")
    gamma_min: float = option(10.0, min=0, doc="Minimum number of gammas for a detection.")
    background_systematics: float = option(
        0.05, min=0, doc="Fraction of the background that the excess of a detection must exceed."
    )
    alpha: float | None = option(
        None,
        type=float,
        min=1e-6,
        doc="Ratio of the on to the off exposure, if a known background is treated as measured in "
        "an off region; by default, a known background has no uncertainty. On-off data have their "
        "own ratio.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that the energy edges increase.

        Yields
        ------
        Problem
            Energy edges that do not increase.
        """
        yield from order_problems(self.energy_edges)

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the energy edges, and with the region that maps require.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A problem, with the option and the reason.
        """
        if self.energy_edges is not None:
            yield from edge_problems(self.energy_edges, pipeline)
        geometry_kinds = {
            getattr(getattr(entry, "geometry", None), "kind", "") for _, entry in pipeline.entries()
        }
        if "map" in geometry_kinds and not self.region:
            expected = "expected the on region, such as 'icrs; circle(83.63, 22.01, 0.11)'"
            yield Problem(("region",), "is not set, but the data are maps", expected)
        try:
            yield from self._region_problems(self.region.build())
        except (FieldError, OSError) as error:
            yield Problem(("region",), str(error))

    def _region_problems(self, sky_regions: list[SkyRegion]) -> Iterable[Problem]:
        """Yield problems with the number and the shape of the regions."""
        from regions import CircleSkyRegion

        if not self.region:
            return
        if len(sky_regions) != 1:
            yield Problem(("region",), f"{len(sky_regions)} regions", "expected one")
        elif self.containment and not isinstance(sky_regions[0], CircleSkyRegion):
            region_type = type(sky_regions[0]).__name__
            message = f"invalid region {region_type}: the containment is computed for circles only"
            yield Problem(("region",), message, "expected a circle, or containment: false")

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> SensitivityProduct:
        """Estimate the sensitivity of all datasets together.

        The method is that of gammapy's `SensitivityEstimator`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.

        Returns
        -------
        SensitivityProduct
            The sensitivity curve.

        Raises
        ------
        ModelError
            If there are maps and no region, datasets with and without off counts, or a dataset
            without counts, exposure or background, or if gammapy cannot use the region.
        """
        from skyred.components.estimators.sensitivity_curve import sensitivity_table, stack_spectra

        sky_regions = self.region.build()
        dataset = stack_spectra(datasets, sky_regions[0] if sky_regions else None, self.containment)
        if self.energy_edges is not None:
            from gammapy.maps import MapAxis

            axis = MapAxis.from_energy_edges(self.energy_edges)
            dataset = dataset.resample_energy_axis(axis, name=dataset.name)
        return SensitivityProduct(self.label, sensitivity_table(dataset, self))

    def write_script(self, script: Script) -> None:
        """Write a call to gammapy's `SensitivityEstimator` on the stacked spectrum.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If ``alpha`` is set, which gammapy's estimator does not support.
        """
        if self.alpha is not None:
            raise ExportError(
                "has alpha (a measured background), which gammapy's estimator does not support"
            )
        script.use("gammapy.estimators", "SensitivityEstimator")
        script.use("gammapy.modeling.models", "PowerLawSpectralModel")
        if self.region:
            region = script.regions(f"{self.label}_REGION", self.region, "[0]")
            script.body.add(
                f"spectra = Datasets([dataset.to_spectrum_dataset({region}, "
                f"containment_correction={self.containment}) for dataset in datasets])",
                "spectrum = spectra.stack_reduce()",
            )
        else:
            script.body.add("spectrum = datasets.stack_reduce()")
        if self.energy_edges is not None:
            script.use("gammapy.maps", "MapAxis")
            edges = script.constant(f"{self.label}_EDGES", script.quantity(self.energy_edges))
            script.body.add(
                f"axis = MapAxis.from_energy_edges({edges})",
                "spectrum = spectrum.resample_energy_axis(axis)",
            )
        script.use("astropy", "units as u")
        options = [f"spectral_model=PowerLawSpectralModel(index={literal(self.index)})"]
        options += non_default_arguments(self, "n_sigma", "gamma_min")
        if not self._is_default("background_systematics", self.background_systematics):
            options.append(f"bkg_syst_fraction={literal(self.background_systematics)}")
        script.body.add(
            f"estimator = SensitivityEstimator({', '.join(options)})",
            "table = estimator.run(spectrum)",
            "# gammapy also fills bins outside the safe range",
            'table["safe"] = spectrum.mask_safe.data.ravel()',
            "print(table)",
            f'table.write(folder / "{self.label}.ecsv", overwrite=True)',
        )
