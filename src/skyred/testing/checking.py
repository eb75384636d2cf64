"""check: every law tried on a component, and all that are broken told at once."""

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
    """A law that a component breaks, and what was seen."""

    law: Law
    seen: str

    def __str__(self) -> str:
        return f"{self.law.sentence}\n  Seen: {self.seen}.\n  To mend it: {self.law.mend}"


class LawsBrokenError(AssertionError):
    """Laws that a component breaks.

    Parameters
    ----------
    name : str
        The component.
    violations : sequence of Violation
        All that was found.
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
        What it is tried on, where the simulated Crab does not do.
    expected_failures : mapping of str to str, optional
        Names of laws that it does not obey, each with the reason.

    Raises
    ------
    LawsBrokenError
        With all laws that are broken, what was seen, and how to mend it; also if a law that is
        expected to fail holds.
    TypeError
        If it is no component, or a class that needs options.
    ValueError
        If an expected failure names no law of the role, or gives no reason.

    Examples
    --------
    >>> from skyred.testing import check
    >>> check(MyMaker(threshold="1 TeV"))  # doctest: +SKIP
    """
    case = ComponentCase(component, sample or Sample(), expected_failures or {})
    violations = [found for each in binding(case) if (found := judge(case, each))]
    if violations:
        raise LawsBrokenError(case.name, violations)


def binding(case: ComponentCase) -> tuple[Law, ...]:
    """Give the laws that bind a case; raises `ValueError` if an expected failure is none."""
    found = laws(case.component.role)
    names = [each.name for each in found]
    for name, reason in case.expected_failures.items():
        if name not in names:
            hint = did_you_mean(name, names)
            raise ValueError(f"{case.name}: no law of a {case.component.role} is {name!r}{hint}")
        if not reason.strip():
            raise ValueError(f"{case.name}: say why it is expected that {name!r} fails")
    return found


def judge(case: ComponentCase, law: Law) -> Violation | None:
    """Try one law, with regard to what is expected; None if all is as it should be."""
    try:
        seen = attempt(case, law)
    except NotTried:
        return None
    if law.name not in case.expected_failures:
        return Violation(law, seen) if seen else None
    if not seen:
        return Violation(law, "it was expected to fail, and holds: take it off expected_failures")
    return None


def attempt(case: ComponentCase, law: Law) -> str:
    """Try one law; gives what was seen if it is broken, or "". Raises `NotTried`."""
    try:
        law.test(case)
    except LawBroken as broken:
        return str(broken).rstrip(".")
    except NotTried:
        raise
    except Exception as error:  # whatever a component raises
        return f"{type(error).__name__}: {error} ({_where(error)})".replace("\n", " ")
    return ""


def _where(error: BaseException) -> str:
    own = str(Path(__file__).parent)
    frames: list[Any] = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(own)
    ]
    frame = frames[0] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"
