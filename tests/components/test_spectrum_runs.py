"""Complete spectral analyses of real runs, compared with plain gammapy."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest
from astropy import units as u
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.makers import ReflectedRegionsBackgroundMaker, SpectrumDatasetMaker
from gammapy.modeling.models import LogParabolaSpectralModel, Models, SkyModel
from gammapy.utils.regions import compound_region_to_regions
from regions import CircleSkyRegion

import plain_gammapy as plain
import plain_spectra as spectra
from points_side_by_side import assert_same_points, flux_points_by_gammapy
from skyred import Orchestrator, Pipeline, Result

pytestmark = pytest.mark.data

EXAMPLES = plain.EXAMPLE.parent
EDGES = [1, 3, 10] * u.TeV
CLOSE = 0.01  # of an error


@attrs.define
class Run:
    """The result of an example, and its run folder."""

    result: Result
    folder: Path


@pytest.fixture(scope="session")
def expected(compute_once) -> list[SpectrumDatasetOnOff]:
    def make(_: Path) -> list[SpectrumDatasetOnOff]:
        return [spectra.make_run(run) for run in plain.observations(plain.RUNS)]

    return compute_once("plain-spectra", make)


@pytest.fixture(scope="session")
def stacked(expected) -> SpectrumDatasetOnOff:
    true = expected[0].exposure.geom.axes["energy_true"]
    geom = expected[0].counts.geom
    total = SpectrumDatasetOnOff.create(geom, energy_axis_true=true, name="hess")
    for dataset in expected:
        total.stack(dataset)
    return total


@pytest.fixture(scope="session")
def joint(compute_once) -> Run:
    """Return the run of ``examples/spectrum.yaml``: one spectrum per observation."""

    def make(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(EXAMPLES / "spectrum.yaml")
        return Run(pipeline.run(folder / "run"), folder / "run")

    return compute_once("spectrum-joint", make)


@pytest.fixture(scope="session")
def summed(compute_once) -> Run:
    """Return the same with all observations in one spectrum, from two chunks."""

    def make(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(
            EXAMPLES / "spectrum.yaml",
            overrides=["data.hess.stack.kind=sum", "data.hess.stack.chunk=2"],
        )
        points = pipeline.estimate[0].evolve(energy_edges=EDGES, columns="ul")
        pipeline = pipeline.evolve(estimate=[points])
        return Run(pipeline.run(folder / "run"), folder / "run")

    return compute_once("spectrum-summed", make)


@pytest.fixture(scope="session")
def magic(compute_once) -> Run:
    if not spectra.magic_archive().is_dir():
        pytest.skip("needs $GAMMAPY_DATA/magic")

    def make(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(EXAMPLES / "point-like.yaml")
        return Run(pipeline.run(folder / "run"), folder / "run")

    return compute_once("spectrum-magic", make)


def region_positions(dataset: SpectrumDatasetOnOff) -> list[tuple[float, ...]]:
    """Return centres and radii of the off regions in degrees; the radius of a point is 0."""
    regions = compound_region_to_regions(dataset.counts_off.geom.region)
    radii = [
        region.radius.to_value("deg") if hasattr(region, "radius") else 0.0 for region in regions
    ]
    centres = [(region.center.ra.deg, region.center.dec.deg) for region in regions]
    return [(*centre, radius) for centre, radius in zip(centres, radii, strict=True)]


def livetime(dataset: SpectrumDatasetOnOff) -> float:
    return dataset.exposure.meta["livetime"].to_value("s")


def assert_same(
    dataset: SpectrumDatasetOnOff, expected: SpectrumDatasetOnOff, rtol: float = 0
) -> None:
    assert dataset.tag == expected.tag == "SpectrumDatasetOnOff"
    expected_arrays = spectra.arrays(expected)
    for name, array in spectra.arrays(dataset).items():
        exact = name in ("counts", "counts_off", "mask_safe")
        np.testing.assert_allclose(
            array, expected_arrays[name], rtol=0 if exact else rtol, err_msg=name
        )
    assert livetime(dataset) == pytest.approx(livetime(expected), rel=1e-9)
    assert str(dataset.gti) == str(expected.gti)


def assert_fitted(run: Run, datasets: list[SpectrumDatasetOnOff], models: Models) -> None:
    """Require agreement with gammapy's fit to 0.01 errors, or a lower statistic."""
    values, stat = spectra.fit([dataset.copy(name=dataset.name) for dataset in datasets], models)
    fit = run.result.fit
    assert fit.success
    assert fit.stat <= stat + 1e-3
    close = np.abs(fit.values - values) < CLOSE * fit.errors
    assert close.all() or fit.stat < stat


