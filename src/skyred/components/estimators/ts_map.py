"""The estimator `ts-map`: the significance and flux of a source in each pixel."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from astropy import units as u

from skyred.components.estimators.checks import source_problems
from skyred.components.estimators.flux_maps import FluxMapsProduct, MapEstimator
from skyred.components.estimators.flux_options import error_width, limit_confidence
from skyred.components.estimators.mosaic import maps_by_name
from skyred.components.estimators.scripted import (
    changed_options,
    edges_option,
    write_map,
    write_maps,
)
from skyred.components.models.scripted import ModelWriter
from skyred.components.models.spec import build_part, part_problems
from skyred.errors import ExportError, ModelError, Problem, SkyredWarning
from skyred.fields import option, quantity
from skyred.interfaces import Chain, component
from skyred.products.plotting import SEQUENTIAL, draw_map, energy_text
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.datasets import Datasets, MapDataset
    from gammapy.modeling.models import SkyModel
    from matplotlib.axes import Axes

    from skyred.interfaces.records import FitResult
    from skyred.scripting import Script

OPTIONAL = ("errn-errp", "ul", "sensitivity")


@attrs.define(eq=False)
class TSMapProduct(FluxMapsProduct):
    """TS, flux and its errors in each pixel, with the source that was looked for."""

    meaning = r"$\sqrt{TS}$ [$\sigma$]"

    def pictures(self) -> dict[str, Callable[[], Axes]]:
        """Name its two pictures."""
        return {"": self.plot, "-flux": self.plot_flux}

    def plot_flux(self, ax: Axes | None = None) -> Axes:
        """Draw the flux, of the same energy bin."""
        axis = self.strongest.geom.axes["energy"]
        flux = self.maps.flux.slice_by_idx({"energy": self._row(axis)})
        label = f"Flux [{flux.unit:latex_inline}]"
        ax = draw_map(flux, ax, label, cmap=SEQUENTIAL, interpolation="none")
        ax.set_title(energy_text(axis.edges))
        return ax

    def _row(self, axis: Any) -> int:
        return int(self.maps.geom.axes["energy"].coord_to_idx(axis.center)[0])


@component
class TSMap(MapEstimator):
    """Test statistic of a source in each pixel: its flux fitted there, over all that is modelled.

    All models of the datasets are the null hypothesis, and are held: after the fit of a source it
    shows what is left beside it. `without` takes sources out of it.
    """

    kind = "ts-map"
    product = TSMapProduct
    spatial: Mapping[str, Any] = option(
        {"type": "point"}, type=dict, doc="Shape of the source, as of a model `source`."
    )
    spectral: Mapping[str, Any] = option(
        {"type": "pl", "index": 2.0}, type=dict, doc="Its spectrum; the amplitude is of no matter."
    )
    without: tuple[str, ...] = option(
        (), type=str, many=True, doc="Sources that are taken out of the null hypothesis."
    )
    kernel_width: u.Quantity | None = quantity(
        None,
        unit="deg",
        min="1e-3 deg",
        doc="Width of the box around a pixel that its source is fitted in; by default it holds "
        "99 % of the counts of a source.",
    )
    sum_over_energy_groups: bool = option(
        True, doc="Whether counts are summed over energy first, as gammapy does by default."
    )
    columns: tuple[str, ...] = option(
        (),
        choices=OPTIONAL,
        many=True,
        doc="Optional maps: asymmetric errors, upper limit, sensitivity.",
    )
    n_sigma: float = error_width()
    n_sigma_ul: float = limit_confidence()
    n_sigma_sensitivity: float = option(5.0, min=0.1, doc="Significance of the sensitivity.")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems of the maps, the energy edges, the sources and the model."""
        yield from super().check(pipeline)
        for index, source in enumerate(self.without):
            for problem in source_problems(source, pipeline):
                yield attrs.evolve(problem, path=("without", index))
        yield from self._model_problems()

    def _model_problems(self) -> Iterable[Problem]:
        problems = [
            *part_problems("spatial", self.spatial),
            *part_problems("spectral", self.spectral),
        ]
        yield from problems
        if problems:
            return
        model = self.source()
        if not hasattr(model.spatial_model, "lon_0"):
            yield Problem(
                ("spatial", "type"),
                f"a source of the type {self.spatial['type']} is the same wherever it is",
                "expected a shape with a centre, such as point, gauss or disk",
            )
        if amplitude(model.spectral_model) is None:
            yield Problem(
                ("spectral", "type"),
                f"a spectrum of the type {self.spectral['type']} has no amplitude to be fitted",
                "expected one that has, such as pl, lp or ecpl",
            )

    def estimate(self, datasets: Datasets, fit: FitResult | None) -> TSMapProduct:
        """Fit the norm in each pixel, with the numbers of gammapy's `TSMapEstimator`.

        Raises
        ------
        ModelError
            If the datasets are not of one image, lack responses, or leave no pixel to look at.
        """
        from skyred.likelihood.flux.ts_map import TSMapMaker, Wanted

        chosen = [_with_known_background(each) for each in maps_by_name(datasets, self.datasets)]
        _require_one_image(chosen)
        self._require_psf(chosen)
        wanted = Wanted(
            self.n_sigma,
            errors="errn-errp" in self.columns,
            limit=self.n_sigma_ul if "ul" in self.columns else None,
            sensitivity=self.n_sigma_sensitivity if "sensitivity" in self.columns else None,
        )
        width, summed = self.kernel_width, self.sum_over_energy_groups
        maker = TSMapMaker(self.source(), width, summed, wanted, self.without)
        edges = self.energy_edges
        if edges is None:
            edges = chosen[0].counts.geom.axes["energy"].edges[[0, -1]]
        return TSMapProduct(self.label, maker.run(chosen, edges))

    def write_script(self, script: Script) -> None:
        """Run gammapy's estimator."""
        script.use("gammapy.estimators", "TSMapEstimator")
        name = write_map(script, self.datasets)
        if any(each.on_off for each in script.datasets_made if each.name == name):
            raise ExportError("takes the background of off counts as known, which gammapy does not")
        if self.without:
            script.body.add(
                f'dataset = dataset.copy(name="{name}")',
                f"left_out = {literal(self.without)}",
                "dataset.models = [each for each in datasets.models if each.name not in left_out]",
            )
        made = ModelWriter(script, script.body).sky_model(self.source())
        options = [f"kernel_model={made}"]
        if self.kernel_width is not None:
            options.append(f"kernel_width={script.quantity(self.kernel_width)}")
        options += edges_option(script, self.label, self.energy_edges)
        options.append(f"selection_optional={literal(self.columns)}")
        names = ("sum_over_energy_groups", "n_sigma", "n_sigma_ul", "n_sigma_sensitivity")
        options += changed_options(self, *names)
        script.body.add(
            f"estimator = TSMapEstimator({', '.join(options)})", "maps = estimator.run(dataset)"
        )
        write_maps(script, self.label)

    def source(self) -> SkyModel:
        """Build the source that is looked for."""
        from gammapy.modeling.models import SkyModel

        spatial, spectral = (build_part(name, getattr(self, name)) for name in PARTS)
        return SkyModel(spatial_model=spatial, spectral_model=spectral, name="ts-kernel")

    def _require_psf(self, datasets: Iterable[MapDataset]) -> None:
        for dataset in datasets:
            if dataset.psf is None and self.spatial["type"] in ("point", "PointSpatialModel"):
                raise ModelError(
                    f"{dataset.name} has no PSF, so a point source would be one pixel wide: "
                    "use full-enclosure responses, or give the shape of the source: spatial: ..."
                )


PARTS = ("spatial", "spectral")


def amplitude(spectral: Any) -> Any:
    """Give the parameter that a spectrum is proportional to; None if there is none."""
    names = [name for name in ("amplitude", "norm") if name in spectral.parameters.names]
    return spectral.parameters[names[0]] if names else None


def _require_one_image(datasets: list[MapDataset]) -> None:
    first = datasets[0].counts.geom.to_image()
    for other in datasets[1:]:
        if other.counts.geom.to_image() != first:
            raise ModelError(
                f"{datasets[0].name} and {other.name} are not maps of the same pixels: sum the "
                "observations (stack: {kind: sum}), or choose by name: datasets: [...]"
            )


def _with_known_background(dataset: MapDataset) -> MapDataset:
    """Give a dataset with counts off one with the background that they stand for."""
    if dataset.stat_type != "wstat":
        return dataset
    warnings.warn(
        f"{dataset.name}: the background that its counts off stand for is taken as known "
        "(Cash statistic): a TS map knows no other",
        SkyredWarning,
        stacklevel=3,
    )
    made = dataset.to_map_dataset(name=dataset.name)
    made.background.data = np.nan_to_num(made.background.data)
    made.models = dataset.models
    return made
