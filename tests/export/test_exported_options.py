"""Every option of a pipeline changes the exported script, or is rejected, or has no effect."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from astropy.table import Table

from skyred import Pipeline
from skyred.errors import ExportError, FieldError
from skyred.fields import FrozenMapping, specs
from skyred.fields.parameter_entries import SubmodelError
from skyred.interfaces import Component, Fields
from skyred.interfaces.traversal import walk
from skyred.plugins import Catalog
from skyred.testing.variations import leaf_variations

MAP = """{kind: map, center: [83.6 deg, 22 deg], width: [2 deg, 2 deg],
      energy: {min: 1 TeV, max: 10 TeV, bins: BINS}, energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 10}}"""  # noqa: E501
SPECTRUM = """{kind: spectrum, on_region: "icrs; circle(83.63, 22.01, 0.1)",
      energy: {min: 1 TeV, max: 10 TeV, bins: 4}, energy_true: {edges: [0.5 TeV, 2 TeV, 20 TeV]}}"""
SOURCE = """
  - kind: source
    name: crab
    datasets: [hess]
    spatial: {type: point, lon_0: 83.63308 deg, lat_0: 22.0145 deg, frame: icrs}
    spectral: {type: pl, index: 2.702, amplitude: 4.712e-11 cm-2 s-1 TeV-1}
"""
ENTRY = """
data:
  hess:
    archive: $EXPORT_DATA
    select: SELECT
    geometry: GEOMETRY
    make: MAKE
    stack: STACK
    fit_range: {energy: [1 TeV, 5 TeV], region: ["icrs; circle(83.6, 22, 0.4)"]}
"""
ESTIMATES = """
estimate:
  - {kind: flux-points, source: crab, energy_edges: [1 TeV, 2 TeV, 10 TeV]}
  - {kind: flux-points-by-dataset, source: crab, energy_edges: [1 TeV, 2 TeV, 10 TeV]}
  - {kind: residuals, region: "icrs; circle(83.63, 22.01, 0.5)"}
  - {kind: excess-map}
  - {kind: significance-map}
  - {kind: ts-map}
  - {kind: source-detection, on: {kind: ts-map}}
  - {kind: sensitivity, region: "icrs; circle(83.63, 22.01, 0.1)"}
  - {kind: flux-profile, rings: {center: [83.6 deg, 22 deg], radii: [0 deg, 0.1 deg, 0.2 deg]}}
  - {kind: flux-profile, name: line,
     line: {start: [83.6 deg, 22 deg], stop: [83.7 deg, 22 deg], width: 0.1 deg, bins: 3}}
  - {kind: contours, parameters: [crab.index, crab.amplitude]}
  - {kind: profile-likelihood, parameters: [crab.amplitude]}
"""


def entry(geometry: str, make: str, stack: str, select: str = "[]") -> str:
    names = {"SELECT": select, "GEOMETRY": geometry, "MAKE": make, "STACK": stack}
    content = ENTRY
    for name, part in names.items():
        content = content.replace(name, part)
    return content


PIPELINES = {
    "fov background": entry(
        MAP.replace("BINS", "4"),
        """[{kind: map}, {kind: safe-mask, methods: [offset-max, aeff-max]},
      {kind: fov-background, exclude: ["icrs; circle(83.63, 22.14, 0.2)"]}]""",
        "{kind: sum}",
        """[{kind: cone, center: [83 deg, 22 deg]}, {kind: observation-ids, ids: [1, 2]},
      {kind: column-range, column: ZEN_PNT, max: 50 deg},
      {kind: time-window, start: 2004-12-04T22:00:00}]""",
    )
    + f"model: {SOURCE}\n  - {{kind: fov-background}}\nfit: {{kind: newton}}\n{ESTIMATES}",
    "ring": entry(
        MAP.replace("BINS", "1"),
        """[{kind: map}, {kind: safe-mask, methods: [edisp-bias, bkg-peak, aeff-default]},
      {kind: ring-background, r_in: 0.5 deg, width: 0.2 deg}]""",
        "{kind: keep}",
        """[{kind: time-window, start: 2004-12-04T22:00:00, cut: false, partial: true},
      {kind: column-range, column: OBJECT, values: [Crab]}]""",
    )
    + f"model: {SOURCE}\nfit: {{kind: minuit}}",
    "reflected regions": entry(
        SPECTRUM,
        "[{kind: spectrum}, {kind: safe-mask, methods: [aeff-max]}, {kind: reflected-regions}]",
        "{kind: keep}",
        "[{kind: time-window, start: 2004-12-04, width: 1 h}]",
    )
    + f"model: {SOURCE}\nfit: {{kind: newton}}\n"
    + "estimate:\n  - {kind: light-curve, source: crab, by: run}",
    "phases": entry(
        SPECTRUM,
        "[{kind: spectrum}, {kind: phase-background, on_phase: [0, 0.4], off_phase: [0.5, 0.6]}]",
        "{kind: group, by: night}",
        "[{kind: file-list, path: $EXPORT_DATA/runs.ecsv, entry: hess}]",
    )
    + f"model: {SOURCE}\nfit: {{kind: minuit}}\n"
    + "estimate:\n  - {kind: light-curve, source: crab, by: night}",
    "wobble": entry(
        SPECTRUM,
        "[{kind: spectrum}, {kind: reflected-regions, finder: wobble, n_off_regions: 3}]",
        "{kind: group, by: zenith, edges: [0 deg, 20 deg, 40 deg]}",
    )
    + "estimate:\n  - {kind: light-curve, source: crab, by: interval, width: 1 h}"
    + "\n  - {kind: light-curve, name: fixed, source: crab, by: interval, "
    + "intervals: [{start: 2004-12-04, stop: 2004-12-05}]}"
    + f"\nmodel: {SOURCE}",
}
# options that never change the script, with the reasons
WITHOUT_EFFECT = {
    ("data", "allow_outside"): "gammapy follows all paths",
    ("data", "compare_with_gammapy"): "the script runs gammapy's makers",
    ("data", "on_error"): "the script stops at a run that fails, as it says",
    ("data", "on_fault"): "the script does not inspect files, as it says",
    ("maker", "no_background"): "gammapy does not require a background",
    ("stacker", "chunk"): "results do not depend on it",
    ("fitter", "strategy"): "always 2 for maps, as documented; for spectra it is exported",
}
# options whose effect depends on others: the script is allowed to be the same for some values
WITH_CONDITIONS = {
    ("Reduction", "irfs"): "the IRFs that the makers read are required anyway",
    ("maker:safe-mask", "aeff_percent"): "only for aeff-max",
    ("maker:safe-mask", "bias_percent"): "only for edisp-bias",
    ("maker:safe-mask", "offset_max"): "only for offset-max",
    ("EnergyAxis", "per_decade"): "one bin in one decade",
    ("estimator:ts-map", "name"): "the map of a source detection is named after the detection",
}


@pytest.fixture(scope="module", autouse=True)
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Create a list of runs, and an empty index in place of an archive, which is not read."""
    folder = tmp_path_factory.mktemp("archive")
    runs = Table({"OBS_ID": [1], "entry": ["hess"]})
    runs.write(folder / "runs.ecsv", format="ascii.ecsv")
    (folder / "hdu-index.fits.gz").touch()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("EXPORT_DATA", str(folder))
        monkeypatch.setenv("SOMEWHERE", str(folder))
        yield