class TestReduction:
    def test_each_run_agrees_with_gammapy(self, joint, expected):
        assert len(joint.result.datasets) == 4
        for dataset, plain_dataset in zip(joint.result.datasets, expected, strict=True):
            assert dataset.name == plain_dataset.name.replace("run", "hess")
            assert_same(dataset, plain_dataset)
            assert repr(dataset.counts_off.geom.region) == repr(
                plain_dataset.counts_off.geom.region
            )

    def test_sum_agrees_with_gammapy(self, summed, stacked):
        assert summed.result.datasets.names == ["hess"]
        # float32 sums in chunks
        assert_same(summed.result.datasets[0], stacked, rtol=1e-6)

    def test_observation_log_has_the_counts_of_each_run(self, joint, expected):
        counts = [int(dataset.counts.data[dataset.mask_safe.data].sum()) for dataset in expected]
        assert [outcome.counts for outcome in joint.result.outcomes] == counts

    def test_spectrum_of_another_source_agrees_with_gammapy(self):
        # PKS 2155-304, by the defaults of gammapy's makers
        region = "icrs; circle(329.717, -30.226, 0.11)"
        overrides = [
            f"data.hess.geometry.on_region={region}",
            "data.hess.select[0].center=[329.717 deg, -30.226 deg]",
            "data.hess.stack.kind=sum",
        ]
        pipeline = Pipeline.from_yaml(EXAMPLES / "spectrum.yaml", overrides=overrides)
        makers = [maker.evolve(**({"exclude": ()} if "exclude" in vars(maker) else {}))
                  for maker in pipeline.data["hess"].make[:2]]  # fmt: skip
        entry = pipeline.data["hess"].evolve(make=makers)
        orchestrator = Orchestrator(pipeline.evolve(data={"hess": entry}))
        orchestrator.select()
        orchestrator.observations = {"hess": orchestrator.observations["hess"][:2]}
        (dataset,) = orchestrator.reduce()
        on = CircleSkyRegion(entry.geometry.region().center, 0.11 * u.deg)
        empty = spectra.target("pks", on)
        true = empty.exposure.geom.axes["energy_true"]
        total = SpectrumDatasetOnOff.create(empty.counts.geom, energy_axis_true=true)
        for observation in orchestrator.observations["hess"]:
            parts = ["counts", "exposure", "edisp"]
            maker = SpectrumDatasetMaker(containment_correction=True, selection=parts)
            run = maker.run(spectra.target(f"run-{observation.obs_id}", on), observation)
            run = ReflectedRegionsBackgroundMaker().run(run, observation)
            total.stack(run)
        assert_same(dataset, total, rtol=1e-6)
        # a flaring blazar with many more counts than background
        assert dataset.counts.data.sum() > 2 * dataset.background.data.sum() > 0


class TestFit:
    def test_joint_fit_agrees_with_gammapy(self, joint, expected):
        assert_fitted(joint, expected, spectra.power_law())

    def test_fit_of_the_sum_agrees_with_gammapy(self, summed, stacked):
        assert_fitted(summed, [stacked], spectra.power_law())

    def test_statistic_agrees_with_gammapy_wstat(self, joint, expected):
        datasets = Datasets([dataset.copy(name=dataset.name) for dataset in expected])
        datasets.models = joint.result.models
        assert joint.result.fit.stat == pytest.approx(datasets.stat_sum(), abs=1e-3)

    def test_fit_agrees_with_the_published_crab_spectrum(self, joint):
        # Aharonian et al. (2006), A&A 457, 899, H.E.S.S.: a power law of index 2.63 above 0.4 TeV,
        # 3.45e-11 cm-2 s-1 TeV-1 at 1 TeV; the flux scale of a few runs is accurate to 30 %
        values = dict(zip(joint.result.fit.names, joint.result.fit.values, strict=True))
        assert values["crab.spectral.index"] == pytest.approx(2.63, abs=0.2)
        assert values["crab.spectral.amplitude"] == pytest.approx(3.45e-11, rel=0.3)


