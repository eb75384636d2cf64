"""The types of the IRFs of a run: equal for the same types, different for other ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from astropy.coordinates import SkyCoord

from random_irfs import AREAS, BACKGROUNDS, PSFS, create_irf, create_observation
from skyred.run.worker.irf_types import describe_irfs

POINTING = SkyCoord(83.63, 22.01, unit="deg")


def describe(seed: int = 0, **kinds: str) -> str:
    irfs = {name: create_irf(kind, seed) for name, kind in kinds.items()}
    return describe_irfs(create_observation(POINTING, **irfs))


@pytest.mark.parametrize(("name", "kinds"), [("aeff", AREAS), ("psf", PSFS), ("bkg", BACKGROUNDS)])
def test_each_type_has_its_own_description(name: str, kinds: tuple[str, ...]) -> None:
    assert len({describe(**{name: kind}) for kind in kinds}) == len(kinds)


def test_values_do_not_change_the_description() -> None:
    kinds = {"aeff": "aeff_2d", "psf": "psf_king", "bkg": "bkg_3d", "edisp": "edisp_2d"}
    assert describe(seed=0, **kinds) == describe(seed=1, **kinds)


@pytest.mark.parametrize(
    "observation",
    [SimpleNamespace(), SimpleNamespace(psf=object()), object()],
    ids=["empty", "own", "slots"],
)
def test_objects_of_a_plugin_can_be_described(observation: Any) -> None:
    assert describe_irfs(observation) in ("", "psf: object  full-enclosure ")
