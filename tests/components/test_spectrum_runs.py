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

import plain_gammapy
import plain_spectra as spectra
from array_comparison import assert_same_arrays, assert_same_regions
from flux_points_comparison import assert_same_points, flux_points_by_gammapy
from skyred import Orchestrator, Pipeline, Result

pytestmark = pytest.mark.data

EXAMPLES = plain_gammapy.EXAMPLE.parent
EDGES = [1, 3, 10] * u.TeV
TOLERANCE = 0.01  # in units of the error


@attrs.define
class Run:
    """The result of an analysis, and its run folder."""

    result: Result
    folder: Path


@pytest.fixture(scope="session")
def plain_spectra(compute_once) -> list[SpectrumDatasetOnOff]:
    def reduce(_: Path) -> list[SpectrumDatasetOnOff]:
        return [spectra.make_run(run) for run in plain_gammapy.observations(plain_gammapy.RUNS)]

    return compute_once("plain-spectra", reduce)


@pytest.fixture(scope="session")
def plain_stack(plain_spectra) -> SpectrumDatasetOnOff:
    energy_true = plain_spectra[0].exposure.geom.axes["energy_true"]
    geom = plain_spectra[0].counts.geom
    stack = SpectrumDatasetOnOff.create(geom, energy_axis_true=energy_true, name="hess")
    for dataset in plain_spectra:
        stack.stack(dataset)
    return stack


