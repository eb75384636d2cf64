"""Adapted estimators give gammapy's results, for all classes in gammapy's registry."""

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
ONE_BIN = [1, 10] * u.TeV
# a loose tolerance is sufficient, since skyred and gammapy take the same steps
FAST_FIT = Fit(optimize_opts={"strategy": 0, "tol": 1000})


def source(spatial: bool = True) -> SkyModel:
    spectral = PowerLawSpectralModel(index=2.5, amplitude="3e-11 cm-2 s-1 TeV-1")
    spectral.index.frozen = True
    point = PointSpatialModel(lon_0="83.652 deg", lat_0="22.031 deg", frame="icrs")
    point.lat_0.frozen = True
    return SkyModel(spectral, point if spatial else None, name="crab")


def map_datasets() -> Datasets:
    dataset = small.map_dataset()
    dataset.models = [source(), FoVBackgroundModel(dataset_name="map")]
    dataset.fake(1)
    return Datasets([dataset])


def map_datasets_without_psf() -> Datasets:
    """Return a map without PSF, since gammapy's kernels take most of the time of a fit."""
    dataset = small.map_dataset(psf="none")
    dataset.models = [source(), FoVBackgroundModel(dataset_name="map")]
    dataset.fake(1)
    return Datasets([dataset])


def spectrum(index_frozen: bool = True) -> Datasets:
    dataset = small.spectrum_on_off()
    dataset.models = [source(spatial=False)]
    dataset.models["crab"].spectral_model.index.frozen = index_frozen
    return Datasets([dataset])


def concentric_regions() -> list[Any]:
    inner = CircleSkyRegion(small.centre(), 0.1 * u.deg)
    return [inner, CircleAnnulusSkyRegion(small.centre(), 0.1 * u.deg, 0.3 * u.deg)]


@attrs.frozen
class Case:
    """An estimator, its datasets, and a function that runs it in plain gammapy."""

    estimator: Callable[[], Any]
    datasets: Callable[[], Datasets]
    run_gammapy: Callable[[Any, Datasets], Any] = lambda estimator, datasets: estimator.run(
        datasets
    )
    parameter: str | None = None


def run_on_first(estimator: Any, datasets: Datasets) -> Any:
    return estimator.run(datasets[0])


def sensitivity(_: Any, datasets: Datasets) -> Any:
    amplitude = datasets.models["crab"].spectral_model.amplitude
    return ge.ParameterSensitivityEstimator(amplitude, 0, rtol=0.1).run(datasets) * amplitude.unit


# if a class in gammapy's registry has no case, the test fails: add one
CASES = {
    ge.ExcessMapEstimator: Case(
        lambda: ge.ExcessMapEstimator("0.1 deg"), map_datasets, run_on_first
    ),
    ge.TSMapEstimator: Case(
        lambda: ge.TSMapEstimator(kernel_width="0.2 deg"), map_datasets_without_psf
    ),
    ge.FluxPointsEstimator: Case(lambda: ge.FluxPointsEstimator(EDGES, source="crab"), spectrum),
    ge.ASmoothMapEstimator: Case(
        lambda: ge.ASmoothMapEstimator(scales=[0.05, 0.1] * u.deg, threshold=2.5),
        map_datasets,
        run_on_first,
    ),
    ge.LightCurveEstimator: Case(
        lambda: ge.LightCurveEstimator(energy_edges=ONE_BIN, source="crab"), spectrum
    ),
    ge.SensitivityEstimator: Case(ge.SensitivityEstimator, spectrum, run_on_first),
    ge.FluxProfileEstimator: Case(
        lambda: ge.FluxProfileEstimator(concentric_regions(), energy_edges=ONE_BIN),
        map_datasets_without_psf,
    ),
    ge.ParameterEstimator: Case(
        lambda: ge.ParameterEstimator(null_value=1e-11),
        lambda: spectrum(index_frozen=False),  # another parameter must be free
        lambda estimator, datasets: estimator.run(datasets, "amplitude"),
        "amplitude",
    ),
    # as in a pipeline, the parameter belongs to a model that is not in the datasets
    ge.ParameterSensitivityEstimator: Case(
        lambda: ge.ParameterSensitivityEstimator(source().spectral_model.amplitude, 0, rtol=0.1),
        spectrum,
        sensitivity,
    ),
    # not in the registry
    ge.EnergyDependentMorphologyEstimator: Case(
        lambda: ge.EnergyDependentMorphologyEstimator(EDGES, source="crab", fit=FAST_FIT),
        map_datasets_without_psf,
    ),
}


def assert_same(actual: Any, expected: Any, path: str = "") -> None:
    """Check that two results of any type agree; `path` locates them in the messages."""
    assert type(actual) is type(expected) or np.isscalar(expected) or isinstance(expected, list), (
        path
    )
    if isinstance(expected, ge.FluxMaps):
        # gammapy does not set niter if it does not search for a minimum
        for name in set(expected.available_quantities) - {"niter"}:
            assert_same(getattr(actual, name), getattr(expected, name), name)
    elif isinstance(expected, dict | Maps):
        assert set(actual) == set(expected)
        for name in expected:
            assert_same(actual[name], expected[name], f"{path}.{name}")
    elif isinstance(expected, Table):
        assert actual.pformat(-1, -1) == expected.pformat(-1, -1)
    elif isinstance(expected, Map):
        assert actual.unit == expected.unit
        # maps are written as fluxes in float32, and read back as norms
        np.testing.assert_allclose(actual.data, expected.data, rtol=1e-5, err_msg=path)
    elif isinstance(expected, list) and isinstance(expected[0], str):
        assert list(actual) == expected
    else:
        np.testing.assert_allclose(
            u.Quantity(actual), u.Quantity(expected), rtol=1e-9, err_msg=path
        )


