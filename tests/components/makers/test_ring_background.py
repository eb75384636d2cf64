"""Ring backgrounds of real runs, against gammapy's makers and the definition of the method."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets, MapDataset, MapDatasetOnOff
from gammapy.makers import (
    AdaptiveRingBackgroundMaker,
    FoVBackgroundMaker,
    MapDatasetMaker,
    RingBackgroundMaker,
    SafeMaskMaker,
)
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import GaussianSpatialModel, Models, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

import plain_gammapy
import skyred
from skyred import Orchestrator, Pipeline, Result, SkipObservation
from skyred.components.gammapy import AdaptiveRingBackground, RingBackground
from skyred.errors import ConfigError, FieldError, RunsFailedError
from skyred.likelihood import objective_of

pytestmark = pytest.mark.data

MSH = SkyCoord(228.32, -59.08, unit="deg")
CIRCLE = "icrs; circle(228.32, -59.08, 0.3)"
RUNS = (20136, 20282)
RING = {"r_in": "0.5 deg", "width": "0.3 deg"}
ADAPTIVE = {"r_in": "0.3 deg", "width": "0.3 deg", "r_out_max": "1.2 deg", "stepsize": "0.04 deg"}
YAML = """
data:
  hess:
    archive: $GAMMAPY_DATA/hess-dl3-dr1
    select: [{kind: observation-ids, ids: [20136, 20282]}]
    geometry:
      kind: map
      center: [228.32 deg, -59.08 deg]
      width: 3 deg
      bin_size: 0.04 deg
      energy: {min: 1 TeV, max: 10 TeV, bins: 1}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 6}
    make:
      - {kind: map}
      - {kind: safe-mask, methods: offset-max, offset_max: 1.6 deg}
      - {kind: ring-background, r_in: 0.5 deg, width: 0.3 deg,
         exclude: "icrs; circle(228.32, -59.08, 0.3)"}
    stack: {kind: sum}
