"""Requirements on installed packages, as in the dependencies of a project.

`packaging` is imported inside the functions, because most commands need none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec

import attrs


@attrs.frozen
class UnmetRequirement:
    """A requirement that the installed packages do not meet.

    Parameters
    ----------
    requirement : str
        The requirement, such as "torch>=2".
    package : str
        The name of the package.
    installed : str
        The installed version; "" if the package is not installed.
    """

    requirement: str
    package: str
    installed: str

    @property
    def state(self) -> str:
        """The installed version, in words."""
        if not self.installed:
            return "not installed"
        return f"{self.package} {self.installed} is installed"

    @property
    def pip_command(self) -> str:
        """The command that installs the package."""
        quote = "'" * any(character in self.requirement for character in "<>;,!~ [")
        return f"python -m pip install {quote}{self.requirement}{quote}"


def find_syntax_error(requirement: str) -> str:
    """Return the syntax error in a requirement.

    Parameters
    ----------
    requirement : str
        The requirement.

    Returns
    -------
    str
        The error message; "" if there is no error.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(requirement)
    except (InvalidRequirement, TypeError) as error:
        return str(error).split("\n")[0]
    return ""


def unmet_requirements(requirements: Iterable[str]) -> Iterator[UnmetRequirement]:
    """Yield the requirements that the installed packages do not meet; nothing is imported.

    Requirements for other platforms, Python versions or extras are ignored.

    Parameters
    ----------
    requirements : iterable of str
        The requirements. Invalid ones are ignored.

    Yields
    ------
    UnmetRequirement
        The requirement.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    for line in requirements:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # old metadata; pip reports it
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = _installed_version(requirement.name)
        if installed is None and not requirement.specifier and _is_importable(requirement.name):
            continue  # a module without metadata
        specifier = requirement.specifier
        if installed is None or not specifier.contains(installed, prereleases=True):
            short_requirement = f"{requirement.name}{specifier}"
            yield UnmetRequirement(short_requirement, requirement.name, installed or "")


def requirements_of(name: str) -> list[str]:
    """Return the requirements in the metadata of an installed distribution.

    Parameters
    ----------
    name : str
        The name of the distribution.

    Returns
    -------
    list of str
        The requirements; empty if the distribution is not installed.
    """
    try:
        return distribution(name).requires or []
    except (PackageNotFoundError, ValueError):
        return []


def _installed_version(name: str) -> str | None:
    if name.lower() == "skyred":
        from skyred import __version__  # that of the running code, which need not be installed

        return __version__
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _is_importable(name: str) -> bool:
    try:
        return find_spec(name.replace("-", "_")) is not None
    except (ImportError, ValueError):
        return False
