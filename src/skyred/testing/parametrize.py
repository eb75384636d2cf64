"""Parametrisation of pytest: one test for each component and law."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from skyred.interfaces import Component
from skyred.testing.case import ComponentCase
from skyred.testing.checking import LawsBrokenError, Violation, applicable_laws, attempt
from skyred.testing.law import Law, NotTried

if TYPE_CHECKING:
    import pytest


def parametrize_with_checks(
    components: Iterable[Component | type[Component] | ComponentCase],
) -> pytest.MarkDecorator:
    """Parametrise a test with one check for each component and law.

    The test calls its argument `check`. Laws that are expected to fail are marked as strict
    expected failures.

    Parameters
    ----------
    components : iterable of Component, type of Component or ComponentCase
        The components; a `ComponentCase` defines a sample or expected failures.

    Returns
    -------
    pytest.MarkDecorator
        The decorator of the test.

    Examples
    --------
    >>> @parametrize_with_checks([MyMaker, ComponentCase(MyModel("crab"))])  # doctest: +SKIP
    ... def test_components(check):
    ...     check()
    """
    import pytest

    cases = [
        component if isinstance(component, ComponentCase) else ComponentCase(component)
        for component in components
    ]
    parameters = []
    for name, case in zip(_names(cases), cases, strict=True):
        for law in applicable_laws(case):
            reason = case.expected_failures.get(law.name, "")
            marks = [pytest.mark.xfail(reason=reason, strict=True, raises=LawsBrokenError)] * bool(
                reason
            )
            parameters.append(pytest.param(Check(case, law), id=f"{name}: {law.name}", marks=marks))
    return pytest.mark.parametrize("check", parameters)


@attrs.frozen(eq=False)
class Check:
    """The check of one law on one component.

    Parameters
    ----------
    case : ComponentCase
        The component.
    law : Law
        The law.
    """

    case: ComponentCase
    law: Law

    def __call__(self) -> None:
        """Try the law, or skip the test if the law cannot be tried.

        Raises
        ------
        LawsBrokenError
            If the law does not hold.
        """
        import pytest

        try:
            observed = attempt(self.case, self.law)
        except NotTried as reason:
            pytest.skip(str(reason))
        if observed:
            raise LawsBrokenError(self.case.name, [Violation(self.law, observed)])


def _names(cases: Iterable[ComponentCase]) -> Iterable[str]:
    """Yield a unique name for each case, with a number for repeated names."""
    names = list[str]()
    for case in cases:
        names.append(case.name)
        number = names.count(case.name)
        yield case.name if number == 1 else f"{case.name}-{number}"
