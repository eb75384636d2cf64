"""Simulated sources of known size, and the same fits with plain gammapy.

The statistics of both agree within 0.01, the accuracy to which Minuit finds a minimum.
"""

import copy

import attrs
import numpy as np
import pytest
from gammapy.modeling import Fit
from gammapy.modeling.models import DiskSpatialModel, GaussianSpatialModel, PointSpatialModel
from simulated_sources import CENTRE, create_models, simulate

from skyred import FitError, ModelError
from skyred.testing import Sample, check
from skyred_extension import SourceExtension
from skyred_extension.hypotheses import Hypothesis, half_pixel, point_hypothesis

LON, LAT = (f"{value} deg" for value in CENTRE)
SIZE = 0.12  # deg
LIMIT_RISE = 2.705543  # of the statistic at a one-sided limit of 95 %
TOLERANCE = 0.01


def create_spatial_model(cls, **size):
    return cls(lon_0=LON, lat_0=LAT, frame="icrs", **size)


POINT = create_spatial_model(PointSpatialModel)
GAUSSIAN = create_spatial_model(GaussianSpatialModel, sigma=f"{SIZE} deg")
ESTIMATOR = SourceExtension(source="source", points=8, size_max="0.5 deg")


@pytest.fixture(scope="module")
def extended():
    return simulate(GAUSSIAN, seed=1, width=0.8)


@pytest.fixture(scope="module")
def extended_at_fixed_position(extended):
    return freeze_position(extended)


def freeze_position(datasets):
    """Return copies in which the position of the source is frozen, whose fits are fast."""
    copies = copy.deepcopy(datasets)
    position = copies.models["source"].spatial_model
    position.lon_0.frozen = position.lat_0.frozen = True
    return copies


@pytest.fixture(scope="module")
def point():
    return simulate(POINT, seed=2, width=0.8)


@pytest.fixture(scope="module")
def extension(extended):
    return ESTIMATOR.estimate(extended, None)


@pytest.fixture(scope="module")
def gammapy_fit(extended, extension):
    """The statistic and the spatial model of an extended source, fitted with gammapy."""
    return fit_with_gammapy(extended, extension, errors=True)


def fit_with_gammapy(datasets, product, size=None, shape="gaussian", *, errors=False):
    """Fit a shape with gammapy, from the values of a product; return the statistic and the model.

    From the true values, gammapy's fit of a point source ends in a local minimum, 2.7 higher.
    """
    copies = datasets.copy()
    spatial_model = (POINT if shape == "point" else GAUSSIAN).copy()
    copies.models = create_models(spatial_model)
    for row in product.parameters[product.parameters["shape"] == shape]:
        model, _, name = row["parameter"].split(".")
        copies.models[model].parameters[name].value = row["value"]
    if size is not None:
        spatial_model.sigma.value, spatial_model.sigma.frozen = size, True
    fit = Fit(optimize_opts={"strategy": 1, "tol": 0.1})
    assert (fit.run if errors else fit.optimize)(copies).success
    return copies.stat_sum(), spatial_model


def test_size_of_a_gaussian_agrees_with_the_truth_and_with_gammapy(extension, gammapy_fit):
    [row] = extension.table()
    stat, spatial_model = gammapy_fit
    assert row["success"]
    assert row["is_extended"]
    assert row["size"] == pytest.approx(SIZE, abs=2 * row["size_err"])
    assert row["stat_ext"] == pytest.approx(stat, abs=TOLERANCE)
    error = spatial_model.sigma.error
    assert row["size"] == pytest.approx(spatial_model.sigma.value, abs=0.05 * error)
    assert row["size_err"] == pytest.approx(error, rel=0.1)
    assert row["r68"] == pytest.approx(row["size"] * np.sqrt(-2 * np.log(0.32)))


def test_ts_agrees_with_gammapy(extended, extension, gammapy_fit):
    [row] = extension.table()
    stat_point, _ = fit_with_gammapy(extended, extension, shape="point")
    stat_extended, _ = gammapy_fit
    assert row["ts_ext"] > 100
    assert row["ts_ext"] == pytest.approx(stat_point - stat_extended, abs=2 * TOLERANCE)
    assert row["stat_point"] == pytest.approx(stat_point, abs=TOLERANCE)
    assert row["sqrt_ts"] == pytest.approx(np.sqrt(row["ts_ext"]))


def test_statistic_at_the_upper_limit_agrees_with_gammapy(extended, extension):
    [row] = extension.table()
    stat, _ = fit_with_gammapy(extended, extension, size=row["size_ul"])
    assert row["size_ul"] > row["size"]
    assert stat - row["stat_ext"] == pytest.approx(LIMIT_RISE, abs=2 * TOLERANCE)


def test_point_source_is_not_extended_and_has_a_limit(point):
    product = ESTIMATOR.evolve(points=5, size_max="0.12 deg").estimate(point, None)
    [row] = product.table()
    assert row["success"]
    assert not row["is_extended"]
    assert 0 <= row["ts_ext"] < 9
    assert row["size"] < row["size_ul"] < 0.06
    stat_point, _ = fit_with_gammapy(point, product, shape="point")
    assert row["stat_point"] == pytest.approx(stat_point, abs=TOLERANCE)


def test_radius_of_a_disk_agrees_with_the_truth():
    datasets = simulate(create_spatial_model(DiskSpatialModel, r_0="0.2 deg"), seed=3, width=0.8)
    estimator = ESTIMATOR.evolve(shape="disk", points=5, size_min="0.15 deg", size_max="0.3 deg")
    [row] = estimator.estimate(freeze_position(datasets), None).table()
    assert row["is_extended"]
    assert row["size"] == pytest.approx(0.2, abs=2 * row["size_err"])
    assert row["r68"] == pytest.approx(row["size"] * np.sqrt(0.68))


