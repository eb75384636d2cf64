"""Parametrisation of pytest tests: one for each component and requirement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from skyred.interfaces import Component
from skyred.testing.case import ComponentCase
from skyred.testing.checking import (
    ConformanceError,
    Violation,
    applicable_requirements,
    check_requirement,
    expected_reason,
)
from skyred.testing.requirement import NotChecked, Requirement

if TYPE_CHECKING:
    import pytest


def parametrize_with_checks(
    components: Iterable[Component | type[Component] | ComponentCase],
) -> pytest.MarkDecorator:
    """Parametrise a test with one check for each component and requirement.

    The test function must call its argument `check`. Requirements that are expected to fail are
    marked as strict expected failures.

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
        for requirement in applicable_requirements(case):
            reason = expected_reason(case, requirement) or ""
            xfail = pytest.mark.xfail(reason=reason, strict=True, raises=ConformanceError)
            parameters.append(
                pytest.param(
                    Check(case, requirement),
                    id=f"{name}: {requirement.name}",
                    marks=[xfail] if reason else [],
                )
            )
    return pytest.mark.parametrize("check", parameters)


@attrs.frozen(eq=False)
class Check:
    """The check of one requirement of one component.

    Parameters
    ----------
    case : ComponentCase
        The component.
    requirement : Requirement
        The requirement.
    """

    case: ComponentCase
    requirement: Requirement

    def __call__(self) -> None:
        """Check the requirement, or skip the test if it cannot be checked.

        Raises
        ------
        ConformanceError
            If the requirement is not met.
        ConfigError
            If a package, an environment variable or a secret of the component is missing.
        """
        import pytest

        try:
            observed = check_requirement(self.case, self.requirement)
        except NotChecked as reason:
            pytest.skip(str(reason))
        if observed:
            raise ConformanceError(self.case.name, [Violation(self.requirement, observed)])


def _names(cases: Iterable[ComponentCase]) -> Iterable[str]:
    """Yield a unique name for each case, with a number for repeated names."""
    names = list[str]()
    for case in cases:
        names.append(case.name)
        number = names.count(case.name)
        yield case.name if number == 1 else f"{case.name}-{number}"
