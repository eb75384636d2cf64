"""From gammapy's datasets to flat ones, with a note for whatever is left to gammapy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from skyred.errors import FitError
from skyred.likelihood.bins import Bins
from skyred.likelihood.contribution import Contribution
from skyred.likelihood.convolution_rounding import counts_on_rounding, is_convolved
from skyred.likelihood.count_templates import ScaledCounts
from skyred.likelihood.cross_check import Trust
from skyred.likelihood.datasets import CountsDataset, FlatDataset, GammapyDataset
from skyred.likelihood.flux_points_data import flat_points
from skyred.likelihood.gammapy_evaluated import OpaqueCounts, Prediction
from skyred.likelihood.input_checks import check_counts
from skyred.likelihood.response import Instrument
from skyred.likelihood.source import SourceContribution
from skyred.likelihood.spectra import SpectralFlux
from skyred.likelihood.statistics import Cash, WStat

if TYPE_CHECKING:
    from gammapy.datasets import Dataset, MapDataset
    from numpy.typing import NDArray

    from skyred.likelihood.parameters import ParameterSpace

    Array = NDArray[np.float64]


@attrs.define(eq=False)
class Flattener:
    """Lays datasets out flat.

    Parameters
    ----------
    space : ParameterSpace
        The parameters of all models.
    trust : Trust
        Which models are compared with gammapy first.
    notes : list of str
        What was left to gammapy, and why.
    """

    space: ParameterSpace
    trust: Trust
    notes: list[str] = attrs.field(factory=list)
    spectra: dict[Any, SpectralFlux] = attrs.field(factory=dict)

    def flat(self, dataset: Dataset) -> FlatDataset:
        """Lay out a dataset."""
        check_counts(dataset)
        why = reason_not_compilable(dataset)
        if why:
            self.notes.append(f"dataset {dataset.name!r} is evaluated by gammapy: {why}")
            return GammapyDataset(dataset, self.space)
        if dataset.tag == "FluxPointsDataset":
            return flat_points(dataset, self.space, self.trust)
        return self._counts(dataset)

    def _counts(self, dataset: MapDataset) -> CountsDataset:
        counts = np.nan_to_num(dataset.counts.data.astype(float))
        mask = np.ones(counts.shape, dtype=bool)
        if dataset.mask is not None:
            mask = dataset.mask.data.astype(bool)
        on_off = dataset.stat_type == "wstat"
        wanted = mask if on_off else mask & ((counts > 0) | _could_be_negative(dataset))
        bins = Bins(mask, np.flatnonzero(wanted))
        whole = _wstat(dataset) if on_off else None
        statistic = whole.within(bins) if whole else Cash(bins.of(counts))
        parts = self._parts(dataset, bins)
        compiled = CountsDataset(str(dataset.name), parts, bins, counts, statistic, whole)
        if number := counts_on_rounding(compiled, self.space.state()):
            self._convolve_by_gammapy(compiled, dataset, number)
        return compiled

    def _convolve_by_gammapy(
        self, compiled: CountsDataset, dataset: MapDataset, number: int
    ) -> None:
        """Replace sources by gammapy's own evaluation, to the last digit."""
        instrument = Instrument(dataset, fast_kernels=False)
        why = (
            "nothing but the rounding errors of its PSF convolution is predicted where "
            f"{number} of the counts lie; set mask_fit to false where the background is zero"
        )
        parts: list[Contribution] = []
        for part in compiled.parts:
            if is_convolved(part):
                self._note(part.name, compiled.name, why)
                part = self._by_gammapy(part.model, instrument, compiled.bins)
            parts.append(part)
        compiled.parts = parts

    def _parts(self, dataset: MapDataset, bins: Bins) -> list[Contribution]:
        from gammapy.modeling.models import FoVBackgroundModel

        parts: list[Contribution] = []
        if dataset.stat_type == "cash" and dataset.background:
            parts.append(self._background(dataset, bins))
        models = [each for each in dataset.models or () if not isinstance(each, FoVBackgroundModel)]
        if models:
            instrument = Instrument(dataset)
            parts += [self._model(model, instrument, bins) for model in models]
        return parts

    def _background(self, dataset: MapDataset, bins: Bins) -> Contribution:
        counts = dataset.background.data.astype(float)
        if unknown := int((~np.isfinite(counts) & bins.mask).sum()):
            raise FitError(
                f"the background of {dataset.name!r} is not finite in {unknown} bins that are "
                "fitted; take them out of its mask"
            )
        energy = dataset.background.geom.axes["energy"].center
        model = dataset.background_model
        if model is None:
            return ScaledCounts("", counts, None, energy, bins, self.space)
        if model.spatial_model is None:
            return self._scaled(model, counts, energy, bins)

        def predict() -> Array:
            norm = model.evaluate_geom(dataset.background.geom)
            return np.asarray(counts * np.asarray(getattr(norm, "value", norm), dtype=float))

        self._note(model.name, dataset.name, "its norm varies over the field of view")
        return OpaqueCounts(model, predict, bins, self.space)

    def _model(self, model: Any, instrument: Instrument, bins: Bins) -> Contribution:
        if model.tag == "TemplateNPredModel":
            return self._template(model, instrument, bins)
        why = why_not_source(model, instrument)
        if not why:
            source = SourceContribution(
                model, instrument, bins, self.space, self._spectrum(model, instrument)
            )
            why = self.trust.why_not(source, self.space)
        if not why:
            return source
        self._note(model.name, instrument.dataset.name, why)
        return self._by_gammapy(model, instrument, bins)

    def _by_gammapy(self, model: Any, instrument: Instrument, bins: Bins) -> Contribution:
        prediction = Prediction(model, instrument, self.space)
        return OpaqueCounts(model, prediction, bins, self.space, prediction.refresh)

    def _template(self, model: Any, instrument: Instrument, bins: Bins) -> Contribution:
        from gammapy.maps import Map

        template = model.map
        if model.spatial_model is not None:
            norm = model.spatial_model.evaluate_geom(template.geom).value
            template = template.copy(data=template.data * norm)
        onto = Map.from_geom(instrument.geom, dtype=float)
        onto.stack(template)
        energy = instrument.geom.axes["energy"].center
        return self._scaled(model, onto.data, energy, bins)

    def _scaled(self, model: Any, counts: Array, energy: Any, bins: Bins) -> Contribution:
        spectral, plain = model.spectral_model, self.trust.knows(model)
        return ScaledCounts(model.name, counts, spectral, energy, bins, self.space, plain)

    def _spectrum(self, model: Any, instrument: Instrument) -> SpectralFlux:
        """Give the spectrum of a model; datasets with the same energies share it."""
        edges = instrument.dataset.exposure.geom.axes["energy_true"].edges
        key = id(model.spectral_model), edges.to_value("TeV").tobytes()
        if key not in self.spectra:
            self.spectra[key] = SpectralFlux(model.spectral_model, edges, self.space)
        return self.spectra[key]

    def _note(self, model: str, dataset: str, why: str) -> None:
        self.notes.append(f"{model} in {dataset} is evaluated by gammapy: {why}")