def test_profile_is_lowest_at_the_size(extension):
    profile = extension.profile
    assert np.all(profile["delta_stat"] > -TOLERANCE)
    [row] = extension.table()
    lowest = np.argmin(profile["stat"])
    assert profile["size"][lowest - 1] < row["size"] < profile["size"][lowest + 1]


def test_frozen_parameters_are_respected(extended_at_fixed_position):
    product = ESTIMATOR.evolve(points=5).estimate(extended_at_fixed_position, None)
    names = set(product.parameters["parameter"])
    assert names == {"source.spectral.amplitude", "source.spatial.sigma", "maps-bkg.spectral.norm"}
    [row] = product.table()
    assert (row["lon"], row["lat"]) == pytest.approx(CENTRE)
    assert np.isnan([row["lon_err"], row["lat_err"]]).all()


def test_failed_fit_has_no_ts_and_gives_the_reason(extended):
    datasets = copy.deepcopy(extended)
    source = datasets.models["source"]
    source.spectral_model.amplitude.value = 0
    source.spectral_model.amplitude.frozen = True
    [row] = ESTIMATOR.evolve(points=5).estimate(datasets, None).table()
    assert not row["success"]
    assert np.isnan(row["ts_ext"])
    assert not row["is_extended"]
    assert "negative or zero" in row["message"]
    assert np.isnan([row["lon"], row["lat"], row["lon_err"], row["lat_err"]]).all()


@pytest.mark.parametrize("limits", [("0.3 deg", "0.5 deg"), ("2 deg", "4 deg")])
def test_size_below_size_min_is_fitted(extended_at_fixed_position, limits):
    size_min, size_max = limits
    estimator = ESTIMATOR.evolve(points=5, size_min=size_min, size_max=size_max)
    [row] = estimator.estimate(extended_at_fixed_position, None).table()
    assert row["success"]
    assert row["is_extended"]
    assert row["size"] == pytest.approx(SIZE, abs=2 * row["size_err"])


def test_size_at_size_max_is_not_a_measurement(extended_at_fixed_position):
    estimator = ESTIMATOR.evolve(points=5, size_max="0.06 deg")
    [row] = estimator.estimate(extended_at_fixed_position, None).table()
    assert not row["success"]
    assert row["is_extended"]
    assert np.isnan([row["size"], row["size_err"], row["size_ul"]]).all()
    assert "larger size_max; TS is a lower bound" in row["message"]


def test_position_stays_within_the_radius():
    datasets = simulate(POINT, seed=5, amplitude=1e-15, width=0.8)
    product = ESTIMATOR.evolve(points=5, radius="0.1 deg").estimate(datasets, None)
    [row] = product.table()
    coordinates = product.parameters
    for name, centre in zip(("lon_0", "lat_0"), CENTRE, strict=True):
        is_name = coordinates["parameter"] == f"source.spatial.{name}"
        assert np.all(abs(coordinates["value"][is_name] - centre) < 0.11)
    assert row["message"]


def test_position_is_fixed_if_the_fit_fails_with_a_free_position(extended, monkeypatch):
    fit = Hypothesis.fit

    def fail_if_free(self, **options):
        if self.has_free_position:
            raise FitError("singular")
        return fit(self, **options)

    monkeypatch.setattr(Hypothesis, "fit", fail_if_free)
    [row] = ESTIMATOR.evolve(points=5).estimate(extended, None).table()
    assert row["success"]
    assert row["is_extended"]
    assert "the position is fixed" in row["message"]
    assert "singular" in row["message"]


def test_source_of_negative_flux_has_no_size(extended):
    datasets = freeze_position(extended)
    datasets[0].counts.data[:] = 50 - extended[0].counts.data.clip(max=50)
    [row] = ESTIMATOR.evolve(points=5).estimate(datasets, None).table()
    assert not row["success"]
    assert not row["is_extended"]
    assert "negative" in row["message"]


def test_default_size_min_is_half_a_pixel(extended):
    assert half_pixel(extended) == pytest.approx(0.02, rel=1e-3)
    with pytest.raises(ModelError, match="not larger than half a pixel"):
        ESTIMATOR.evolve(size_max="0.02 deg").estimate(extended, None)


def test_fits_far_above_a_point_source_are_coarse():
    datasets = simulate(POINT, seed=2, amplitude=4e-10, width=0.8)
    point = point_hypothesis(datasets, "source", free_position=False, radius=0.5)
    stat_point = point.fit().stat
    gaussian = point.with_shape("gaussian")
    accurate = gaussian.fit_with_size(0.1)
    coarse = attrs.evolve(gaussian, stat_point=stat_point).fit_with_size(0.1)
    rise = accurate.stat - stat_point
    assert coarse.success
    assert rise > 1000
    assert coarse.stat - stat_point == pytest.approx(rise, rel=0.01)
    assert coarse.nfev < accurate.nfev


def test_unknown_source_is_an_error_with_the_available_names(extended):
    with pytest.raises(ModelError, match="no model 'crab'; available: source, maps-bkg"):
        ESTIMATOR.evolve(source="crab").estimate(extended, None)


def test_model_without_position_is_an_error(extended):
    with pytest.raises(ModelError, match="'maps-bkg' has no spatial model with a position"):
        ESTIMATOR.evolve(source="maps-bkg").estimate(extended, None)


def test_estimator_passes_the_checks(extended_at_fixed_position):
    check(ESTIMATOR.evolve(points=5), sample=Sample(datasets=extended_at_fixed_position))
