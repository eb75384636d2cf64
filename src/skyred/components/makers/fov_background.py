"""The maker `fov-background`: a background template normalised to the counts of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.components.makers.background_fit import fit_background_model
from skyred.components.makers.checks import exclusion_problems
from skyred.components.makers.fixed_sources import (
    FixedSource,
    foreign_model_problems,
    predict_counts,
    run_model_problems,
    write_sources,
)
from skyred.components.makers.norm_fit import EnergySums, NoMinimumError
from skyred.components.makers.scripted import skip_if_empty, write_exclusion
from skyred.components.models.norm_models import (
    SUBMODELS,
    background_model_problems,
    norm_model,
    spatial_model,
    write_submodels,
)
from skyred.components.models.spec import build_submodel
from skyred.errors import Problem, SkipObservation
from skyred.fields import Regions, exclusion, nested_list, option
from skyred.interfaces import Chain, Maker, component, geometry_problems
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from gammapy.modeling.models import FoVBackgroundModel
    from numpy.typing import NDArray

    from skyred.scripting import Script


@component
class FoVBackground(Maker):
    """The background template, normalised to the counts outside the exclusion regions."""

    kind = "fov-background"
    makes = ("background",)
    old_names = MappingProxyType({"free_tilt": "spectral"})
    method: str = option(
        "fit",
        choices=("scale", "fit"),
        doc="Normalise by the ratio of counts and background, or by a fit of the norm model.",
    )
    exclude: Regions = exclusion()
    spectral: Mapping[str, Any] = norm_model(
        "Type and parameters of the norm model, such as {type: pl-norm, tilt: {frozen: false}}, "
        "or its type; scale sets its norm and leaves the other parameters unchanged."
    )
    spatial: Mapping[str, Any] | None = spatial_model(
        "Type and parameters of a spatial model, without file; the background is multiplied by its "
        "values, without their unit."
    )
    sources: tuple[FixedSource, ...] = nested_list(
        FixedSource,
        doc="Sources whose predicted counts are added to the background while it is normalised; "
        "their parameters are fixed, and they are not part of the models of the analysis.",
    )
    min_counts: int = option(
        0, min=0, doc="A run must have more counts than this outside the exclusion."
    )
    min_background: float = option(
        0.0,
        min=0,
        doc="A run must have more predicted background than this outside the exclusion.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check the norm model and the spatial model, and that the names of sources differ.

        Yields
        ------
        Problem
            A submodel without type, or with a link or a file; a name of several sources.
        """
        for name in SUBMODELS:
            spec = getattr(self, name)
            if spec is not None:
                yield from run_model_problems(name, spec)
        counts_by_name = Counter(source.name for source in self.sources)
        for index, source in enumerate(self.sources):
            if counts_by_name[source.name] > 1:
                yield Problem(
                    ("sources", index, "name"), f"{source.name!r} is not unique", "rename a source"
                )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the geometry, the exclusion and the models.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            Each problem, with the path of the option.
        """
        yield from geometry_problems(self, "map", pipeline)
        yield from exclusion_problems(self.exclude, self, pipeline)
        problems = list(background_model_problems(self.spectral, self.spatial))
        yield from problems or self._parameter_problems()
        for index, source in enumerate(self.sources):
            for problem in source.model_problems():
                yield problem.with_prefix("sources", index)

    def _parameter_problems(self) -> Iterable[Problem]:
        """Yield a problem if the method has no parameter to change."""
        model = self._build_model("run")
        parameters = model.parameters
        for name in SUBMODELS:
            yield from foreign_model_problems(name, getattr(model, f"{name}_model"))
        if self.method == "fit" and not parameters.free_parameters.names:
            yield Problem(("spectral",), "has no free parameter", "set frozen: false for one")
        elif self.method == "scale" and not hasattr(model.spectral_model, "norm"):
            yield Problem(
                ("spectral",), f"{self.spectral['type']} has no norm to scale", "set method: fit"
            )
        elif self.method == "scale" and parameters["norm"].frozen:
            yield Problem(
                ("spectral", "norm", "frozen"), "the method scale sets the norm", "remove it"
            )

    def make(self, dataset: MapDataset, observation: Observation) -> MapDataset:
        """Add a background model with the norm that fits the counts.

        Counts and background are compared inside the safe and fit masks and outside the exclusion.
        The method `scale` uses all of these pixels, as gammapy does. A fit uses only those with
        background, since pixels without background do not change its statistic.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset of the run, as returned by the previous maker.
        observation : gammapy.data.Observation
            The run.

        Returns
        -------
        gammapy.datasets.MapDataset
            The dataset, with the background model.

        Raises
        ------
        SkipObservation
            If there are too few counts or too little background, or the counts do not constrain the
            fitted parameters.
        ValueError
            If the dataset has models already, or counts that are not finite.
        """
        if dataset.models:
            raise ValueError(
                f"maker fov-background: the dataset already has the models {dataset.models.names}, "
                "but the counts are compared with the background only; set models afterwards"
            )
        model = self._build_model(dataset.name)
        mask = self._fit_mask(dataset)
        sources = [source.build() for source in self.sources]
        sums = self._sum_by_energy(dataset, model, mask)
        if sources:
            signal = np.where(mask, predict_counts(dataset, sources), 0)
            sums = attrs.evolve(sums, counts=sums.counts - signal.sum(axis=(1, 2)))
        try:
            fit_background_model(
                model, sums, dataset, mask if self.method == "fit" else None, sources
            )
        except NoMinimumError as error:
            raise SkipObservation(f"the background cannot be normalised: {error}") from error
        dataset.models = model
        return dataset

    def _build_model(self, dataset_name: str) -> FoVBackgroundModel:
        """Return a new background model with the start values."""
        from gammapy.modeling.models import FoVBackgroundModel

        spatial = None if self.spatial is None else build_submodel("spatial", self.spatial)
        return FoVBackgroundModel(dataset_name, build_submodel("spectral", self.spectral), spatial)

    def _fit_mask(self, dataset: MapDataset) -> NDArray[np.bool_]:
        """Return the pixels that are compared, as a boolean array of the shape of the counts."""
        from skyred.components.projection.exclusion import mask_outside

        background = dataset.background.data
        fit_mask = mask_outside(self.exclude, dataset.counts.geom) & np.isfinite(background)
        for mask in (dataset.mask_safe, dataset.mask_fit):
            if mask is not None:
                fit_mask &= mask.data.astype(bool)
        if self.method == "fit":
            fit_mask &= background > 0
        return np.asarray(fit_mask)

    def _sum_by_energy(
        self, dataset: MapDataset, model: FoVBackgroundModel, fit_mask: NDArray[np.bool_]
    ) -> EnergySums:
        """Sum counts and background by energy; skip a run with too few of them.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset of the run.
        model : gammapy.modeling.models.FoVBackgroundModel
            The background model, with its start values.
        fit_mask : numpy.ndarray
            The pixels that are compared.

        Returns
        -------
        EnergySums
            The counts and the background, multiplied by the spatial model, in each energy bin.

        Raises
        ------
        SkipObservation
            If there are too few counts, or too little background.
        ValueError
            If counts are not finite.
        """
        background = dataset.background.data
        if model.spatial_model is not None:
            geom = dataset.background.geom
            background = background * np.asarray(model.spatial_model.evaluate_geom(geom).value)
        if n_invalid := int((~np.isfinite(dataset.counts.data[fit_mask])).sum()):
            raise ValueError(
                f"maker fov-background: the counts are not finite in {n_invalid} pixels; "
                "correct the previous maker"
            )
        counts, background = (
            np.where(fit_mask, data, 0).sum(axis=(1, 2), dtype=float)
            for data in (dataset.counts.data, background)
        )
        if counts.sum() <= self.min_counts or background.sum() <= self.min_background:
            raise SkipObservation(
                "the background cannot be normalised: "
                f"{counts.sum():.0f} counts and a background of {background.sum():.1f} outside the "
                f"exclusion; expected more than {self.min_counts} counts and a background "
                f"above {self.min_background}"
            )
        return EnergySums(dataset.counts.geom.axes["energy"].center, counts, background)

    def write_script(self, script: Script) -> None:
        """Write code that runs gammapy's `FoVBackgroundMaker`, and applies the norm.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.makers", "FoVBackgroundMaker")
        maker = script.local("fov_background_maker")
        options = ", ".join(self._options(script))
        if self.sources:
            script.loop.add(f"dataset.models = {write_sources(script, self.sources)}")
        script.body.add(f"{maker} = FoVBackgroundMaker({options})")
        script.loop.add(f"dataset = {maker}.run(dataset)")
        skip_if_empty(script)
        script.loop.add(
            "# the norm is part of the models, and would be lost when other models are set",
            "dataset.background = dataset.npred_background()",
            "dataset.models = None",
        )

    def _options(self, script: Script) -> list[str]:
        """Return the arguments of gammapy's maker as code."""
        options = [f"method={literal(self.method)}"]
        if self.exclude:
            options.append(f"exclusion_mask={write_exclusion(script, self.exclude, 'geom')}")
        model = self._build_model("run")
        options += write_submodels(script, script.body, model.spectral_model, model.spatial_model)
        names = {"min_counts": "min_counts", "min_background": "min_npred_background"}
        for name, gammapy_name in names.items():
            if not self._is_default(name, setting := getattr(self, name)):
                options.append(f"{gammapy_name}={literal(setting)}")
        return options
