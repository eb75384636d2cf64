"""pytest's part: one test for each component and law."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from skyred.interfaces import Component
from skyred.testing.case import ComponentCase
from skyred.testing.checking import LawsBrokenError, Violation, attempt, binding
from skyred.testing.law import Law, NotTried

if TYPE_CHECKING:
    import pytest


def parametrize_with_checks(
    components: Iterable[Component | type[Component] | ComponentCase],
) -> pytest.MarkDecorator:
    """Make one test of each law for each component; the test calls what it is given.

    Laws that are expected to fail are marked as such, strictly.

    Parameters
    ----------
    components : iterable of Component, type of Component or ComponentCase
        A `ComponentCase` has a sample of its own, or expected failures.

    Examples
    --------
    >>> @parametrize_with_checks([MyMaker, Case(MyModel(name="crab"))])  # doctest: +SKIP
    ... def test_components(check):
    ...     check()
    """
    import pytest

    cases = [
        held if isinstance(held, ComponentCase) else ComponentCase(held) for held in components
    ]
    found = []
    for name, case in zip(_names(cases), cases, strict=True):
        for each in binding(case):
            reason = case.expected_failures.get(each.name, "")
            marks = [pytest.mark.xfail(reason=reason, strict=True, raises=LawsBrokenError)] * bool(
                reason
            )
            found.append(pytest.param(Check(case, each), id=f"{name}: {each.name}", marks=marks))
    return pytest.mark.parametrize("check", found)


@attrs.frozen(eq=False)
class Check:
    """One law to be tried on one component."""

    case: ComponentCase
    law: Law

    def __call__(self) -> None:
        """Try it; raises `LawsBrokenError`, and skips the test if it cannot be tried."""
        import pytest

        try:
            seen = attempt(self.case, self.law)
        except NotTried as reason:
            pytest.skip(str(reason))
        if seen:
            raise LawsBrokenError(self.case.name, [Violation(self.law, seen)])


def _names(cases: Iterable[ComponentCase]) -> Iterable[str]:
    """Yield a name for each case, with a number where two would have the same."""
    seen = list[str]()
    for case in cases:
        seen.append(case.name)
        number = seen.count(case.name)
        yield case.name if number == 1 else f"{case.name}-{number}"
