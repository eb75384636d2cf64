"""Groups of runs of PKS 2155-304, compared with the same runs stacked with plain gammapy."""

import numpy as np
import pytest
from gammapy.datasets import MapDataset

import plain_gammapy
import skyred
from skyred import Orchestrator, Pipeline
from skyred.components.engines import Processes
from skyred.components.gammapy import GroupRuns
from skyred.errors import ArchiveError, ConfigError

pytestmark = pytest.mark.data

# runs of three nights in two years; their zenith angles in deg, from the column ZEN_PNT:
#        50     43     23     36     30     29
RUNS = (33787, 33788, 47804, 47802, 47803, 47828)
NIGHTS = {
    "2006-07-29": (33787, 33788),
    "2008-08-27": (47802, 47803, 47804),
    "2008-08-28": (47828,),
}
YAML = f"""
data:
  hess:
    archive: $GAMMAPY_DATA/hess-dl3-dr1
    select: [{{kind: observation-ids, ids: {list(RUNS)}}}]
    geometry:
      kind: map
      center: [329.717 deg, -30.226 deg]
      width: 2 deg
      bin_size: 0.05 deg
      energy: {{min: 1 TeV, max: 10 TeV, bins: 2}}
      energy_true: {{min: 0.5 TeV, max: 20 TeV, bins: 5}}
    make:
      - {{kind: map}}
      - {{kind: safe-mask, methods: [offset-max], offset_max: 1.3 deg}}
    stack: {{kind: group, by: night}}
model:
  - kind: source
    name: pks
    spatial: {{type: point, lon_0: {{value: 329.717 deg, frozen: true}},
              lat_0: {{value: -30.226 deg, frozen: true}}}}
    spectral: {{type: pl, index: {{value: 3.4, frozen: true}},
               amplitude: 1e-10 cm-2 s-1 TeV-1, reference: 1 TeV}}
  - {{kind: fov-background}}
fit: {{kind: newton}}
"""


def create_pipeline(stack: str = "{kind: group, by: night}", **changes: str) -> Pipeline:
    overrides = [f"data.hess.stack={stack}"]
    overrides += [f"{path}={value}" for path, value in changes.items()]
    return Pipeline.from_yaml(YAML, overrides=overrides)


@pytest.fixture(scope="session")
def datasets_by_run(compute_once) -> dict[int, MapDataset]:
    """Return the dataset of each run, before stacking."""

    def reduce(_):
        datasets = Orchestrator(create_pipeline("{kind: keep}")).reduce()
        return {int(dataset.name.removeprefix("hess-")): dataset for dataset in datasets}

    return compute_once("pks-runs", reduce)


@pytest.fixture(scope="session")
def night_results(compute_once) -> tuple[skyred.Result, skyred.Result]:
    """Return the result with one dataset per night, as computed and as read from its folder."""

    def run(folder):
        result = create_pipeline().run(folder / "nights")
        return result, skyred.Result.read(folder / "nights")

    return compute_once("pks-nights", run)


def stack_with_gammapy(datasets_by_run: dict[int, MapDataset], runs: tuple[int, ...]) -> MapDataset:
    expected = create_pipeline().data["hess"].with_name("hess").geometry.target("plain")
    for run in sorted(runs):
        expected.stack(datasets_by_run[run])
    return expected


def assert_same(actual: MapDataset, expected: MapDataset) -> None:
    expected_arrays = plain_gammapy.arrays(expected)
    for name, array in plain_gammapy.arrays(actual).items():
        exact = name in ("counts", "mask_safe")
        scale = 1e-7 * np.abs(expected_arrays[name]).max()
        # float32 sums in another order
        np.testing.assert_allclose(
            array, expected_arrays[name], rtol=0 if exact else 1e-6, atol=0 if exact else scale
        )
    livetime = expected.exposure.meta["livetime"].to_value("s")
    assert actual.exposure.meta["livetime"].to_value("s") == pytest.approx(livetime, rel=1e-9)
    assert str(actual.gti) == str(expected.gti)
    assert actual.meta.obs_info == expected.meta.obs_info
    assert str(actual.meta_table) == str(expected.meta_table)


