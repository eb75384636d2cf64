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

# options that are required, or that make the checks faster
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("selector", "column-range"): {"column": "ZEN_PNT", "max": "90 deg"},
    ("selector", "cone"): {"center": ["83.633 deg", "22.014 deg"], "radius": "2 deg"},
    ("selector", "observation-ids"): {"ids": [900001, 900103]},
    ("selector", "file-list"): {"path": "runs.txt"},
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
    ("estimator", "flux-points-by-dataset"): {"source": "crab", "energy_edges": ENERGIES},
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

# checked in components/models/test_catalog_sources.py, with a catalogue file
CHECKED_ELSEWHERE = {("model", "catalog")}

# components whose checks take more than a second
SLOW = {
    ("engine", "dask"),
    ("engine", "processes"),
    ("maker", "reflected-regions"),
    ("stacker", "group"),
    ("stacker", "sum"),
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files to which `OPTIONS` refer."""
    path = tmp_path_factory.mktemp("files")
    datasets, _ = crab().fitted_datasets()
    datasets[0].background.write(path / "counts.fits")
    datasets[0].exposure.sum_over_axes(keepdims=False).write(path / "image.fits")
    datasets.models.write(path / "models.yaml")
    (path / "runs.txt").write_text("900001\n900103\n", encoding="utf-8")
    return path


def create_component(cls: type[Component]) -> Component:
    """Return an instance of the component with its `OPTIONS`."""
    if cls.role != "geometry":
        return cls(**OPTIONS.get((cls.role, cls.kind), {}))
    reductions = [crab().reduction(name) for name in ("maps", "spectra")]
    geometries = [reduction.geometry for reduction in reductions]
    return next(geometry for geometry in geometries if geometry.kind == cls.kind)


def create_sample(cls: type[Component]) -> Sample:
    """Return the sample data; the light curve needs a dataset for each run."""
    if (cls.role, cls.kind) != ("estimator", "light-curve"):
        return Sample()
    from gammapy.datasets import Datasets
    from gammapy.modeling.models import Models

    runs = enumerate(crab().reduced_datasets("maps"))
    datasets = Datasets([run.copy(name=f"sample-{number}") for number, run in runs])
    fitted_datasets, _ = crab().fitted_datasets()
    datasets.models = Models([fitted_datasets.models["crab"]])
    return Sample(datasets=datasets)


def component_param(cls: type[Component]) -> Any:
    """Return a ``pytest.param`` of a component, with the mark ``slow`` if it is in `SLOW`."""
    marks = [pytest.mark.slow] if (cls.role, cls.kind) in SLOW else []
    return pytest.param(cls, marks=marks, id=f"{cls.role}-{cls.kind}")


@pytest.mark.parametrize(
    "cls",
    [
        component_param(entry.cls)
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
