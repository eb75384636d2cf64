"""What check and parametrize_with_checks say, apart from the laws themselves."""

from __future__ import annotations

from typing import Any

import pytest

from planted_defects import declaring, selecting
from skyred import Maker, component, option
from skyred.interfaces import ROLES
from skyred.testing import ComponentCase, LawsBrokenError, check, laws, parametrize_with_checks

UNCHANGED = "returns a sub-table with unchanged rows"


@component
class Needy(Maker):
    """Needs an option."""

    kind = "planted-needy"
    size: int = option(type=int, doc="A number without unit.")

    def make(self, dataset: Any, observation: Any) -> Any:
        return dataset


@component
class Twofold(declaring.Everything):
    kind = "planted-twofold"
    size: int = option(3, doc="the size")


def test_all_broken_laws_are_told_at_once_with_what_was_seen() -> None:
    with pytest.raises(LawsBrokenError) as caught:
        check(Twofold)
    text = str(caught.value)
    assert "A component has a summary of one sentence." in text
    assert "Observed: the doc of size is 'the size'." in text
    assert text.count("To fix it: ") == len(caught.value.violations) == 2


def test_an_expected_failure_is_no_failure() -> None:
    check(selecting.ChangesRows, expected_failures={UNCHANGED: "it rounds on purpose"})


def test_an_expected_failure_that_does_not_fail_is_told() -> None:
    with pytest.raises(LawsBrokenError, match="expected to fail, but holds"):
        check(selecting.EveryOther, expected_failures={UNCHANGED: "it rounds on purpose"})


def test_an_expected_failure_needs_a_reason() -> None:
    with pytest.raises(ValueError, match=r"give a reason for the expected failure of 'is frozen'"):
        check(selecting.EveryOther, expected_failures={"is frozen": " "})


def test_an_unknown_law_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"no law of the role selector is called 'is frosen'; .* 'is frozen'"
    ):
        check(selecting.EveryOther, expected_failures={"is frosen": "a slip"})


def test_a_class_that_needs_options_asks_for_an_instance() -> None:
    with pytest.raises(TypeError, match=r"Needy needs size: pass an instance, Needy\(size=...\)"):
        check(Needy)


@pytest.mark.parametrize("wrong", [int, 3, Maker])
def test_what_is_no_component_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"is not a component|does not implement make"):
        check(wrong)


def test_each_law_has_a_name_of_its_own_in_its_role() -> None:
    for role in ROLES:
        names = [each.name for each in laws(role)]
        assert len(names) == len(set(names))
        assert len(names) > len([each for each in laws() if len(each.roles) > 1])


def test_there_is_one_pytest_parameter_for_each_component_and_law() -> None:
    reasons = {UNCHANGED: "it rounds on purpose"}
    both = [selecting.EveryOther, ComponentCase(selecting.ChangesRows, expected_failures=reasons)]
    _, params = parametrize_with_checks(both).args
    assert len(params) == 2 * len(laws("selector"))
    assert params[0].id == "planted-every-other: " + laws("selector")[0].name
    marked = [each for each in params if each.marks]
    assert [each.id for each in marked] == [f"planted-changes-rows: {UNCHANGED}"]
    assert marked[0].marks[0].kwargs["strict"] is True


@parametrize_with_checks(
    [
        selecting.EveryOther,
        ComponentCase(selecting.ChangesRows, expected_failures={UNCHANGED: "it rounds on purpose"}),
    ]
)
def test_selectors_by_decorator(check: Any) -> None:
    check()
