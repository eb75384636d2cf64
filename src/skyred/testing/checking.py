"""Check of all requirements of a component, with a report of all violations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from skyred.errors import did_you_mean, warn_of_old_name
from skyred.fields.secrets import hide
from skyred.interfaces import Component
from skyred.interfaces.hidden_secrets import hidden_secrets, secret_values
from skyred.interfaces.unusable_fields import require_usable
from skyred.testing.case import ComponentCase
from skyred.testing.requirement import NotChecked, Requirement, RequirementViolated
from skyred.testing.requirements import requirements
from skyred.testing.sample import Sample
from skyred.testing.steps import describe_error


@attrs.frozen
class Violation:
    """A requirement that a component violates.

    Parameters
    ----------
    requirement : Requirement
        The requirement.
    observed : str
        The observation that contradicts the requirement.
    """

    requirement: Requirement
    observed: str

    @property
    def law(self) -> Requirement:
        """The old name of `requirement`."""
        warn_of_old_name("Violation.law", "Violation.requirement")
        return self.requirement

    def __str__(self) -> str:
        requirement = self.requirement
        return (
            f"{requirement.sentence}\n  Observed: {self.observed}.\n  To fix it: {requirement.fix}"
        )


class ConformanceError(AssertionError):
    """Raised if a component violates requirements.

    Parameters
    ----------
    name : str
        The name of the component.
    violations : sequence of Violation
        All violations.
    """

    def __init__(self, name: str, violations: Sequence[Violation]) -> None:
        self.name, self.violations = name, tuple(violations)
        count = len(self.violations)
        head = f"{name} violates {count} requirement{'s' * (count > 1)}"
        super().__init__("\n\n".join([head, *map(str, self.violations)]))


def check(
    component: Component | type[Component],
    *,
    sample: Sample | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> None:
    """Check that a component meets every requirement of its role.

    Parameters
    ----------
    component : Component or type of Component
        An instance, or a class whose options all have defaults.
    sample : Sample, optional
        The input for the component, if the simulated Crab is not suitable.
    expected_failures : mapping of str to str, optional
        The names of requirements that the component violates on purpose, each with the reason.

    Raises
    ------
    ConformanceError
        If the component violates requirements, or meets one that is expected to fail. The message
        lists all violations, with the ways to fix them.
    TypeError
        If `component` is not a component, or a class that needs options or is abstract.
    ValueError
        If an expected failure is not a requirement of the role, or has no reason.
    ConfigError
        If a package, an environment variable or a secret of the component is missing.

    Examples
    --------
    >>> from skyred.testing import check
    >>> check(MyMaker(threshold="1 TeV"))  # doctest: +SKIP
    """
    case = ComponentCase(component, sample or Sample(), expected_failures or {})
    violations = [
        violation
        for requirement in applicable_requirements(case)
        if (violation := find_violation(case, requirement))
    ]
    if violations:
        raise ConformanceError(case.name, violations)


def applicable_requirements(case: ComponentCase) -> tuple[Requirement, ...]:
    """Return the requirements that apply to a component.

    Parameters
    ----------
    case : ComponentCase
        The component, with the expected failures.

    Returns
    -------
    tuple of Requirement
        The requirements of its role.

    Raises
    ------
    ValueError
        If an expected failure is not a requirement of the role, or has no reason.
    """
    requirements_of_role = requirements(case.component.role)
    names = [requirement.name for requirement in requirements_of_role]
    current_names = {
        old_name: requirement.name
        for requirement in requirements_of_role
        for old_name in requirement.old_names
    }
    for name, reason in case.expected_failures.items():
        if name in current_names:
            warn_of_old_name(f"the requirement {name!r}", repr(current_names[name]))
        elif name not in names:
            hint = did_you_mean(name, names)
            raise ValueError(
                f"{case.name}: the role {case.component.role} has no requirement {name!r}{hint}"
            )
        if not reason.strip():
            raise ValueError(f"{case.name}: give a reason for the expected failure of {name!r}")
    return requirements_of_role


def expected_reason(case: ComponentCase, requirement: Requirement) -> str | None:
    """Return the reason why a requirement is expected to fail.

    Parameters
    ----------
    case : ComponentCase
        The component, with the expected failures.
    requirement : Requirement
        The requirement.

    Returns
    -------
    str or None
        The reason; None if the requirement is expected to be met.
    """
    names = (requirement.name, *requirement.old_names)
    reasons = (case.expected_failures[name] for name in names if name in case.expected_failures)
    return next(reasons, None)


def find_violation(case: ComponentCase, requirement: Requirement) -> Violation | None:
    """Check a requirement of a component, and compare the outcome with the expected failures.

    Parameters
    ----------
    case : ComponentCase
        The component.
    requirement : Requirement
        The requirement.

    Returns
    -------
    Violation or None
        The violation; None if the outcome is as expected, or the requirement cannot be checked.
    """
    try:
        observed = check_requirement(case, requirement)
    except NotChecked:
        return None
    if expected_reason(case, requirement) is None:
        return Violation(requirement, observed) if observed else None
    if not observed:
        return Violation(
            requirement,
            "the requirement was expected to fail, but is met: remove it from expected_failures",
        )
    return None


def check_requirement(case: ComponentCase, requirement: Requirement) -> str:
    """Check a requirement of a component.

    Parameters
    ----------
    case : ComponentCase
        The component.
    requirement : Requirement
        The requirement.

    Returns
    -------
    str
        The observation that contradicts the requirement, without the values of secrets; "" if it
        holds.

    Raises
    ------
    NotChecked
        If the requirement cannot be checked.
    ConfigError
        If a package, an environment variable or a secret of the component is missing.
    """
    require_usable(case.component)
    with hidden_secrets(case.component):
        return hide(_find_contradiction(case, requirement), secret_values([case.component]))


def _find_contradiction(case: ComponentCase, requirement: Requirement) -> str:
    try:
        requirement.test(case)
    except RequirementViolated as violation:
        return str(violation).rstrip(".")
    except NotChecked:
        raise
    except SystemExit as error:
        return f"it exits Python (code {error.code}); it must raise an error instead"
    except Exception as error:  # the component may raise any exception
        return describe_error(error)
    return ""
