"""Estimator `ts-map`: the significance and flux of a source in each pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import source_problems
from skyred.components.estimators.flux_maps import FluxMapsProduct, MapEstimator
from skyred.components.estimators.flux_options import (
    n_sigma_option,
    n_sigma_sensitivity_option,
    n_sigma_ul_option,
)
from skyred.components.estimators.norm_range import NormRange
from skyred.components.estimators.scripted import (
    energy_edges_argument,
    non_default_arguments,
    norm_arguments,
    write_map,
    write_maps,
)
from skyred.components.estimators.ts_map_input import (
    get_amplitude,
    require_same_pixels,
    with_known_background,
)
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_submodel, submodel_problems
from skyred.errors import ExportError, ModelError, Problem
from skyred.fields import nested_object, option, quantity
from skyred.interfaces import SERIAL_TASKS, Chain, Tasks, component
from skyred.likelihood.mosaic import map_datasets
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets, MapDataset
    from gammapy.modeling.models import SkyModel
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script

OPTIONAL_COLUMNS = ("errn-errp", "ul", "sensitivity", "stat_scan")
SUBMODELS = ("spatial", "spectral")
# options that are arguments of gammapy's estimator
SAME_OPTIONS = (
    "sum_over_energy_groups",
    "n_sigma",
    "n_sigma_ul",
    "n_sigma_sensitivity",
    "downsampling_factor",
    "threshold",
    "rtol",
    "max_niter",
)


@attrs.define(eq=False)
class TSMapProduct(FluxMapsProduct):
    """Maps of TS, flux and its errors, with the model of the source."""

    significance_label = "√TS [σ]"

    def plot_functions(self) -> dict[str, Callable[[], Axes]]:
        """Return the functions that draw the significance, the flux and optional maps.

        Returns
        -------
        dict of str to callable
            Functions that draw a plot; keys are appended to the name of the product.
        """
        return {"": self.plot, "-flux": self.plot_flux, **self.optional_plots()}

    def plot_flux(self, ax: Axes | None = None) -> Axes:
        """Draw the flux in the energy bin with the highest significance.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; by default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.
        """
        return self.plot_quantity("flux", ax)


@component
class TSMap(MapEstimator):
    """Test statistic of a source in each pixel, with its flux fitted in addition to all models.

    The null hypothesis consists of all models of the datasets, which are not refitted, so
    that the map shows residuals. `without` removes sources from the null hypothesis.
    """

    kind = "ts-map"
    product = TSMapProduct
    spatial: Mapping[str, Any] = option(
        {"type": "point"}, type=dict, doc="Shape of the source, as in a model `source`."
    )
    spectral: Mapping[str, Any] = option(
        {"type": "pl", "index": 2.0},
        type=dict,
        doc="Spectrum of the source; the amplitude is ignored.",
    )
    without: tuple[str, ...] = option(
        (), type=str, many=True, doc="Sources that are removed from the null hypothesis."
    )
    kernel_width: u.Quantity | None = quantity(
        None,
        unit="deg",
        min="1e-3 deg",
        doc="Width of the box around a pixel in which a source at this pixel is fitted; by "
        "default, it contains 99 % of the counts of the source.",
    )
    sum_over_energy_groups: bool = option(
        True, doc="Whether counts are summed over energy before the fit, as in gammapy by default."
    )
    downsampling_factor: int | None = option(
        None,
        type=int,
        min=2,
        max=8,
        doc="Number of pixels along each axis (2, 4 or 8) that are combined before the fit, to "
        "save time; the maps are then interpolated.",
    )
    threshold: float | None = option(
        None,
        type=float,
        doc="TS of an initial estimate of the flux above which the flux is fitted; below it, the "
        "maps contain the estimate. By default, the flux is fitted in all pixels.",
    )
    rtol: float | None = option(
        None,
        type=float,
        min=1e-12,
        max=0.5,
        doc="Relative precision at which searches for fluxes, errors and limits stop; by default "
        "1e-7 of the error of the flux, which is more precise than gammapy's default of 0.01.",
    )
    max_niter: int = option(
        100,
        min=1,
        doc="Highest number of steps of the fit; the map success is false where it needs more, and "
        "errors and limits are NaN.",
    )
    columns: tuple[str, ...] = option(
        (),
        choices=OPTIONAL_COLUMNS,
        many=True,
        doc="Optional maps: asymmetric errors, upper limit, sensitivity, likelihood scan. Unlike "
        "in gammapy, the scan does not replace the fitted norms, errors and limits.",
    )
    norm: NormRange | None = nested_object(
        NormRange,
        None,
        doc="Limits of the norm in each pixel, and the norms of stat_scan; by default no limits, "
        "and 109 norms around the best one.",
    )
    n_sigma: float = n_sigma_option()
    n_sigma_ul: float = n_sigma_ul_option()
    n_sigma_sensitivity: float = n_sigma_sensitivity_option()

    def validate(self) -> Iterable[Problem]:
        """Check the energy edges and the downsampling factor.

        Yields
        ------
        Problem
            Energy edges that do not increase, or a factor other than 2, 4 and 8.
        """
        yield from super().validate()
        if self.downsampling_factor not in (None, 2, 4, 8):
            yield Problem(
                ("downsampling_factor",),
                f"invalid value {self.downsampling_factor}",
                "expected 2, 4 or 8, since maps are padded to a multiple of 8 pixels",
            )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the maps, the energy edges, the sources and the model.

        Parameters
        ----------
        pipeline : Chain
            The pipeline, with its data entries and models.

        Yields
        ------
        Problem
            A problem, with the option and the reason.
        """
        yield from super().check(pipeline)
        for index, source in enumerate(self.without):
            for problem in source_problems(source, pipeline):
                yield attrs.evolve(problem, path=("without", index))
        yield from self._model_problems()

    def _model_problems(self) -> Iterable[Problem]:
        """Yield problems with the shape and the spectrum of the source."""
        problems = [
            *submodel_problems("spatial", self.spatial),
            *submodel_problems("spectral", self.spectral),
        ]
        yield from problems
        if problems:
            return
        model = self.build_source()
        if not hasattr(model.spatial_model, "lon_0"):
            yield Problem(
                ("spatial", "type"),
                f"a source of the type {self.spatial['type']} has no position",
                "expected a shape with a centre, such as point, gauss or disk",
            )
        if get_amplitude(model.spectral_model) is None:
            yield Problem(
                ("spectral", "type"),
                f"a spectrum of the type {self.spectral['type']} has no amplitude to fit",
                "expected a spectrum with an amplitude, such as pl, lp or ecpl",
            )

    def estimate(
        self, datasets: Datasets, fit: FitResult | None, tasks: Tasks = SERIAL_TASKS
    ) -> TSMapProduct:
        """Fit the norm of the source in each pixel.

        The results agree with those of gammapy's `TSMapEstimator`.

        Parameters
        ----------
        datasets : gammapy.datasets.Datasets
            The datasets, with their fitted models.
        fit : FitResult or None
            Result of the fit, None if nothing was fitted; not used.
        tasks : Tasks
            Runs the blocks of pixels.

        Returns
        -------
        TSMapProduct
            The maps.

        Raises
        ------
        ModelError
            If there is no map dataset, the datasets have different pixels or lack IRFs, or no pixel
            can be fitted.
        """
        from skyred.likelihood.flux.ts_map import MapSelection, Precision, TSMapFitter

        maps = [with_known_background(dataset) for dataset in map_datasets(datasets)]
        require_same_pixels(maps)
        self._require_psf(maps)
        optional_maps = MapSelection(
            self.n_sigma,
            asymmetric_errors="errn-errp" in self.columns,
            n_sigma_ul=self.n_sigma_ul if "ul" in self.columns else None,
            n_sigma_sensitivity=self.n_sigma_sensitivity if "sensitivity" in self.columns else None,
            stat_scan="stat_scan" in self.columns,
            scan_norms=() if self.norm is None else self.norm.scan(),
            limits=(-np.inf, np.inf) if self.norm is None else self.norm.limits(),
        )
        fitter = TSMapFitter(
            self.build_source(),
            self.kernel_width,
            self.sum_over_energy_groups,
            optional_maps,
            self.without,
            tasks,
            Precision(self.rtol or 0.0, self.max_niter),
            self.threshold,
            self.downsampling_factor or 1,
        )
        edges = self.energy_edges
        if edges is None:
            edges = maps[0].counts.geom.axes["energy"].edges[[0, -1]]
        return TSMapProduct(self.label, fitter.run(maps, edges))

    def write_script(self, script: Script) -> None:
        """Write a call to gammapy's `TSMapEstimator`.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If the dataset has off counts, or there is not exactly one map dataset.
        """
        script.use("gammapy.estimators", "TSMapEstimator")
        name = write_map(script)
        if any(dataset.on_off for dataset in script.all_datasets if dataset.name == name):
            raise ExportError(
                "treats the background of off counts as known, which gammapy does not support"
            )
        if self.without:
            script.body.add(
                f'dataset = dataset.copy(name="{name}")',
                f"excluded = {literal(self.without)}",
                "dataset.models = [m for m in datasets.models if m.name not in excluded]",
            )
        kernel_model = ModelWriter(script, script.body).write_sky_model(self.build_source())
        options = [f"kernel_model={kernel_model}"]
        if self.kernel_width is not None:
            options.append(f"kernel_width={script.quantity(self.kernel_width)}")
        options += energy_edges_argument(script, self.label, self.energy_edges)
        options.append(f"selection_optional={literal(self.columns)}")
        options += non_default_arguments(self, *SAME_OPTIONS)
        if self.norm is not None:
            script.body.add("# gammapy has no limits here, and only scans to the ends of the range")
            options += norm_arguments(self)
        script.body.add(
            f"estimator = TSMapEstimator({', '.join(options)})", "maps = estimator.run(dataset)"
        )
        write_maps(script, self.label)

    def build_source(self) -> SkyModel:
        """Build the model of the source.

        Returns
        -------
        gammapy.modeling.models.SkyModel
            The model, with the name ``ts-kernel``.
        """
        from gammapy.modeling.models import SkyModel

        spatial, spectral = (build_submodel(name, getattr(self, name)) for name in SUBMODELS)
        return SkyModel(spatial_model=spatial, spectral_model=spectral, name="ts-kernel")

    def _require_psf(self, datasets: Iterable[MapDataset]) -> None:
        """Raise an error if the source is a point and a dataset has no PSF."""
        for dataset in datasets:
            if dataset.psf is None and self.spatial["type"] in ("point", "PointSpatialModel"):
                raise ModelError(
                    f"{dataset.name} has no PSF, so a point source would be one pixel wide: "
                    "use full-enclosure IRFs, or set the shape of the source (spatial: ...)"
                )
