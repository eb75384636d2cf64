"""Components are frozen, compared by value, and have reproducible digests and clear errors."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from astropy import units as u
from hypothesis import given, strategies as st

from skyred import (
    FitResult,
    Maker,
    Objective,
    Reduction,
    SpectrumGeometry,
    component,
    option,
    quantity,
)
from skyred.errors import FieldError, Problem
from skyred.interfaces import Fields, value
from toys import ToyEstimator, ToyFitter, ToyMaker, ToySum, toy_pipeline

COMPONENTS = [ToyMaker(skip=[3]), ToySum(chunk=3), ToyFitter()]


@pytest.mark.parametrize("instance", COMPONENTS, ids=lambda instance: instance.kind)
def test_component_can_be_pickled(instance: Fields) -> None:
    copy = pickle.loads(pickle.dumps(instance))
    assert copy == instance
    assert hash(copy) == hash(instance)
    assert copy.digest() == instance.digest()


@pytest.mark.parametrize("instance", COMPONENTS, ids=lambda instance: instance.kind)
def test_component_is_frozen(instance: Fields) -> None:
    name = attrs.fields(type(instance))[0].name
    original_digest = instance.digest()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(instance, name, getattr(instance, name))
    assert instance.digest() == original_digest


def test_positional_arguments_are_rejected() -> None:
    with pytest.raises(TypeError):
        ToyMaker("700 GeV")  # type: ignore[misc]


def test_components_of_different_kinds_with_equal_fields_differ() -> None:
    @component
    class First(Maker):
        """A maker with one field."""

        kind = "first"
        scale = quantity("700 GeV", doc="An energy.")

        def make(self, dataset: object, observation: object) -> object:
            return dataset

    @component
    class Second(Maker):
        """A maker with the same field."""

        kind = "second"
        scale = quantity("700 GeV", doc="An energy.")

        def make(self, dataset: object, observation: object) -> object:
            return dataset

    assert First() != Second()
    assert First().digest() != Second().digest()


def test_components_with_equal_quantities_in_different_units_are_equal() -> None:
    maker = ToyMaker(scale="0.7 TeV", threshold="0.02 deg")
    equal_maker = ToyMaker(scale=700 * u.GeV, threshold=1.2 * u.arcmin)
    assert maker == equal_maker
    assert hash(maker) == hash(equal_maker)
    assert maker.digest() == equal_maker.digest()
    assert ToyMaker(scale="0.7000001 TeV") != maker


UNITS = {
    "energy": ("eV", "keV", "MeV", "GeV", "TeV", "PeV", "erg", "J"),
    "angle": ("rad", "deg", "arcmin", "arcsec", "mas", "hourangle"),
    "time": ("s", "ms", "min", "h", "d", "yr"),
    "flux": ("1 / (TeV s cm2)", "1 / (MeV s cm2)", "1 / (erg s m2)"),
}


@value
class Quantities(Fields):
    """One quantity of each physical type."""

    energy = quantity("1 TeV", doc="An energy.")
    angle = quantity("1 deg", doc="An angle.")
    time = quantity("1 s", doc="A time.")
    flux = quantity("1 cm-2 s-1 TeV-1", doc="A flux.")


@given(
    data=st.data(),
    name=st.sampled_from(sorted(UNITS)),
    # far fewer digits than the 12 of a digest, so that the error of a unit conversion does not
    # change the rounded value
    digits=st.integers(-(10**7), 10**7),
    exponent=st.integers(-30, 20),
)
def test_digest_is_independent_of_the_unit(
    data: st.DataObject, name: str, digits: int, exponent: int
) -> None:
    number = float(f"{digits}e{exponent}")
    first_unit, second_unit = (data.draw(st.sampled_from(UNITS[name])) for _ in range(2))
    quantity_value = u.Quantity(number, first_unit)
    instance = Quantities(**{name: quantity_value})
    converted = Quantities(**{name: quantity_value.to(second_unit)})
    assert instance == converted
    assert hash(instance) == hash(converted)
    assert instance.digest() == converted.digest()
    changed = Quantities(**{name: quantity_value * (1 + 1e-9)})
    assert (changed == instance) == (number == 0)


@pytest.mark.slow
def test_digest_is_the_same_in_every_process() -> None:
    code = (
        "from toys import *; print(toy_pipeline(fit=ToyFitter(), estimate=[ToyEstimator()])"
        ".digest(), ToyMaker(skip=[1, 2], scale='1 TeV').digest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(Path(__file__).parents[1] / "helpers"),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    pipeline = toy_pipeline(fit=ToyFitter(), estimate=[ToyEstimator()])
    maker = ToyMaker(skip=[1, 2], scale="1 TeV")
    assert outputs == {f"{pipeline.digest()} {maker.digest()}"}


def test_digest_is_independent_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = toy_pipeline(archive="$TOY_ARCHIVE")
    monkeypatch.setenv("TOY_ARCHIVE", "toy:3")
    original_digest = pipeline.digest()
    monkeypatch.setenv("TOY_ARCHIVE", "toy:4")
    assert pipeline.digest() == original_digest
    assert toy_pipeline(archive="toy:3").digest() != original_digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "3 deg"}, "ToyMaker.scale: '3 deg' is an angle; expected an energy"),
        ({"scale": "3"}, "ToyMaker.scale: '3' has no unit; expected an energy"),
        ({"scale": "many"}, "ToyMaker.scale: 'many' cannot be read as a quantity"),
        ({"scale": None}, "ToyMaker.scale: is not set"),
        (
            {"threshold": "-1 deg"},
            "ToyMaker.threshold: invalid value -1 deg; expected at least 0 deg",
        ),
        ({"threshold": "2 deg"}, "ToyMaker.threshold: invalid value 2 deg; expected at most 1 deg"),
        ({"skip": ["x"]}, "ToyMaker.skip: invalid value 'x'; expected an integer"),
        ({"skip": 1.5}, "ToyMaker.skip: invalid value 1.5; expected an integer"),
    ],
)
def test_invalid_value_is_reported_with_class_and_field(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(FieldError) as caught:
        ToyMaker(**options)
    assert str(caught.value).startswith(message)


def test_unknown_field_is_rejected() -> None:
    with pytest.raises(TypeError, match="treshold"):
        ToyMaker(treshold="1 deg")  # type: ignore[call-arg]


def test_class_without_decorator_is_reported() -> None:
    class Undecorated(Maker):
        kind = "undecorated"

        def make(self, dataset: object, observation: object) -> object:
            return dataset

    with pytest.raises(
        TypeError, match="Undecorated is not decorated: decorate the class with @component"
    ):
        Undecorated()


def test_field_without_option_is_rejected() -> None:
    class Undeclared(Maker):
        kind = "undeclared"
        size: float = 3.0

    with pytest.raises(TypeError, match=r"Undeclared\.size is not declared with option\(\)"):
        component(Undeclared)


def test_class_variables_are_not_fields() -> None:
    @component
    class WithConstant(Maker):
        """A maker with a constant."""

        kind = "with-constant"
        needs = ("aeff",)

        def make(self, dataset: object, observation: object) -> object:
            return dataset

    assert "needs" not in WithConstant().to_plain(complete=True)


@pytest.mark.parametrize("kind", ["", "Upper", "under_score", "-x", "x-", "1st", "a--b", 5])
def test_kind_that_is_not_kebab_case_is_rejected(kind: object) -> None:
    with pytest.raises(TypeError, match=r"Odd has the kind .*kebab-case"):
        component(type("Odd", (Maker,), {"kind": kind}))


def test_kind_is_not_inherited() -> None:
    with pytest.raises(TypeError, match="kebab-case"):
        component(type("Child", (ToyMaker,), {}))


def test_component_without_a_role_is_rejected() -> None:
    with pytest.raises(TypeError, match="is not a subclass of an interface"):
        component(type("Nothing", (), {"kind": "nothing"}))


def test_field_without_doc_is_rejected() -> None:
    with pytest.raises(TypeError, match="a field needs a doc"):
        option(3, doc=" ")


def test_problems_of_validate_are_reported_with_the_class() -> None:
    @component
    class Ordered(Maker):
        """A maker with two related options."""

        kind = "ordered"
        low = option(1.0, doc="Low.")
        high = option(2.0, doc="High.")

        def validate(self) -> list[Problem]:
            return (
                [Problem(("low",), "is above high", "expected low below high")]
                if self.low > self.high
                else []
            )

        def make(self, dataset: object, observation: object) -> object:
            return dataset

    Ordered(low=1, high=1)
    with pytest.raises(FieldError, match=r"Ordered\.low: is above high; expected low below high"):
        Ordered(low=2.5)


def test_reduction_without_makers_is_rejected() -> None:
    base = toy_pipeline().data["toy"]
    with pytest.raises(FieldError, match=r"Reduction\.make: is empty; expected at least one maker"):
        Reduction(archive="toy:1", geometry=base.geometry, stack=base.stack)


def test_class_instead_of_an_object_is_reported() -> None:
    with pytest.raises(
        FieldError, match=r"is the class ToyMaker; expected an instance: ToyMaker\(\.\.\.\)"
    ):
        toy_pipeline(make=[ToyMaker])


def test_mapping_instead_of_an_object_is_reported() -> None:
    with pytest.raises(FieldError, match=r"expected an energy axis: EnergyAxis\(\.\.\.\)"):
        SpectrumGeometry(
            on_region="icrs; circle(0, 0, 0.1)", energy_true={}, energy={"min": "1 TeV"}
        )  # type: ignore[arg-type]


def test_toy_fitter_reaches_the_minimum() -> None:
    objective = Objective(
        names=["x", "y"], start=[5, 5], stat=lambda x: (x[0] - 1) ** 2 + x[1] ** 2 / 4
    )
    result: FitResult = ToyFitter().fit(objective)
    assert result.values == pytest.approx([1, 0], abs=1e-6)
    assert result.errors == pytest.approx([1, 2], rel=1e-4)


def test_evolve_changes_one_field_of_a_copy() -> None:
    original = ToyEstimator(name="a")
    changed = original.evolve(fails=True)
    assert (original.fails, changed.fails, changed.name) == (False, True, "a")
