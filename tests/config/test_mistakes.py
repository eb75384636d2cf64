"""All mistakes in a configuration are reported at once, with their lines and columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from skyred import Pipeline
from skyred.cli import main
from skyred.errors import ConfigError
from skyred.plugins import Plugins

# «name» marks a mistake, and is removed before the string is parsed
TEN_MISTAKES = """\
data:
  hess:
    archive: sim:crab
    select:
      - {kind: cone, center: [83.6 deg, 22.0 deg], «unit»radius: 5 TeV}
      - {«kind»kind: time-windwo, start: 2004-12-06}
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: [2 deg, 2 deg]
      «unknown»binsize: 0.02 deg
      energy: {«order»min: 50 TeV, max: 1 TeV, bins: 4}
      energy_true: {min: 0.5 TeV, max: 20 TeV, «bins»bins: -3}
    make:
      - {kind: map}
      - {kind: safe-mask, methods: [offset-max], offset_max: 2.5 deg}
      - «missing»{method: fit}
    stack: {kind: sum}
    «duplicate»stack: {kind: keep}
  other:
    «variable»archive: $SKYRED_TEST_NOWHERE/hess
    geometry:
      kind: map
      center: [83.633 deg, 22.014 deg]
      width: 2 deg
      energy: {min: 1 TeV, max: 10 TeV, bins: 4}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 10}
    make: {kind: map}
    stack: {kind: sum}
model:
  - kind: source
    name: crab
    spectral: {type: pl}
fit: {kind: minuit}
estimate:
  - {kind: flux-points, «source»source: carb, energy_edges: [1 TeV, 2 TeV]}
  - {kind: flux-points, name: b, source: crab, «edges»energy_edges: [1 TeV, 30 TeV]}
