"""Export of the examples and of all default components as plain gammapy scripts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from skyred import Pipeline
from skyred.errors import ExportError
from skyred.export import export
from skyred.interfaces import Component
from skyred.plugins import Catalog

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
# examples that cannot be exported, and the components that are reported
NOT_EXPORTABLE = {
    "minutes": ["`time-window`"],
    "comparison": ["sim:crab", "`model-comparison`"],
    "nights": ["sim:crab", "`zenith-veto`", "`sum-by-night`"],
}
# default components without an equivalent in gammapy
WITHOUT_EQUIVALENT = {
    ("estimator", "model-comparison"): "it fits several models, which can be exported separately",
    ("fitter", "gammapy"): "it also searches for minima lower than that of the backend",
    ("engine", "serial"): "an engine is not part of the pipeline",
    ("engine", "processes"): "an engine is not part of the pipeline",
}
# options that the examples do not set, with empty archives
MAKE = """
      - {kind: map, parts: [counts, exposure, background, psf, edisp], background_oversampling: 2}
      - {kind: safe-mask, methods: [aeff-default, edisp-bias], bias_percent: 5, fixed_offset: 1 deg}
"""
CONFIG = """
data:
  one:
    archive: $EXPORT_DATA/store
    select:
      - {kind: observation-ids, ids: [2, 1]}
      - {kind: file-list, path: $EXPORT_DATA/runs.txt}
      - {kind: column-range, column: ZEN_PNT, max: 50 deg, invert: true}
      - {kind: column-range, column: N_TELS, min: 3, max: 4}
      - {kind: column-range, column: OBJECT, values: [Crab]}
      - {kind: time-window, start: 2004-12-04T22:00:00, cut: false, partial: true}
      - {kind: time-window, stop: 2014-12-04}
    geometry:
      kind: GEOMETRY
      energy: {edges: [1 TeV, 10 TeV]}
      energy_true: {min: 0.5 TeV, max: 20 TeV, bins: 5}
    make: MAKE
    stack: {kind: STACK}
    fit_range: {energy: [1 TeV, 5 TeV]}
model: MODEL
fit: {kind: minuit, minos: true, calls: 500}
estimate:
  - {kind: contours, parameters: [my source.amplitude, other.amplitude]}
  - {kind: profile-likelihood, parameters: [other.amplitude]}
"""
SPECTRUM_GEOMETRY = "spectrum\n      on_region: 'icrs; circle(83.63, 22.01, 0.1)'"
MAP_GEOMETRY = (
    "map\n      center: {lon: 184.5 deg, lat: -5.8 deg, frame: galactic}\n"
    "      width: 2 deg\n      frame: galactic\n      psf_max: 0.5 deg\n      irf_bin_size: 0.1 deg"
)
SOURCES = """
  - kind: source
    name: my source
    datasets: [one]
    spatial: {type: gauss, lon_0: {value: 83.6 deg, frozen: true}, lat_0: 22 deg, sigma: 0.1 deg}
    spectral:
      type: ecpl
      index: {value: 2, min: 1, max: 3, prior: {type: gaussian, mu: 2, sigma: 0.1}, link: shared}
      amplitude: 1e-11 cm-2 s-1 TeV-1
  - kind: source
    name: other
    spectral: {type: pl, index: {value: 2, link: shared}}
"""
PIPELINES = {
    "phases": (SPECTRUM_GEOMETRY, "[{kind: spectrum}, {kind: phase-background, on_phase: [0, 0.4], "
               "off_phase: [[0.5, 0.6], [0.8, 0.9]]}]", "sum", SOURCES),
    "wobble": (SPECTRUM_GEOMETRY, "[{kind: spectrum, use_region_center: false}, "
               "{kind: reflected-regions, finder: wobble, n_off_regions: 3}]",
               "group\n      by: night", SOURCES),
    "ring": (MAP_GEOMETRY, "[{kind: map}, {kind: ring-background, r_in: 0.5 deg, width: 0.2 deg}]",
             "sum", SOURCES),
    "tilt": (MAP_GEOMETRY, MAKE + "      - {kind: fov-background, "
             "spectral: {type: pl-norm, tilt: {frozen: false}}, min_counts: 3, "
             "sources: [{name: crab, spectral: {type: pl, index: 2.5}, spatial: {type: point}}]}",
             "keep", SOURCES + "  - {kind: fov-background, spectral: {type: pl-norm, tilt: "
             "{value: 0, frozen: false}}}"),
}  # fmt: skip


def configuration(name: str) -> str:
    geometry, make, stack, model = PIPELINES[name]
    yaml_text = CONFIG.replace("GEOMETRY", geometry).replace("MAKE", make).replace("MODEL", model)
    return yaml_text.replace("{kind: STACK}", f"\n      kind: {stack}")


@pytest.fixture(autouse=True)
def create_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create empty indices instead of archives, since an export does not read them."""
    monkeypatch.setenv("EXPORT_DATA", str(tmp_path))
    monkeypatch.setenv("GAMMAPY_DATA", str(tmp_path))
    for name in ("store", "hess-dl3-dr1", "magic/rad_max/data", "cta-1dc/index/gps"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "hdu-index.fits.gz").touch()
    (tmp_path / "runs.txt").write_text("1\n2\n", encoding="utf-8")


