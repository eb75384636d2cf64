"""All installed components pass the conformance checks of their roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skyred.components.gammapy import Alternative, Rings
from skyred.interfaces import ROLES, Component
from skyred.plugins import Catalog, Plugins
from skyred.testing import Sample, check
from skyred.testing.sample import crab

CATALOG: Catalog = Plugins.load().catalog
DISTRIBUTIONS = ("skyred", "skyred-example", "skyred-dask")
ENTRIES = [entry for entry in CATALOG if entry.owner.distribution in DISTRIBUTIONS]
ENERGIES = ["0.8 TeV", "2 TeV", "10 TeV"]
CRAB = {"type": "point", "lon_0": "83.633 deg", "lat_0": "22.014 deg", "frame": "icrs"}

# options that components require, or that make them faster
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("selector", "column-range"): {"column": "ZEN_PNT", "max": "90 deg"},
    ("selector", "cone"): {"center": ["83.633 deg", "22.014 deg"], "radius": "2 deg"},
    ("selector", "observation-ids"): {"ids": [900001, 900103]},
    ("selector", "time-window"): {"start": "2000-01-01T00:00:00", "width": "1 min"},
    ("maker", "ring-background"): {"r_in": "0.4 deg", "width": "0.2 deg"},
    ("maker", "adaptive-ring-background"): {
        "r_in": "0.3 deg", "width": "0.3 deg", "r_out_max": "1.2 deg", "threshold_alpha": 1,
    },
    ("maker", "phase-background"): {"on_phase": [0.1, 0.4], "off_phase": [[0.5, 0.9]]},
    ("stacker", "group"): {"by": "night"},
    ("model", "source"): {"name": "crab", "spectral": {"type": "pl"}, "spatial": CRAB},
    ("model", "gammapy"): {
        "components": [
            {
                "name": "a", "type": "SkyModel",
                "spectral": {
                    "type": "PowerLawSpectralModel", "parameters": [{"name": "index", "value": 2}],
                },
            },
        ],
    },
    ("model", "counts-template"): {"name": "known", "map": "counts.fits", "dataset": "sample"},
    ("model", "file"): {"path": "models.yaml"},
    ("model", "template"): {"name": "wide", "map": "image.fits", "spectral": {"type": "pl"}},
    ("estimator", "contours"): {
        "parameters": ["crab.index", "crab.amplitude"], "sigmas": [1], "points": 4,
    },
    ("estimator", "flux-points"): {"source": "crab", "energy_edges": ENERGIES},
    ("estimator", "flux-profile"): {
        "rings": Rings(center=["83.633 deg", "22.014 deg"], radii=["0 deg", "0.2 deg", "0.5 deg"]),
    },
    ("estimator", "light-curve"): {"source": "crab"},
    ("estimator", "model-comparison"): {
        "alternatives": [Alternative(name="hard", fix={"crab.index": 2})],
    },
    ("estimator", "profile-likelihood"): {"parameters": ["crab.index"], "points": 3},
    ("estimator", "sensitivity"): {"region": "icrs; circle(83.633, 22.014, 0.2)"},
    ("engine", "processes"): {"workers": 2},
    ("engine", "dask"): {"workers": 1},
}  # fmt: skip

# tested in test_catalog.py, with a catalogue file
CHECKED_ELSEWHERE = {("model", "catalog")}

# components with checks of more than a second
SLOW = {
    ("engine", "dask"),
    ("engine", "processes"),
    ("maker", "reflected-regions"),
    ("stacker", "group"),
    ("stacker", "sum"),
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of `OPTIONS`."""
    folder_of_files = tmp_path_factory.mktemp("files")
    datasets, _ = crab().fitted()
    datasets[0].background.write(folder_of_files / "counts.fits")
    datasets[0].exposure.sum_over_axes(keepdims=False).write(folder_of_files / "image.fits")
    datasets.models.write(folder_of_files / "models.yaml")
    return folder_of_files


def create_component(cls: type[Component]) -> Component:
    """Return the component to be checked."""
    if cls.role != "geometry":
        return cls(**OPTIONS.get((cls.role, cls.kind), {}))
    reductions = [crab().reduction(name) for name in ("maps", "spectra")]
    return next(item.geometry for item in reductions if item.geometry.kind == cls.kind)


def create_sample(cls: type[Component]) -> Sample:
    """Return the sample; a light curve needs separate datasets for the runs."""
    if (cls.role, cls.kind) != ("estimator", "light-curve"):
        return Sample()
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

    runs = enumerate(crab().reduced("maps"))
    datasets = Datasets([run.copy(name=f"sample-{number}") for number, run in runs])
    fitted, _ = crab().fitted()
    datasets.models = Models([fitted.models["crab"]])
    return Sample(datasets=datasets)


def as_parameter(cls: type[Component]) -> Any:
    """Return a component as a parameter of a test, marked if it is slow."""
    marks = [pytest.mark.slow] if (cls.role, cls.kind) in SLOW else []
    return pytest.param(cls, marks=marks, id=f"{cls.role}-{cls.kind}")


@pytest.mark.parametrize(
    "cls",
    [
        as_parameter(entry.cls)
        for entry in ENTRIES
        if (entry.cls.role, entry.cls.kind) not in CHECKED_ELSEWHERE
    ],
)
def test_installed_component_passes_the_checks(
    cls: type[Component], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    check(create_component(cls), sample=create_sample(cls))


def test_every_role_has_a_component() -> None:
    assert {entry.cls.role for entry in ENTRIES} == set(ROLES)
