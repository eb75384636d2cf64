"""Comparison of the estimator `light-curve` with gammapy's `LightCurveEstimator` on real data."""

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

import light_curve_comparison as comparison
import plain_flare as flare
import plain_gammapy
from component_checks import problems_of
from skyred import Pipeline
from skyred.components.gammapy import Interval, LightCurve
from skyred.errors import ConfigError, FieldError, FitError, ModelError, SkyredWarning
from skyred.likelihood import light_curve

RUNS = (33787, 33791, 33793, 47802, 47827)
EDGES = [0.4, 0.875, 20] * u.TeV
LIMITS = ["errn-errp", "ul"]
EXAMPLE = plain_gammapy.EXAMPLE.with_name("light-curve.yaml")


@pytest.fixture(scope="module")
def reduced_spectra(compute_once: Any) -> Datasets:
    return compute_once("flare", lambda _: flare.reduce(RUNS))


@pytest.fixture
def spectra(reduced_spectra: Datasets) -> Datasets:
    """Return the spectra of five runs: three of the flare, two of other nights in 2008."""
    return flare.with_new_models(reduced_spectra)


def estimate_light_curve(datasets: Datasets, **options: Any) -> Any:
    return LightCurve(**{"source": "pks", "columns": (), **options}).estimate(datasets, None)


def time_ranges(datasets: Datasets) -> list[tuple[Time, Time]]:
    return [(dataset.gti.time_start[0], dataset.gti.time_stop[-1]) for dataset in datasets]


