"""Hook specifications document their parameters, results and versions."""

from __future__ import annotations

import inspect
import re

import pytest

from skyred import hookspecs

HOOKS = [hook for name, hook in vars(hookspecs).items() if name.startswith("skyred_")]


def section(docstring: str, title: str) -> str:
    """Return a section of a numpydoc docstring, or "" if the docstring does not have it."""
    match = re.search(rf"^{title}\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    return match[1] if match else ""


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
class TestSpecification:
    def test_every_parameter_is_documented_with_its_type(self, hook: object) -> None:
        parameters = section(inspect.getdoc(hook) or "", "Parameters")
        documented = re.findall(r"^(\w+) : .+\n    \S", parameters, re.MULTILINE)
        assert documented == list(inspect.signature(hook).parameters)  # type: ignore[arg-type]

    def test_result_is_documented(self, hook: object) -> None:
        returns = section(inspect.getdoc(hook) or "", "Returns")
        result = inspect.signature(hook).return_annotation  # type: ignore[arg-type]
        assert bool(returns) is (result != "None")

    def test_version_is_documented(self, hook: object) -> None:
        assert re.search(r"^\.\. versionadded:: \d+\.\d+$", inspect.getdoc(hook) or "", re.M)