def estimator_classes() -> list[type]:
    return [*ge.ESTIMATOR_REGISTRY, ge.EnergyDependentMorphologyEstimator]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cls", estimator_classes(), ids=lambda cls: cls.__name__)
def test_product_of_every_gammapy_estimator_can_be_written_read_and_plotted(
    cls: type, tmp_path: Path
) -> None:
    import matplotlib.pyplot as plt

    case = CASES[cls]
    datasets = case.datasets()
    original_content = [
        (dataset.counts.data.copy(), dataset.models.to_dict()) for dataset in datasets
    ]
    models = list(datasets.models)
    adapted = Estimator.adapt(case.estimator(), name="product", parameter=case.parameter)
    product = adapted.estimate(datasets, None)
    for dataset, (counts, model_dict) in zip(datasets, original_content, strict=True):
        assert (dataset.counts.data == counts).all()
        assert dataset.models.to_dict() == model_dict
    assert all(
        model_copy is original_model
        for model_copy, original_model in zip(datasets.models, models, strict=True)
    )
    assert_same(product.value, case.run_gammapy(case.estimator(), case.datasets()))
    files = product.write(tmp_path)
    assert files
    assert all(path.is_file() for path in files)
    loaded = GammapyProduct.read(tmp_path, "product", None)
    assert_same(loaded.value, product.value)
    assert len(product.table()) > 0
    for draw in product.plot_functions().values():
        ax = draw()
        assert ax.get_xlabel()
        assert ax.get_title().startswith("product")
        plt.close("all")


def test_parameter_estimator_runs_for_all_free_parameters() -> None:
    class ValueEstimator:
        """Return the value of a parameter, with the signature of `ParameterEstimator`."""

        def run(self, datasets: Datasets, parameter: Any) -> dict[str, float]:
            return {"value": datasets.parameters[parameter].value}

    product = Estimator.adapt(ValueEstimator()).estimate(map_datasets(), None)
    free = ["crab.spectral.amplitude", "crab.spatial.lon_0", "map-bkg.spectral.norm"]
    assert list(product.value) == free
    assert product.value["crab.spatial.lon_0"]["value"] == pytest.approx(83.652)


def test_missing_parameter_is_reported_with_the_available_ones() -> None:
    adapted = Estimator.adapt(ge.ParameterEstimator(), parameter="alpha")
    with pytest.raises(ModelError, match=r"no parameters match 'alpha'.*crab\.spectral\.index"):
        adapted.estimate(spectrum(), None)


def test_single_dataset_estimator_rejects_several_datasets() -> None:
    datasets = Datasets([small.map_dataset("a"), small.map_dataset("b")])
    with pytest.raises(ModelError, match="needs one dataset, but got 2: stack them"):
        Estimator.adapt(ge.ExcessMapEstimator("0.1 deg")).estimate(datasets, None)


def test_models_shared_by_datasets_stay_shared_in_the_copy() -> None:
    class AmplitudeEstimator:
        def run(self, datasets: Datasets) -> float:
            first, second = (dataset.models["crab"].spectral_model for dataset in datasets)
            assert first.amplitude is second.amplitude
            first.amplitude.value = 0
            return 1.0

    datasets = Datasets([small.spectrum_dataset("a"), small.spectrum_dataset("b")])
    datasets.models = [source(spatial=False)]
    assert Estimator.adapt(AmplitudeEstimator()).estimate(datasets, None).value == 1
    assert datasets.models["crab"].spectral_model.amplitude.value == 3e-11


def test_object_with_unsupported_signature_is_rejected() -> None:
    from gammapy.makers import FoVBackgroundMaker

    x_edges = [0, 1] * u.deg
    with pytest.raises(FieldError, match=r"run\(image, image_err, mask\); expected an estimator"):
        Estimator.adapt(ge.ImageProfileEstimator(x_edges=x_edges))
    with pytest.raises(FieldError, match=r"is a FoVBackgroundMaker, with run\(dataset"):
        Estimator.adapt(FoVBackgroundMaker())


def test_strings_and_numbers_are_read_back_from_yaml(tmp_path: Path) -> None:
    value = {"a": [1.5, 2.5] * u.TeV, "b": {"strings": ["x", "y"], "none": None}, "c": np.int64(3)}
    GammapyProduct("product", value).write(tmp_path)
    loaded = GammapyProduct.read(tmp_path, "product", None).value
    assert (loaded["a"] == value["a"]).all()
    assert loaded["b"] == value["b"]
    assert loaded["c"] == 3
    assert GammapyProduct("product", value["a"].value).table().colnames == ["value"]


def test_product_without_file_format_is_reported_by_name(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="product: an object of type object cannot be written"):
        GammapyProduct("product", object()).write(tmp_path)
    with pytest.raises(TypeError, match=r"a\.b has the type object; only numbers, strings"):
        GammapyProduct("product", {"a": {"b": object()}}).write(tmp_path)
    with pytest.raises(TypeError, match="has an unknown format"):
        GammapyProduct.read(tmp_path, "other", None)