@pytest.mark.data
class TestSpectra:
    @pytest.mark.slow
    def test_runs_in_energy_bins_agree_with_gammapy(self, spectra: Datasets) -> None:
        two_runs = Datasets(spectra[:2])
        flux = estimate_light_curve(two_runs, energy_edges=EDGES, columns=LIMITS).flux
        expected = comparison.light_curve_by_gammapy(
            two_runs, "pks", energy_edges=EDGES, selection_optional=LIMITS
        )
        comparison.assert_same(flux, expected)
        times, expected_times = (points.geom.axes["time"] for points in (flux, expected))
        for name in ("time_min", "time_max"):
            differences = getattr(times, name) - getattr(expected_times, name)
            np.testing.assert_allclose(differences.to_value("s"), 0, atol=1e-6)
        assert (flux.gti.table == expected.gti.table).all()

    def test_nights_agree_with_gammapy_in_the_same_intervals(self, spectra: Datasets) -> None:
        product = estimate_light_curve(spectra, by="night")
        ranges = time_ranges(spectra)
        nights = [(ranges[0][0], ranges[2][1]), ranges[3], ranges[4]]
        expected = comparison.light_curve_by_gammapy(
            spectra, "pks", energy_edges=[0.4, 20] * u.TeV, time_intervals=nights
        )
        comparison.assert_same(product.flux, expected)
        assert product.details["n_datasets"].tolist() == [3, 1, 1]
        livetimes = [dataset.exposure.meta["livetime"].to_value("s") for dataset in spectra]
        total = [sum(livetimes[:3]), *livetimes[3:]]
        np.testing.assert_allclose(product.details["livetime"], total, rtol=1e-9)

    def test_stacked_nights_agree_with_gammapy(self, spectra: Datasets) -> None:
        options = {"stack_over_time_interval": True, "columns": LIMITS}
        product = estimate_light_curve(spectra, by="night", **options)
        ranges = time_ranges(spectra)
        expected = comparison.light_curve_by_gammapy(
            spectra,
            "pks",
            energy_edges=[0.4, 20] * u.TeV,
            time_intervals=[(ranges[0][0], ranges[2][1]), ranges[3], ranges[4]],
            stack_over_time_interval=True,
            selection_optional=LIMITS,
        )
        comparison.assert_same(product.flux, expected)
        assert product.flux.counts.geom.axes["dataset"].center.tolist() == ["stacked"]

    def test_counts_summed_over_energy_agree_with_gammapy(self, spectra: Datasets) -> None:
        two_runs = Datasets(spectra[:2])
        options = {"energy_edges": EDGES, "sum_over_energy_groups": True}
        flux = estimate_light_curve(two_runs, **options).flux
        expected = comparison.light_curve_by_gammapy(two_runs, "pks", **options)
        comparison.assert_same(flux, expected)

    def test_tolerance_extends_an_interval(self, spectra: Datasets) -> None:
        start, stop = time_ranges(spectra)[0]
        interval = Interval(start=start + 20 * u.s, stop=stop - 20 * u.s)
        options = {"by": "interval", "intervals": [interval], "atol": "30 s"}
        product = estimate_light_curve(spectra, **options)
        expected = comparison.light_curve_by_gammapy(
            spectra,
            "pks",
            energy_edges=[0.4, 20] * u.TeV,
            time_intervals=[(interval.start.time, interval.stop.time)],
            atol="30 s",
        )
        comparison.assert_same(product.flux, expected)
        assert product.details["reason"].tolist() == [""]
        with pytest.raises(ModelError, match="none of the 5 datasets is fully inside"):
            estimate_light_curve(spectra, **{**options, "atol": "10 s"})

    def test_counts_and_dataset_names_have_the_same_order(self, spectra: Datasets) -> None:
        # gammapy sorts the names, but not the counts
        names = ["c", "a", "b"]
        renamed_datasets = Datasets(
            [dataset.copy(name=name) for dataset, name in zip(spectra, names, strict=False)]
        )
        renamed_datasets.models = flare.models()
        counts = estimate_light_curve(renamed_datasets, by="night").flux.counts
        assert counts.geom.axes["dataset"].center.tolist() == names
        expected = [dataset.counts.data[dataset.mask.data].sum() for dataset in renamed_datasets]
        assert counts.data.ravel().tolist() == expected

    def test_intervals_without_runs_are_kept_with_their_reason(self, spectra: Datasets) -> None:
        ranges = time_ranges(spectra)
        intervals = [
            Interval(start=ranges[0][0] - 1 * u.min, stop=ranges[0][1] + 1 * u.min),
            Interval(start=ranges[1][0], stop=ranges[1][1] - 1 * u.min),
            Interval(start=ranges[1][1], stop=ranges[2][0]),
            Interval(start=ranges[2][0], stop=ranges[3][0] + 1 * u.min),
        ]
        product = estimate_light_curve(spectra, by="interval", intervals=intervals)
        expected = comparison.light_curve_by_gammapy(
            spectra,
            "pks",
            energy_edges=[0.4, 20] * u.TeV,
            time_intervals=[(interval.start.time, interval.stop.time) for interval in intervals],
        )
        comparison.assert_same(product.flux, expected, [0, 3])
        assert np.isnan(product.flux.norm.data[[1, 2]]).all()
        assert not product.flux.success.data[[1, 2]].any()
        assert product.details["reason"].tolist() == [
            "",
            "only partly covered: run-33791 extends beyond the interval",
            "no dataset lies in the interval",
            "excluded: run-47802 extends beyond the interval",
        ]
        assert product.details["livetime"][1] == 0

    def test_intervals_of_equal_width_start_at_the_first_run(self, spectra: Datasets) -> None:
        product = estimate_light_curve(spectra, by="interval", width="3 h")
        axis = product.flux.geom.axes["time"]
        first = spectra[0].gti.time_start[0]
        np.testing.assert_allclose((axis.time_min[0] - first).to_value("s"), 0, atol=1e-6)
        np.testing.assert_allclose((axis.time_max - axis.time_min).to_value("h"), 3)
        # intervals without runs are omitted; the runs span two years
        assert product.details["n_datasets"].tolist() == [2, 1, 1, 1]

    def test_masked_energies_are_reported(self, spectra: Datasets) -> None:
        spectra[0].mask_safe.data[:4] = False
        product = estimate_light_curve(Datasets([spectra[0], spectra[3]]), energy_edges=EDGES)
        assert np.isnan(product.flux.norm.data[0, 0]).all()
        assert product.details["reason"][0] == "0.4 to 0.875 TeV: masked in all datasets"

    def test_variability_agrees_with_gammapy(self, spectra: Datasets) -> None:
        product = estimate_light_curve(spectra)
        variability = product.variability()[0]
        expected = compute_lightcurve_fvar(product.flux)
        assert variability.fvar == pytest.approx(expected["fvar"].item())
        assert variability.fvar_err == pytest.approx(expected["fvar_err"].item())
        assert product.table().meta["variability"][0]["fvar"] == variability.fvar
        assert variability.p_value < 1e-100  # the flux of the flare is not constant
        assert variability.dof == 4

    def test_datasets_and_models_are_unchanged(self, spectra: Datasets) -> None:
        expected = comparison.copy_datasets(spectra)
        for reoptimize in (False, True):
            estimate_light_curve(spectra, reoptimize=reoptimize, columns=LIMITS)
        for dataset, copy in zip(spectra, expected, strict=True):
            np.testing.assert_array_equal(dataset.counts.data, copy.counts.data)
            np.testing.assert_array_equal(dataset.mask_safe.data, copy.mask_safe.data)
            assert dataset.models.names == copy.models.names
        for pair in zip(spectra.models.parameters, expected.models.parameters, strict=True):
            state, expected_state = ((par.value, par.error, par.frozen) for par in pair)
            assert state == expected_state


