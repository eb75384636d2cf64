"""The maker `fov-background`: a background template normalised to the counts of the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from skyred.components.makers.checks import exclusion_problems
from skyred.components.makers.norm_fit import EnergySums, NoMinimumError, fit_norm
from skyred.components.makers.scripted import skip_if_empty, write_exclusion
from skyred.errors import Problem, SkipObservation
from skyred.fields import Regions, exclusion, option
from skyred.interfaces import Chain, Maker, component, geometry_problems
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import Observation
    from gammapy.datasets import MapDataset
    from gammapy.modeling import Parameter
    from gammapy.modeling.models import SpectralModel

    from skyred.scripting import Script

NORM_MODELS = ("pl-norm", "lp-norm", "ecpl-norm")


@component
class FoVBackground(Maker):
    """The background template, normalised to the counts outside the exclusion regions."""

    kind = "fov-background"
    makes = ("background",)
    method: str = option(
        "fit",
        choices=("scale", "fit"),
        doc="Normalise by the ratio of counts and background, or by a fit of the norm model.",
    )
    exclude: Regions = exclusion()
    spectral: str = option(
        "pl-norm", choices=NORM_MODELS, doc="Norm model of the background (gammapy's tag)."
    )
    free_tilt: bool = option(False, doc="Whether the tilt of pl-norm is fitted too.")
    min_counts: int = option(
        0, min=0, doc="A run must have more counts than this outside the exclusion."
    )
    min_background: float = option(
        0.0,
        min=0,
        doc="A run must have more predicted background than this outside the exclusion.",
    )

    def validate(self) -> Iterable[Problem]:
        """Check that a free tilt is combined with a fit and the norm model pl-norm.

        Yields
        ------
        Problem
            A free tilt with another method or norm model.
        """
        if self.free_tilt and self.method != "fit":
            yield Problem(("free_tilt",), "needs method: fit", "set method: fit, or remove it")
        if self.free_tilt and self.spectral != "pl-norm":
            yield Problem(("free_tilt",), f"{self.spectral} has no tilt", "only pl-norm has one")

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Yield problems with the geometry and the exclusion.

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
        from gammapy.modeling.models import FoVBackgroundModel, Model

        if dataset.models:
            raise ValueError(
                f"maker fov-background: the dataset already has the models {dataset.models.names}, "
                "but the counts are compared with the background only; set models afterwards"
            )
        sums = self._sum_by_energy(dataset)
        model = Model.create(self.spectral, model_type="spectral")
        try:
            fit_norm(model, sums, self._free_shape_parameters(model))
        except NoMinimumError as error:
            raise SkipObservation(f"the background cannot be normalised: {error}") from error
        dataset.models = FoVBackgroundModel(dataset_name=dataset.name, spectral_model=model)
        return dataset

    def _sum_by_energy(self, dataset: MapDataset) -> EnergySums:
        """Sum counts and background by energy; skip a run with too few of them.

        Parameters
        ----------
        dataset : gammapy.datasets.MapDataset
            The dataset of the run.

        Returns
        -------
        EnergySums
            The counts and the background in each energy bin.

        Raises
        ------
        SkipObservation
            If there are too few counts, or too little background.
        ValueError
            If counts are not finite.
        """
        from skyred.components.projection.exclusion import mask_outside

        background = dataset.background.data
        fit_mask = mask_outside(self.exclude, dataset.counts.geom) & np.isfinite(background)
        for mask in (dataset.mask_safe, dataset.mask_fit):
            if mask is not None:
                fit_mask &= mask.data.astype(bool)
        if self.method == "fit":
            fit_mask &= background > 0
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

    def _free_shape_parameters(self, model: SpectralModel) -> list[Parameter]:
        """Return the parameters that are fitted in addition to the norm.

        Parameters
        ----------
        model : gammapy.modeling.models.SpectralModel
            The norm model; its tilt is freed if the option `free_tilt` is set.

        Returns
        -------
        list of gammapy.modeling.Parameter
            The parameters.
        """
        if self.method == "scale":
            return []
        if self.free_tilt:
            model.tilt.frozen = False
        return [
            parameter
            for parameter in model.parameters.free_parameters
            if parameter is not model.norm
        ]

    def write_script(self, script: Script) -> None:
        """Write code that runs gammapy's `FoVBackgroundMaker`, and applies the norm.

        Parameters
        ----------
        script : Script
            The script to add code to.
        """
        script.use("gammapy.makers", "FoVBackgroundMaker")
        maker = script.local("fov_background_maker")
        script.body.add(f"{maker} = FoVBackgroundMaker({', '.join(self._options(script))})")
        if self.free_tilt:
            script.body.add(f"{maker}.default_spectral_model.tilt.frozen = False")
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
        names = {"spectral": "spectral_model", "min_counts": "min_counts",
                 "min_background": "min_npred_background"}  # fmt: skip
        for name, gammapy_name in names.items():
            if not self._is_default(name, setting := getattr(self, name)):
                options.append(f"{gammapy_name}={literal(setting)}")
        return options
