"""Every component that is installed here obeys the laws of its role, but for what is said below."""

from __future__ import annotations

from typing import Any

import pytest

from skyred.interfaces import ROLES, Component
from skyred.plugins import Catalog, Plugins
from skyred.testing import Case, check
from skyred.testing.sample import crab

CATALOG: Catalog = Plugins.load().catalog
OURS = ("skyred", "skyred-example", "skyred-dask")
ENTRIES = [entry for entry in CATALOG if entry.owner.distribution in OURS]
ENERGIES = ["0.8 TeV", "2 TeV", "10 TeV"]
CRAB = {"type": "point", "lon_0": "83.633 deg", "lat_0": "22.014 deg", "frame": "icrs"}

# what those are built with that need something, or are slow without
GIVEN: dict[tuple[str, str], dict[str, Any]] = {
    ("selector", "column-range"): {"column": "ZEN_PNT", "max": "90 deg"},
    ("selector", "cone"): {"center": ["83.633 deg", "22.014 deg"], "radius": "2 deg"},
    ("selector", "observation-ids"): {"ids": [900001, 900103]},
    ("selector", "time-window"): {"start": "2000-01-01T00:00:00"},
    ("maker", "ring-background"): {"r_in": "0.4 deg", "width": "0.2 deg"},
    ("maker", "adaptive-ring-background"): {
        "r_in": "0.4 deg", "width": "0.2 deg", "r_out_max": "0.9 deg",
    },
    ("maker", "phase-background"): {"on_phase": [0.1, 0.4], "off_phase": [[0.5, 0.9]]},
    ("stacker", "group"): {"by": "night"},
    ("model", "source"): {"name": "crab", "spectral": {"type": "pl"}, "spatial": CRAB},
    ("model", "gammapy"): {
        "components": [
            {"name": "a", "type": "SkyModel", "spectral": {"type": "PowerLawSpectralModel"}}
        ],
    },
    ("estimator", "contours"): {"parameters": ["crab.index", "crab.amplitude"]},
    ("estimator", "flux-points"): {"source": "crab", "energy_edges": ENERGIES},
    ("estimator", "light-curve"): {"source": "crab"},
    ("engine", "processes"): {"workers": 2},
    ("engine", "dask"): {"workers": 1},
}  # fmt: skip

# these need files, catalogs or regions: the tests of their own have them
ELSEWHERE = {
    ("model", "catalog"), ("model", "counts-template"), ("model", "file"), ("model", "template"),
    ("estimator", "flux-profile"), ("estimator", "model-comparison"),
}  # fmt: skip
EXPECTED: dict[tuple[str, str], dict[str, str]] = {}


def case_of(cls: type[Component]) -> Case:
    """Give a component as it is checked."""
    which = (cls.role, cls.kind)
    if cls.role == "geometry":
        reductions = [crab().reduction(name) for name in ("maps", "spectra")]
        made = next(each.geometry for each in reductions if each.geometry.kind == cls.kind)
    else:
        made = cls(**GIVEN.get(which, {}))
    return Case(made, expected_failures=EXPECTED.get(which, {}))


@pytest.mark.parametrize(
    "cls",
    [entry.cls for entry in ENTRIES if (entry.cls.role, entry.cls.kind) not in ELSEWHERE],
    ids=lambda cls: f"{cls.role}-{cls.kind}",
)
def test_our_own_components_obey_the_laws(cls: type[Component]) -> None:
    case = case_of(cls)
    check(case.component, sample=case.sample, expected_failures=case.expected_failures)


def test_every_role_has_a_component() -> None:
    assert {entry.cls.role for entry in ENTRIES} == set(ROLES)
