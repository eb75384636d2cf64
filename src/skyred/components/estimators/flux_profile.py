"""Estimator `flux-profile`: the flux along a line or in rings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import (
    edge_problems,
    map_problems,
    order_problems,
)
from skyred.components.estimators.flux_options import (
    columns_option,
    energy_edges_option,
    n_sigma_option,
    n_sigma_sensitivity_option,
    n_sigma_ul_option,
    norm_option,
    shared_settings,
)
from skyred.components.estimators.norm_range import NormRange
from skyred.components.estimators.profile_shapes import Line, Rings
from skyred.components.estimators.scripted import (
    CONFIDENCE_LEVELS,
    energy_edges_argument,
    non_default_arguments,
    norm_arguments,
    write_map,
    write_without_sources,
)
from skyred.errors import ExportError, Problem, SkyredWarning
from skyred.fields import nested_object, option
from skyred.interfaces import Chain, Chart, Estimator, Product, component
from skyred.likelihood.mosaic import select_maps
from skyred.products.flux_tables import (
    flux_table,
    read_flux,
    read_header,
    write_flux,
)
from skyred.products.plotting import bin_style, create_axes, format_unit
from skyred.scripting import literal

if TYPE_CHECKING:
    from astropy.table import Table
    from gammapy.datasets import Datasets
    from gammapy.estimators import FluxPoints
    from gammapy.modeling.models import Models
    from matplotlib.axes import Axes
    from regions import SkyRegion

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script


@attrs.define(eq=False)
class FluxProfileProduct(Product):
    """Fluxes along a line or in rings.

    Parameters
    ----------
    flux : gammapy.estimators.FluxPoints
        Fluxes with the axes energy and projected-distance; missing fluxes are NaN.
    details : astropy.table.Table
        ``solid_angle`` of each region, and ``reason`` for a missing flux; one row per region.
    """

    flux: FluxPoints
    details: Table

    def write(self, folder: Path) -> list[Path]:
        """Write ``NAME.fits`` (all quantities) and ``NAME.ecsv`` (fluxes).

        Both can be read with gammapy's ``FluxPoints.read(format="profile")``.

        Parameters
        ----------
        folder : pathlib.Path
            Folder of the files.

        Returns
        -------
        list of pathlib.Path
            The files written.
        """
        index = self.flux.reference_model.spectral_model.index.value
        fits = write_flux(folder, self.name, self.flux, self.details, {"INDEX": index})
        ecsv = folder / f"{self.name}.ecsv"
        self.table().write(ecsv, format="ascii.ecsv", overwrite=True)
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
        FluxProfileProduct
            The flux profile.
        """
        from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

        # without a model, gammapy interpolates the reference fluxes linearly
        model = SkyModel(PowerLawSpectralModel(index=read_header(folder, name)["INDEX"]))
        return cls(name, *read_flux(folder, name, model, ("solid_angle", "reason")))

    def table(self) -> Table:
        """Return the fluxes of each region and energy bin.

        Returns
        -------
        astropy.table.Table
            One row per region.
        """
        table = flux_table(self.flux, "flux", self.details)
        for column in table.itercols():
            if column.dtype.kind == "f" and column.name.startswith("flux"):
                column.format = ".4e"
        return table

    def charts(self) -> Sequence[Chart]:
        """Return the interactive figure of the flux profile.

        Returns
        -------
        sequence of Chart
            One figure.
        """
        from skyred.products.charts.distance import distance_chart

        return [distance_chart(self.flux, self.details, self.name)]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the flux per solid angle against the distance.

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
            ax = create_axes(6.4, 4.4)
        unit = self.flux.flux.unit / u.deg**2
        axis = self.flux.geom.axes["projected-distance"]
        edges = axis.edges.to_value("deg")
        area = self.details["solid_angle"].quantity.to_value("deg2")
        for index, (low, high) in enumerate(self.flux.energy_axis.iter_by_edges):
            colour, marker = bin_style(index)
            flux, error = (
                getattr(self.flux, name).data[:, index, 0, 0] / area
                for name in ("flux", "flux_err")
            )
            ax.errorbar((edges[1:] + edges[:-1]) / 2, flux, yerr=np.nan_to_num(error),
                        xerr=np.diff(edges) / 2, color=colour,
                        marker=marker, markersize=4, linestyle="none",
                        label=f"{low.value:.3g} to {high.value:.3g} {high.unit}")  # fmt: skip
        is_missing = np.isnan(self.flux.norm.data).all(axis=(1, 2, 3))
        for bounds in zip(edges[:-1][is_missing], edges[1:][is_missing], strict=True):
            ax.axvspan(*bounds, facecolor="none", edgecolor="0.7",
                       hatch="///", linewidth=0)  # fmt: skip
        ax.axhline(0, color="0.5", linewidth=0.8)
        ax.set_xlabel("Projected distance [deg]")
        ax.set_ylabel(f"Flux per solid angle [{format_unit(unit)}]")
        spectral_index = self.flux.reference_model.spectral_model.index.value
        ax.set_title(f"{self.name}, spectral index {spectral_index:.3g}", parse_math=False)
        ax.legend(fontsize="small")
        return ax