def stack_groups(
    datasets_by_run: dict[int, MapDataset], stack: str, runs=RUNS
) -> dict[str, MapDataset]:
    """Stack datasets of runs as in a reduction, without reducing the runs again."""
    orchestrator = Orchestrator(create_pipeline(stack))
    reduction = orchestrator.pipeline.data["hess"].with_name("hess")
    stacker = reduction.stack.prepare(orchestrator.select()["hess"])
    total = stacker.zero(reduction.geometry)
    for observation in plain_gammapy.observations(tuple(sorted(runs))):
        dataset = datasets_by_run[observation.obs_id]
        total = stacker.add(total, dataset, observation)
    return {dataset.name: dataset for dataset in stacker.result(total)}


def test_nights_agree_with_gammapy(night_results, datasets_by_run):
    datasets = night_results[0].datasets
    assert datasets.names == [f"hess-{night}" for night in NIGHTS]
    for dataset, runs in zip(datasets, NIGHTS.values(), strict=True):
        assert_same(dataset, stack_with_gammapy(datasets_by_run, runs))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stack", "groups"),
    [
        ("{kind: group, by: zenith, edges: [0 deg, 25 deg, 40 deg, 60 deg]}",
         {"zenith-0-25": (47804,), "zenith-25-40": (47802, 47803, 47828),
          "zenith-40-60": (33787, 33788)}),
        ("{kind: group, by: column, column: TARGET_NAME}",
         {"PKS_2155-304_flare": RUNS[:2], "PKS_2155-304_steady": RUNS[2:]}),
        ("{kind: group, by: column, column: MUONEFF, edges: [0, 1, 2]}", None),
        ("{kind: group, by: time, times: [2006-01-01, 2007-01-01, 2009-01-01]}",
         {"2006-01-01": RUNS[:2], "2007-01-01": RUNS[2:]}),
        ("{kind: group, by: time, width: 1 d, start: 2008-08-27T12:00:00}",
         {f"{night}T1200": runs for night, runs in NIGHTS.items()}),
        ("{kind: group, by: telescope}", {"HESS-1-2-3-4": RUNS}),
    ],
    ids=["zenith", "target", "muons", "years", "days", "telescope"],
)  # fmt: skip
def test_groups_agree_with_gammapy(datasets_by_run, stack, groups):
    datasets = stack_groups(datasets_by_run, stack)
    if groups is None:  # depends on the values in the observation table
        table = Orchestrator(create_pipeline()).select()["hess"]
        low = tuple(table["OBS_ID"][table["MUONEFF"] < 1].tolist())
        groups = {"MUONEFF-0-1": low, "MUONEFF-1-2": tuple(set(RUNS) - set(low))}
        groups = {label: runs for label, runs in groups.items() if runs}
    assert list(datasets) == [f"hess-{label}" for label in groups]
    for label, runs in groups.items():
        assert_same(datasets[f"hess-{label}"], stack_with_gammapy(datasets_by_run, runs))


def test_zenith_angles_agree_with_the_observation_table():
    stacker = GroupRuns(by="zenith", edges=[f"{edge} deg" for edge in range(0, 91, 1)])
    table = Orchestrator(create_pipeline()).select()["hess"]
    for observation, row in zip(
        plain_gammapy.observations(tuple(sorted(RUNS))), table, strict=True
    ):
        low = int(stacker.group(observation).label.split("-")[1])
        # the column has one value per run, but the angle changes by up to 7 deg in a run
        assert low <= row["ZEN_PNT"] + 1
        assert abs(low + 0.5 - row["ZEN_PNT"]) < 4


