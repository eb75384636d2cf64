"""The fixture of gammapy's ``conftest.py`` as a pytest plugin, for runs with ``--noconftest``.

gammapy's file also imports `pytest_astropy_header`, which need not be installed here.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

if find_spec("pytest_astropy_header") is None:
    header, display = ModuleType("pytest_astropy_header"), ModuleType("display")
    display.PYTEST_HEADER_MODULES, display.TESTED_VERSIONS = {}, {}  # type: ignore[attr-defined]
    sys.modules["pytest_astropy_header"] = header
    sys.modules["pytest_astropy_header.display"] = display

from gammapy.conftest import spectrum_dataset

__all__ = ["spectrum_dataset"]