@component
class FluxProfile(Estimator):
    """Flux along a line or in rings, above the fitted background."""

    kind = "flux-profile"
    product = FluxProfileProduct
    line: Line | None = nested_object(Line, None, doc="A line, divided into boxes.")
    rings: Rings | None = nested_object(
        Rings, None, doc="Rings around a position, instead of a line."
    )
    index: float = option(2.0, min=-5, max=10, doc="Index of the power law whose norm is fitted.")
    energy_edges: u.Quantity | None = energy_edges_option("one bin of the whole energy axis")
    background_sources: tuple[str, ...] = option(
        (), type=str, many=True, doc="Sources that are part of the background; by default none."
    )
    columns: tuple[str, ...] = columns_option()
    n_sigma: float = n_sigma_option()
    n_sigma_ul: float = n_sigma_ul_option()
    n_sigma_sensitivity: float = n_sigma_sensitivity_option()
    norm: NormRange | None = norm_option()

    def validate(self) -> Iterable[Problem]:
        """Check that the energy edges increase, and that either a line or rings are set.

        Yields
        ------
        Problem
            Energy edges that do not increase, or neither or both of line and rings.
        """
        yield from order_problems(self.energy_edges)
        if (self.line is None) == (self.rings is None):
            state = "neither line nor rings is" if self.line is None else "both line and rings are"
            yield Problem(("line",), f"{state} set", "set exactly one of them")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the maps, the background sources and the energy edges.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A problem, with the option and the reason.
        """
        yield from map_problems(pipeline)
        if self.energy_edges is not None:
            yield from edge_problems(self.energy_edges, pipeline)
        names = [name for model in pipeline.model for name in model.source_names()]
        for index, source in enumerate(self.background_sources):
            if source not in names and all(model.knows_names() for model in pipeline.model):
                expected = f"available: {', '.join(names) or 'none'}"
                path = ("background_sources", index)
                yield Problem(path, f"unknown source {source!r}", expected)

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> FluxProfileProduct:
        """Estimate the fluxes from counts in the regions, with the compiled likelihood.

        The results agree with those of gammapy's `FluxProfileEstimator`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.

        Returns
        -------
        FluxProfileProduct
            The flux profile.

        Raises
        ------
        ModelError
            If there is no map dataset, or the map datasets are not on one pixel grid.
        """
        from gammapy.modeling.models import PowerLawSpectralModel

        from skyred.likelihood import flux_profile

        maps = select_maps(datasets)
        shape = self.line or self.rings
        assert shape is not None
        geom = maps[0].counts.geom
        regions = shape.regions(geom.wcs)
        profile = flux_profile(
            maps,
            regions,
            PowerLawSpectralModel(index=self.index),
            self.energy_edges,
            background_sources=self.background_sources,
            distance=shape.axis(),
            **shared_settings(self),
        )
        if all(profile.reasons):
            message = f"{self.label}: no flux could be estimated: {profile.reasons[0]}"
            warnings.warn(message, SkyredWarning, stacklevel=2)
        return FluxProfileProduct(
            self.label, profile.flux, details_table(regions, geom, profile.reasons)
        )

    def write_script(self, script: Script) -> None:
        """Write a call to gammapy's `FluxProfileEstimator`, with the fitted background.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If sources are part of the background, or there is not exactly one map dataset.
        """
        if self.background_sources:
            raise ExportError("has background_sources, which gammapy's estimator does not support")
        script.use("gammapy.estimators", "FluxProfileEstimator")
        script.use("gammapy.modeling.models", "PowerLawSpectralModel")
        write_without_sources(script, write_map(script))
        shape = self.line or self.rings
        assert shape is not None
        shape.write_regions(script)
        spectral = f"PowerLawSpectralModel(index={literal(self.index)})"
        options = ["regions=regions", f"spectral_model={spectral}"]
        options += energy_edges_argument(script, self.label, self.energy_edges)
        if self.energy_edges is None:
            script.body.add('edges = dataset.counts.geom.axes["energy"].edges[[0, -1]]')
            options.append("energy_edges=edges")
        options.append(f"selection_optional={literal(self.columns)}")
        options += norm_arguments(self) + non_default_arguments(self, *CONFIDENCE_LEVELS)
        script.body.add(
            f"estimator = FluxProfileEstimator({', '.join(options)})",
            "profile = estimator.run(dataset)",
            'table = profile.to_table(format="profile", sed_type="flux")',
            "print(table)",
            f'table.write(folder / "{self.label}.ecsv", overwrite=True)',
        )
        script.draw(
            'profile.plot(ax=axes, sed_type="flux", axis_name="projected-distance")', self.label
        )


def details_table(regions: list[SkyRegion], geom: Any, reasons: Iterable[str]) -> Table:
    """Create a table of the solid angle of each region, and the reasons for missing fluxes.

    Parameters
    ----------
    regions : list of regions.SkyRegion
        The regions.
    geom : gammapy.maps.WcsGeom
        Geometry of the maps.
    reasons : iterable of str
        Reason for the missing flux of each region; empty if it has a flux.

    Returns
    -------
    astropy.table.Table
        Columns ``solid_angle`` and ``reason``, one row per region.
    """
    from astropy.table import Table

    pixel_area = abs(np.linalg.det(geom.wcs.celestial.pixel_scale_matrix)) * u.deg**2
    areas = u.Quantity([region.to_pixel(geom.wcs).area * pixel_area for region in regions])
    table = Table({"solid_angle": areas, "reason": list(reasons)})
    table["solid_angle"].description = "solid angle of the region"
    table["reason"].description = "reason for a missing flux"
    return table