@pytest.mark.data
class TestMaps:
    @pytest.fixture
    def maps(self, run_datasets: list[Any]) -> Datasets:
        """Return two runs of the Crab, each with its own background."""
        datasets = Datasets([run.copy(name=run.name) for run in run_datasets[:2]])
        datasets.models = plain_gammapy.models(*datasets.names)
        return datasets

    @pytest.mark.slow
    @pytest.mark.parametrize("reoptimize", [False, True], ids=["fixed", "refitted"])
    def test_runs_agree_with_gammapy(self, maps: Datasets, reoptimize: bool) -> None:
        flux = estimate_light_curve(maps, source="crab", reoptimize=reoptimize).flux
        expected = comparison.light_curve_by_gammapy(
            maps, "crab", energy_edges=[1, 10] * u.TeV, reoptimize=reoptimize
        )
        comparison.assert_same(flux, expected)

    def test_priors_are_added_only_for_the_datasets_of_their_models(self, maps: Datasets) -> None:
        norm = maps.models[f"{maps[1].name}-bkg"].spectral_model.norm
        norm.prior = GaussianPrior(mu=1.1, sigma=0.05)
        with_prior = estimate_light_curve(maps, source="crab").flux.stat.data.ravel()
        norm.prior = None
        without_prior = estimate_light_curve(maps, source="crab").flux.stat.data.ravel()
        penalty = 4 + np.log(2 * np.pi * 0.05**2)  # gammapy's prior is -2 log of a density
        np.testing.assert_allclose(with_prior - without_prior, [0, penalty], atol=1e-6)


@pytest.mark.data
class TestFiles:
    @pytest.fixture
    def product(self, spectra: Datasets) -> Any:
        ranges = time_ranges(spectra)
        empty = Interval(start=ranges[0][0] - 1 * u.h, stop=ranges[0][0])
        full_interval = Interval(start=ranges[0][0], stop=ranges[2][1])
        options = {"intervals": [empty, full_interval], "columns": [*LIMITS, "scan"]}
        return estimate_light_curve(spectra, by="interval", energy_edges=EDGES, **options)

    def test_product_is_read_back(self, product: Any, spectra: Datasets, tmp_path: Path) -> None:
        product.write(tmp_path)
        loaded = type(product).read(tmp_path, product.name, spectra.models)
        assert loaded.source == "pks"
        expected, table = product.table(), loaded.table()
        assert table.colnames == expected.colnames
        for name in expected.colnames:
            assert table[name].unit == expected[name].unit
            assert table[name].description == expected[name].description
            if expected[name].dtype.kind == "f":
                np.testing.assert_allclose(np.asarray(table[name]), np.asarray(expected[name]))
            else:
                assert table[name].tolist() == expected[name].tolist()

    def test_files_are_read_by_gammapy(
        self, product: Any, spectra: Datasets, tmp_path: Path
    ) -> None:
        model = spectra.models["pks"]
        for path in product.write(tmp_path):
            points = FluxPoints.read(path, format="lightcurve", reference_model=model)
            assert points.meta["n_sigma_ul"] == 2
            for name in ("flux", "flux_err", "flux_ul", "sqrt_ts"):
                values = np.ma.filled(getattr(points, name).data, np.nan)
                np.testing.assert_allclose(values, getattr(product.flux, name).data, rtol=1e-6)
            times, expected = (
                flux_points.geom.axes["time"].time_mid for flux_points in (points, product.flux)
            )
            np.testing.assert_allclose((times - expected).to_value("s"), 0, atol=1e-5)

    def test_columns_have_units_and_descriptions(self, product: Any) -> None:
        table = product.table()
        assert [name for name in table.colnames if not table[name].description] == []
        assert table["time_min"].unit == "d"
        assert table["livetime"].unit == "s"
        assert table["flux"].unit == "s-1 cm-2"

    def test_plot_has_units_and_hatches_missing_fluxes(self, product: Any) -> None:
        import matplotlib.pyplot as plt

        ax = product.plot()
        assert ax.get_xlabel() == "Time [UTC]"
        assert "cm⁻²" in ax.get_ylabel()
        assert len(ax.patches) == 1
        plt.close(ax.figure)