def check_style(scripts: dict[str, str], folder: Path) -> None:
    """Check that ruff reports no errors, and that no script imports skyred."""
    for name, script in scripts.items():
        compile(script, name, "exec")
        assert not [line for line in script.split("\n") if "import" in line and "skyred" in line]
        (folder / f"{name.replace('-', '_')}.py").write_text(script, encoding="utf-8")
    rules = "E,F,W,I,N,UP,B,C4,SIM,RET,RUF,D1"
    checks = (
        ["format", "--diff", "--isolated", "--line-length", "88"],
        ["check", "--select", rules, "--isolated", "--line-length", "100"],
    )
    for check in checks:
        command = [sys.executable, "-m", "ruff", *check, "--no-cache", str(folder)]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stdout + process.stderr


def check_overwrite(scripts: dict[str, str]) -> None:
    """Check that all scripts can overwrite the files of an earlier run."""
    for name, script in scripts.items():
        calls = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Call)]
        write_calls = [call for call in calls if getattr(call.func, "attr", "") == "write"]
        assert write_calls, name
        for call in write_calls:
            assert "overwrite" in [keyword.arg for keyword in call.keywords], ast.unparse(call)


def test_exported_examples_pass_ruff(tmp_path: Path) -> None:
    scripts = {}
    for path in EXAMPLES:
        # examples that read datasets need their files
        if path.stem in NOT_EXPORTABLE or " datasets: $" in path.read_text():
            continue
        scripts[path.stem] = Pipeline.from_yaml(path).to_script(path.name)
    assert len(scripts) >= 9
    folder = tmp_path / "scripts"
    folder.mkdir()
    check_style(scripts, folder)
    check_overwrite(scripts)


def test_exported_scripts_of_other_components_pass_ruff(tmp_path: Path) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    scripts = {name: Pipeline.from_yaml(configuration(name)).to_script() for name in PIPELINES}
    check_style(scripts, folder)
    check_overwrite(scripts)


@pytest.mark.parametrize("name", NOT_EXPORTABLE)
def test_components_without_a_gammapy_equivalent_are_reported_together(
    name: str, catalog: Catalog
) -> None:
    path = ROOT / "examples" / f"{name}.yaml"
    if name == "nights" and ("maker", "zenith-veto") not in {
        (entry.cls.role, entry.cls.kind) for entry in catalog
    }:
        pytest.skip("needs the plugin skyred-example")
    owners = {entry.cls: entry.owner.distribution for entry in catalog}
    with pytest.raises(ExportError) as excinfo:
        export(Pipeline.from_yaml(path), path.name, lambda component: owners[type(component)])
    assert excinfo.value.exit_code == 2
    for message in NOT_EXPORTABLE[name]:
        assert message in str(excinfo.value)
    if name == "nights":
        message = "`zenith-veto` of skyred-example has no equivalent in plain gammapy"
        assert message in str(excinfo.value)


def test_every_default_component_can_be_exported_or_has_a_reason(catalog: Catalog) -> None:
    default = [entry.cls for entry in catalog if entry.owner.distribution == "skyred"]
    not_exportable = {
        (cls.role, cls.kind) for cls in default if cls.write_script is Component.write_script
    }
    assert not_exportable == set(WITHOUT_EQUIVALENT)
    # an inherited method is rejected
    assert all(
        "write_script" in vars(cls)
        for cls in default
        if (cls.role, cls.kind) not in WITHOUT_EQUIVALENT
    )


def test_script_contains_the_digest_of_its_pipeline() -> None:
    pipeline = Pipeline.from_yaml(configuration("ring"))
    assert pipeline.digest() in pipeline.to_script()
