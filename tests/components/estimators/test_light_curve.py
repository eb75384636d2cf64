"""The estimator light-curve on real data, against gammapy's `LightCurveEstimator`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.time import Time
from gammapy.datasets import Datasets
from gammapy.estimators import FluxPoints
from gammapy.estimators.utils import compute_lightcurve_fvar
from gammapy.modeling.models import GaussianPrior

import curves_side_by_side as beside
import plain_flare as flare
import plain_gammapy as plain
from component_checks import problems_of
from skyred import Pipeline
from skyred.components.gammapy import Interval, LightCurve
from skyred.errors import ConfigError, FieldError, FitError, ModelError, SkyredWarning
from skyred.likelihood import light_curve

RUNS = (33787, 33791, 33793, 47802, 47827)
EDGES = [0.4, 0.875, 20] * u.TeV
LIMITS = ["errn-errp", "ul"]
EXAMPLE = plain.EXAMPLE.with_name("light-curve.yaml")


@pytest.fixture(scope="module")
def reduced(once: Any) -> Datasets:
    return once("flare", lambda _: flare.reduce(RUNS))


@pytest.fixture
def spectra(reduced: Datasets) -> Datasets:
    """Give five runs: three of the flare, two of other nights in 2008."""
    return flare.fresh(reduced)


def estimated(datasets: Datasets, **options: Any) -> Any:
    return LightCurve(**{"source": "pks", "columns": (), **options}).estimate(datasets, None)


def spans(datasets: Datasets) -> list[tuple[Time, Time]]:
    return [(each.gti.time_start[0], each.gti.time_stop[-1]) for each in datasets]


@pytest.mark.data
class TestOfSpectra:
    @pytest.mark.slow
    def test_runs_in_bins_of_energy_are_gammapys(self, spectra: Datasets) -> None:
        some = Datasets(spectra[:2])
        found = estimated(some, energy_edges=EDGES, columns=LIMITS).flux
        expected = beside.light_curve_by_gammapy(
            some, "pks", energy_edges=EDGES, selection_optional=LIMITS
        )
        beside.assert_same(found, expected)
        times, others = (each.geom.axes["time"] for each in (found, expected))
        for name in ("time_min", "time_max"):
            away = getattr(times, name) - getattr(others, name)
            np.testing.assert_allclose(away.to_value("s"), 0, atol=1e-6)
        assert (found.gti.table == expected.gti.table).all()

    def test_nights_are_gammapys_in_the_same_intervals(self, spectra: Datasets) -> None:
        product = estimated(spectra, by="night")
        ends = spans(spectra)
        nights = [(ends[0][0], ends[2][1]), ends[3], ends[4]]
        expected = beside.light_curve_by_gammapy(
            spectra, "pks", energy_edges=[0.4, 20] * u.TeV, time_intervals=nights
        )
        beside.assert_same(product.flux, expected)
        assert product.details["n_datasets"].tolist() == [3, 1, 1]
        livetimes = [each.exposure.meta["livetime"].to_value("s") for each in spectra]
        total = [sum(livetimes[:3]), *livetimes[3:]]
        np.testing.assert_allclose(product.details["livetime"], total, rtol=1e-9)

    def test_counts_are_those_of_their_datasets_whatever_their_names(
        self, spectra: Datasets
    ) -> None:
        # gammapy sorts the names, but not the counts
        names = ["c", "a", "b"]
        renamed = Datasets(
            [each.copy(name=name) for each, name in zip(spectra, names, strict=False)]
        )
        renamed.models = flare.models()
        found = estimated(renamed, by="night").flux.counts
        assert found.geom.axes["dataset"].center.tolist() == names
        expected = [each.counts.data[each.mask.data].sum() for each in renamed]
        assert found.data.ravel().tolist() == expected

    def test_intervals_without_runs_are_kept_with_their_reason(self, spectra: Datasets) -> None:
        ends = spans(spectra)
        given = [
            Interval(start=ends[0][0] - 1 * u.min, stop=ends[0][1] + 1 * u.min),
            Interval(start=ends[1][0], stop=ends[1][1] - 1 * u.min),
            Interval(start=ends[1][1], stop=ends[2][0]),
            Interval(start=ends[2][0], stop=ends[3][0] + 1 * u.min),
        ]
        product = estimated(spectra, by="interval", intervals=given)
        expected = beside.light_curve_by_gammapy(
            spectra,
            "pks",
            energy_edges=[0.4, 20] * u.TeV,
            time_intervals=[(each.start.time, each.stop.time) for each in given],
        )
        beside.assert_same(product.flux, expected, [0, 3])
        assert np.isnan(product.flux.norm.data[[1, 2]]).all()
        assert not product.flux.success.data[[1, 2]].any()
        assert product.details["reason"].tolist() == [
            "",
            "only partly covered: run-33791 lies across its border",
            "no dataset lies in it",
            "left out: run-47802 lies across its border",
        ]
        assert product.details["livetime"][1] == 0

    def test_a_width_gives_intervals_from_the_first_run_on(self, spectra: Datasets) -> None:
        product = estimated(spectra, by="interval", width="3 h")
        axis = product.flux.geom.axes["time"]
        first = spectra[0].gti.time_start[0]
        np.testing.assert_allclose((axis.time_min[0] - first).to_value("s"), 0, atol=1e-6)
        np.testing.assert_allclose((axis.time_max - axis.time_min).to_value("h"), 3)
        # those that no run touches, in two years, are none
        assert product.details["n_datasets"].tolist() == [2, 1, 1, 1]

    def test_masked_energies_are_named(self, spectra: Datasets) -> None:
        spectra[0].mask_safe.data[:4] = False
        product = estimated(Datasets([spectra[0], spectra[3]]), energy_edges=EDGES)
        assert np.isnan(product.flux.norm.data[0, 0]).all()
        assert product.details["reason"][0] == "0.4 to 0.875 TeV: masked in all datasets"

    def test_variability_is_gammapys(self, spectra: Datasets) -> None:
        product = estimated(spectra)
        found = product.variability()[0]
        expected = compute_lightcurve_fvar(product.flux)
        assert found.fvar == pytest.approx(expected["fvar"].item())
        assert found.fvar_err == pytest.approx(expected["fvar_err"].item())
        assert product.table().meta["variability"][0]["fvar"] == found.fvar
        assert found.p_value < 1e-100  # the flare is no constant flux
        assert found.dof == 4

    def test_datasets_and_models_are_left_as_they_were(self, spectra: Datasets) -> None:
        before = beside.copied(spectra)
        for reoptimize in (False, True):
            estimated(spectra, reoptimize=reoptimize, columns=LIMITS)
        for one, other in zip(spectra, before, strict=True):
            np.testing.assert_array_equal(one.counts.data, other.counts.data)
            np.testing.assert_array_equal(one.mask_safe.data, other.mask_safe.data)
            assert one.models.names == other.models.names
        for one, other in zip(spectra.models.parameters, before.models.parameters, strict=True):
            assert (one.value, one.error, one.frozen) == (other.value, other.error, other.frozen)


@pytest.mark.data
class TestOfMaps:
    @pytest.fixture
    def maps(self, runs: list[Any]) -> Datasets:
        """Give two runs of the Crab, each with its own background."""
        datasets = Datasets([each.copy(name=each.name) for each in runs[:2]])
        datasets.models = plain.models(*datasets.names)
        return datasets

    @pytest.mark.slow
    @pytest.mark.parametrize("reoptimize", [False, True], ids=["held", "refitted"])
    def test_runs_are_gammapys(self, maps: Datasets, reoptimize: bool) -> None:
        found = estimated(maps, source="crab", reoptimize=reoptimize).flux
        expected = beside.light_curve_by_gammapy(
            maps, "crab", energy_edges=[1, 10] * u.TeV, reoptimize=reoptimize
        )
        beside.assert_same(found, expected)

    def test_priors_count_where_their_models_do(self, maps: Datasets) -> None:
        norm = maps.models[f"{maps[1].name}-bkg"].spectral_model.norm
        norm.prior = GaussianPrior(mu=1.1, sigma=0.05)
        found = estimated(maps, source="crab").flux.stat.data.ravel()
        norm.prior = None
        without = estimated(maps, source="crab").flux.stat.data.ravel()
        away = 4 + np.log(2 * np.pi * 0.05**2)  # gammapy's prior is -2 log of a density
        np.testing.assert_allclose(found - without, [0, away], atol=1e-6)


@pytest.mark.data
class TestFiles:
    @pytest.fixture
    def product(self, spectra: Datasets) -> Any:
        ends = spans(spectra)
        empty = Interval(start=ends[0][0] - 1 * u.h, stop=ends[0][0])
        full = Interval(start=ends[0][0], stop=ends[2][1])
        options = {"intervals": [empty, full], "columns": [*LIMITS, "scan"]}
        return estimated(spectra, by="interval", energy_edges=EDGES, **options)

    def test_are_read_back(self, product: Any, spectra: Datasets, tmp_path: Path) -> None:
        product.write(tmp_path)
        again = type(product).read(tmp_path, product.name, spectra.models)
        assert again.source == "pks"
        made, read = product.table(), again.table()
        assert read.colnames == made.colnames
        for name in made.colnames:
            assert read[name].unit == made[name].unit
            assert read[name].description == made[name].description
            if made[name].dtype.kind == "f":
                np.testing.assert_allclose(np.asarray(read[name]), np.asarray(made[name]))
            else:
                assert read[name].tolist() == made[name].tolist()

    def test_are_read_by_gammapy(self, product: Any, spectra: Datasets, tmp_path: Path) -> None:
        model = spectra.models["pks"]
        for path in product.write(tmp_path):
            read = FluxPoints.read(path, format="lightcurve", reference_model=model)
            assert read.meta["n_sigma_ul"] == 2
            for name in ("flux", "flux_err", "flux_ul", "sqrt_ts"):
                found = np.ma.filled(getattr(read, name).data, np.nan)
                np.testing.assert_allclose(found, getattr(product.flux, name).data, rtol=1e-6)
            found, expected = (each.geom.axes["time"].time_mid for each in (read, product.flux))
            np.testing.assert_allclose((found - expected).to_value("s"), 0, atol=1e-5)

    def test_columns_say_their_unit_and_what_they_are(self, product: Any) -> None:
        table = product.table()
        assert [name for name in table.colnames if not table[name].description] == []
        assert table["time_min"].unit == "d"
        assert table["livetime"].unit == "s"
        assert table["flux"].unit == "s-1 cm-2"

    def test_picture_has_units_and_hatches_what_is_unknown(self, product: Any) -> None:
        import matplotlib.pyplot as plt

        ax = product.plot()
        assert ax.get_xlabel() == "Time [UTC]"
        assert "cm^{-2}" in ax.get_ylabel()
        assert len(ax.patches) == 1
        plt.close(ax.figure)


class TestWhatCannotBe:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"by": "interval"}, "there are no intervals"),
            ({"width": "1 d"}, "is given with by: run"),
            ({"by": "interval", "width": "0.5 s"}, "expected at least 1 s"),
            ({"by": "interval", "width": "1 TeV"}, "expected a time"),
            ({"energy_edges": ["2 TeV", "1 TeV"]}, "do not rise"),
            ({"by": "week"}, "expected one of run, night, interval"),
        ],
    )
    def test_options_that_do_not_fit_are_refused(self, options: Any, said: str) -> None:
        with pytest.raises(FieldError, match=said):
            LightCurve(source="pks", **options)

    def test_intervals_must_rise_and_have_a_length(self) -> None:
        first = Interval(start="2006-07-29T20:00", stop="2006-07-29T22:00")
        other = Interval(start="2006-07-29T21:00", stop="2006-07-29T23:00")
        with pytest.raises(FieldError, match="before the end of the one before it"):
            LightCurve(source="pks", by="interval", intervals=[first, other])
        with pytest.raises(FieldError, match=r"is not before .*; swap them"):
            Interval(start="2006-07-29T22:00", stop="2006-07-29T20:00")

    def test_intervals_in_two_time_scales_are_compared_too(self) -> None:
        # TT is 65 s ahead of UTC: the second starts 35 s before the end of the first
        first = Interval(start="2006-07-29T20:00:00", stop="2006-07-29T21:00:00")
        other = Interval(start="2006-07-29T21:00:30 tt", stop="2006-07-29T22:00:00 tt")
        estimator = LightCurve(source="pks", by="interval", intervals=[first, other])
        (problem,) = [each for each in problems_of(estimator) if each.path == ("intervals",)]
        assert "intervals 1 and 2 overlap" in problem.message

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("data.hess.stack.kind=sum", "stack: {kind: keep}"),
            ("estimate.0.source=crab", "no model has the source 'crab'"),
            ("estimate.1.energy_edges=[0.1 TeV, 1 TeV]", "reach outside the energy axis"),
        ],
    )
    def test_a_pipeline_says_so_before_it_reads_data(self, override: str, said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            Pipeline.from_yaml(EXAMPLE, overrides=[override])

    @pytest.mark.data
    def test_a_source_that_some_runs_lack_has_no_flux_there(self, spectra: Datasets) -> None:
        spectra.models["pks"].datasets_names = [spectra[0].name]
        product = estimated(Datasets(spectra[:2]))
        assert np.isfinite(product.flux.norm.data[0]).all()
        assert product.details["reason"].tolist() == ["", "the source is in none of its datasets"]

    @pytest.mark.data
    def test_intervals_that_hold_no_run_are_refused(self, spectra: Datasets) -> None:
        with pytest.raises(ModelError, match=r"none of the 5 datasets .* data are from 20"):
            estimated(spectra, by="interval", width="10 min")

    @pytest.mark.data
    def test_a_single_dataset_is_warned_of(self, spectra: Datasets) -> None:
        with pytest.warns(SkyredWarning, match=r"has one point: run-33787 is the only dataset"):
            estimated(Datasets(spectra[:1]))

    @pytest.mark.data
    def test_datasets_without_times_and_unknown_words_are_refused(self, spectra: Datasets) -> None:
        with pytest.raises(FitError, match="no intervals by 'week'"):
            light_curve(spectra, "pks", "week")
        with pytest.raises(FitError, match="no source is called 'crab'; there are pks"):
            light_curve(spectra, "crab")
        spectra[1].gti = None
        with pytest.raises(FitError, match="'run-33791' has no good time intervals"):
            light_curve(spectra, "pks")
