"""gammapy's estimators in `estimate`: each class of its registry, against itself alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy import estimators as ge
from gammapy.datasets import Datasets
from gammapy.maps import Map, Maps
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from regions import CircleAnnulusSkyRegion, CircleSkyRegion

import small_datasets as small
from skyred import Estimator
from skyred.errors import FieldError, ModelError
from skyred.products.gammapy_product import GammapyProduct

EDGES = [1, 3, 10] * u.TeV
ALL = [1, 10] * u.TeV
ROUGH = Fit(optimize_opts={"strategy": 0, "tol": 1000})  # soon done


def source(spatial: bool = True) -> SkyModel:
    spectral = PowerLawSpectralModel(index=2.5, amplitude="3e-11 cm-2 s-1 TeV-1")
    spectral.index.frozen = True
    point = PointSpatialModel(lon_0="83.652 deg", lat_0="22.031 deg", frame="icrs")
    point.lat_0.frozen = True
    return SkyModel(spectral, point if spatial else None, name="crab")


def maps() -> Datasets:
    dataset = small.map_dataset()
    dataset.models = [source(), FoVBackgroundModel(dataset_name="map")]
    dataset.fake(1)
    return Datasets([dataset])


def sharp() -> Datasets:
    """Return maps without a PSF: gammapy's kernels cost most of a fit."""
    dataset = small.map_dataset(psf="none")
    dataset.models = [source(), FoVBackgroundModel(dataset_name="map")]
    dataset.fake(1)
    return Datasets([dataset])


def spectrum(index_frozen: bool = True) -> Datasets:
    dataset = small.spectrum_on_off()
    dataset.models = [source(spatial=False)]
    dataset.models["crab"].spectral_model.index.frozen = index_frozen
    return Datasets([dataset])


def annuli() -> list[Any]:
    inner = CircleSkyRegion(small.centre(), 0.1 * u.deg)
    return [inner, CircleAnnulusSkyRegion(small.centre(), 0.1 * u.deg, 0.3 * u.deg)]


@attrs.frozen
class Case:
    """An estimator, its datasets, and what it gives for them in plain gammapy."""

    estimator: Callable[[], Any]
    datasets: Callable[[], Datasets]
    plain: Callable[[Any, Datasets], Any] = lambda estimator, datasets: estimator.run(datasets)
    parameter: str | None = None


def alone(estimator: Any, datasets: Datasets) -> Any:
    return estimator.run(datasets[0])


def sensitivity(_: Any, datasets: Datasets) -> Any:
    amplitude = datasets.models["crab"].spectral_model.amplitude
    return ge.ParameterSensitivityEstimator(amplitude, 0, rtol=0.1).run(datasets) * amplitude.unit


# a class of gammapy's registry without a case here fails the test: look whether it works
CASES = {
    ge.ExcessMapEstimator: Case(lambda: ge.ExcessMapEstimator("0.1 deg"), maps, alone),
    ge.TSMapEstimator: Case(lambda: ge.TSMapEstimator(kernel_width="0.2 deg"), sharp),
    ge.FluxPointsEstimator: Case(lambda: ge.FluxPointsEstimator(EDGES, source="crab"), spectrum),
    ge.ASmoothMapEstimator: Case(
        lambda: ge.ASmoothMapEstimator(scales=[0.05, 0.1] * u.deg, threshold=2.5), maps, alone
    ),
    ge.LightCurveEstimator: Case(
        lambda: ge.LightCurveEstimator(energy_edges=ALL, source="crab"), spectrum
    ),
    ge.SensitivityEstimator: Case(ge.SensitivityEstimator, spectrum, alone),
    ge.FluxProfileEstimator: Case(
        lambda: ge.FluxProfileEstimator(annuli(), energy_edges=ALL), sharp
    ),
    ge.ParameterEstimator: Case(
        lambda: ge.ParameterEstimator(null_value=1e-11),
        lambda: spectrum(index_frozen=False),  # another parameter must be free
        lambda estimator, datasets: estimator.run(datasets, "amplitude"),
        "amplitude",
    ),
    # its parameter is of a model that is not that of the datasets, as in a pipeline
    ge.ParameterSensitivityEstimator: Case(
        lambda: ge.ParameterSensitivityEstimator(source().spectral_model.amplitude, 0, rtol=0.1),
        spectrum,
        sensitivity,
    ),
    # not in the registry
    ge.EnergyDependentMorphologyEstimator: Case(
        lambda: ge.EnergyDependentMorphologyEstimator(EDGES, source="crab", fit=ROUGH), sharp
    ),
}


def assert_same(actual: Any, expected: Any, where: str = "") -> None:
    """Compare what estimators give, whatever it is."""
    assert type(actual) is type(expected) or np.isscalar(expected) or isinstance(expected, list), (
        where
    )
    if isinstance(expected, ge.FluxMaps):
        # gammapy never sets niter where its search does not begin
        for name in set(expected.available_quantities) - {"niter"}:
            assert_same(getattr(actual, name), getattr(expected, name), name)
    elif isinstance(expected, dict | Maps):
        assert set(actual) == set(expected)
        for name in expected:
            assert_same(actual[name], expected[name], f"{where}.{name}")
    elif isinstance(expected, Table):
        assert actual.pformat(-1, -1) == expected.pformat(-1, -1)
    elif isinstance(expected, Map):
        assert actual.unit == expected.unit
        # maps are written as fluxes, and read back as norms: float32 on the way
        np.testing.assert_allclose(actual.data, expected.data, rtol=1e-5, err_msg=where)
    elif isinstance(expected, list) and isinstance(expected[0], str):
        assert list(actual) == expected
    else:
        np.testing.assert_allclose(
            u.Quantity(actual), u.Quantity(expected), rtol=1e-9, err_msg=where
        )


