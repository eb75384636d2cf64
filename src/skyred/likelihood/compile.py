"""Compiler of gammapy datasets, with notes on the datasets and models that gammapy evaluates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.likelihood.bins import Bins
from skyred.likelihood.compiled_dataset import CompiledDataset
from skyred.likelihood.contribution import Contribution
from skyred.likelihood.convolution_rounding import count_unpredicted_events, is_convolved
from skyred.likelihood.count_templates import ScaledCounts
from skyred.likelihood.counts_dataset import CountsDataset
from skyred.likelihood.cross_check import CrossCheck
from skyred.likelihood.flux_points_data import compile_flux_points
from skyred.likelihood.frames import is_rotation
from skyred.likelihood.gammapy_dataset import GammapyDataset
from skyred.likelihood.gammapy_evaluated import GammapyCounts, GammapyPrediction
from skyred.likelihood.input_checks import check_counts
from skyred.likelihood.response import DatasetIrfs
from skyred.likelihood.source import SourceContribution
from skyred.likelihood.spectra import SpectralFlux
from skyred.likelihood.statistics import Cash, WStat

if TYPE_CHECKING:
    from gammapy.datasets import Dataset, MapDataset
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace

    Array = NDArray[np.float64]


@attrs.define(eq=False)
class Compiler:
    """Compiler of gammapy datasets.

    Parameters
    ----------
    space : ParameterSpace
        The parameters of all models.
    cross_check : CrossCheck
        Comparison of compiled sources with gammapy.
    notes : list of str
        The datasets and models that gammapy evaluates, with the reasons.
    spectra : dict of SpectralFlux
        Compiled spectra, by the id of the spectral model and the energy edges.
    """

    space: ParameterSpace
    cross_check: CrossCheck
    notes: list[str] = attrs.field(factory=list)
    spectra: dict[Any, SpectralFlux] = attrs.field(factory=dict)

    def compile(self, dataset: Dataset) -> CompiledDataset:
        """Compile a dataset.

        Parameters
        ----------
        dataset : gammapy.datasets.Dataset
            The dataset, with models assigned.

        Returns
        -------
        CompiledDataset
            The compiled dataset, or a wrapper around gammapy's own evaluation.

        Raises
        ------
        FitError
            If counts, flux points or the background have invalid values.
            If the frame of a model is not fixed to the sky.
        """
        check_counts(dataset)
        reason = reason_dataset_not_compilable(dataset)
        if reason:
            self.notes.append(f"dataset {dataset.name!r} is evaluated by gammapy: {reason}")
            return GammapyDataset(dataset, self.space)
        if dataset.tag == "FluxPointsDataset":
            return compile_flux_points(dataset, self.space, self.cross_check)
        return self._compile_counts(dataset)

    def _compile_counts(self, dataset: MapDataset) -> CountsDataset:
        counts = np.nan_to_num(dataset.counts.data.astype(float))
        mask = np.ones(counts.shape, dtype=bool)
        if dataset.mask is not None:
            mask = dataset.mask.data.astype(bool)
        on_off = dataset.stat_type == "wstat"
        is_selected = mask if on_off else mask & ((counts > 0) | _find_negative_bins(dataset))
        bins = Bins(mask, np.flatnonzero(is_selected))
        on_off_statistic = _create_wstat(dataset) if on_off else None
        statistic = on_off_statistic.select(bins) if on_off_statistic else Cash(bins.select(counts))
        contributions = self._compile_contributions(dataset, bins)
        compiled = CountsDataset(
            str(dataset.name), contributions, bins, counts, statistic, on_off_statistic
        )
        if n_events := count_unpredicted_events(compiled, self.space.state()):
            self._convolve_with_gammapy(compiled, dataset, n_events)
        return compiled

    def _convolve_with_gammapy(
        self, compiled: CountsDataset, dataset: MapDataset, n_events: int
    ) -> None:
        """Let gammapy evaluate convolved sources, so that rounding errors are the same."""
        dataset_irfs = DatasetIrfs(dataset, fast_kernels=False)
        reason = (
            f"{n_events} of the counts are in bins where the predicted counts are only rounding "
            "errors of the PSF convolution; set mask_fit to false where the background is zero"
        )
        contributions: list[Contribution] = []
        for contribution in compiled.contributions:
            if is_convolved(contribution):
                self._add_note(contribution.name, compiled.name, reason)
                contribution = self._create_gammapy_counts(
                    contribution.model, dataset_irfs, compiled.bins
                )
            contributions.append(contribution)
        compiled.contributions = contributions

    def _compile_contributions(self, dataset: MapDataset, bins: Bins) -> list[Contribution]:
        from gammapy.modeling.models import FoVBackgroundModel

        contributions: list[Contribution] = []
        if dataset.stat_type == "cash" and dataset.background:
            contributions.append(self._compile_background(dataset, bins))
        models = [
            model for model in dataset.models or () if not isinstance(model, FoVBackgroundModel)
        ]
        if models:
            dataset_irfs = DatasetIrfs(dataset)
            contributions += [self._compile_model(model, dataset_irfs, bins) for model in models]
        return contributions

    def _compile_background(self, dataset: MapDataset, bins: Bins) -> Contribution:
        counts = dataset.background.data.astype(float)
        if n_invalid := int((~np.isfinite(counts) & bins.mask).sum()):
            raise FitError(
                f"the background of {dataset.name!r} is not finite in {n_invalid} of the fitted "
                "bins; set mask_fit of the dataset to false there"
            )
        energy = dataset.background.geom.axes["energy"].center
        model = dataset.background_model
        if model is None:
            return ScaledCounts("", counts, None, energy, bins, self.space)
        if model.spatial_model is None:
            return self._create_scaled_counts(model, counts, energy, bins)

        def predict() -> Array:
            norm = model.evaluate_geom(dataset.background.geom)
            return np.asarray(counts * np.asarray(getattr(norm, "value", norm), dtype=float))

        self._add_note(model.name, dataset.name, "its norm varies over the field of view")
        return GammapyCounts(model, predict, bins, self.space)

    def _compile_model(self, model: Any, dataset_irfs: DatasetIrfs, bins: Bins) -> Contribution:
        if model.tag == "TemplateNPredModel":
            return self._compile_template(model, dataset_irfs, bins)
        reason = reason_source_not_compilable(model, dataset_irfs)
        if not reason:
            source = SourceContribution(
                model, dataset_irfs, bins, self.space, self._compile_spectrum(model, dataset_irfs)
            )
            reason = self.cross_check.reason_to_reject(source, self.space)
        if not reason:
            return source
        self._add_note(model.name, dataset_irfs.dataset.name, reason)
        return self._create_gammapy_counts(model, dataset_irfs, bins)

    def _create_gammapy_counts(
        self, model: Any, dataset_irfs: DatasetIrfs, bins: Bins
    ) -> Contribution:
        prediction = GammapyPrediction(model, dataset_irfs, self.space)
        return GammapyCounts(model, prediction, bins, self.space, prediction.refresh)

    def _compile_template(self, model: Any, dataset_irfs: DatasetIrfs, bins: Bins) -> Contribution:
        from gammapy.maps import Map

        template = model.map
        if model.spatial_model is not None:
            norm = model.spatial_model.evaluate_geom(template.geom).value
            template = template.copy(data=template.data * norm)
        projected = Map.from_geom(dataset_irfs.geom, dtype=float)
        projected.stack(template)
        energy = dataset_irfs.geom.axes["energy"].center
        return self._create_scaled_counts(model, projected.data, energy, bins)

    def _create_scaled_counts(
        self, model: Any, counts: Array, energy: Any, bins: Bins
    ) -> Contribution:
        spectral, allow_unitless = model.spectral_model, self.cross_check.is_exempt(model)
        return ScaledCounts(model.name, counts, spectral, energy, bins, self.space, allow_unitless)

    def _compile_spectrum(self, model: Any, dataset_irfs: DatasetIrfs) -> SpectralFlux:
        """Return the spectrum of a model; datasets with the same energies share it."""
        edges = dataset_irfs.dataset.exposure.geom.axes["energy_true"].edges
        key = id(model.spectral_model), edges.to_value("TeV").tobytes()
        if key not in self.spectra:
            self.spectra[key] = SpectralFlux(model.spectral_model, edges, self.space)
        return self.spectra[key]

    def _add_note(self, model: str, dataset: str, reason: str) -> None:
        self.notes.append(f"{model} in {dataset} is evaluated by gammapy: {reason}")


def reason_dataset_not_compilable(dataset: Dataset) -> str:
    """Return the reason why gammapy has to evaluate a dataset.

    Parameters
    ----------
    dataset : gammapy.datasets.Dataset
        The dataset.

    Returns
    -------
    str
        The reason; empty if the dataset can be compiled.
    """
    supported = ("MapDataset", "SpectrumDataset", "MapDatasetOnOff", "SpectrumDatasetOnOff",
                 "FluxPointsDataset")  # fmt: skip
    dataset_class = type(dataset)
    if (
        not dataset_class.__module__.startswith("gammapy.")
        or dataset_class.__name__ not in supported
    ):
        return f"{dataset_class.__name__} is a class that skyred does not support"
    if dataset_class.__name__ == "FluxPointsDataset":
        return _reason_flux_points_not_compilable(dataset)
    if dataset.stat_type not in ("cash", "wstat"):
        return f"its statistic is {dataset.stat_type!r}"
    if dataset.counts is None or (dataset.stat_type == "wstat" and dataset.counts_off is None):
        return "it has no counts or no off counts"
    geom = dataset._geom
    if geom.is_hpx:
        return "its maps are HEALPix"
    if geom.axes.names != ["energy"]:
        return f"its axes are {', '.join(geom.axes.names)}"
    return ""


def _reason_flux_points_not_compilable(dataset: Any) -> str:
    from gammapy.modeling.models import TemplateSpatialModel

    if dataset.stat_type != "chi2":
        return f"its statistic is {dataset.stat_type!r}"
    if dataset.data.geom.axes.names != ["energy"]:
        return f"its axes are {', '.join(dataset.data.geom.axes.names)}"
    for model in dataset.models or ():
        if isinstance(model.spatial_model, TemplateSpatialModel):
            return (
                f"{model.name} has a spatial template, which gammapy converts to a spectrum at "
                "every evaluation"
            )
    return ""


def reason_source_not_compilable(model: Any, dataset_irfs: DatasetIrfs) -> str:
    """Return the reason why gammapy has to evaluate a model.

    Parameters
    ----------
    model : gammapy.modeling.models.ModelBase
        The model.
    dataset_irfs : DatasetIrfs
        The IRFs of the dataset.

    Returns
    -------
    str
        The reason; empty if the model can be compiled.

    Raises
    ------
    FitError
        If the frame of the model is not fixed to the sky.
    """
    from gammapy.modeling.models import SkyModel

    if not isinstance(model, SkyModel):
        return f"{type(model).__name__} is not a sky model"
    psf = dataset_irfs.psf
    if psf and psf.energy_name == "energy" and model.spatial_model is not None:
        return "the PSF depends on reconstructed energy"
    if model.spatial_model is not None and (
        reason := _reason_frame_not_supported(model, dataset_irfs)
    ):
        return reason
    if dataset_irfs.dataset.exposure is None:
        return "the dataset has no exposure"
    return ""


def _reason_frame_not_supported(model: Any, dataset_irfs: DatasetIrfs) -> str:
    """Return the reason if the frame of a model or of its maps is not a rotation of icrs, or ""."""
    try:
        if not is_rotation(frame := model.spatial_model.frame):
            return f"its frame {frame} is not a rotation of icrs"
    except FitError as error:
        raise FitError(f"the model {model.name!r}: {error}; expected one such as icrs") from None
    exposure = dataset_irfs.dataset.exposure
    for geom in (dataset_irfs.geom, *([] if exposure is None else [exposure.geom])):
        if not is_rotation(geom.frame):
            return f"the frame {geom.frame} of the map is not a rotation of icrs"
    return ""


def _find_negative_bins(dataset: MapDataset) -> NDArray[np.bool_]:
    """Return a mask of bins that may have negative predicted counts even if no flux is negative."""
    from gammapy.modeling.models import TemplateNPredModel

    geom = dataset._geom
    negative = np.zeros(geom.data_shape, dtype=bool)
    if dataset.background:
        negative |= dataset.background.data < 0
    exposure = dataset.exposure
    if exposure is not None and exposure.data.shape[1:] == geom.data_shape[1:]:
        negative |= (exposure.data < 0).any(axis=0)
    templates = [model for model in dataset.models or () if isinstance(model, TemplateNPredModel)]
    if any((model.map.data < 0).any() for model in templates):
        negative[...] = True
    return negative


def _create_wstat(dataset: Any) -> WStat:
    with np.errstate(all="ignore"):
        maps = dataset.counts, dataset.counts_off, dataset.alpha
        return WStat(*(sky_map.data.astype(float).ravel() for sky_map in maps))
