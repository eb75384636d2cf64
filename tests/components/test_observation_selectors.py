"""Selectors on the observation table of H.E.S.S., against numpy and gammapy."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn

from skyred.components.selectors import ColumnRange, Cone, ObservationIds
from skyred.components.time_window import TimeWindow
from skyred.errors import ArchiveError, FieldError

pytestmark = pytest.mark.data

RUN = 23523


def ids(table) -> list[int]:
    return table["OBS_ID"].tolist()


def assert_same_rows(table, expected) -> None:
    assert table.colnames == expected.colnames
    for name in expected.colnames:
        np.testing.assert_array_equal(table[name], expected[name], err_msg=name)
        assert table[name].unit == expected[name].unit
    assert table.meta == expected.meta


@pytest.fixture(autouse=True)
def check_that_the_table_is_unchanged(table):
    """Check after each test that selectors do not change their input table."""
    original = table.copy()
    yield
    assert_same_rows(table, original)


class TestCone:
    def test_selection_agrees_with_gammapy(self, table):
        circle = {"type": "sky_circle", "frame": "icrs", "lon": "83.633 deg", "lat": "22.014 deg",
                  "radius": "5 deg"}  # fmt: skip
        expected = table.select_observations(circle)
        selected = Cone(center=["83.633 deg", "22.014 deg"], radius="5 deg").select(table)
        assert ids(selected) == ids(expected) == [23523, 23526, 23559, 23592]

    def test_angle_is_measured_to_the_pointing(self, table):
        center = SkyCoord(320.3, -1.2, unit="deg", frame="galactic")
        pointing = SkyCoord(table["RA_PNT"], table["DEC_PNT"], unit="deg")
        expected = table[pointing.separation(center) <= 3 * u.deg]
        selected = Cone(center=center, radius="180 arcmin").select(table)
        assert 0 < len(selected) < len(table)
        assert ids(selected) == ids(expected)

    def test_galactic_positions_are_accepted(self, table):
        center = {"lon": "320.3 deg", "lat": "-1.2 deg", "frame": "galactic"}
        icrs = SkyCoord(320.3, -1.2, unit="deg", frame="galactic").icrs
        selected = Cone(center=center, radius="3 deg").select(table)
        assert len(selected) > 0
        assert ids(selected) == ids(Cone(center=icrs, radius="3 deg").select(table))

    def test_missing_column_is_reported(self, table):
        table = table.copy()
        table.remove_column("DEC_PNT")
        with pytest.raises(ArchiveError, match="selector 'cone' needs the column 'DEC_PNT'"):
            Cone(center=["83.633 deg", "22.014 deg"], radius="5 deg").select(table)

    def test_rows_metadata_and_type_are_kept(self, table):
        selected = Cone(center=["83.633 deg", "22.014 deg"]).select(table)
        expected = table[np.isin(table["OBS_ID"], ids(selected))]
        assert type(selected) is type(table)
        assert_same_rows(selected, expected)

    def test_selection_can_be_empty(self, table):
        assert len(Cone(center=["0 deg", "89 deg"], radius="1 deg").select(table)) == 0


class TestObservationIds:
    def test_order_of_the_table_is_kept(self, table):
        assert ids(ObservationIds(ids=[23592, 23523]).select(table)) == [23523, 23592]

    def test_duplicated_ids_select_one_row(self, table):
        assert ids(ObservationIds(ids=[23523, 23523]).select(table)) == [23523]

    def test_missing_ids_are_reported(self, table):
        with pytest.raises(ArchiveError, match=r"missing runs: 1, 99; correct"):
            ObservationIds(ids=[23523, 99, 1]).select(table)

    def test_duplicated_rows_of_the_table_are_kept(self, table):
        from astropy.table import vstack

        table = vstack([table, table[table["OBS_ID"] == RUN]])
        assert ids(ObservationIds(ids=[RUN]).select(table)) == [RUN, RUN]

    def test_empty_list_of_ids_is_rejected(self):
        with pytest.raises(FieldError, match="ids"):
            ObservationIds(ids=[])


def with_masked(table, name):
    """Return the table with a masked value of the run, whose number is still in the column."""
    table = table.copy()
    table[name] = MaskedColumn(table[name], mask=table["OBS_ID"] == RUN)
    assert np.isfinite(table[name].data.data).all()
    return table


class TestMaskedValues:
    def test_run_with_a_masked_pointing_is_outside_any_cone(self, table):
        cone = Cone(center=["83.633 deg", "22.014 deg"], radius="5 deg")
        expected = [run for run in ids(cone.select(table)) if run != RUN]
        for name in ("RA_PNT", "DEC_PNT"):
            assert ids(cone.select(with_masked(table, name))) == expected

    def test_run_with_a_masked_value_is_outside_any_range(self, table):
        selector = ColumnRange(column="ZEN_PNT", max="90 deg")
        expected = [run for run in ids(table) if run != RUN]
        assert ids(selector.select(with_masked(table, "ZEN_PNT"))) == expected

    @pytest.mark.parametrize("cut", [True, False])
    def test_run_with_a_masked_time_is_only_selected_if_runs_are_cut(self, table, cut):
        window = {"start": "2000-01-01", "stop": "2002-01-01"}
        masked = with_masked(table, "TSTART")
        assert ids(TimeWindow(**window, cut=cut).select(masked)) == ([RUN] if cut else [])


class TestColumnRange:
    def test_short_window_around_the_start_selects_the_run(self, table):
        # `ObservationTable.select_range` treats 1e8 s and 1e8 s + 100 s as equal
        row = table[table["OBS_ID"] == RUN]
        edges = row["TSTART"].quantity[0] + [-100, 100] * u.s
        assert len(table.select_range("TSTART", edges)) == 0
        strings = [f"{edge.value:.1f} s" for edge in edges]
        selected = ColumnRange(column="TSTART", min=strings[0], max=strings[1]).select(table)
        assert ids(selected) == [RUN]
        start, stop = (row.time_start[0] + shift * u.s for shift in (-100, 100))
        assert ids(TimeWindow(start=start, stop=stop, cut=False, partial=True).select(table)) == [
            RUN
        ]

    @pytest.mark.parametrize(
        ("low", "high", "unit"),
        [
            ("20 deg", "30 deg", "deg"),
            ("0.4 rad", "0.5 rad", "rad"),
            ("1200 arcmin", None, "arcmin"),
        ],
    )
    def test_agrees_with_a_numpy_comparison(self, table, low, high, unit):
        zenith = u.Quantity(table["ZEN_PNT"], dtype=float).to_value(unit)
        expected = zenith >= u.Quantity(low).value
        if high:
            expected &= zenith <= u.Quantity(high).value
        selected = ColumnRange(column="ZEN_PNT", min=low, max=high).select(table)
        assert 0 < len(selected) < len(table)
        assert ids(selected) == ids(table[expected])

    def test_both_ends_are_included(self, table):
        number = int(table["EVENT_COUNT"][table["OBS_ID"] == RUN][0])
        selected = ColumnRange(column="EVENT_COUNT", min=str(number), max=str(number)).select(table)
        assert RUN in ids(selected)
        assert set(selected["EVENT_COUNT"]) == {number}

    def test_number_without_unit_matches_a_column_without_unit(self, table):
        selected = ColumnRange(column="N_TELS", min="4").select(table)
        assert ids(selected) == ids(table[table["N_TELS"] >= 4])

    def test_string_column_is_selected_by_values(self, table):
        selected = ColumnRange(column="OBJECT", values=["Crab Nebula", "Vela X"]).select(table)
        strings = np.array([str(name).strip() for name in table["OBJECT"]])
        expected = table[np.isin(strings, ["Crab Nebula", "Vela X"])]
        assert ids(selected) == ids(expected)
        assert len(selected) > 0

    def test_number_column_is_selected_by_values(self, table):
        selected = ColumnRange(column="OBS_ID", values=["23523", "23526"]).select(table)
        assert ids(selected) == [23523, 23526]

    @pytest.mark.parametrize(
        "options",
        [
            {"column": "ZEN_PNT", "max": "30 deg"},
            {"column": "OBJECT", "values": ["Crab Nebula"]},
        ],
        ids=["range", "values"],
    )
    def test_invert_selects_the_other_rows_in_order(self, table, options):
        selected_ids = ids(ColumnRange(**options).select(table))
        others = ids(ColumnRange(**options, invert=True).select(table))
        assert others == [run for run in ids(table) if run not in selected_ids]

    def test_missing_column_is_reported_with_the_available_columns(self, table):
        with pytest.raises(ArchiveError, match=r"column 'ZENITH', which is missing.*ZEN_PNT"):
            ColumnRange(column="ZENITH", max="50 deg").select(table)

    def test_incompatible_unit_is_reported(self, table):
        with pytest.raises(
            ArchiveError, match=r"ZEN_PNT is in deg, and cannot be compared with 50.0 TeV"
        ):
            ColumnRange(column="ZEN_PNT", max="50 TeV").select(table)

    def test_missing_unit_is_reported(self, table):
        with pytest.raises(ArchiveError, match=r"ZEN_PNT is in deg: add a unit to 50.0"):
            ColumnRange(column="ZEN_PNT", max="50").select(table)

    def test_range_of_a_string_column_is_rejected(self, table):
        with pytest.raises(ArchiveError, match=r"OBJECT contains .*; use values instead"):
            ColumnRange(column="OBJECT", min="4").select(table)

    def test_rows_with_nan_are_outside_any_range(self, table):
        table = table.copy()
        table["ZEN_PNT"][table["OBS_ID"] == RUN] = np.nan
        assert RUN not in ids(ColumnRange(column="ZEN_PNT", min="0 deg").select(table))
        assert RUN not in ids(ColumnRange(column="ZEN_PNT", max="90 deg").select(table))

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"min": "1 deg", "values": ["a"]},
            {"min": "much"},
            {"min": "60 deg", "max": "50 deg"},
            {"min": "1 deg", "max": "1 TeV"},
        ],
        ids=["no limit", "limit and values", "no number", "min above max", "two units"],
    )
    def test_invalid_options_are_rejected(self, options):
        with pytest.raises(FieldError):
            ColumnRange(column="ZEN_PNT", **options)


def test_several_selectors_select_the_intersection(table):
    selectors = [
        Cone(center=["83.633 deg", "22.014 deg"], radius="5 deg"),
        ColumnRange(column="ZEN_PNT", max="47 deg"),
        TimeWindow(start="2004-12-05", stop="2004-12-08"),
    ]
    selected = table
    for selector in selectors:
        selected = selector.select(selected)
    expected = set.intersection(*(set(ids(selector.select(table))) for selector in selectors))
    assert 0 < len(expected) < 4
    assert set(ids(selected)) == expected
    reversed_order = table
    for selector in reversed(selectors):
        reversed_order = selector.select(reversed_order)
    assert ids(reversed_order) == ids(selected)
