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
FACTORS = {name: make for kinds in NORMS.values() for name, make in kinds.items()}
KINDS = ("map", "spectrum", "on-off", "map-on-off", "points")
NO_POSITION = ("const", "template-nd")  # gammapy needs their radius in a region with a PSF


@attrs.frozen
class Star:
    """One random source, with its offset from the centre in tenths of a degree."""

    spectrum: str
    shape: str
    offset: tuple[int, int]
    frame: str
    free: bool
    only: tuple[int, ...]
    links: frozenset[str]


@attrs.frozen
class Sky:
    """Random datasets and models as plain values, from which new objects can be created."""

    kinds: tuple[str, ...]
    psf: str
    edisp: str
    background: str
    template: bool
    masks: int
    stars: tuple[Star, ...]

    def make(self) -> Datasets:
        datasets = Datasets(
            [self._masked(self._dataset(i, kind), i) for i, kind in enumerate(self.kinds)]
        )
        stars = [self._star(index) for index in range(len(self.stars))]
        _link(stars, self.stars)
        datasets.models = [*stars, *self._extras(datasets)]
        return datasets

    def _dataset(self, index: int, kind: str) -> Any:
        name, seed = f"{kind}-{index}", index
        psf = self.psf != "none" and not any(star.shape in NO_POSITION for star in self.stars)
        makers: dict[str, Callable[[], Any]] = {
            "map": lambda: map_dataset(name, psf=self.psf, edisp=self.edisp, seed=seed),
            "spectrum": lambda: spectrum_dataset(name, psf=psf, seed=seed),
            "on-off": lambda: spectrum_on_off(name, psf=psf, seed=seed),
            "map-on-off": lambda: map_on_off(name, seed=seed),
            "points": lambda: flux_points(name, asymmetric=bool(index)),
        }
        return makers[kind]()

    def _masked(self, dataset: Any, index: int) -> Any:
        random = np.random.default_rng(self.masks + index)
        for name in ("mask_safe", "mask_fit"):
            if self.masks and random.random() < 0.6:
                _set_mask(dataset, name, random)
        return dataset

    def _star(self, index: int) -> SkyModel:
        star = self.stars[index]
        at = CRAB[0] + 0.1 * star.offset[0] + 0.017, CRAB[1] + 0.1 * star.offset[1] - 0.013
        spatial = SHAPES[star.shape](at, star.frame)
        for parameter in spatial.parameters:
            parameter.frozen = not star.free
        names = [f"{self.kinds[i]}-{i}" for i in star.only if i < len(self.kinds)]
        return SkyModel(
            SPECTRA[star.spectrum](), spatial, name=f"star-{index}", datasets_names=names or None
        )

    def _extras(self, datasets: Datasets) -> list[Any]:
        with_counts = [d for d in datasets if d.tag in ("MapDataset", "SpectrumDataset")]
        models: list[Any] = []
        for dataset in with_counts if self.background != "none" else []:
            norm = FACTORS.get(self.background, PowerLawNormSpectralModel)()
            norm.parameters[0].frozen = False  # also a tilt
            models.append(FoVBackgroundModel(dataset.name, spectral_model=norm))
        for dataset in [d for d in with_counts if d.tag == "MapDataset" and self.template]:
            part = dataset.background.cutout(dataset.counts.geom.center_skydir, width="0.6 deg")
            models.append(TemplateNPredModel(part, name="more", datasets_names=[dataset.name]))
            break
        return models


def _set_mask(dataset: Any, name: str, random: np.random.Generator) -> None:
    if dataset.tag == "FluxPointsDataset":
        setattr(dataset, name, random.random(dataset.data.dnde.data.shape) < 0.7)
        return
    mask = dataset.mask_safe.copy()
    mask.data = mask.data & (random.random(mask.data.shape) < 0.7)
    setattr(dataset, name, mask)


def _link(models: list[SkyModel], stars: tuple[Star, ...]) -> None:
    """Link parameters of sources to those of the first one if both have them."""
    first = models[0]
    for model, star in zip(models[1:], stars[1:], strict=True):
        for part in ("spectral_model", "spatial_model"):
            ours, theirs = getattr(model, part), getattr(first, part)
            for name in star.links:
                if (
                    hasattr(ours, name)
                    and hasattr(theirs, name)
                    and _can_be_linked(ours, theirs, name)
                ):
                    setattr(ours, name, getattr(theirs, name))


def _can_be_linked(ours: Any, theirs: Any, name: str) -> bool:
    same_frame = getattr(ours, "frame", "") == getattr(theirs, "frame", "")
    return same_frame and getattr(ours, name).unit == getattr(theirs, name).unit


STARS = st.builds(
    Star,
    spectrum=st.sampled_from(
        ["pl", "pl2", "ecpl", "lp", "absorbed", "sum", "template-nd", "gauss"]
    ),
    shape=st.sampled_from(
        ["point", "point", "gauss", "gauss-elongated", "disk", "shell2", "const", "template-nd"]
    ),
    offset=st.tuples(st.integers(-6, 6), st.integers(-6, 6)),
    frame=st.sampled_from(["icrs", "galactic"]),
    free=st.booleans(),
    only=st.sampled_from([(), (), (0,), (1,), (0, 2)]),
    links=st.frozensets(st.sampled_from(["index", "amplitude", "lon_0", "lat_0", "sigma"])),
)
SKIES = st.builds(
    Sky,
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3).map(tuple),
    psf=st.sampled_from(["same", "varying", "none"]),
    edisp=st.sampled_from(["kernel", "migra", "none"]),
    background=st.sampled_from(["none", "pl", "piecewise-norm", "lp-norm"]),
    template=st.booleans(),
    masks=st.integers(0, 5),
    stars=st.tuples(STARS) | st.tuples(STARS, STARS) | st.tuples(STARS, STARS, STARS),
)


# negative amplitudes are small: otherwise all predicted counts are zero
AMPLITUDES = st.lists(st.sampled_from([1, 1, 1, 0.1, -0.01, 0]), max_size=6)


@pytest.mark.slow
@settings(max_examples=20)
@given(sky=SKIES, seed=st.integers(0, 1000), factors=AMPLITUDES)
def test_any_likelihood_agrees_with_gammapy(sky: Sky, seed: int, factors: list[float]) -> None:
    free = sky.make().models.parameters.unique_parameters.free_parameters
    moves = draw_values(free, 2, seed)
    amplitudes = [index for index, name in enumerate(free.names) if name == "amplitude"]
    for index, factor in zip(amplitudes, factors, strict=False):
        moves[1][index] *= factor
    assert_agrees_with_gammapy(sky.make, more_values=moves)
