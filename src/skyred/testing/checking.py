"""The function `check`: it tries all laws on a component and reports all violations."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from skyred.errors import did_you_mean
from skyred.interfaces import Component
from skyred.testing.case import ComponentCase
from skyred.testing.law import Law, LawBroken, NotTried
from skyred.testing.laws import laws
from skyred.testing.sample import Sample


@attrs.frozen
class Violation:
    """A law that a component breaks.

    Parameters
    ----------
    law : Law
        The law.
    observed : str
        The observation that contradicts the law.
    """

    law: Law
    observed: str

    def __str__(self) -> str:
        return f"{self.law.sentence}\n  Observed: {self.observed}.\n  To fix it: {self.law.fix}"


class LawsBrokenError(AssertionError):
    """The laws that a component breaks.

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
        head = f"{name} breaks {count} law{'s' * (count > 1)}"
        super().__init__("\n\n".join([head, *map(str, self.violations)]))


def check(
    component: Component | type[Component],
    *,
    sample: Sample | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> None:
    """Check that a component obeys every law of its role.

    Parameters
    ----------
    component : Component or type of Component
        An instance, or a class whose options all have defaults.
    sample : Sample, optional
        The input for the component, if the simulated Crab is not suitable.
    expected_failures : mapping of str to str, optional
        The names of laws that it breaks on purpose, each with the reason.

    Raises
    ------
    LawsBrokenError
        With all violations, the observations, and the ways to fix them; also if a law that is
        expected to fail holds.
    TypeError
        If it is not a component, or a class that needs options.
    ValueError
        If an expected failure is not a law of the role, or has no reason.

    Examples
    --------
    >>> from skyred.testing import check
    >>> check(MyMaker(threshold="1 TeV"))  # doctest: +SKIP
    """
    case = ComponentCase(component, sample or Sample(), expected_failures or {})
    violations = [
        violation for law in applicable_laws(case) if (violation := find_violation(case, law))
    ]
    if violations:
        raise LawsBrokenError(case.name, violations)


def applicable_laws(case: ComponentCase) -> tuple[Law, ...]:
    """Return the laws that apply to a component.

    Parameters
    ----------
    case : ComponentCase
        The component, with the expected failures.

    Returns
    -------
    tuple of Law
        The laws of its role.

    Raises
    ------
    ValueError
        If an expected failure is not a law of the role, or has no reason.
    """
    laws_of_role = laws(case.component.role)
    names = [law.name for law in laws_of_role]
    for name, reason in case.expected_failures.items():
        if name not in names:
            hint = did_you_mean(name, names)
            raise ValueError(
                f"{case.name}: no law of the role {case.component.role} is called {name!r}{hint}"
            )
        if not reason.strip():
            raise ValueError(f"{case.name}: give a reason for the expected failure of {name!r}")
    return laws_of_role


def find_violation(case: ComponentCase, law: Law) -> Violation | None:
    """Try a law on a component, and compare the outcome with the expected failures.

    Parameters
    ----------
    case : ComponentCase
        The component.
    law : Law
        The law.

    Returns
    -------
    Violation or None
        The violation; None if the outcome is as expected, or the law cannot be tried.
    """
    try:
        observed = attempt(case, law)
    except NotTried:
        return None
    if law.name not in case.expected_failures:
        return Violation(law, observed) if observed else None
    if not observed:
        return Violation(
            law, "it was expected to fail, but holds: remove it from expected_failures"
        )
    return None


def attempt(case: ComponentCase, law: Law) -> str:
    """Try a law on a component.

    Parameters
    ----------
    case : ComponentCase
        The component.
    law : Law
        The law.

    Returns
    -------
    str
        The observation that contradicts the law; "" if it holds.

    Raises
    ------
    NotTried
        If the law cannot be tried on the component.
    """
    try:
        law.test(case)
    except LawBroken as broken:
        return str(broken).rstrip(".")
    except NotTried:
        raise
    except Exception as error:  # any exception of the component
        return f"{type(error).__name__}: {error} ({_location(error)})".replace("\n", " ")
    return ""


def _location(error: BaseException) -> str:
    own = str(Path(__file__).parent)
    frames: list[Any] = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(own)
    ]
    frame = frames[0] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"
