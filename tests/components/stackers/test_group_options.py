"""The stacker `group`: the assignment of runs to groups, and the labels of groups."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import EarthLocation
from astropy.table import MaskedColumn
from astropy.time import Time
from gammapy.data import ObservationTable
from hypothesis import given, strategies as st

from skyred import SkipObservation
from skyred.components.gammapy import GroupRuns
from skyred.errors import ArchiveError, FieldError

NAMIBIA = EarthLocation.from_geodetic(16.5, -23.27, 1835)
ARIZONA = EarthLocation.from_geodetic(-110.95, 31.67, 1268)


def create_run(time="2004-12-04T22:30:00", location=NAMIBIA, obs_id=1, zenith=20.0, **header):
    """Return a stub of an observation with the attributes that the stacker uses."""
    telescope = header.pop("TELESCOP", None)
    return SimpleNamespace(
        obs_id=obs_id,
        tmid=Time(time, scale="utc").tt,
        observatory_earth_location=location,
        get_pointing_altaz=lambda time: SimpleNamespace(zen=zenith * u.deg),
        meta=SimpleNamespace(obs_info=SimpleNamespace(telescope=telescope), optional=header),
    )


def label_of(observation, table=None, **options) -> str:
    stacker = GroupRuns(**options)
    if table is not None:
        stacker = stacker.prepare(table)
    return stacker.group(observation).label


class TestNight:
    @pytest.mark.parametrize(
        ("time", "location", "night"),
        [
            ("2004-12-04T22:30:00", NAMIBIA, "2004-12-04"),
            ("2004-12-05T01:30:00", NAMIBIA, "2004-12-04"),
            # local mean solar noon at 16.5 deg east is at 10:54 UTC
            ("2004-12-05T10:53:00", NAMIBIA, "2004-12-04"),
            ("2004-12-05T10:55:00", NAMIBIA, "2004-12-05"),
            # in Arizona the evening of 4 December is after midnight UTC, and noon is at 19:24 UTC
            ("2004-12-05T03:00:00", ARIZONA, "2004-12-04"),
            ("2004-12-05T13:00:00", ARIZONA, "2004-12-04"),
            ("2004-12-05T19:23:00", ARIZONA, "2004-12-04"),
            ("2004-12-05T19:25:00", ARIZONA, "2004-12-05"),
        ],
    )
    def test_night_lasts_from_noon_to_noon_at_the_site(self, time, location, night):
        assert label_of(create_run(time, location), by="night") == night

    def test_observatory_location_is_required(self):
        with pytest.raises(ValueError, match=r"run 7 has no site \(GEOLON"):
            label_of(create_run(location=None, obs_id=7), by="night")


class TestTime:
    @pytest.mark.parametrize(
        ("times", "time", "expected"),
        [
            (["2004-12-01", "2005-01-01", "2005-02-01"], "2004-12-31T23:59:59", "2004-12-01"),
            (["2004-12-01", "2005-01-01", "2005-02-01"], "2005-01-01", "2005-01-01"),
            (["2004-12-04T22:00:00", "2004-12-05"], "2004-12-04T22:00:00", "2004-12-04T2200"),
            (["2004-12-04T22:00:07", "2004-12-05"], "2004-12-04T22:30:00", "2004-12-04T220007"),
            # 22:00:00 TT is 64 s before 22:00:00 UTC
            (["2004-12-04T22:00:00 tt", "2004-12-05T00:00:00 tt"], "2004-12-04T21:59:00",
             "2004-12-04T215856"),
        ],
    )  # fmt: skip
    def test_lower_edge_is_inclusive_and_is_the_label(self, times, time, expected):
        assert label_of(create_run(time), by="time", times=times) == expected

    @pytest.mark.parametrize("time", ["2004-11-30T23:59:59", "2005-01-01T00:00:00"])
    def test_run_outside_all_bins_is_skipped_and_the_reason_is_reported(self, time):
        stacker = GroupRuns(by="time", times=["2004-12-01", "2005-01-01"])
        expected = rf"run, {time}.*, is outside the time bins \(2004-12-01.* to 2005-01-01"
        with pytest.raises(SkipObservation, match=expected):
            stacker.check_observation(create_run(time))

    @pytest.mark.parametrize(
        ("options", "time", "expected"),
        [
            ({"width": "1 d"}, "2004-12-04T22:30:00", "2004-12-04"),
            # days begin at midnight in spite of the leap second since the default start
            ({"width": "1 d"}, "2006-07-29T00:00:00", "2006-07-29"),
            ({"width": "7 d", "start": "2004-12-01"}, "2004-12-14T22:00:00", "2004-12-08"),
            ({"width": "7 d", "start": "2004-12-01"}, "2004-11-30T22:00:00", "2004-11-24"),
            ({"width": "30 min"}, "2004-12-04T22:31:00", "2004-12-04T2230"),
            ({"width": "12 s"}, "2004-12-04T22:31:14", "2004-12-04T223112"),
        ],
    )
    def test_bins_of_equal_width_extend_before_and_after_the_start(self, options, time, expected):
        assert label_of(create_run(time), by="time", **options) == expected

    @given(st.integers(1, 10**7), st.floats(0, 10**8), st.floats(0, 10**8))
    def test_runs_in_the_same_bin_are_less_than_a_width_apart(self, width, first_time, second_time):
        stacker = GroupRuns(by="time", width=f"{width} s")
        start = Time("2000-01-01", scale="utc").mjd
        times = [
            Time(start + seconds / 86400, format="mjd", scale="utc").isot
            for seconds in (first_time, second_time)
        ]
        first, second = (stacker.group(create_run(time)) for time in times)
        assert (first == second) == (first.label == second.label)
        assert (first < second) == (first.order < second.order)
        if first == second:
            assert abs(first_time - second_time) < width + 0.01
        elif abs(first_time - second_time) > 0.01:
            assert (first < second) == (first_time < second_time)


class TestZenith:
    @pytest.mark.parametrize(
        ("angle", "expected"),
        [(0, "zenith-0-22.5"), (22.4, "zenith-0-22.5"), (22.5, "zenith-22.5-45")],
    )
    def test_lower_edge_is_inclusive(self, angle, expected):
        edges = ["0 deg", "22.5 deg", "0.785398163397448 rad"]
        assert label_of(create_run(zenith=angle), by="zenith", edges=edges) == expected

    def test_run_outside_all_bins_is_skipped_and_the_reason_is_reported(self):
        stacker = GroupRuns(by="zenith", edges=["0 deg", "30 deg", "60 deg"])
        expected = r"zenith angle 61\.2 deg is outside the bins \(0\.0 deg to 60\.0 deg\)"
        with pytest.raises(SkipObservation, match=expected):
            stacker.check_observation(create_run(zenith=61.2))


class TestTelescope:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ({"TELESCOP": "HESS", "TELLIST": "1,2,3,4"}, "HESS-1-2-3-4"),
            ({"TELESCOP": "HESS", "TELLIST": "1, 2"}, "HESS-1-2"),
            ({"TELESCOP": "MAGIC"}, "MAGIC"),
            ({"TELESCOP": "CTA (North)", "TELLIST": ""}, "CTA_North"),
        ],
    )
    def test_label_contains_the_array_and_its_telescopes(self, header, expected):
        assert label_of(create_run(**header), by="telescope") == expected

    def test_missing_telescope_is_rejected(self):
        with pytest.raises(ValueError, match=r"run 1 has no telescope name \(TELESCOP\)"):
            label_of(create_run(), by="telescope")


def create_table() -> ObservationTable:
    table = ObservationTable()
    table["OBS_ID"] = [1, 2, 3, 4]
    table["TARGET_NAME"] = ["MSH 15-52", "Crab  ", "", "MSH 15-52"]
    table["N_TELS"] = [4, 3, 3, 4]
    table["MUONEFF"] = [0.8, np.nan, 1.0, 1.3]
    table["ZEN_PNT"] = MaskedColumn([10.0, 20.0, 30.0, 40.0], mask=[0, 1, 0, 0], unit="deg")
    return table


class TestColumn:
    def labels(self, **options) -> list[str]:
        """Return the label of each run, or the reason why it is skipped."""
        labels = []
        for obs_id in (1, 2, 3, 4):
            try:
                labels.append(
                    label_of(create_run(obs_id=obs_id), create_table(), by="column", **options)
                )
            except SkipObservation as skip:
                labels.append(skip.reason)
        return labels

    def test_labels_of_strings(self):
        expected = ["MSH_15-52", "Crab", "its TARGET_NAME is unknown", "MSH_15-52"]
        assert self.labels(column="TARGET_NAME") == expected

    def test_labels_of_numbers(self):
        assert self.labels(column="N_TELS") == ["N_TELS-4", "N_TELS-3", "N_TELS-3", "N_TELS-4"]

    def test_labels_of_bins(self):
        reason = "its MUONEFF, 1.3, is outside the bins (0.7 to 1.2)"
        assert self.labels(column="MUONEFF", edges=[0.7, 1, 1.2]) == [
            "MUONEFF-0.7-1", "its MUONEFF is unknown", "MUONEFF-1-1.2", reason,
        ]  # fmt: skip

    def test_bins_are_converted_to_the_unit_of_the_column(self):
        edges = ["0 rad", "0.5 rad", "1 rad"]
        first, second, third, fourth = self.labels(column="ZEN_PNT", edges=edges)
        assert first == "ZEN_PNT-0-28.6479"
        assert second == "its ZEN_PNT is unknown"
        assert third == fourth == "ZEN_PNT-28.6479-57.2958"

    def test_groups_are_sorted_by_value(self):
        stacker = GroupRuns(by="column", column="N_TELS").prepare(create_table())
        groups = {stacker.group(create_run(obs_id=obs_id)) for obs_id in (1, 2, 3, 4)}
        assert [group.label for group in sorted(groups)] == ["N_TELS-3", "N_TELS-4"]

    def test_run_missing_from_the_table_is_an_error(self):
        with pytest.raises(ValueError, match="run 9 is not in the observation table"):
            label_of(create_run(obs_id=9), create_table(), by="column", column="N_TELS")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"column": "OBJECT"},
                r"column 'OBJECT', which is missing; available: OBS_ID, TARGET_NAME, N_TELS",
            ),
            ({"column": "TARGET_NAME", "edges": [1, 2]}, "not numbers; remove edges"),
            (
                {"column": "ZEN_PNT", "edges": [1, 2]},
                r"ZEN_PNT is in deg: add a unit to \[1\. 2\.\]",
            ),
            (
                {"column": "ZEN_PNT", "edges": ["1 TeV", "2 TeV"]},
                "cannot be compared with .* TeV",
            ),
            ({"column": "N_TELS", "edges": ["1 m", "2 m"]}, "has no unit, and cannot be compared"),
        ],
    )
    def test_options_that_do_not_match_the_table_are_reported(self, options, message):
        with pytest.raises(ArchiveError, match=message):
            GroupRuns(by="column", **options).prepare(create_table())

    def test_values_with_the_same_label_are_rejected(self):
        table = create_table()
        table["TARGET_NAME"] = ["MSH 15-52", "MSH_15-52", "Crab", "Crab"]
        with pytest.raises(
            ArchiveError, match=r"same label for MSH 15-52 and MSH_15-52 .*, MSH_15-52"
        ):
            GroupRuns(by="column", column="TARGET_NAME").prepare(table)

    def test_unprepared_stacker_raises_an_error(self):
        with pytest.raises(TypeError, match="prepare the stacker with the observation table"):
            label_of(create_run(), by="column", column="N_TELS")

    def test_digest_of_a_prepared_stacker_depends_on_the_table(self):
        import pickle

        stacker = GroupRuns(by="column", column="N_TELS", chunk=3)
        prepared_stacker = stacker.prepare(create_table())
        assert prepared_stacker.chunk == 3
        assert prepared_stacker.digest() != stacker.prepare(create_table()[:2]).digest()
        assert pickle.loads(pickle.dumps(prepared_stacker)) == prepared_stacker

    def test_prepare_has_no_effect_without_a_column(self):
        stacker = GroupRuns(by="night")
        assert stacker.prepare(create_table()) is stacker


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "nights"}, r"by: invalid value 'nights'.*did you mean 'night'"),
        ({"by": "column"}, "missing key 'column'"),
        ({"by": "zenith"}, "missing key 'edges'"),
        ({"by": "time"}, "needs either times or width"),
        ({"by": "time", "times": ["2004-01-01", "2005-01-01"], "width": "1 d"}, "either times or"),
        ({"by": "night", "edges": ["1 deg", "2 deg"]},
         r"edges: has no effect with by: night; remove it, or group by: zenith or column"),
        ({"by": "night", "column": "OBJECT"}, "column: has no effect with by: night"),
        ({"by": "zenith", "edges": ["30 deg", "0 deg"]}, "edges: .* must increase"),
        ({"by": "zenith", "edges": ["30 deg"]}, "edges: .* must increase"),
        ({"by": "zenith", "edges": [0, 30]}, "edges: .* are not angles"),
        ({"by": "zenith", "edges": ["0 deg", 30]}, "expected quantities of the same"),
        ({"by": "time", "times": ["2005-01-01", "2004-01-01"]}, "times: must increase"),
        ({"by": "time", "times": "2005-01-01"}, "times: must increase"),
        ({"by": "time", "times": ["2005-01-01", "soon"]}, "times: 'soon' is not a date and time"),
        ({"by": "time", "times": ["2004-01-01", "2005-01-01T00:00:00 tt"]}, "differ in time scale"),
        ({"by": "time", "width": "0 s"}, r"width: invalid value 0 s; expected at least 1 s"),
        ({"by": "time", "width": "1 deg"}, "width: '1 deg' is an angle"),
        ({"by": "time", "times": ["2004-01-01", "2005-01-01"], "start": "2004-01-01"},
         "start: cannot be combined with times"),
    ],
)  # fmt: skip
def test_invalid_options_are_rejected(options, message):
    with pytest.raises(FieldError, match=message):
        GroupRuns(**options)