"""


@pytest.fixture
def crab_yaml(crab_yaml: str) -> str:
    """Return the example with `minuit`, the fitter with the most options."""
    return crab_yaml.replace("kind: newton", "kind: minuit")


MESSAGES = {
    "unit": "data.hess.select[0].radius: '5 TeV' is an energy; expected an angle such as '1 deg'",
    "kind": "data.hess.select[1].kind: unknown selector 'time-windwo'; available: "
    "column-range, cone, file-list, observation-ids, time-window; did you mean 'time-window'?",
    "unknown": "data.hess.geometry.binsize: unknown key; available: name, center, ",
    "order": "data.hess.geometry.energy.min: 50.0 TeV is not below max (1.0 TeV); "
    "expected min below max",
    "bins": "data.hess.geometry.energy_true.bins: invalid value -3; expected a number from 1",
    "missing": "data.hess.make[2]: missing key 'kind'; expected one of ",
    "duplicate": "data.hess.stack: the key 'stack' is duplicated; it is already on line 18",
    "variable": "data.other.archive: the environment variable SKYRED_TEST_NOWHERE is not set",
    "source": "estimate[0].source: unknown source 'carb'; available: crab; did you mean 'crab'?",
    "edges": "estimate[1].energy_edges: 1.0 TeV to 30.0 TeV extends beyond the energy axis of "
    "data.other",
}


def remove_marks(marked: str) -> tuple[str, dict[str, tuple[int, int]]]:
    """Return the document without marks, and the line and column of each mark."""
    positions = {}
    lines = marked.split("\n")
    for number, line in enumerate(lines, start=1):
        while mark := re.search("«(.+?)»", line):
            positions[mark[1]] = (number, mark.start() + 1)
            line = line[: mark.start()] + line[mark.end() :]
        lines[number - 1] = line
    return "\n".join(lines), positions


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins.load()


def mistakes(content: str, plugins: Plugins, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as exc_info:
        Pipeline.from_yaml(content, plugins=plugins, overrides=overrides)
    assert len(exc_info.value.lines) == len(exc_info.value.problems)
    return list(exc_info.value.lines)


def test_ten_mistakes_are_reported_at_once_with_their_positions(plugins: Plugins) -> None:
    content, positions = remove_marks(TEN_MISTAKES)
    assert set(positions) == set(MESSAGES)
    assert len(positions) == 10
    lines = mistakes(content, plugins)
    for name, (line, column) in positions.items():
        start = f"<string>:{line}:{column}: {MESSAGES[name]}"
        assert any(reported.startswith(start) for reported in lines), (
            f"{start}\nis not in\n" + "\n".join(lines)
        )
    assert len(lines) == 10, "\n".join(lines)
    reported_positions = [tuple(map(int, reported.split(":")[1:3])) for reported in lines]
    assert reported_positions == sorted(reported_positions)


def test_mistakes_exit_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, positions = remove_marks(TEN_MISTAKES)
    path = tmp_path / "wrong.yaml"
    path.write_text(content, encoding="utf-8")
    monkeypatch.delenv("SKYRED_TEST_NOWHERE", raising=False)
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 2, result.stderr
    assert not result.stdout
    *problems, last = result.stderr.strip().split("\n")
    assert len(problems) == 10, result.stderr
    assert last == "skyred: 10 problems found"
    for line, column in positions.values():
        assert f"{path}:{line}:{column}: " in result.stderr


SINGLE = [
    # string in the example, replacement with a mark at the mistake, message
    ("kind: minuit}", "kind: minuit, «»strategy: 3}",
     "fit.strategy: invalid value 3; expected a number from"),
    ("kind: minuit}", "«»kind: minuet}", "fit.kind: unknown fitter 'minuet'; available:"),
    ("kind: minuit}", "«»kind: cone}", "unknown fitter 'cone' ('cone' is a kind of selector)"),
    ("kind: minuit}", "«»kind: [minuit]}", "fit.kind: invalid value ['minuit']; expected a string"),
    ("kind: minuit}", "«»kind: 5}", "fit.kind: invalid value 5; expected a string"),
    ("{kind: minuit}", "[minuit]",
     "fit: invalid value ['minuit']; expected a fitter, as a mapping"),
    ("fit: {kind: minuit}", "«»fit: minuit",
     "fit: invalid value 'minuit'; expected a fitter, as a mapping"),
    ("fit: {kind: minuit}", "«»fit: {}", "fit: missing key 'kind'; expected one of"),
    ("fit: {kind: minuit}", "«»fti: {kind: minuit}", "fti: unknown key; available: "
     "data, model, fit, estimate; did you mean 'fit'?"),
    ("methods: [offset-max, aeff-max]", "methods: [], «»energy_min: 9 TeV",
     "no energy bin of data.hess is entirely above 9.0 TeV; expected a range within 1.0 TeV to"),
    ("    stack: {kind: sum}\n", "", "data.hess: missing key 'stack'; expected a stacker: how the"),
    ("name: crab", "«»name: 5", "model[0].name: invalid value 5; expected a string"),
    ("radius: 5 deg", "«»radius: 5", "radius: '5' has no unit; expected an angle"),
    ("radius: 5 deg", "«»radius: .nan", "radius: 'nan' has no unit; expected"),
    ("radius: 5 deg", "«»radius: null", "data.hess.select[0].radius: is not set; expected"),
    ("center: [83.633 deg, 22.014 deg], r", "«»center: [22.014 deg], r",
     "invalid value ['22.014 deg'];"),
    ("methods: [offset-max, aeff-max]", "«»methods: [offset-mx]", "did you mean 'offset-max'?"),
    ('exclude: ["icrs; circle(83.63, 22.14, 0.2)"]', "«»exclude: [Crab]", "neither a region nor"),
    ("energy_edges: [1 TeV,", "«»energy_edges: [5 TeV,", "estimate[0].energy_edges: must increase"),
    ("{kind: excess-map}", "«»{kind: flux-points, source: crab, energy_edges: [1 TeV, 2 TeV]}",
     "estimate[2]: another estimate has the same name, 'flux-points'"),
    ("  - {kind: fov-background}", "  - «»{kind: source, name: crab, spectral: {type: pl}}",
     "model[1]: another model has the same name, 'crab'; choose another name"),
    ("{kind: excess-map}", "{kind: model-comparison, alternatives: [«»5]}",
     "alternatives[0]: invalid value 5; expected an alternative, as a mapping with name, without"),
    ("kind: sum}", "kind: sum, «»chunk: 0}",
     "stack.chunk: invalid value 0; expected a number of at least 1"),
    ("$GAMMAPY_DATA/hess-dl3-dr1", "$GAMMAPY_DATA/hess-dl4", "no such file or folder: $GAMMAPY"),
    ("width: [2 deg, 2 deg]", "«»width: [2 deg, 2 deg, 2 deg]", "width: has 3 values; expected 2"),
    ("bins: 4}", "«»bins: 4.5}",
     "data.hess.geometry.energy.bins: invalid value 4.5; expected an integer"),
    ("{min: 1 TeV, max: 10 TeV, bins: 4}", "{max: 10 TeV, bins: 4}", "energy: missing key 'min';"),
    ("{min: 1 TeV, max: 10 TeV, bins: 4}", "{«»min: 1 TeV, edges: [1 TeV, 10 TeV]}",
     "energy.min: cannot be combined with edges; set either edges, or min, max and bins"),
    ("  hess:\n", "  «»hess: 5\n  other:\n",
     "data.hess: invalid value 5; expected a data entry, as a mapping with archive or datasets"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("original", "replacement", "message"), SINGLE, ids=[case[2] for case in SINGLE]
)
def test_single_mistake_is_reported_once_with_its_position(
    crab_yaml: str, plugins: Plugins, original: str, replacement: str, message: str
) -> None:
    assert crab_yaml.count(original) >= 1
    content, positions = remove_marks(
        crab_yaml.replace(original, replacement.replace("«»", "«mark»"), 1)
    )
    (report,) = mistakes(content, plugins)
    assert message in report
    for line, column in positions.values():
        assert report.startswith(f"<string>:{line}:{column}: ")


ONLY_GAMMAPY = [
    ("icrs; circle(83.63, 22.14, 0.2)", "icrs; circel(83.63, 22.14, 0.2)", "is not a DS9 region"),
    ("icrs; circle(83.63, 22.01, 0.5)", "icrs; circle(83.63)", "estimate[1].region: "),
    ("4.712e-11 cm-2 s-1 TeV-1", "4.712e-11 cm-2 s-1", "model[0].spectral.amplitude: "
     "'4.712e-11 cm-2 s-1' is in 1 / (s cm2); expected a unit such as 1 / (TeV s cm2)"),
    ("4.712e-11 cm-2 s-1 TeV-1", "many", "model[0].spectral.amplitude: 'many' is not a quantity"),
    ("type: pl,", "type: plaw,", "model[0].spectral.type: unknown spectral model 'plaw'"),
    ("type: pl,", "type: point,", "model[0].spectral.type: unknown spectral model 'point'"),
    ("index: 2.702", "indxe: 2.702", "model[0].spectral.indxe: unknown parameter "
     "of PowerLawSpectralModel; available: index, amplitude, reference; did you mean"),
    ("index: 2.702", "index: {value: 2.7, fixed: true}", "spectral.index.fixed: unknown key"),
    ("index: 2.702", "index: {value: 2.7, min: 3, max: 1}", "spectral.index.min: is above"),
    ("lon_0: 83.63308 deg", "lon_0: 83.63308 TeV", "model[0].spatial.lon_0: '83.63308 TeV' is in"),
    ("{kind: fov-background}\nfit", "{kind: fov-background, spectral: {type: pl-nrom}}\nfit",
     "model[1].spectral.type: unknown spectral model 'pl-nrom'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("original", "replacement", "message"), ONLY_GAMMAPY, ids=[case[1] for case in ONLY_GAMMAPY]
)
def test_problems_detected_by_gammapy_are_reported_before_data_are_read(
    crab_yaml: str, plugins: Plugins, original: str, replacement: str, message: str
) -> None:
    assert crab_yaml.count(original) == 1
    (report,) = mistakes(crab_yaml.replace(original, replacement), plugins)
    assert message in report
    line = crab_yaml[: crab_yaml.index(original)].count("\n") + 1
    assert report.startswith(f"<string>:{line}:")


def test_mistakes_in_two_models_are_reported_together(crab_yaml: str, plugins: Plugins) -> None:
    content = crab_yaml.replace("index: 2.702", "indxe: 2.702").replace(
        "circle(83.63, ", "circel(1, "
    )
    assert len(mistakes(content, plugins)) == 3


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system", "!!python/name:os.system", "!mine", "!!binary", "!!set",
     "!!omap", "!<tag:example.org,2000:x>"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["x", "[x]", "{kind: minuit}"])
def test_yaml_tags_are_rejected(crab_yaml: str, plugins: Plugins, tag: str, value: str) -> None:
    lines = mistakes(crab_yaml.replace("fit: {kind: minuit}", f"fit: {tag} {value}"), plugins)
    assert any(
        "fit: has a YAML tag" in line and "expected plain data without tags" in line
        for line in lines
    )


def test_tags_are_not_executed(crab_yaml: str, plugins: Plugins, tmp_path: Path) -> None:
    command = f"!!python/object/apply:os.system ['touch {tmp_path}/ran']"
    mistakes(crab_yaml.replace("{kind: minuit}", command), plugins)
    mistakes(crab_yaml, plugins, f"fit={command}")
    assert not (tmp_path / "ran").exists()


def test_tags_of_plain_data_are_accepted(crab_yaml: str, plugins: Plugins) -> None:
    content = crab_yaml.replace("name: crab", "name: !!str crab").replace(
        "bins: 4", "bins: !!int 4"
    )
    assert Pipeline.from_yaml(content, plugins=plugins) == Pipeline.from_yaml(
        crab_yaml, plugins=plugins
    )


@pytest.mark.parametrize("depth", [60, 1500])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_rejected(plugins: Plugins, depth: int, brackets: str) -> None:
    key = "a: " if brackets == "{}" else ""
    content = f"data: {(brackets[0] + key) * depth}1{brackets[1] * depth}\n"
    lines = mistakes(content, plugins)
    assert any("nested too deeply" in line for line in lines), lines


def test_deep_value_of_an_option_is_one_problem(crab_yaml: str, plugins: Plugins) -> None:
    content = crab_yaml.replace("bins: 4", f"bins: {'[' * 60}4{']' * 60}", 1)
    assert content != crab_yaml
    (line,) = mistakes(content, plugins)
    assert "nested too deeply" in line


def test_recursive_data_are_rejected(plugins: Plugins) -> None:
    assert any("nested too deeply" in line for line in mistakes("data: &x\n  a: *x\n", plugins))


@pytest.mark.parametrize(
    ("content", "position", "message"),
    [
        ("data: [1, 2\nmodel: 3\n", "2:6", "invalid YAML"),
        ("data:\n\t- 1\n", "2:1", "found character '\\t'"),
        ("a: *unknown\n", "1:4", "found undefined alias"),
        ("a: 1\n---\nb: 2\n", "2:1", "invalid YAML: expected a single document"),
        ("", "1:1", "missing key 'data'"),
        ("# nothing\n", "1:1", "missing key 'data'"),
        (
            "- a\n- b\n",
            "1:1",
            "invalid value ['a', 'b']; expected a pipeline, as a mapping with data, model, fit",
        ),
        (
            "just text\n",
            "1:1",
            "invalid value 'just text'; expected a pipeline, as a mapping with data, model, fit",
        ),
        ("data: {}\n", "1:1", "data: invalid value {}; expected a mapping from names"),
        ("data:\n", "1:1", "data: is not set; expected a mapping from names"),
    ],
)
def test_invalid_configuration_file_is_rejected(
    plugins: Plugins, tmp_path: Path, content: str, position: str, message: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content, encoding="utf-8")
    lines = mistakes(str(path), plugins)
    assert lines[0].startswith(f"{path}:{position}: ")
    assert message in lines[0]


def test_unreadable_file_is_reported(plugins: Plugins, tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "zero.yaml").write_bytes(b"a: \x00\n")
    assert "cannot be read: No such file" in mistakes(str(tmp_path / "none.yaml"), plugins)[0]
    assert "is not valid UTF-8" in mistakes(str(tmp_path / "binary.yaml"), plugins)[0]
    assert "invalid YAML" in mistakes(str(tmp_path / "zero.yaml"), plugins)[0]
    assert "cannot be read: Is a directory" in mistakes(str(tmp_path), plugins)[0]


@pytest.mark.parametrize("value", ["!!int abc", "!!float x", "9" * 5000, "!!bool maybe"])
def test_value_that_does_not_match_its_tag_is_reported(
    crab_yaml: str, plugins: Plugins, value: str
) -> None:
    content = crab_yaml.replace("{kind: minuit}", f"{{kind: minuit, calls: {value}}}")
    (line,) = mistakes(content, plugins)
    assert "fit.calls: " in line
    (line,) = mistakes(crab_yaml, plugins, f"fit.calls={value}")
    assert "fit.calls: " in line


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("{kind: minuit}", "!!int minuit", "fit"),
        ("{kind: minuit}", "!!python/name:os.system ''", "fit"),
        ("{kind: minuit}", "{kind: !!int minuit}", "fit.kind"),
        ("bins: 4", "bins: !number 4", "data.hess.geometry.energy.bins"),
        ("[offset-max, aeff-max]", "[offset-max, !!float aeff]", "data.hess.make[1].methods[1]"),
    ],
)
def test_value_that_cannot_be_read_is_one_problem(
    crab_yaml: str, plugins: Plugins, old: str, new: str, path: str
) -> None:
    assert old in crab_yaml
    (line,) = mistakes(crab_yaml.replace(old, new), plugins)
    assert f": {path}: " in line


def test_other_problems_are_listed_with_a_value_that_cannot_be_read(
    crab_yaml: str, plugins: Plugins
) -> None:
    content = crab_yaml.replace("{kind: minuit}", "{kind: minuit, cals: !!int abc, minos: 5}")
    lines = mistakes(content, plugins)
    assert [line.split(": ")[1] for line in lines] == ["fit.cals", "fit.cals", "fit.minos"]


@pytest.mark.parametrize(
    ("override", "attribute", "expected"),
    [
        ("fit.strategy=2", "fit.strategy", 2),
        ("fit={kind: minuit, calls: 7}", "fit.calls", 7),
        ("model.0.name=crab", "model[0].name", "crab"),
        ("data.hess.make[1].aeff_percent=5", "data['hess'].make[1].aeff_percent", 5.0),
        ("data.hess.stack.kind=keep", "data['hess'].stack.kind", "keep"),
        ("data.hess.on_error=skip", "data['hess'].on_error", "skip"),
    ],
)
def test_override_replaces_the_value_of_the_file(
    crab_yaml: str, plugins: Plugins, override: str, attribute: str, expected: object
) -> None:
    pipeline = Pipeline.from_yaml(crab_yaml, overrides=[override], plugins=plugins)
    assert eval(f"pipeline.{attribute}") == expected
    assert pipeline.digest() == Pipeline.from_yaml(pipeline.to_yaml(), plugins=plugins).digest()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fit.strategy", "'fit.strategy' is not an override; expected path=value"),
        ("fit.token: hunter2", "'fit.token' is not an override; expected path=value"),
        ("=3", "'=3' is not an override; expected path=value"),
        ("fit.strategy=3", "fit.strategy: invalid value 3; expected a number from 0 to 2"),
        ("fit.stratgy=1", "did you mean 'strategy'?"),
        ("data.hes.on_error=skip", "data.hes: unknown key; available: hess"),
        (
            "data.hess.make[3].parts=1",
            "make[3]: invalid index; expected an index from 0 to 2",
        ),
        ("data.hess.make[x]=1", "make.x: invalid index"),
        ("fit.kind.deeper=1", "fit.kind.deeper: cannot be set: fit.kind is 'minuit'"),
        ("fit.strategy=[", "invalid YAML"),
        ("fit.strategy=!!python/name:os.system x", "fit.strategy: has a YAML tag"),
        ("fit=!mine {kind: minuit}", "fit: has a YAML tag"),
    ],
)
def test_invalid_override_is_reported(
    crab_yaml: str, plugins: Plugins, override: str, message: str
) -> None:
    assert any(message in line for line in mistakes(crab_yaml, plugins, override))


@pytest.mark.parametrize("content", ["", "5\n", "- 1\n", "x\n"])
@pytest.mark.parametrize("override", ["fit=1", "fit.kind=minuit"])
def test_override_of_a_document_without_a_mapping_is_rejected(
    plugins: Plugins, tmp_path: Path, content: str, override: str
) -> None:
    (tmp_path / "config.yaml").write_text(content)
    assert mistakes(str(tmp_path / "config.yaml"), plugins, override)


def test_entry_with_a_number_as_name_can_be_overridden(crab_yaml: str, plugins: Plugins) -> None:
    content = crab_yaml.replace("  hess:", "  2004:")
    pipeline = Pipeline.from_yaml(content, overrides=["data.2004.on_error=skip"], plugins=plugins)
    assert pipeline.data["2004"].on_error == "skip"


def test_mistake_in_one_part_causes_no_other_problem(crab_yaml: str, plugins: Plugins) -> None:
    # estimators that use the source or the energy axis are not reported
    content = crab_yaml.replace("{type: pl, index", "{index").replace("bins: 4", "bins: none")
    assert len(mistakes(content, plugins)) == 2


def test_models_that_are_not_a_list_are_reported_once(crab_yaml: str, plugins: Plugins) -> None:
    start, end = crab_yaml.index("model:"), crab_yaml.index("fit: {")
    (report,) = mistakes(crab_yaml[:start] + "model: 5\n" + crab_yaml[end:], plugins)
    assert "model: invalid value 5; expected a list of models" in report
