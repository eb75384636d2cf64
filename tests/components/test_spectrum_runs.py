"""Whole analyses of spectra on real runs, against plain gammapy: reduction, fit, points, folder."""

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
from points_side_by_side import assert_same_points, by_gammapy
from skyred import Orchestrator, Pipeline, Result

pytestmark = pytest.mark.data

EXAMPLES = plain.EXAMPLE.parent
EDGES = [1, 3, 10] * u.TeV
CLOSE = 0.01  # of an error


@attrs.define
class Run:
    """A run of an example: what it gave, and its folder."""

    result: Result
    folder: Path


@pytest.fixture(scope="session")
def expected(once) -> list[SpectrumDatasetOnOff]:
    def make(_: Path) -> list[SpectrumDatasetOnOff]:
        return [spectra.make_run(each) for each in plain.observations(plain.RUNS)]

    return once("plain-spectra", make)


@pytest.fixture(scope="session")
def stacked(expected) -> SpectrumDatasetOnOff:
    true = expected[0].exposure.geom.axes["energy_true"]
    geom = expected[0].counts.geom
    total = SpectrumDatasetOnOff.create(geom, energy_axis_true=true, name="hess")
    for dataset in expected:
        total.stack(dataset)
    return total


@pytest.fixture(scope="session")
def joint(once) -> Run:
    """Give the run of ``examples/spectrum.yaml``: one spectrum a run."""

    def make(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(EXAMPLES / "spectrum.yaml")
        return Run(pipeline.run(folder / "run"), folder / "run")

    return once("spectrum-joint", make)


@pytest.fixture(scope="session")
def summed(once) -> Run:
    """Give the same with all runs in one spectrum, from two chunks."""

    def make(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(
            EXAMPLES / "spectrum.yaml",
            overrides=["data.hess.stack.kind=sum", "data.hess.stack.chunk=2"],
        )
        points = pipeline.estimate[0].evolve(energy_edges=EDGES, columns="ul")
        pipeline = pipeline.evolve(estimate=[points])
        return Run(pipeline.run(folder / "run"), folder / "run")

    return once("spectrum-summed", make)


@pytest.fixture(scope="session")
def magic(once) -> Run:
    if not spectra.magic_archive().is_dir():
        pytest.skip("needs $GAMMAPY_DATA/magic")

    def make(folder: Path) -> Run:
        pipeline = Pipeline.from_yaml(EXAMPLES / "point-like.yaml")
        return Run(pipeline.run(folder / "run"), folder / "run")

    return once("spectrum-magic", make)


def places(dataset: SpectrumDatasetOnOff) -> list[tuple[float, ...]]:
    """Give centres and radii of the off regions in degrees; 0 for those of points."""
    found = compound_region_to_regions(dataset.counts_off.geom.region)
    radii = [each.radius.to_value("deg") if hasattr(each, "radius") else 0.0 for each in found]
    centres = [(each.center.ra.deg, each.center.dec.deg) for each in found]
    return [(*centre, radius) for centre, radius in zip(centres, radii, strict=True)]


def livetime(dataset: SpectrumDatasetOnOff) -> float:
    return dataset.exposure.meta["livetime"].to_value("s")


def assert_same(
    dataset: SpectrumDatasetOnOff, other: SpectrumDatasetOnOff, rtol: float = 0
) -> None:
    assert dataset.tag == other.tag == "SpectrumDatasetOnOff"
    theirs = spectra.arrays(other)
    for name, array in spectra.arrays(dataset).items():
        exact = name in ("counts", "counts_off", "mask_safe")
        np.testing.assert_allclose(array, theirs[name], rtol=0 if exact else rtol, err_msg=name)
    assert livetime(dataset) == pytest.approx(livetime(other), rel=1e-9)
    assert str(dataset.gti) == str(other.gti)


def assert_fitted(run: Run, datasets: list[SpectrumDatasetOnOff], models: Models) -> None:
    """The fit is gammapy's to 0.01 errors, or it has a lower statistic."""
    values, stat = spectra.fit([each.copy(name=each.name) for each in datasets], models)
    found = run.result.fit
    assert found.success
    assert found.stat <= stat + 1e-3
    near = np.abs(found.values - values) < CLOSE * found.errors
    assert near.all() or found.stat < stat


class TestReduction:
    def test_each_run_is_gammapys(self, joint, expected):
        assert len(joint.result.datasets) == 4
        for dataset, other in zip(joint.result.datasets, expected, strict=True):
            assert dataset.name == other.name.replace("run", "hess")
            assert_same(dataset, other)
            assert repr(dataset.counts_off.geom.region) == repr(other.counts_off.geom.region)

    def test_sum_is_gammapys_stack(self, summed, stacked):
        assert summed.result.datasets.names == ["hess"]
        # float32 sums in chunks
        assert_same(summed.result.datasets[0], stacked, rtol=1e-6)

    def test_ledger_has_the_counts_of_each_run(self, joint, expected):
        counts = [int(each.counts.data[each.mask_safe.data].sum()) for each in expected]
        assert [outcome.counts for outcome in joint.result.outcomes] == counts

    def test_spectrum_of_another_source_is_gammapys_stack(self):
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
        made = Orchestrator(pipeline.evolve(data={"hess": entry}))
        made.select()
        made.observations = {"hess": made.observations["hess"][:2]}
        (dataset,) = made.reduce()
        on = CircleSkyRegion(entry.geometry.region().center, 0.11 * u.deg)
        empty = spectra.target("pks", on)
        true = empty.exposure.geom.axes["energy_true"]
        total = SpectrumDatasetOnOff.create(empty.counts.geom, energy_axis_true=true)
        for observation in made.observations["hess"]:
            parts = ["counts", "exposure", "edisp"]
            maker = SpectrumDatasetMaker(containment_correction=True, selection=parts)
            run = maker.run(spectra.target(f"run-{observation.obs_id}", on), observation)
            run = ReflectedRegionsBackgroundMaker().run(run, observation)
            total.stack(run)
        assert_same(dataset, total, rtol=1e-6)
        # a flaring blazar: far more counts than its background
        assert dataset.counts.data.sum() > 2 * dataset.background.data.sum() > 0


class TestFit:
    def test_joint_fit_is_gammapys(self, joint, expected):
        assert_fitted(joint, expected, spectra.power_law())

    def test_fit_of_the_sum_is_gammapys(self, summed, stacked):
        assert_fitted(summed, [stacked], spectra.power_law())

    def test_statistic_is_gammapys_wstat(self, joint, expected):
        datasets = Datasets([each.copy(name=each.name) for each in expected])
        datasets.models = joint.result.models
        assert joint.result.fit.stat == pytest.approx(datasets.stat_sum(), abs=1e-3)

    def test_crab_is_the_crab(self, joint):
        # Aharonian et al. (2006), A&A 457, 899, H.E.S.S.: a power law of index 2.63 above 0.4 TeV,
        # 3.45e-11 cm-2 s-1 TeV-1 at 1 TeV; the flux scale of one short set of runs is good to 30 %
        values = dict(zip(joint.result.fit.names, joint.result.fit.values, strict=True))
        assert values["crab.spectral.index"] == pytest.approx(2.63, abs=0.2)
        assert values["crab.spectral.amplitude"] == pytest.approx(3.45e-11, rel=0.3)


class TestFluxPoints:
    @pytest.mark.slow
    def test_of_a_joint_fit_are_gammapys(self, joint, expected):
        datasets = Datasets([each.copy(name=each.name) for each in expected])
        datasets.models = joint.result.models.copy()
        theirs = by_gammapy(datasets, "crab", spectra.EDGES)
        ours = joint.result.estimates["flux-points"].flux
        for name in ("norm", "norm_err", "ts", "npred", "counts"):
            one, other = getattr(ours, name).data, getattr(theirs, name).data
            # its own root finding
            np.testing.assert_allclose(one, other, rtol=1e-3, err_msg=name)

    def test_of_the_sum_are_gammapys(self, summed, stacked):
        datasets = Datasets([stacked.copy(name="hess")])
        datasets.models = summed.result.models.copy()
        theirs = by_gammapy(datasets, "crab", EDGES, selection_optional=["ul"])
        assert_same_points(summed.result.estimates["flux-points"].flux, theirs)


class TestFolder:
    @pytest.fixture(params=["summed", pytest.param("magic", marks=pytest.mark.slow)])
    def run(self, request) -> Run:
        return request.getfixturevalue(request.param)

    def test_everything_is_read_back(self, run):
        read = Result.read(run.folder)
        assert read.datasets.names == run.result.datasets.names
        for dataset, other in zip(read.datasets, run.result.datasets, strict=True):
            assert_same(dataset, other)
            # the file holds the radii in pixels
            np.testing.assert_allclose(places(dataset), places(other), rtol=1e-6)
            assert dataset.mask_safe.data.dtype == bool
            assert (dataset.mask_fit is None) == (other.mask_fit is None)
            assert dataset.mask_fit is None or (dataset.mask_fit.data == other.mask_fit.data).all()
        assert read.datasets.stat_sum() == pytest.approx(run.result.fit.stat, abs=1e-3)

    def test_plain_gammapy_reads_it(self, run):
        index = run.folder / "datasets" / "datasets.yaml"
        datasets = Datasets.read(index, filename_models=run.folder / "models.yaml")
        for dataset, other in zip(datasets, run.result.datasets, strict=True):
            assert_same_but_livetime(dataset, other)
            dataset.mask_fit = other.mask_fit  # which gammapy writes, and does not read
        assert datasets.stat_sum() == pytest.approx(run.result.fit.stat, abs=1e-3)

    def test_pictures_are_there(self, run):
        names = [file.stem for file in (run.folder / "plots").glob("*.png")]
        datasets = run.result.datasets.names
        pictures = {f"counts-{name}" for name in datasets} | {"flux-points"}
        if len(datasets) > 1:  # a sum has no regions left
            pictures |= {f"regions-{name}" for name in datasets}
        assert set(names) == pictures


def assert_same_but_livetime(dataset: SpectrumDatasetOnOff, other: SpectrumDatasetOnOff) -> None:
    theirs = spectra.arrays(other)
    for name, array in spectra.arrays(dataset).items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


@pytest.mark.slow
class TestMagic:
    """Two runs with a radius that depends on energy, against gammapy's tutorial on them."""

    @pytest.fixture
    def runs(self, magic, once) -> list[SpectrumDatasetOnOff]:
        def make(_: Path) -> list[SpectrumDatasetOnOff]:
            return [spectra.make_magic(each) for each in spectra.magic_observations()]

        return once("plain-magic", make)

    def test_each_run_is_gammapys(self, magic, runs):
        for dataset, other in zip(magic.result.datasets, runs, strict=True):
            assert_same(dataset, other)
            np.testing.assert_array_equal(dataset.mask_fit.data, other.mask_fit.data)

    def test_fit_is_gammapys(self, magic, runs):
        spectral = LogParabolaSpectralModel(
            amplitude="4e-11 cm-2 s-1 TeV-1", alpha=2.5, beta=0.2, reference="1 TeV"
        )
        assert_fitted(magic, runs, Models([SkyModel(spectral, name="crab")]))