def reason_not_compilable(dataset: Dataset) -> str:
    """Say why a dataset cannot be laid out flat; "" if it can."""
    known = ("MapDataset", "SpectrumDataset", "MapDatasetOnOff", "SpectrumDatasetOnOff",
             "FluxPointsDataset")  # fmt: skip
    kind = type(dataset)
    if not kind.__module__.startswith("gammapy.") or kind.__name__ not in known:
        return f"{kind.__name__} is no class that skyred knows"
    if kind.__name__ == "FluxPointsDataset":
        return _why_not_points(dataset)
    if dataset.stat_type not in ("cash", "wstat"):
        return f"its statistic is {dataset.stat_type!r}"
    if dataset.counts is None or (dataset.stat_type == "wstat" and dataset.counts_off is None):
        return "it has no counts"
    geom = dataset._geom
    if geom.is_hpx:
        return "its maps are HEALPix"
    if geom.axes.names != ["energy"]:
        return f"its axes are {', '.join(geom.axes.names)}"
    return ""


def _why_not_points(dataset: Any) -> str:
    from gammapy.modeling.models import TemplateSpatialModel

    if dataset.stat_type != "chi2":
        return f"its statistic is {dataset.stat_type!r}"
    if dataset.data.geom.axes.names != ["energy"]:
        return f"its axes are {', '.join(dataset.data.geom.axes.names)}"
    for model in dataset.models or ():
        if isinstance(model.spatial_model, TemplateSpatialModel):
            return f"{model.name} has a template, which gammapy turns into a spectrum each time"
    return ""


def why_not_source(model: Any, instrument: Instrument) -> str:
    """Say why a model cannot be laid out flat; "" if it can."""
    from gammapy.modeling.models import SkyModel

    if not isinstance(model, SkyModel):
        return f"{type(model).__name__} is no sky model"
    psf = instrument.psf
    if psf and psf.energy_name == "energy" and model.spatial_model is not None:
        return "the PSF is known in reconstructed energy"
    if instrument.dataset.exposure is None:
        return "the dataset has no exposure"
    return ""


def _could_be_negative(dataset: MapDataset) -> NDArray[np.bool_]:
    """Tell which bins could have negative predicted counts though every flux is positive."""
    from gammapy.modeling.models import TemplateNPredModel

    geom = dataset._geom
    found = np.zeros(geom.data_shape, dtype=bool)
    if dataset.background:
        found |= dataset.background.data < 0
    exposure = dataset.exposure
    if exposure is not None and exposure.data.shape[1:] == geom.data_shape[1:]:
        found |= (exposure.data < 0).any(axis=0)
    templates = [each for each in dataset.models or () if isinstance(each, TemplateNPredModel)]
    if any((each.map.data < 0).any() for each in templates):
        found[...] = True
    return found


def _wstat(dataset: Any) -> WStat:
    with np.errstate(all="ignore"):
        maps = dataset.counts, dataset.counts_off, dataset.alpha
        return WStat(*(each.data.astype(float).ravel() for each in maps))
