"""Datasets and models that cannot be compiled are evaluated by gammapy, with a note."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.datasets import FluxPointsDataset, MapDataset
from gammapy.estimators import FluxPoints
from gammapy.irf import RecoPSFMap
from gammapy.modeling.models import (
    ConstantFluxSpatialModel,
    FoVBackgroundModel,
    PiecewiseNormSpatialModel,
    SkyModel,
    TemplateSpatialModel,
    TemplateSpectralModel,
)

from likelihood_comparison import assert_agrees_with_gammapy, with_models
from skyred.likelihood import Likelihood, objective_of
from small_datasets import (
    CRAB,
    ENERGY,
    flux_points,
    map_dataset,
    map_on_off,
    spectrum_dataset,
    spectrum_on_off,
)
from spatial_models import SPATIAL
from spectral_models import power_law

SHAPES = {name: make for kinds in SPATIAL.values() for name, make in kinds.items()}


def star(shape: str | None = "point") -> SkyModel:
    spatial = SHAPES[shape]((CRAB[0] + 0.04, CRAB[1]), "icrs") if shape else None
    return SkyModel(power_law(), spatial, name="star")


class UserMapDataset(MapDataset):
    """A third-party dataset class, which skyred cannot compile."""

    tag = "UserMapDataset"


def weighted_map() -> Any:
    dataset = map_dataset()
    dataset.stat_type = "cash_weighted"
    weights = np.linspace(0, 1, dataset.counts.data.size).reshape(dataset.counts.data.shape)
    dataset.mask_fit = dataset.counts.copy(data=weights)
    dataset.mask_safe = None
    return dataset


def third_party_dataset() -> Any:
    dataset = map_dataset()
    names = ("counts", "exposure", "background", "psf", "edisp", "mask_safe", "gti", "name")
    return UserMapDataset(**{name: getattr(dataset, name) for name in names})


def map_with_reco_psf() -> Any:
    dataset = map_dataset()
    dataset.psf = RecoPSFMap.from_gauss(ENERGY, sigma=[0.1, 0.08, 0.06] * u.deg)
    return dataset


def distribution_points() -> Any:
    return FluxPointsDataset(data=flux_points().data, name="points", stat_type="distrib")


def profile_points() -> Any:
    energy = np.geomspace(0.7, 20, 5) * u.TeV
    norm = np.linspace(0.2, 3, 9)
    table = Table(
        {
            "e_ref": energy,
            "ref_dnde": 3e-11 * energy.value**-2.5 * u.Unit("TeV-1 s-1 cm-2"),
            "norm": np.full(5, 1.1),
            "norm_err": np.full(5, 0.2),
            "norm_scan": np.tile(norm, (5, 1)),
            "stat_scan": np.tile(((norm - 1.1) / 0.2) ** 2, (5, 1)),
            "stat": np.zeros(5),
            "is_ul": np.zeros(5, dtype=bool),
        },
        meta={"SED_TYPE": "likelihood"},
    )
    return FluxPointsDataset(data=FluxPoints.from_table(table), name="points", stat_type="profile")


NOT_COMPILABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "weighted": (weighted_map, "its statistic is 'cash_weighted'"),
    "third-party": (third_party_dataset, "UserMapDataset is a class that skyred does not support"),
    "distribution": (distribution_points, "its statistic is 'distrib'"),
    "profile": (profile_points, "its statistic is 'profile'"),
}


@pytest.mark.parametrize("kind", NOT_COMPILABLE)
def test_dataset_evaluated_by_gammapy_has_a_note(kind: str) -> None:
    dataset, reason = NOT_COMPILABLE[kind]
    make = with_models(lambda: [dataset(), spectrum_on_off()], lambda: [star()])
    likelihood = assert_agrees_with_gammapy(make, 3, notes=True)
    (note,) = likelihood.notes
    assert note == f"dataset '{dataset().name}' is evaluated by gammapy: {reason}"
    assert not likelihood.exact


def test_flux_points_of_a_template_are_evaluated_by_gammapy() -> None:
    make = with_models(lambda: [flux_points()], lambda: [star("template")])
    likelihood = assert_agrees_with_gammapy(make, 1, notes=True)
    assert isinstance(make().models[0].spatial_model, TemplateSpatialModel)
    assert likelihood.notes == (
        "dataset 'points' is evaluated by gammapy: star has a spatial template, which gammapy "
        "converts to a spectrum at every evaluation",
    )


@pytest.mark.parametrize("shape", ["point", "gauss", "const"])
def test_source_with_psf_by_reconstructed_energy_is_evaluated_by_gammapy(shape: str) -> None:
    def models() -> list[Any]:
        return [star(shape), FoVBackgroundModel("map")]

    likelihood = assert_agrees_with_gammapy(
        with_models(lambda: [map_with_reco_psf()], models), 3, notes=True
    )
    assert likelihood.notes == (
        "star in map is evaluated by gammapy: the PSF depends on reconstructed energy",
    )
    assert not likelihood.exact


@pytest.mark.parametrize("dataset", [map_dataset, map_with_reco_psf])
def test_source_without_parameters_agrees_with_gammapy(dataset: Callable[[], Any]) -> None:
    def models() -> list[Any]:
        spectral = TemplateSpectralModel(
            [0.1, 100] * u.TeV, [1e-11, 1e-16] * u.Unit("cm-2 s-1 TeV-1")
        )
        star = SkyModel(spectral, ConstantFluxSpatialModel(), name="star")
        return [star, FoVBackgroundModel("map")]

    assert_agrees_with_gammapy(with_models(lambda: [dataset()], models), 1, notes=True)


def test_spatially_varying_norm_is_evaluated_by_gammapy() -> None:
    def models() -> list[Any]:
        norm = SPATIAL[PiecewiseNormSpatialModel]["piecewise-norm"](CRAB, "icrs")
        return [star(), FoVBackgroundModel("map", spatial_model=norm)]

    likelihood = assert_agrees_with_gammapy(
        with_models(lambda: [map_dataset()], models), 3, notes=True
    )
    assert likelihood.notes == (
        "map-bkg in map is evaluated by gammapy: its norm varies over the field of view",
    )


def test_healpix_dataset_is_evaluated_by_gammapy() -> None:
    pytest.importorskip("healpy")
    from gammapy.maps import HpxGeom

    def dataset() -> Any:
        geom = HpxGeom.create(nside=64, axes=[ENERGY], region="DISK(83.633,22.014,5)", frame="icrs")
        dataset = MapDataset.create(
            geom, energy_axis_true=ENERGY.copy(name="energy_true"), name="map"
        )
        dataset.background.data += 0.3
        dataset.counts.data += 1
        dataset.exposure.data += 1e13
        dataset.psf = dataset.edisp = None
        dataset.mask_safe.data[...] = True
        return dataset

    likelihood = assert_agrees_with_gammapy(
        with_models(lambda: [dataset()], lambda: [star()]), 1, notes=True
    )
    assert "its maps are HEALPix" in likelihood.notes[0]


@pytest.mark.parametrize("shift", [0.3, 2.0, 0.0])
def test_source_evaluated_by_gammapy_can_leave_the_map_and_return(shift: float) -> None:
    # gammapy alone would never update a source that has left the map
    for dataset in (third_party_dataset, map_with_reco_psf):
        make = with_models(lambda create=dataset: [create()], lambda: [star()])
        likelihood = Likelihood(make())
        x = likelihood.initial_state[likelihood.space.free]
        expected = likelihood.stat(x)
        shifted = x.copy()
        shifted[likelihood.space.names().index("star.spatial.lat_0")] += shift
        likelihood.stat(shifted)
        assert likelihood.stat(x) == pytest.approx(expected, abs=1e-3)


def test_compiled_datasets_have_no_notes() -> None:
    datasets = [map_dataset, map_on_off, spectrum_dataset, spectrum_on_off, flux_points]
    make = with_models(lambda: [create() for create in datasets], lambda: [star()])
    likelihood = Likelihood(make())
    assert likelihood.notes == ()
    assert likelihood.exact


def test_objective_has_notes_but_no_derivatives() -> None:
    objective = objective_of(with_models(lambda: [weighted_map()], lambda: [star()])())
    assert "cash_weighted" in objective.notes[0]
    assert objective.gradient(objective.start) is None
    assert objective.fisher(objective.start) is None