"""


def empty_dataset(bins: int = 1) -> MapDataset:
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=bins)
    energy_true = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6, name="energy_true")
    geom = WcsGeom.create(skydir=MSH, width=3, binsz=0.04, frame="icrs", axes=[energy])
    return MapDataset.create(geom, energy_axis_true=energy_true, name="plain")


def create_exclusion_mask(geom: WcsGeom):
    return ~geom.region_mask([CircleSkyRegion(MSH, 0.3 * u.deg)])


def reduce_with_gammapy(observation, reference: MapDataset) -> MapDataset:
    """Return the reduced run on a cutout of an empty dataset."""
    pointing = observation.get_pointing_icrs(observation.tmid)
    dataset = reference.cutout(pointing, 3.2 * u.deg, name=f"run-{observation.obs_id}")
    dataset = MapDatasetMaker().run(dataset, observation)
    return SafeMaskMaker(methods=["offset-max"], offset_max=1.6 * u.deg).run(dataset, observation)


@pytest.fixture(scope="session")
def observations():
    return plain_gammapy.observations(RUNS)


@pytest.fixture(scope="session")
def run_datasets(compute_once) -> list[MapDataset]:
    """Return the two runs, reduced by gammapy, without a ring background."""

    def reduce(_):
        return [
            reduce_with_gammapy(observation, empty_dataset())
            for observation in plain_gammapy.observations(RUNS)
        ]

    return compute_once("msh-runs", reduce)


@pytest.fixture
def run(run_datasets) -> MapDataset:
    return run_datasets[0].copy(name="run")


def add_ring(dataset: MapDataset, **changes) -> MapDatasetOnOff:
    return RingBackground(**{**RING, "exclude": CIRCLE, **changes}).make(dataset, None)


def add_adaptive_ring(dataset: MapDataset, **changes) -> MapDatasetOnOff:
    options = {**ADAPTIVE, "exclude": CIRCLE, **changes}
    return AdaptiveRingBackground(**options).make(dataset, None)


def assert_agrees_with_gammapy(actual: MapDatasetOnOff, expected: MapDatasetOnOff) -> None:
    safe = actual.mask_safe.data
    np.testing.assert_array_equal(safe, expected.mask_safe.data)
    np.testing.assert_array_equal(actual.counts.data[safe], expected.counts.data[safe])
    # gammapy's float32 Fourier sums differ from integers by about 1e-5
    np.testing.assert_array_equal(
        actual.counts_off.data[safe], np.rint(expected.counts_off.data[safe])
    )
    np.testing.assert_allclose(
        actual.acceptance_off.data[safe], expected.acceptance_off.data[safe], rtol=1e-6
    )
    # gammapy's maps are float32
    np.testing.assert_allclose(
        actual.acceptance.data[safe], expected.acceptance.data[safe], rtol=1e-6
    )
    assert str(actual.gti) == str(expected.gti)
    assert actual.exposure.meta == expected.exposure.meta
    # gammapy's statistic contains the rounding errors of its off counts
    assert actual.stat_sum() == pytest.approx(expected.stat_sum(), abs=1e-2)


class TestRing:
    def test_agrees_with_gammapy_inside_the_safe_mask(self, run):
        # gammapy's tutorial converts the dataset to an image, which applies the safe mask
        maker = RingBackgroundMaker(**RING, exclusion_mask=create_exclusion_mask(run.counts.geom))
        expected = maker.run(run.to_image(name="plain"))
        actual = add_ring(run)
        assert 0 < actual.mask_safe.data.sum() < actual.mask_safe.data.size
        assert_agrees_with_gammapy(actual, expected)

    def test_counts_outside_the_safe_mask_are_not_off_counts(self, run):
        expected = add_ring(run.copy(name="run"))
        run.counts.data[~run.mask_safe.data] += 1000
        np.testing.assert_array_equal(add_ring(run).counts_off.data, expected.counts_off.data)

    def test_off_counts_are_integers_and_all_maps_are_finite(self, run):
        ring_dataset = add_ring(run)
        assert ring_dataset.tag == "MapDatasetOnOff"
        np.testing.assert_array_equal(
            ring_dataset.counts_off.data, np.rint(ring_dataset.counts_off.data)
        )
        for name in ("counts_off", "acceptance", "acceptance_off", "alpha"):
            assert np.isfinite(getattr(ring_dataset, name).data).all(), name
        assert (ring_dataset.alpha.data[ring_dataset.mask_safe.data] > 0).all()

    def test_name_and_metadata_are_kept(self, run):
        ring_dataset = add_ring(run)
        assert ring_dataset.name == "run"
        assert ring_dataset.meta.obs_info[0].obs_id == RUNS[0]  # gammapy's metadata are empty
        assert ring_dataset.meta_table is run.meta_table

    def test_background_norm_of_an_earlier_maker_is_in_the_acceptance(self, run):
        maker = FoVBackgroundMaker(
            method="scale", exclusion_mask=create_exclusion_mask(run.counts.geom)
        )
        unscaled_ring, template = add_ring(run.copy(name="run")), run.background.data.copy()
        scaled_dataset = maker.run(run)
        norm = scaled_dataset.background_model.spectral_model.norm.value
        assert norm != 1
        ring_dataset = add_ring(scaled_dataset)
        safe = ring_dataset.mask_safe.data
        expected = norm * template[safe]
        np.testing.assert_allclose(ring_dataset.acceptance.data[safe], expected, rtol=1e-6)
        # the norm cancels in alpha
        np.testing.assert_allclose(
            ring_dataset.alpha.data[safe], unscaled_ring.alpha.data[safe], rtol=1e-5
        )

    def test_exclusion_of_everything_skips_the_run(self, run):
        with pytest.raises(SkipObservation, match="covers all safe pixels"):
            add_ring(run, exclude="icrs; circle(228.32, -59.08, 10)")

    def test_ring_outside_the_map_skips_the_run(self, run):
        # gammapy keeps thousands of pixels, with rounding noise of the FFT as off acceptance
        with pytest.raises(
            SkipObservation, match=r"no pixel has enough background.*6.0 deg to 6.3 deg"
        ):
            add_ring(run, r_in="6 deg")

    def test_pixels_with_an_excluded_ring_are_masked_with_a_warning(self, run):
        with pytest.warns(UserWarning, match=r"\d+ of \d+ safe pixels have too little background"):
            ring_dataset = add_ring(run, r_in="0.1 deg", width="0.08 deg")
        separation = ring_dataset.counts.geom.separation(MSH)
        mask = ring_dataset.mask_safe.data[0]
        assert not mask[separation < 0.1 * u.deg].any()  # the excluded radius is 0.3 deg
        distant = separation > 0.5 * u.deg
        np.testing.assert_array_equal(mask[distant], run.mask_safe.data[0][distant])

    def test_one_energy_bin_and_a_background_are_required(self, observations):
        dataset = reduce_with_gammapy(observations[0], empty_dataset(bins=2))
        with pytest.raises(
            ValueError, match="'ring-background' needs a background template in one"
        ):
            add_ring(dataset)
        dataset.background = None
        with pytest.raises(ValueError, match="needs a background template"):
            add_ring(dataset)


class TestAdaptiveRing:
    @pytest.mark.parametrize("method", ["fixed_width", "fixed_r_in"])
    @pytest.mark.parametrize("alpha", [0.1, 0.0022])
    def test_agrees_with_gammapy_if_theta_is_one_pixel(self, run, method, alpha):
        # gammapy multiplies theta by the pixel size instead of dividing by it, so its disc is a
        # single pixel
        maker = AdaptiveRingBackgroundMaker(
            **ADAPTIVE, method=method, threshold_alpha=alpha,
            exclusion_mask=create_exclusion_mask(run.counts.geom) & run.mask_safe,
        )  # fmt: skip
        expected = maker.run(run.copy(name="plain"))
        # gammapy leaves pixels without a ring in the safe mask, with off counts of NaN
        expected.mask_safe.data &= np.isfinite(expected.counts_off.data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            actual = add_adaptive_ring(run, theta="0.001 deg", method=method, threshold_alpha=alpha)
        default = add_adaptive_ring(run, theta="0.001 deg")
        differs = actual.counts_off.data != default.counts_off.data
        assert differs.any() == (alpha < 0.1)
        assert_agrees_with_gammapy(actual, expected)

    def test_smallest_ring_with_a_small_enough_alpha_is_used(self, run):
        with pytest.warns(UserWarning, match="have too little background"):
            ring_dataset = add_adaptive_ring(
                run, theta="0.12 deg", threshold_alpha=0.05, r_out_max="0.8 deg"
            )
        safe, background = run.mask_safe.data[0], run.background.data[0]
        not_excluded = safe & create_exclusion_mask(run.counts.geom).data[0]
        y, x = np.indices(safe.shape)
        ring_indices = set()
        for row, column in np.argwhere(safe)[::97]:
            distance = np.hypot(x - column, y - row) * 0.04
            own_background = background[safe & (distance <= 0.121)].sum()
            radii = 0.3 + 0.04 * np.arange(5)  # rings of 0.3 deg, up to 0.8 deg
            rings = [not_excluded & (distance > r - 1e-3) & (distance < r + 0.301) for r in radii]
            sufficient = [
                own_background <= 0.05 * background[ring_mask].sum() for ring_mask in rings
            ]
            index = sufficient.index(True) if any(sufficient) else None
            ring_indices.add(index)
            assert ring_dataset.mask_safe.data[0, row, column] == (index is not None)
            expected = 0 if index is None else run.counts.data[0][rings[index]].sum()
            assert ring_dataset.counts_off.data[0, row, column] == expected
        assert {None, 2, 3} <= ring_indices  # pixels use different rings, and some have none

    def test_acceptance_is_the_background_of_the_pixel(self, run):
        ring_dataset = add_adaptive_ring(run, theta="0.1 deg")
        safe = ring_dataset.mask_safe.data
        np.testing.assert_array_equal(ring_dataset.acceptance.data[safe], run.background.data[safe])

    def test_pixels_without_a_large_enough_ring_are_masked(self, run):
        with pytest.warns(
            UserWarning, match=r"up to 1.2 deg, with threshold_alpha 0.04\): removed"
        ):
            ring_dataset = add_adaptive_ring(run, threshold_alpha=0.04, theta="0.1 deg")
        assert 0 < ring_dataset.mask_safe.data.sum() < run.mask_safe.data.sum()
        for name in ("counts_off", "acceptance_off", "alpha"):
            assert np.isfinite(getattr(ring_dataset, name).data).all(), name
        assert np.isfinite(ring_dataset.stat_sum())

    def test_run_without_any_sufficient_ring_is_skipped(self, run):
        with pytest.raises(
            SkipObservation, match=r"no pixel has enough background.*threshold_alpha 1e-05"
        ):
            add_adaptive_ring(run, threshold_alpha=1e-5)


class TestInvalidOptions:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"width": "0 deg"}, r"width: invalid value 0\.0 deg"),
            ({"theta": "0 deg"}, r"theta: invalid value 0\.0 deg"),
            ({"stepsize": "0 deg"}, r"stepsize: invalid value 0\.0 deg"),
            ({"threshold_alpha": 0}, r"threshold_alpha: invalid value 0"),
            (
                {"r_out_max": "0.5 deg"},
                r"r_out_max: invalid value 0\.5 deg; expected more than the sum of r_in and width",
            ),
            ({"method": "fixed"}, "did you mean"),
        ],
    )
    def test_invalid_adaptive_ring_is_rejected(self, changes, message):
        with pytest.raises(FieldError, match=message):
            AdaptiveRingBackground(**{**ADAPTIVE, **changes})

    def test_ring_without_width_is_rejected(self):
        with pytest.raises(FieldError, match=r"RingBackground\.width: invalid value 0\.0 deg"):
            RingBackground(r_in="1 deg", width="0 deg")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("geometry.energy.bins=3",
             r"make\[2\]: needs a single energy bin, but the map has 3; "
             r"set one bin in data\.hess\.geometry\.energy \(bins: 1\)"),
            ("make[2].width=0.02 deg",
             r"make\[2\]\.width: invalid value 0\.02 deg; expected at least the pixel size"),
            ("make[2].r_in=4.3 deg",
             r"make\[2\]\.r_in: invalid value 4\.3 deg: every ring lies outside"),
            ("make[0]={kind: map, parts: [counts, exposure]}",
             r"make\[2\]: needs the background template; add 'background'"),
            ("make[1]={kind: ring-background, r_in: 1 deg, width: 1 deg}",
             r"make\[1\]: must be the last maker, but 'ring-background' follows; move"),
            ("geometry={kind: spectrum, on_region: 'icrs; circle(228.3, -59.1, 0.1)', "
             "energy: {min: 1 TeV, max: 10 TeV, bins: 1}, "
             "energy_true: {min: 1 TeV, max: 10 TeV, bins: 1}}",
             r"make\[2\]: the maker 'ring-background' needs a geometry for map datasets"),
            ("make[2].exclude=icrs; circel(1, 2, 3)", r"make\[2\]\.exclude: .*circel"),
        ],
    )  # fmt: skip
    def test_invalid_configurations_are_reported_before_data_are_read(self, change, message):
        with pytest.raises(ConfigError, match=message):
            Pipeline.from_yaml(YAML, overrides=[f"data.hess.{change}"])


@pytest.fixture(scope="session")
def results(compute_once) -> tuple[Result, Result]:
    """Return the result of the pipeline, as computed and as read from its run folder."""

    def run(folder):
        result = Pipeline.from_yaml(YAML).run(folder / "ring")
        return result, Result.read(folder / "ring")

    return compute_once("ring-run", run)


def source_models() -> Models:
    spectral = PowerLawSpectralModel(index=2.3, amplitude="8e-12 cm-2 s-1 TeV-1")
    spatial = GaussianSpatialModel(lon_0="228.54 deg", lat_0="-59.17 deg", sigma="0.1 deg")
    spectral.index.frozen = True
    return Models([SkyModel(spectral, spatial, name="msh")])


class TestInAPipeline:
    def test_stack_agrees_with_gammapy(self, results, run_datasets):
        empty = empty_dataset()
        expected = MapDatasetOnOff.create(
            empty.counts.geom,
            energy_axis_true=empty.exposure.geom.axes["energy_true"],
            name="hess",
        )
        for dataset in run_datasets:
            image = dataset.to_image(name=dataset.name)
            maker = RingBackgroundMaker(
                **RING, exclusion_mask=create_exclusion_mask(image.counts.geom)
            )
            expected.stack(maker.run(image))
        (actual,) = results[0].datasets
        safe = expected.mask_safe.data
        np.testing.assert_array_equal(actual.mask_safe.data, safe)
        np.testing.assert_array_equal(actual.counts.data, expected.counts.data)
        np.testing.assert_array_equal(actual.counts_off.data, np.rint(expected.counts_off.data))
        for name in ("acceptance", "acceptance_off", "alpha", "background"):
            values = [getattr(dataset, name).data[safe] for dataset in (actual, expected)]
            # float32 sums in another order; gammapy's off counts differ from integers by 1e-5
            np.testing.assert_allclose(*values, rtol=2e-6, err_msg=name)
        np.testing.assert_allclose(actual.exposure.data, expected.exposure.data, rtol=1e-6)
        livetime = expected.exposure.meta["livetime"].to_value("s")
        assert actual.exposure.meta["livetime"].to_value("s") == pytest.approx(livetime, rel=1e-9)
        assert str(actual.gti) == str(expected.gti)

    def test_observation_log_has_every_run(self, results):
        outcomes = results[0].outcomes
        assert [(outcome.obs_id, outcome.status) for outcome in outcomes] == [
            (obs_id, "reduced") for obs_id in RUNS
        ]

    def test_run_folder_is_read_back(self, results):
        (dataset,), (loaded,) = results[0].datasets, results[1].datasets
        assert loaded.tag == "MapDatasetOnOff"
        assert loaded.stat_sum() == pytest.approx(dataset.stat_sum(), abs=1e-3)

    def test_keep_creates_a_dataset_for_each_run(self, results):
        overrides = ["data.hess.stack={kind: keep, chunk: 1}"]
        datasets = Orchestrator(Pipeline.from_yaml(YAML, overrides=overrides)).reduce()
        assert datasets.names == [f"hess-{run}" for run in RUNS]
        counts_off = [dataset.counts_off.data[dataset.mask_safe.data].sum() for dataset in datasets]
        assert results[0].datasets[0].counts_off.data.sum() == sum(counts_off)

    def test_fully_excluded_runs_are_reported_with_the_reason(self):
        overrides = ["data.hess.make[2].exclude=icrs; circle(228.32, -59.08, 10)",
                     "data.hess.make[0].parts=[counts, background]"]  # fmt: skip
        orchestrator = Orchestrator(Pipeline.from_yaml(YAML, overrides=overrides))
        with pytest.raises(RunsFailedError, match="none of 2 observations") as excinfo:
            orchestrator.reduce()
        assert str(excinfo.value).count("the exclusion covers all safe pixels") == 2

    def test_masked_pixels_and_background_norm_are_in_the_outcome(self):
        exclude = 'exclude: "icrs; circle(228.32, -59.08, 0.3)"'
        fov = f"{{kind: fov-background, method: scale, {exclude}}}"
        ring = f"{{kind: ring-background, r_in: 0.1 deg, width: 0.08 deg, {exclude}}}"
        mask = "{kind: safe-mask, methods: offset-max, offset_max: 1.6 deg}"
        overrides = [f"data.hess.make=[{{kind: map}}, {mask}, {fov}, {ring}]",
                     "data.hess.select=[{kind: observation-ids, ids: [20136]}]"]  # fmt: skip
        orchestrator = Orchestrator(Pipeline.from_yaml(YAML, overrides=overrides))
        (dataset,) = orchestrator.reduce()
        (outcome,) = orchestrator.outcomes
        assert "safe pixels have too little background in their ring" in "\n".join(outcome.notes)
        assert 0.5 < outcome.background_norm < 2
        assert dataset.models is None
        assert dataset.tag == "MapDatasetOnOff"


class TestLikelihood:
    """The compiled likelihood of maps with off counts."""

    @pytest.fixture
    def dataset(self, results):
        dataset = results[0].datasets[0].copy(name="hess")
        dataset.models = source_models()
        return dataset

    def test_statistic_agrees_with_gammapy(self, dataset):
        objective = objective_of(Datasets([dataset]))
        assert objective(objective.start) == pytest.approx(dataset.stat_sum(), abs=1e-3)

    @pytest.mark.slow
    def test_best_fit_agrees_with_gammapy(self, dataset):
        plain_dataset = dataset.copy(name="hess")
        plain_dataset.models = source_models()
        fit = skyred.fit(Datasets([dataset]))
        assert fit.success
        assert not [note for note in fit.notes if "gammapy" in note]
        plain_fit = Fit().run(Datasets([plain_dataset]))
        free = plain_fit.parameters.free_parameters
        sigma = np.array([parameter.error for parameter in free])
        expected = np.array([parameter.value for parameter in free])
        lower = fit.stat < plain_fit.total_stat - 1e-3
        assert lower or np.abs((fit.values - expected) / sigma).max() < 0.01
        assert fit.values[0] > 4 * fit.errors[0]  # MSH 15-52 is detected