def registered() -> list[type]:
    return [*ge.ESTIMATOR_REGISTRY, ge.EnergyDependentMorphologyEstimator]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cls", registered(), ids=lambda cls: cls.__name__)
def test_every_estimator_of_gammapy_gives_writes_reads_lists_and_draws(
    cls: type, tmp_path: Path
) -> None:
    import matplotlib.pyplot as plt

    case = CASES[cls]
    datasets = case.datasets()
    before = [(dataset.counts.data.copy(), dataset.models.to_dict()) for dataset in datasets]
    models = list(datasets.models)
    adapted = Estimator.adapt(case.estimator(), name="it", parameter=case.parameter)
    product = adapted.estimate(datasets, None)
    for dataset, (counts, described) in zip(datasets, before, strict=True):
        assert (dataset.counts.data == counts).all()
        assert dataset.models.to_dict() == described
    assert all(
        model_copy is original_model
        for model_copy, original_model in zip(datasets.models, models, strict=True)
    )
    assert_same(product.value, case.plain(case.estimator(), case.datasets()))
    files = product.write(tmp_path)
    assert files
    assert all(path.is_file() for path in files)
    again = GammapyProduct.read(tmp_path, "it", None)
    assert_same(again.value, product.value)
    assert len(product.table()) > 0
    for draw in product.pictures().values():
        ax = draw()
        assert ax.get_xlabel()
        assert ax.get_title().startswith("it")
        plt.close("all")


def test_a_parameter_estimator_goes_through_all_free_parameters() -> None:
    class Value:
        """Gives the value of a parameter, as `ParameterEstimator` gives more of it."""

        def run(self, datasets: Datasets, parameter: Any) -> dict[str, float]:
            return {"value": datasets.parameters[parameter].value}

    product = Estimator.adapt(Value()).estimate(maps(), None)
    free = ["crab.spectral.amplitude", "crab.spatial.lon_0", "map-bkg.spectral.norm"]
    assert list(product.value) == free
    assert product.value["crab.spatial.lon_0"]["value"] == pytest.approx(83.652)


def test_missing_parameter_is_reported_with_the_available_ones() -> None:
    adapted = Estimator.adapt(ge.ParameterEstimator(), parameter="alpha")
    with pytest.raises(ModelError, match=r"no parameters match 'alpha'.*crab\.spectral\.index"):
        adapted.estimate(spectrum(), None)


def test_one_that_takes_a_dataset_refuses_several() -> None:
    both = Datasets([small.map_dataset("a"), small.map_dataset("b")])
    with pytest.raises(ModelError, match="needs one dataset, but got 2: stack them"):
        Estimator.adapt(ge.ExcessMapEstimator("0.1 deg")).estimate(both, None)


def test_models_shared_by_datasets_stay_shared_in_the_copy() -> None:
    class Shares:
        def run(self, datasets: Datasets) -> float:
            model_copy, original_model = (
                dataset.models["crab"].spectral_model for dataset in datasets
            )
            assert model_copy.amplitude is original_model.amplitude
            model_copy.amplitude.value = 0
            return 1.0

    both = Datasets([small.spectrum_dataset("a"), small.spectrum_dataset("b")])
    both.models = [source(spatial=False)]
    assert Estimator.adapt(Shares()).estimate(both, None).value == 1
    assert both.models["crab"].spectral_model.amplitude.value == 3e-11


def test_object_with_another_signature_is_refused() -> None:
    from gammapy.makers import FoVBackgroundMaker

    axis = [0, 1] * u.deg
    with pytest.raises(FieldError, match=r"run\(image, image_err, mask\); expected an estimator"):
        Estimator.adapt(ge.ImageProfileEstimator(x_edges=axis))
    with pytest.raises(FieldError, match=r"is a FoVBackgroundMaker, with run\(dataset"):
        Estimator.adapt(FoVBackgroundMaker())


def test_names_and_numbers_alone_come_back_from_yaml(tmp_path: Path) -> None:
    value = {"a": [1.5, 2.5] * u.TeV, "b": {"texts": ["x", "y"], "none": None}, "c": np.int64(3)}
    GammapyProduct("it", value).write(tmp_path)
    again = GammapyProduct.read(tmp_path, "it", None).value
    assert (again["a"] == value["a"]).all()
    assert again["b"] == value["b"]
    assert again["c"] == 3
    assert GammapyProduct("it", value["a"].value).table().colnames == ["value"]


def test_product_without_file_format_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="it: a object cannot be written"):
        GammapyProduct("it", object()).write(tmp_path)
    with pytest.raises(TypeError, match=r"a\.b is a object; only numbers, strings"):
        GammapyProduct("it", {"a": {"b": object()}}).write(tmp_path)
    with pytest.raises(TypeError, match="is of no known format"):
        GammapyProduct.read(tmp_path, "other", None)