@pytest.fixture(scope="session")
def joint_run(compute_once) -> Run:
    """Return the run of ``examples/spectrum.yaml``, with one spectrum per observation."""

    def run_example(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(EXAMPLES / "spectrum.yaml")
        return Run(pipeline.run(folder / "run"), folder / "run")

    return compute_once("spectrum-joint", run_example)


@pytest.fixture(scope="session")
def stacked_run(compute_once) -> Run:
    """Return the run of ``examples/spectrum.yaml`` with a stacked spectrum, from two chunks."""

    def run_example(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(
            EXAMPLES / "spectrum.yaml",
            overrides=["data.hess.stack.kind=sum", "data.hess.stack.chunk=2"],
        )
        points = pipeline.estimate[0].evolve(energy_edges=EDGES, columns="ul")
        pipeline = pipeline.evolve(estimate=[points])
        return Run(pipeline.run(folder / "run"), folder / "run")

    return compute_once("spectrum-stacked", run_example)


@pytest.fixture(scope="session")
def magic_run(compute_once) -> Run:
    if not spectra.magic_archive().is_dir():
        pytest.skip("needs $GAMMAPY_DATA/magic")

    def run_example(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(EXAMPLES / "point-like.yaml")
        return Run(pipeline.run(folder / "run"), folder / "run")

    return compute_once("spectrum-magic", run_example)


def off_circles(dataset: SpectrumDatasetOnOff) -> list[tuple[float, ...]]:
    """Return (ra, dec, radius) of the off regions in deg; the radius of a point is 0."""
    regions = compound_region_to_regions(dataset.counts_off.geom.region)
    radii = [
        region.radius.to_value("deg") if hasattr(region, "radius") else 0.0 for region in regions
    ]
    centres = [(region.center.ra.deg, region.center.dec.deg) for region in regions]
    return [(*centre, radius) for centre, radius in zip(centres, radii, strict=True)]


def livetime(dataset: SpectrumDatasetOnOff) -> float:
    return dataset.exposure.meta["livetime"].to_value("s")


def assert_same(dataset: SpectrumDatasetOnOff, expected: SpectrumDatasetOnOff) -> None:
    assert dataset.tag == expected.tag == "SpectrumDatasetOnOff"
    assert_same_arrays(spectra.arrays(dataset), spectra.arrays(expected))
    assert livetime(dataset) == pytest.approx(livetime(expected), rel=1e-9)
    assert str(dataset.gti) == str(expected.gti)


def assert_fit_agrees(run: Run, datasets: list[SpectrumDatasetOnOff], models: Models) -> None:
    """Require values within 0.01 sigma of gammapy's fit, or a lower statistic."""
    values, stat = spectra.fit([dataset.copy(name=dataset.name) for dataset in datasets], models)
    fit = run.result.fit
    assert fit.success
    assert fit.stat <= stat + 1e-3
    pulls = np.abs(fit.values - values) / fit.errors
    assert (pulls < TOLERANCE).all() or fit.stat < stat


class TestReduction:
    def test_each_run_agrees_with_gammapy(self, joint_run, plain_spectra):
        assert len(joint_run.result.datasets) == 4
        for dataset, plain_dataset in zip(joint_run.result.datasets, plain_spectra, strict=True):
            assert dataset.name == plain_dataset.name.replace("run", "hess")
            assert_same(dataset, plain_dataset)
            assert_same_regions(dataset.counts_off.geom, plain_dataset.counts_off.geom)

    def test_sum_agrees_with_gammapy(self, stacked_run, plain_stack):
        assert stacked_run.result.datasets.names == ["hess"]
        assert_same(stacked_run.result.datasets[0], plain_stack)

    def test_observation_log_has_the_counts_of_each_run(self, joint_run, plain_spectra):
        counts = [
            int(dataset.counts.data[dataset.mask_safe.data].sum()) for dataset in plain_spectra
        ]
        assert [outcome.counts for outcome in joint_run.result.outcomes] == counts

    @pytest.mark.slow
    def test_spectrum_of_another_source_agrees_with_gammapy(self):
        # PKS 2155-304, with the default options of gammapy's makers
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
        empty = spectra.empty_dataset("pks", on)
        energy_true = empty.exposure.geom.axes["energy_true"]
        expected = SpectrumDatasetOnOff.create(empty.counts.geom, energy_axis_true=energy_true)
        maker = SpectrumDatasetMaker(
            containment_correction=True, selection=["counts", "exposure", "edisp"]
        )
        for observation in orchestrator.observations["hess"]:
            run = maker.run(spectra.empty_dataset(f"run-{observation.obs_id}", on), observation)
            expected.stack(ReflectedRegionsBackgroundMaker().run(run, observation))
        assert_same(dataset, expected)
        # a flaring blazar with many more counts than background
        assert dataset.counts.data.sum() > 2 * dataset.background.data.sum() > 0


class TestFit:
    def test_joint_fit_agrees_with_gammapy(self, joint_run, plain_spectra):
        assert_fit_agrees(joint_run, plain_spectra, spectra.power_law())

    def test_fit_of_the_sum_agrees_with_gammapy(self, stacked_run, plain_stack):
        assert_fit_agrees(stacked_run, [plain_stack], spectra.power_law())

    def test_statistic_agrees_with_gammapy_wstat(self, joint_run, plain_spectra):
        datasets = Datasets([dataset.copy(name=dataset.name) for dataset in plain_spectra])
        datasets.models = joint_run.result.models
        assert joint_run.result.fit.stat == pytest.approx(datasets.stat_sum(), abs=1e-3)

    def test_fit_agrees_with_the_published_crab_spectrum(self, joint_run):
        # Aharonian et al. (2006), A&A 457, 899, H.E.S.S.: a power law of index 2.63 above 0.4 TeV,
        # 3.45e-11 cm-2 s-1 TeV-1 at 1 TeV; the flux scale of a few runs is accurate to 30 %
        values = dict(zip(joint_run.result.fit.names, joint_run.result.fit.values, strict=True))
        assert values["crab.spectral.index"] == pytest.approx(2.63, abs=0.2)
        assert values["crab.spectral.amplitude"] == pytest.approx(3.45e-11, rel=0.3)


class TestFluxPoints:
    @pytest.mark.slow
    def test_flux_points_of_a_joint_fit_agree_with_gammapy(self, joint_run, plain_spectra):
        datasets = Datasets([dataset.copy(name=dataset.name) for dataset in plain_spectra])
        datasets.models = joint_run.result.models.copy()
        expected = flux_points_by_gammapy(datasets, "crab", spectra.EDGES)
        actual = joint_run.result.estimates["flux-points"].flux
        for name in ("norm", "norm_err", "ts", "npred", "counts"):
            values, expected_values = getattr(actual, name).data, getattr(expected, name).data
            # tolerance of gammapy's root finding
            np.testing.assert_allclose(values, expected_values, rtol=1e-3, err_msg=name)

    def test_flux_points_of_the_stack_agree_with_gammapy(self, stacked_run, plain_stack):
        datasets = Datasets([plain_stack.copy(name="hess")])
        datasets.models = stacked_run.result.models.copy()
        expected = flux_points_by_gammapy(datasets, "crab", EDGES, selection_optional=["ul"])
        assert_same_points(stacked_run.result.estimates["flux-points"].flux, expected)


class TestRunFolder:
    @pytest.fixture(params=["stacked_run", pytest.param("magic_run", marks=pytest.mark.slow)])
    def run(self, request) -> Run:
        return request.getfixturevalue(request.param)

    def test_datasets_and_models_are_read_back(self, run):
        result = Result.read(run.folder)
        assert result.datasets.names == run.result.datasets.names
        for dataset, expected in zip(result.datasets, run.result.datasets, strict=True):
            assert_same(dataset, expected)
            # the radii in the file are in pixels
            np.testing.assert_allclose(off_circles(dataset), off_circles(expected), rtol=1e-6)
            assert dataset.mask_safe.data.dtype == bool
            assert (dataset.mask_fit is None) == (expected.mask_fit is None)
            assert (
                dataset.mask_fit is None or (dataset.mask_fit.data == expected.mask_fit.data).all()
            )
        assert result.datasets.stat_sum() == pytest.approx(run.result.fit.stat, abs=1e-3)

    def test_folder_is_read_by_gammapy(self, run):
        index = run.folder / "datasets" / "datasets.yaml"
        datasets = Datasets.read(index, filename_models=run.folder / "models.yaml")
        for dataset, expected in zip(datasets, run.result.datasets, strict=True):
            assert_same_but_livetime(dataset, expected)
            dataset.mask_fit = expected.mask_fit  # gammapy does not read fit masks
        assert datasets.stat_sum() == pytest.approx(run.result.fit.stat, abs=1e-3)

    def test_plots_are_written(self, run):
        names = run.result.datasets.names
        if len(names) > 1:
            expected = {"datasets-spectra", "datasets-regions", "flux-points"}
        else:  # a stack has no regions
            expected = {f"counts-{names[0]}", "flux-points"}
        assert {path.stem for path in (run.folder / "plots").glob("*.png")} == expected


def assert_same_but_livetime(dataset: SpectrumDatasetOnOff, expected: SpectrumDatasetOnOff) -> None:
    assert_same_arrays(spectra.arrays(dataset), spectra.arrays(expected))


@pytest.mark.slow
class TestMagic:
    """Two runs with a radius that depends on energy, as in gammapy's tutorial."""

    @pytest.fixture
    def plain_spectra(self, magic_run, compute_once) -> list[SpectrumDatasetOnOff]:
        def reduce(_: Path) -> list[SpectrumDatasetOnOff]:
            return [spectra.make_magic(run) for run in spectra.magic_observations()]

        return compute_once("plain-magic", reduce)

    def test_each_run_agrees_with_gammapy(self, magic_run, plain_spectra):
        for dataset, plain_dataset in zip(magic_run.result.datasets, plain_spectra, strict=True):
            assert_same(dataset, plain_dataset)
            np.testing.assert_array_equal(dataset.mask_fit.data, plain_dataset.mask_fit.data)

    def test_fit_agrees_with_gammapy(self, magic_run, plain_spectra):
        spectral = LogParabolaSpectralModel(
            amplitude="4e-11 cm-2 s-1 TeV-1", alpha=2.5, beta=0.2, reference="1 TeV"
        )
        models = Models([SkyModel(spectral, name="crab")])
        assert_fit_agrees(magic_run, plain_spectra, models)