class TestFluxPoints:
    @pytest.mark.slow
    def test_of_a_joint_fit_agree_with_gammapy(self, joint, expected):
        datasets = Datasets([dataset.copy(name=dataset.name) for dataset in expected])
        datasets.models = joint.result.models.copy()
        expected = flux_points_by_gammapy(datasets, "crab", spectra.EDGES)
        actual = joint.result.estimates["flux-points"].flux
        for name in ("norm", "norm_err", "ts", "npred", "counts"):
            values, expected_values = getattr(actual, name).data, getattr(expected, name).data
            # tolerance of gammapy's root finding
            np.testing.assert_allclose(values, expected_values, rtol=1e-3, err_msg=name)

    def test_of_the_sum_agree_with_gammapy(self, summed, stacked):
        datasets = Datasets([stacked.copy(name="hess")])
        datasets.models = summed.result.models.copy()
        expected = flux_points_by_gammapy(datasets, "crab", EDGES, selection_optional=["ul"])
        assert_same_points(summed.result.estimates["flux-points"].flux, expected)


class TestFolder:
    @pytest.fixture(params=["summed", pytest.param("magic", marks=pytest.mark.slow)])
    def run(self, request) -> Run:
        return request.getfixturevalue(request.param)

    def test_everything_is_read_back(self, run):
        read = Result.read(run.folder)
        assert read.datasets.names == run.result.datasets.names
        for dataset, expected in zip(read.datasets, run.result.datasets, strict=True):
            assert_same(dataset, expected)
            # the file has the radii in pixels
            np.testing.assert_allclose(
                region_positions(dataset), region_positions(expected), rtol=1e-6
            )
            assert dataset.mask_safe.data.dtype == bool
            assert (dataset.mask_fit is None) == (expected.mask_fit is None)
            assert (
                dataset.mask_fit is None or (dataset.mask_fit.data == expected.mask_fit.data).all()
            )
        assert read.datasets.stat_sum() == pytest.approx(run.result.fit.stat, abs=1e-3)

    def test_gammapy_reads_the_folder(self, run):
        index = run.folder / "datasets" / "datasets.yaml"
        datasets = Datasets.read(index, filename_models=run.folder / "models.yaml")
        for dataset, expected in zip(datasets, run.result.datasets, strict=True):
            assert_same_but_livetime(dataset, expected)
            dataset.mask_fit = expected.mask_fit  # written but not read by gammapy
        assert datasets.stat_sum() == pytest.approx(run.result.fit.stat, abs=1e-3)

    def test_plots_are_written(self, run):
        names = [file.stem for file in (run.folder / "plots").glob("*.png")]
        datasets = run.result.datasets.names
        pictures = {f"counts-{name}" for name in datasets} | {"flux-points"}
        if len(datasets) > 1:  # a sum has no regions
            pictures |= {f"regions-{name}" for name in datasets}
        assert set(names) == pictures


def assert_same_but_livetime(dataset: SpectrumDatasetOnOff, expected: SpectrumDatasetOnOff) -> None:
    expected_arrays = spectra.arrays(expected)
    for name, array in spectra.arrays(dataset).items():
        np.testing.assert_array_equal(array, expected_arrays[name], err_msg=name)


@pytest.mark.slow
class TestMagic:
    """Two runs with an energy-dependent radius, compared with gammapy's tutorial."""

    @pytest.fixture
    def runs(self, magic, compute_once) -> list[SpectrumDatasetOnOff]:
        def make(_: Path) -> list[SpectrumDatasetOnOff]:
            return [spectra.make_magic(run) for run in spectra.magic_observations()]

        return compute_once("plain-magic", make)

    def test_each_run_agrees_with_gammapy(self, magic, runs):
        for dataset, plain_dataset in zip(magic.result.datasets, runs, strict=True):
            assert_same(dataset, plain_dataset)
            np.testing.assert_array_equal(dataset.mask_fit.data, plain_dataset.mask_fit.data)

    def test_fit_agrees_with_gammapy(self, magic, runs):
        spectral = LogParabolaSpectralModel(
            amplitude="4e-11 cm-2 s-1 TeV-1", alpha=2.5, beta=0.2, reference="1 TeV"
        )
        assert_fitted(magic, runs, Models([SkyModel(spectral, name="crab")]))
