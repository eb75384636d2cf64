"""The models `freeze` and `free`, against gammapy's models and statistic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import Models
from scipy.optimize import minimize_scalar

from skyred.components.gammapy import BackgroundModels, Free, Freeze, Source
from skyred.errors import ExportError, FieldError, ModelError, SkyredWarning
from skyred.interfaces.model import ModelContext
from skyred.likelihood.source_significance import compute_test_statistics
from skyred.run.build_models import build_models
from skyred.scripting import Script
from skyred.testing import Sample, check
from small_datasets import map_dataset
from toys import toy_pipeline

INDEX, AMPLITUDE, POSITION = "index", "amplitude", ["lon_0", "lat_0"]


def source(name: str, lon: float = 0.0, amplitude: str = "1e-12 cm-2 s-1 TeV-1") -> Source:
    return Source(
        name=name,
        spectral={"type": "pl", "amplitude": amplitude},
        spatial={"type": "point", "lon_0": f"{lon} deg", "lat_0": "0 deg", "frame": "galactic"},
    )


SOURCES = (source("target"), source("near-1", 0.4), source("far-1", 1.5), source("far-2", 2.5))
DIFFUSE = Source(name="diffuse", spectral={"type": "pl"}, spatial={"type": "const"})


def free_parameters(*rules: Any, components: Any = SOURCES) -> tuple[dict[str, list[str]], list]:
    notes: list[str] = []
    models = build_models([*components, *rules], Datasets(), report=notes.append)
    names = {
        model.name: [par.name for par in model.parameters if not par.frozen] for model in models
    }
    return names, notes


def frozen_sources(*rules: Any) -> list[str]:
    return [name for name, free in free_parameters(*rules)[0].items() if not free]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["target", "near-1", "far-1", "far-2"]),
        ({"sources": ["far-*"]}, ["far-1", "far-2"]),
        ({"exclude": ["t*", "near-?"]}, ["far-1", "far-2"]),
        ({"around": "target", "beyond": "1 deg"}, ["far-1", "far-2"]),
        ({"around": "target", "within": "1 deg"}, ["target", "near-1"]),
        ({"around": "target", "beyond": "1 deg", "within": "2 deg"}, ["far-1"]),
        ({"center": {"l": "2.5 deg", "b": "0 deg"}, "within": "1 deg"}, ["far-1", "far-2"]),
        ({"around": "target", "beyond": "1 deg", "exclude": ["far-2"]}, ["far-1"]),
    ],
)
def test_sources_are_selected_by_name_and_distance(options: dict, expected: list[str]) -> None:
    assert frozen_sources(Freeze(**options)) == expected


@pytest.mark.parametrize(
    ("parameters", "free"),
    [
        ("norm", [INDEX, *POSITION]),
        ("shape", [AMPLITUDE, *POSITION]),
        ("spectral", POSITION),
        ("spatial", [INDEX, AMPLITUDE]),
        ("all", []),
    ],
)
def test_parameters_are_selected(parameters: str, free: list[str]) -> None:
    rule = Freeze(sources=["target"], parameters=parameters)
    names, (note,) = free_parameters(rule)
    assert names["target"] == free
    assert names["near-1"] == [INDEX, AMPLITUDE, *POSITION]
    assert note.startswith("target: frozen: ")


def test_rules_apply_in_order_and_free_leaves_reference_energies_frozen() -> None:
    names, notes = free_parameters(Freeze(), Free(sources=["near*"]))
    assert names["near-1"] == [INDEX, AMPLITUDE, *POSITION]
    assert names["target"] == []
    assert notes[-1].startswith("near-1: freed: ")


def test_report_has_the_reason() -> None:
    _, notes = free_parameters(Freeze(around="target", beyond="2 deg"))
    assert notes == ["far-2: frozen: lon_0, lat_0, index, amplitude (2.500 deg from target)"]


def test_backgrounds_and_diffuse_sources_have_no_distance() -> None:
    components = (*SOURCES, DIFFUSE, BackgroundModels())
    rule = Freeze(around="target", within="180 deg")
    datasets = Datasets([map_dataset()])
    models = build_models([*components, rule, Freeze(sources=["*bkg*"])][:-1], datasets)
    assert not models["diffuse"].spectral_model.index.frozen
    assert not models[-1].parameters["norm"].frozen
    assert models["far-2"].spectral_model.index.frozen


def test_rule_without_match_is_a_warning_in_the_report() -> None:
    with pytest.warns(SkyredWarning, match="the rule freeze sources: .* matches no source"):
        _, notes = free_parameters(Freeze(sources=["none-*"]))
    assert "matches no source" in notes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"within": "1 deg"}, "a distance without a position"),
        ({"around": "crab"}, "has no effect"),
        ({"around": "crab", "within": "1 deg", "beyond": "2 deg"}, "no source is both within"),
        ({"min_ts": 25, "max_ts": 9}, "no TS is at least 25 and below 9"),
        ({"center": [1, 2], "within": "1 deg"}, "is not an angle"),
    ],
)
def test_invalid_options_are_rejected(options: dict, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        Freeze(**options)


def test_unknown_source_and_contradictory_rules_are_problems() -> None:
    rule = Freeze(around="targett", beyond="1 deg")
    (problem,) = rule.check(toy_pipeline().evolve(model=[*SOURCES, rule]))
    assert "unknown source 'targett'" in str(problem)
    rule = Freeze(sources=["far-*"])
    rules = [rule, Free(sources=["far-*"])]
    (problem,) = rule.check(toy_pipeline().evolve(model=[*SOURCES, *rules]))
    assert "'free' changes the same parameters back" in str(problem)
    with pytest.raises(ModelError, match="unknown source 'x'; available: target"):
        free_parameters(Freeze(around="x", within="1 deg"))


def test_computed_ts_agrees_with_the_statistic_of_gammapy() -> None:
    dataset = map_dataset()
    datasets = Datasets([dataset])
    position = dataset.counts.geom.center_skydir.galactic
    bright = Source(
        name="bright",
        spectral={"type": "pl", "amplitude": "3e-11 cm-2 s-1 TeV-1"},
        spatial={"type": "point", "lon_0": f"{position.l.deg} deg",
                 "lat_0": f"{position.b.deg} deg", "frame": "galactic"},
    )  # fmt: skip
    models = build_models([bright, BackgroundModels()], datasets)
    datasets.models = models
    rng = np.random.default_rng(1)
    dataset.counts.data = rng.poisson(dataset.npred().data)
    ts = compute_test_statistics(datasets, models, ["bright"])["bright"]

    def stat(norm: float) -> float:
        models["bright"].spectral_model.amplitude.value = norm * 3e-11
        return datasets.stat_sum()

    best = minimize_scalar(stat, bounds=(0, 5), method="bounded", options={"xatol": 1e-6})
    assert ts == pytest.approx(stat(0) - best.fun, rel=1e-3)
    assert ts > 25
    models["bright"].spectral_model.amplitude.value = 3e-11
    assert [par.frozen for par in models["bright"].parameters].count(False) == 4
    notes: list[str] = []
    context = ModelContext(datasets, notes.append)
    Freeze(min_ts=25, parameters="spatial").adjust(models, context)
    assert notes == [f"bright: frozen: lon_0, lat_0 (TS {ts:.1f} of the data)"]


def test_published_ts_is_used_before_that_of_the_data() -> None:
    models = Models([item for component in SOURCES for item in component.build(Datasets())])
    notes: list[str] = []
    ts = {"target": 100.0, "near-1": 24.0, "far-1": 25.0, "far-2": 9.0}
    Freeze(max_ts=25).adjust(models, ModelContext(Datasets(), notes.append, ts))
    assert [model.name for model in models if model.spectral_model.index.frozen] == [
        "near-1",
        "far-2",
    ]
    assert notes[0].endswith("(TS 24.0 of the catalogue)")


def test_exported_code_freezes_the_same_parameters() -> None:
    for options in (
        {"around": "target", "beyond": "1 deg", "exclude": ["far-2"], "parameters": "shape"},
        {"center": {"l": "2.5 deg", "b": "0 deg"}, "within": "1 deg", "parameters": "norm"},
        {"sources": ["near*"]},
        {"parameters": "spatial", "sources": ["t*"]},
    ):
        rule = Freeze(**options)
        expected, _ = free_parameters(rule)
        script = Script()
        rule.write_script(script)
        script.body.add("return models")
        script.function("adjust(models)", "Freeze parameters.")
        namespace: dict[str, Any] = {}
        exec(script.text(["A test."]).split("if __name__")[0], namespace)
        models = Models([item for component in SOURCES for item in component.build(Datasets())])
        adjusted = namespace["adjust"](models)
        assert expected == {
            model.name: [par.name for par in model.parameters if not par.frozen]
            for model in adjusted
        }
    with pytest.raises(ExportError, match="selects sources by TS"):
        Freeze(min_ts=9).write_script(Script())


@pytest.mark.parametrize("rule", [Freeze(), Free(around="x", within="1 deg")])
def test_component_passes_the_conformance_checks(rule: Any) -> None:
    check(rule, sample=Sample(datasets=Datasets([map_dataset()])))
