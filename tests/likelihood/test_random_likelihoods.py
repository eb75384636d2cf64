"""The compiled likelihood of random datasets and models agrees with gammapy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PowerLawNormSpectralModel,
    SkyModel,
    TemplateNPredModel,
)
from hypothesis import given, settings, strategies as st

from likelihood_comparison import assert_agrees_with_gammapy, draw_values
from small_datasets import (
    CRAB,
    flux_points,
    map_dataset,
    map_on_off,
    spectrum_dataset,
    spectrum_on_off,
)
from spatial_models import SPATIAL
from spectral_models import NORMS, SOURCES

SHAPES = {name: make for kinds in SPATIAL.values() for name, make in kinds.items()}
SPECTRA = {name: make for kinds in SOURCES.values() for name, make in kinds.items()}
NORM_MODELS = {name: make for kinds in NORMS.values() for name, make in kinds.items()}
KINDS = ("map", "spectrum", "on-off", "map-on-off", "points")
NO_POSITION = ("const", "template-nd")  # gammapy needs their radius in a region with a PSF


@attrs.frozen
class Source:
    """A random source.

    Parameters
    ----------
    spectrum, shape : str
        Keys of `SPECTRA` and `SHAPES`.
    offset : tuple of int
        Offset from the centre, in tenths of a degree.
    frame : str
        Frame of the position.
    free : bool
        Whether its spatial parameters are free.
    dataset_indices : tuple of int
        Datasets that contain the source; empty for all.
    links : frozenset of str
        Parameters that are linked to those of the first source.
    """

    spectrum: str
    shape: str
    offset: tuple[int, int]
    frame: str
    free: bool
    dataset_indices: tuple[int, ...]
    links: frozenset[str]


@attrs.frozen
class Scenario:
    """Description from which `make` creates random datasets and models."""

    kinds: tuple[str, ...]
    psf: str
    edisp: str
    background: str
    template: bool
    mask_seed: int  # 0: no masks
    sources: tuple[Source, ...]

    def make(self) -> Datasets:
        """Return new datasets with new models."""
        datasets = Datasets(
            [self._masked(self._dataset(i, kind), i) for i, kind in enumerate(self.kinds)]
        )
        models = [self._model(index) for index in range(len(self.sources))]
        _link(models, self.sources)
        datasets.models = [*models, *self._background_models(datasets)]
        return datasets

    def _dataset(self, index: int, kind: str) -> Any:
        name, seed = f"{kind}-{index}", index
        psf = self.psf != "none" and not any(source.shape in NO_POSITION for source in self.sources)
        makers: dict[str, Callable[[], Any]] = {
            "map": lambda: map_dataset(name, psf=self.psf, edisp=self.edisp, seed=seed),
            "spectrum": lambda: spectrum_dataset(name, psf=psf, seed=seed),
            "on-off": lambda: spectrum_on_off(name, psf=psf, seed=seed),
            "map-on-off": lambda: map_on_off(name, seed=seed),
            "points": lambda: flux_points(name, asymmetric=bool(index)),
        }
        return makers[kind]()

    def _masked(self, dataset: Any, index: int) -> Any:
        random = np.random.default_rng(self.mask_seed + index)
        for name in ("mask_safe", "mask_fit"):
            if self.mask_seed and random.random() < 0.6:
                _set_mask(dataset, name, random)
        return dataset

    def _model(self, index: int) -> SkyModel:
        source = self.sources[index]
        # away from pixel centres, where the likelihood is not smooth
        lon, lat = (CRAB[i] + 0.1 * source.offset[i] + (0.017, -0.013)[i] for i in range(2))
        spatial = SHAPES[source.shape]((lon, lat), source.frame)
        for parameter in spatial.parameters:
            parameter.frozen = not source.free
        names = [f"{self.kinds[i]}-{i}" for i in source.dataset_indices if i < len(self.kinds)]
        return SkyModel(
            SPECTRA[source.spectrum](),
            spatial,
            name=f"source-{index}",
            datasets_names=names or None,
        )

    def _background_models(self, datasets: Datasets) -> list[Any]:
        tags = ("MapDataset", "SpectrumDataset")
        with_counts = [dataset for dataset in datasets if dataset.tag in tags]
        models: list[Any] = []
        for dataset in with_counts if self.background != "none" else []:
            norm = NORM_MODELS.get(self.background, PowerLawNormSpectralModel)()
            norm.parameters[0].frozen = False  # including a tilt
            models.append(FoVBackgroundModel(dataset.name, spectral_model=norm))
        for dataset in [data for data in with_counts if data.tag == "MapDataset" and self.template]:
            cutout = dataset.background.cutout(dataset.counts.geom.center_skydir, width="0.6 deg")
            models.append(
                TemplateNPredModel(cutout, name="template", datasets_names=[dataset.name])
            )
            break
        return models


def _set_mask(dataset: Any, name: str, random: np.random.Generator) -> None:
    if dataset.tag == "FluxPointsDataset":
        setattr(dataset, name, random.random(dataset.data.dnde.data.shape) < 0.7)
        return
    mask = dataset.mask_safe.copy()
    mask.data = mask.data & (random.random(mask.data.shape) < 0.7)
    setattr(dataset, name, mask)


def _link(models: list[SkyModel], sources: tuple[Source, ...]) -> None:
    """Link parameters of sources to those of the first source, if it has the same parameters."""
    first = models[0]
    for model, source in zip(models[1:], sources[1:], strict=True):
        for part in ("spectral_model", "spatial_model"):
            actual, expected = getattr(model, part), getattr(first, part)
            for name in source.links:
                if (
                    hasattr(actual, name)
                    and hasattr(expected, name)
                    and _can_be_linked(actual, expected, name)
                ):
                    setattr(actual, name, getattr(expected, name))


def _can_be_linked(actual: Any, expected: Any, name: str) -> bool:
    same_frame = getattr(actual, "frame", "") == getattr(expected, "frame", "")
    return same_frame and getattr(actual, name).unit == getattr(expected, name).unit


RANDOM_SOURCES = st.builds(
    Source,
    spectrum=st.sampled_from(
        ["pl", "pl2", "ecpl", "lp", "absorbed", "sum", "template-nd", "gauss"]
    ),
    shape=st.sampled_from(
        ["point", "point", "gauss", "gauss-elongated", "disk", "shell2", "const", "template-nd"]
    ),
    offset=st.tuples(st.integers(-6, 6), st.integers(-6, 6)),
    frame=st.sampled_from(["icrs", "galactic"]),
    free=st.booleans(),
    dataset_indices=st.sampled_from([(), (), (0,), (1,), (0, 2)]),
    links=st.frozensets(st.sampled_from(["index", "amplitude", "lon_0", "lat_0", "sigma"])),
)
SCENARIOS = st.builds(
    Scenario,
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3).map(tuple),
    psf=st.sampled_from(["same", "varying", "none"]),
    edisp=st.sampled_from(["kernel", "migra", "none"]),
    background=st.sampled_from(["none", "pl", "piecewise-norm", "lp-norm"]),
    template=st.booleans(),
    mask_seed=st.integers(0, 5),
    sources=st.tuples(RANDOM_SOURCES)
    | st.tuples(RANDOM_SOURCES, RANDOM_SOURCES)
    | st.tuples(RANDOM_SOURCES, RANDOM_SOURCES, RANDOM_SOURCES),
)


# negative factors are small: otherwise all predicted counts are zero
AMPLITUDE_FACTORS = st.lists(st.sampled_from([1, 1, 1, 0.1, -0.01, 0]), max_size=6)


@pytest.mark.slow
@settings(max_examples=20)
@given(scenario=SCENARIOS, seed=st.integers(0, 1000), factors=AMPLITUDE_FACTORS)
def test_any_likelihood_agrees_with_gammapy(
    scenario: Scenario, seed: int, factors: list[float]
) -> None:
    parameters = scenario.make().models.parameters.unique_parameters.free_parameters
    value_sets = draw_values(parameters, 2, seed)
    amplitudes = [index for index, name in enumerate(parameters.names) if name == "amplitude"]
    for index, factor in zip(amplitudes, factors, strict=False):
        value_sets[1][index] *= factor
    assert_agrees_with_gammapy(scenario.make, more_values=value_sets)
