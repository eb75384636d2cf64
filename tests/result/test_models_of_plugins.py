"""Run folders with the model of a plugin are read with the plugin, and without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gammapy.datasets import Datasets
from gammapy.modeling.models import SPECTRAL_MODEL_REGISTRY, Models

import small_datasets as small
from distributions import install_distribution

PLUGIN = """
from skyred import ModelClass, hookimpl

@hookimpl
def skyred_models():
    return [ModelClass("dark_models:Box", tag=("BoxSpectralModel", "dm-box"), doc="A box.")]
"""
MODELS = '''
import numpy as np
from gammapy.modeling import Parameter
from gammapy.modeling.models import SpectralModel

class Box(SpectralModel):
    """Photons of decays in flight, between two energies."""

    tag = ["BoxSpectralModel", "dm-box"]
    norm = Parameter("norm", "1e-11 cm-2 s-1 TeV-1", interp="log")
    mass = Parameter("mass", "20 TeV", min=1, max=100, frozen=True)

    def __init__(self, channel="tau", **parameters):
        self.channel = channel
        super().__init__(**parameters)

    @staticmethod
    def evaluate(energy, norm, mass):
        return norm * (energy / mass).to_value("") ** -2 * np.exp(-(energy / mass).to_value(""))

    def to_dict(self, full_output=False):
        data = super().to_dict(full_output)
        data["spectral"]["channel"] = self.channel
        return data

    @classmethod
    def from_dict(cls, data, **kwargs):
        return super().from_dict(data, channel=data["spectral"]["channel"], **kwargs)
'''
CONFIG = """
data: {{small: {{datasets: {folder}/datasets.yaml}}}}
model:
  - kind: source
    name: halo
    spectral:
      type: dm-box
      channel: bb
      norm: {{value: 1e-14 cm-2 s-1 GeV-1, min: 0, prior: {{type: uniform, min: 0, max: 1}}}}
      mass: 30 TeV
fit: {{kind: newton}}
estimate:
  - {{kind: flux-points, source: halo, energy_edges: [1 TeV, 3 TeV, 10 TeV], columns: [ul]}}
  - {{kind: light-curve, source: halo, energy_edges: [1 TeV, 10 TeV]}}
"""
READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
from skyred import Result
from skyred.errors import OutputError
result = Result.read(sys.argv[1])
try:
    models = {p.name: float(p.value) for p in result.models["halo"].spectral_model.parameters}
    models["channel"] = result.models["halo"].spectral_model.channel
except OutputError as error:
    models = str(error)
tables = {name: product.table() for name, product in result.estimates.items()}
print(json.dumps({
    "models": models, "unread": dict(result.unread),
    "text": str(result), "html": result._repr_html_(),
    "stat": result.fit.stat, "counts": float(result.datasets[0].counts.data.sum()),
    "dnde": tables["flux-points"]["dnde"].tolist(),
    "flux": tables["light-curve"]["flux"].squeeze().tolist(),
    "flux_of_points": result.estimates["flux-points"].flux.flux.data.squeeze().tolist(),
    "modules": "dark_models" in sys.modules,
}))
"""