def test_groups_are_in_chronological_order(datasets_by_run):
    stack = "{kind: group, by: night}"
    assert list(stack_groups(datasets_by_run, stack, RUNS[:1])) == ["hess-2006-07-29"]
    expected = [f"hess-{night}" for night in NIGHTS]
    assert list(stack_groups(datasets_by_run, stack, RUNS)) == expected


def test_nights_are_fitted_jointly(night_results):
    result = night_results[0]
    assert result.fit.success
    names = [f"hess-{night}-bkg.spectral.norm" for night in NIGHTS]
    assert [name for name in result.fit.names if name.endswith("norm")] == names
    stat = sum(dataset.stat_sum() for dataset in result.datasets)
    assert result.fit.stat == pytest.approx(stat, abs=1e-3)


def test_datasets_of_nights_are_read_back(night_results):
    assert night_results[1].datasets.names == night_results[0].datasets.names
    counts = [dataset.counts.data.sum() for dataset in night_results[0].datasets]
    assert [dataset.counts.data.sum() for dataset in night_results[1].datasets] == counts


@pytest.mark.slow
def test_results_with_several_processes_are_bit_identical(datasets_by_run):
    changes = {"data.hess.select[0].ids": str(list(RUNS[2:]))}
    stack = "{kind: group, by: night, chunk: 2}"
    pipeline = create_pipeline(stack, **changes)
    datasets = Orchestrator(pipeline, engine=Processes(workers=2)).reduce()
    stacker = GroupRuns(by="night", chunk=2)
    geometry = create_pipeline().data["hess"].with_name("hess").geometry
    total = stacker.zero(geometry)
    for runs in ((47802, 47803), (47804, 47828)):
        partial_stack = stacker.zero(geometry)
        for observation in plain_gammapy.observations(runs):
            dataset = datasets_by_run[observation.obs_id]
            partial_stack = stacker.add(partial_stack, dataset, observation)
        total = stacker.merge(total, partial_stack)
    for dataset, expected in zip(datasets, stacker.result(total), strict=True):
        assert dataset.name == expected.name
        expected_arrays = plain_gammapy.arrays(expected)
        for name, array in plain_gammapy.arrays(dataset).items():
            np.testing.assert_array_equal(array, expected_arrays[name], err_msg=name)


def test_runs_outside_all_groups_are_skipped_and_the_reason_is_logged():
    stack = "{kind: group, by: zenith, edges: [26 deg, 33 deg]}"
    changes = {
        "data.hess.make[0].parts": "[counts]",
        "data.hess.make[1].methods": "[offset-max]",
        "data.hess.select[0].ids": "[47802, 47803]",
    }
    orchestrator = Orchestrator(create_pipeline(stack, **changes))
    assert orchestrator.reduce().names == ["hess-zenith-26-33"]
    first, second = orchestrator.outcomes
    assert (first.obs_id, first.status) == (47802, "skipped")
    assert first.reason.startswith(
        "zenith angle 37.2 deg is outside the bins (26.0 deg to 33.0 deg)"
    )
    assert first.maker.startswith("stacker group of skyred")
    assert second.status == "reduced"


def test_missing_column_is_reported_before_data_are_read():
    orchestrator = Orchestrator(create_pipeline("{kind: group, by: column, column: NIGHT}"))
    with pytest.raises(
        ArchiveError,
        match=r"'group' needs the column 'NIGHT', which is missing; available: OBS_ID, RA",
    ):
        orchestrator.select()


def test_all_invalid_options_are_reported_with_their_path():
    with pytest.raises(ConfigError) as excinfo:
        create_pipeline("{kind: group, by: zenith, times: [2008-01-01, 2007-01-01]}")
    message = str(excinfo.value)
    assert "data.hess.stack.times: has no effect with by: zenith" in message
    assert "data.hess.stack.times: must increase" in message
    assert "data.hess.stack: missing key 'edges'" in message
