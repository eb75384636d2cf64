"""The functions `check` and `parametrize_with_checks`, and their messages."""

from __future__ import annotations

from typing import Any

import pytest

from planted_defects import declarations, selectors
from skyred import Maker, component, option, secret
from skyred.components.time_window import TimeWindow
from skyred.errors import ConfigError, OldNameWarning
from skyred.interfaces import ROLES
from skyred.testing import (
    ComponentCase,
    ConformanceError,
    check,
    parametrize_with_checks,
    requirements,
)
from skyred.testing.checking import check_requirement
from skyred.testing.requirement import NotChecked

UNCHANGED = "returns a sub-table with unchanged rows"


@component
class NeedsSize(Maker):
    """A maker with a required option."""

    kind = "planted-needs-option"
    size: int = option(type=int, doc="A number without unit.")

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@component
class TwoViolations(declarations.SelectsAll):
    kind = "planted-two-violations"
    size: int = option(3, doc="the size")


def test_all_violations_are_reported_with_their_details() -> None:
    with pytest.raises(ConformanceError) as excinfo:
        check(TwoViolations)
    message = str(excinfo.value)
    assert "A component has a summary of one sentence." in message
    assert "Observed: the doc of size is 'the size'." in message
    assert message.count("To fix it: ") == len(excinfo.value.violations) == 2


def test_expected_failure_is_not_reported() -> None:
    check(selectors.ChangesRows, expected_failures={UNCHANGED: "rounding is intended"})


def test_expected_failure_that_does_not_occur_is_reported() -> None:
    with pytest.raises(ConformanceError, match="expected to fail, but is met"):
        check(selectors.EverySecond, expected_failures={UNCHANGED: "rounding is intended"})


def test_expected_failure_without_a_reason_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"give a reason for the expected failure of 'is frozen'"):
        check(selectors.EverySecond, expected_failures={"is frozen": " "})


def test_unknown_check_is_rejected_with_a_suggestion() -> None:
    with pytest.raises(
        ValueError,
        match=r"the role selector has no requirement 'is frosen'; .* 'is frozen'",
    ):
        check(selectors.EverySecond, expected_failures={"is frosen": "a typo"})


def test_old_name_of_a_check_still_works() -> None:
    old_name = "distinguishes all options by equality and digest"
    with pytest.warns(OldNameWarning, match=f"{old_name}' is now called 'includes all options in"):
        check(declarations.OmitsOption, expected_failures={old_name: "planted"})


def test_class_with_required_options_is_rejected() -> None:
    with pytest.raises(
        TypeError, match=r"NeedsSize needs size: pass an instance, NeedsSize\(size=...\)"
    ):
        check(NeedsSize)


@pytest.mark.parametrize("value", [int, 3, Maker])
def test_objects_that_are_not_components_are_rejected(value: Any) -> None:
    with pytest.raises(
        TypeError, match=r"is not a component|does not implement the abstract methods: make"
    ):
        check(value)


def test_names_of_checks_are_unique_within_a_role() -> None:
    for role in ROLES:
        names = [requirement.name for requirement in requirements(role)]
        assert len(names) == len(set(names))
        assert len(names) > sum(len(requirement.roles) > 1 for requirement in requirements())


def test_pytest_has_one_parameter_for_each_component_and_check() -> None:
    reasons = {UNCHANGED: "rounding is intended"}
    components = [
        selectors.EverySecond,
        ComponentCase(selectors.ChangesRows, expected_failures=reasons),
    ]
    _, params = parametrize_with_checks(components).args
    assert len(params) == 2 * len(requirements("selector"))
    assert params[0].id == "planted-every-second: " + requirements("selector")[0].name
    xfail_params = [param for param in params if param.marks]
    assert [param.id for param in xfail_params] == [f"planted-changes-rows: {UNCHANGED}"]
    assert xfail_params[0].marks[0].kwargs["strict"] is True


@parametrize_with_checks(
    [
        selectors.EverySecond,
        ComponentCase(selectors.ChangesRows, expected_failures={UNCHANGED: "rounding is intended"}),
    ]
)
def test_decorated_test_checks_selectors(check: Any) -> None:
    check()


@pytest.mark.parametrize("start", ["2040-01-01", "2000-01-01"])
def test_good_time_that_is_never_selected_is_not_checked(start: str) -> None:
    case = ComponentCase(TimeWindow(start=start))
    for condition in requirements("selector"):
        if not condition.name.startswith("cuts "):
            continue
        if start == "2000-01-01":
            condition.test(case)
        else:
            with pytest.raises(NotChecked, match="it selects no good time of the sample; pass"):
                condition.test(case)


@component(requires=("no-such-package>=2",))
class NeedsPackageAndToken(TwoViolations):
    """A selector that needs a package and a token."""

    kind = "planted-needs-package"
    token: Any = secret({"env": "NO_SUCH_TOKEN"}, doc="A token.")


@component
class ShowsToken(TwoViolations):
    """A selector whose error shows its token."""

    kind = "planted-shows-token"
    token: Any = secret({"env": "TOY_TOKEN"}, doc="A token.")

    def select(self, table: Any) -> Any:
        raise ValueError(f"no access with {self.token.reveal()}")


def test_violations_do_not_show_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_TOKEN", "hunter2")
    case = ComponentCase(ShowsToken())
    requirement = next(item for item in requirements("selector") if item.name == UNCHANGED)
    observed = check_requirement(case, requirement)
    assert "no access with *****" in observed
    assert "hunter2" not in observed


def test_missing_packages_and_secrets_are_reported_instead_of_violations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    message = r"(?s)needs the package no-such-package>=2, which is not installed; install it: .*"
    message += r"selector\.token: .*NO_SUCH_TOKEN"
    with pytest.raises(ConfigError, match=message):
        check(NeedsPackageAndToken)
    mark = parametrize_with_checks([NeedsPackageAndToken])
    for parameter in mark.args[1]:
        with pytest.raises(ConfigError, match=message):
            parameter.values[0]()