def replace_part(root: Any, path: tuple[str | int, ...], part: Any) -> Any:
    """Return a copy of an object in which one part is replaced."""
    if not path:
        return part
    name, *steps = path
    value = getattr(root, str(name))
    if isinstance(value, tuple):
        items = list(value)
        items[int(steps[0])] = replace_part(items[int(steps[0])], tuple(steps[1:]), part)
        return attrs.evolve(root, **{str(name): tuple(items)})
    if isinstance(value, FrozenMapping):
        changed = replace_part(value[steps[0]], tuple(steps[1:]), part)
        return attrs.evolve(root, **{str(name): FrozenMapping({**value, steps[0]: changed})})
    return attrs.evolve(root, **{str(name): replace_part(value, tuple(steps), part)})


def script_of(pipeline: Pipeline) -> str:
    """Return the script without the digest of the pipeline; "" if the export is rejected."""
    try:
        return re.sub(r"^[0-9a-f]{64}$", "", pipeline.to_script(), flags=re.MULTILINE)
    except ExportError:
        return ""


def label_of(part: Fields) -> str:
    return f"{part.role}:{part.kind}" if isinstance(part, Component) else type(part).__name__


def reason(part: Fields, option: str) -> str | None:
    """Return the reason why an option may leave the script unchanged, or None."""
    role = part.role if isinstance(part, Component) else "data"
    return WITHOUT_EFFECT.get((role, option)) or WITH_CONDITIONS.get((label_of(part), option))


def iter_effects(pipeline: Pipeline) -> Iterator[tuple[Fields, str, str]]:
    """Yield the parts of a pipeline, with each option and the effect of other values."""
    base = script_of(pipeline)
    for path, part in walk(pipeline):
        for option in specs(type(part)):
            for changed in leaf_variations(part, option):
                try:
                    script = script_of(replace_part(pipeline, path, changed))
                except (FieldError, SubmodelError):  # invalid
                    continue
                effect = "rejected" if not script else "none" if script == base else "changed"
                yield part, option, effect


@pytest.mark.slow
def test_no_option_is_ignored(catalog: Catalog) -> None:
    effects: dict[tuple[str, str], set[str]] = defaultdict(set)
    kinds = set()
    for name, config in PIPELINES.items():
        pipeline = Pipeline.from_yaml(config)
        kinds |= {type(part) for _, part in walk(pipeline)}
        for part, option, effect in iter_effects(pipeline):
            effects[label_of(part), option].add(effect)
            assert effect != "none" or reason(part, option), (name, label_of(part), option)
    for label, option in WITH_CONDITIONS:
        assert "changed" in effects[label, option]
    own = [item.cls for item in catalog if item.owner.distribution == "skyred"]
    uncovered = {
        (cls.role, cls.kind)
        for cls in own
        if cls not in kinds
        and cls.write_script is not Component.write_script
        and cls.role != "model"  # compared in test_exported_models.py
    }
    assert uncovered == {("maker", "adaptive-ring-background")}  # always rejected