def python(*arguments: str, site: Path | None, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a new process, with a folder of installed distributions."""
    paths = [str(site)] if site else []
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])
    }
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, text=True,
                          capture_output=True, check=False, timeout=300)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run with the model of a plugin, which is installed in ``site``."""
    folder = tmp_path_factory.mktemp("run")
    site = folder / "site"
    site.mkdir()
    install_distribution(site, "dark-spectra", PLUGIN, version="0.3")
    (site / "dark_models.py").write_text(MODELS, encoding="utf-8")
    Datasets([small.spectrum_dataset()]).write(folder / "datasets.yaml")
    (folder / "halo.yaml").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    process = python("-m", "skyred", "run", "--no-plots", "halo.yaml", site=site, folder=folder)
    assert process.returncode == 0, process.stderr
    return folder


def read(folder: Path, site: Path | None) -> dict[str, Any]:
    process = python("-c", READ, str(folder / "halo"), site=site, folder=folder)
    assert process.returncode == 0, process.stderr
    return dict(json.loads(process.stdout))


@pytest.fixture(scope="module")
def with_plugin(folder: Path) -> dict[str, Any]:
    """Return the content of the folder, as a process with the plugin reads it."""
    return read(folder, folder / "site")


@pytest.mark.slow
def test_models_are_read_where_the_plugin_is_installed(with_plugin: dict[str, Any]) -> None:
    result = with_plugin
    assert result["models"]["channel"] == "bb"
    assert result["models"]["mass"] == 30
    assert result["models"]["norm"] > 0
    assert result["unread"] == {}
    assert result["modules"]


@pytest.mark.slow
def test_everything_else_is_read_without_the_plugin(
    folder: Path, with_plugin: dict[str, Any]
) -> None:
    without = read(folder, None)
    reason = (
        "the spectral model 'BoxSpectralModel' needs dark-spectra 0.3, which is not installed, or "
        "blocked"
    )
    assert without["unread"] == {"models": reason}
    assert without["models"].endswith(f"cannot be read: {reason}")
    assert f"not read: models: {reason}" in without["text"]
    assert "dark-spectra 0.3" in without["html"]
    assert not without["modules"]
    for name in ("stat", "counts"):
        assert without[name] == with_plugin[name]
    for name in ("dnde", "flux", "flux_of_points"):
        assert without[name] == pytest.approx(with_plugin[name], rel=1e-6)


RENAMED = MODELS.replace("norm", "amplitude").replace('"norm"', '"amplitude"')
SLOPE = '    slope = Parameter("slope", 2.5)\n\n    def __init__'
ADDED = MODELS.replace("    def __init__", SLOPE, 1).replace("norm, mass):", "norm, mass, slope):")
EXIT = MODELS.replace("return norm *", "raise SystemExit(3)\n        return norm *")
CHANGES = {
    "renamed": (RENAMED, "has the parameters amplitude, mass, but it was written with norm, mass"),
    "added": (ADDED, "has the parameters norm, mass, slope, but it was written with norm, mass"),
    "option": (MODELS.replace('data["spectral"]["channel"], **', 'data["decay"], **'), "KeyError"),
    "exit": (EXIT, "SystemExit: 3"),
    "evaluate": (MODELS.replace("norm * (", "norm / 0 * x * ("), "NameError"),
    "unit": (MODELS.replace("norm * (", "mass * norm * ("), "is not equivalent"),
    "import": (MODELS.replace("import numpy", "import no_module, numpy"), "cannot be imported"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_everything_else_is_read_with_another_version_of_the_plugin(
    folder: Path, tmp_path: Path, with_plugin: dict[str, Any], change: str
) -> None:
    code, message = CHANGES[change]
    install_distribution(tmp_path, "dark-spectra", PLUGIN, version="0.4")
    (tmp_path / "dark_models.py").write_text(code, encoding="utf-8")
    result = read(folder, tmp_path)
    assert message in result["unread"]["models"]
    assert "dark-spectra 0.4" in result["unread"]["models"]
    if change != "import":
        assert "written with version 0.3" in result["unread"]["models"]
    for name in ("stat", "counts"):
        assert result[name] == with_plugin[name]
    for name in ("dnde", "flux", "flux_of_points"):
        assert result[name] == pytest.approx(with_plugin[name], rel=1e-6)


@pytest.mark.slow
def test_plain_gammapy_reads_the_models_if_the_class_is_registered(folder: Path) -> None:
    code = (
        "from gammapy.modeling.models import Models, SPECTRAL_MODEL_REGISTRY as R\n"
        "import dark_models; R.append(dark_models.Box)\n"
        "import sys; print(Models.read(sys.argv[1])['halo'].spectral_model.channel)"
    )
    path = str(folder / "halo" / "models.yaml")
    process = python("-c", code, path, site=folder / "site", folder=folder)
    assert process.stdout.strip() == "bb", process.stderr


@pytest.mark.slow
def test_plugins_and_show_list_model_classes(folder: Path) -> None:
    plugins = python("-m", "skyred", "plugins", site=folder / "site", folder=folder)
    assert "spectral model dm-box" in plugins.stdout
    description = python("-m", "skyred", "show", "dm-box", site=folder / "site", folder=folder)
    assert "mass: 20 TeV (min 1, max 100, frozen)" in description.stdout, description.stderr
    assert "Photons of decays in flight" in description.stdout


def test_block_of_plugins_is_ignored_by_gammapy(tmp_path: Path) -> None:
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

    from skyred.io.model_files import write_models

    path = tmp_path / "models.yaml"
    owners = {"BoxSpectralModel": {"distribution": "dark-spectra", "version": "0.3"}}
    write_models(path, Models([SkyModel(PowerLawSpectralModel(), name="crab")]), owners)
    assert "distribution: dark-spectra" in path.read_text(encoding="utf-8")
    assert Models.read(path).names == ["crab"]
    assert all(cls.__name__ != "Box" for cls in SPECTRAL_MODEL_REGISTRY)