class TestInvalidOptionsAndData:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"by": "interval"}, "neither intervals nor width is set"),
            ({"width": "1 d"}, "has no effect with by: run"),
            ({"by": "interval", "width": "0.5 s"}, "expected at least 1 s"),
            ({"by": "interval", "width": "1 TeV"}, "expected a time"),
            ({"energy_edges": ["2 TeV", "1 TeV"]}, "must increase"),
            ({"by": "week"}, "expected one of run, night, interval"),
        ],
    )
    def test_invalid_options_are_rejected(self, options: Any, message: str) -> None:
        with pytest.raises(FieldError, match=message):
            LightCurve(source="pks", **options)

    def test_overlapping_and_reversed_intervals_are_rejected(self) -> None:
        first = Interval(start="2006-07-29T20:00", stop="2006-07-29T22:00")
        second = Interval(start="2006-07-29T21:00", stop="2006-07-29T23:00")
        with pytest.raises(FieldError, match="before the end of the previous interval"):
            LightCurve(source="pks", by="interval", intervals=[first, second])
        with pytest.raises(FieldError, match=r"is not before .*; expected start before stop"):
            Interval(start="2006-07-29T22:00", stop="2006-07-29T20:00")

    def test_overlap_of_intervals_in_two_time_scales_is_detected(self) -> None:
        # TT is 65 s ahead of UTC, so the second interval starts 35 s before the end of the first
        first = Interval(start="2006-07-29T20:00:00", stop="2006-07-29T21:00:00")
        second = Interval(start="2006-07-29T21:00:30 tt", stop="2006-07-29T22:00:00 tt")
        estimator = LightCurve(source="pks", by="interval", intervals=[first, second])
        (problem,) = [
            problem for problem in problems_of(estimator) if problem.path == ("intervals",)
        ]
        assert "at 2006-07-29T20:00:00 and 2006-07-29T20:59:24 (UTC) overlap" in problem.message

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("data.hess.stack.kind=sum", "stack: {kind: keep}"),
            ("estimate.0.source=crab", "unknown source 'crab'"),
            ("estimate.1.energy_edges=[0.1 TeV, 1 TeV]", "extends beyond the energy axis"),
        ],
    )
    def test_errors_are_reported_before_data_are_read(self, override: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Pipeline.from_yaml(EXAMPLE, overrides=[override])

    @pytest.mark.data
    def test_run_without_the_source_has_no_flux(self, spectra: Datasets) -> None:
        spectra.models["pks"].datasets_names = [spectra[0].name]
        product = estimate_light_curve(Datasets(spectra[:2]))
        assert np.isfinite(product.flux.norm.data[0]).all()
        assert product.details["reason"].tolist() == [
            "",
            "the source applies to none of the datasets in the interval",
        ]

    @pytest.mark.data
    def test_intervals_without_runs_are_rejected(self, spectra: Datasets) -> None:
        with pytest.raises(ModelError, match=r"none of the 5 datasets .* data are from 20"):
            estimate_light_curve(spectra, by="interval", width="10 min")

    @pytest.mark.data
    def test_single_dataset_causes_a_warning(self, spectra: Datasets) -> None:
        with pytest.warns(SkyredWarning, match=r"has one point: run-33787 is the only dataset"):
            estimate_light_curve(Datasets(spectra[:1]))

    @pytest.mark.data
    def test_datasets_without_times_and_unknown_intervals_are_rejected(
        self, spectra: Datasets
    ) -> None:
        with pytest.raises(FitError, match="unknown intervals 'week'"):
            light_curve(spectra, "pks", "week")
        with pytest.raises(FitError, match="no source is named 'crab'; available: pks"):
            light_curve(spectra, "crab")
        spectra[1].gti = None
        with pytest.raises(FitError, match="'run-33791' has no good time intervals"):
            light_curve(spectra, "pks")
