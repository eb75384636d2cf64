"""Engines in the pages pass the conformance checks, where their packages are installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skyred.plugins import Plugins
from skyred.testing import check

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-engine.md"


@pytest.mark.slow
def test_loky_engine_of_the_page_passes_the_checks(tmp_path: Path) -> None:
    pytest.importorskip("loky")
    page = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(
        r'^```python\n("""The engine `loky`.*?)^```', page, re.DOTALL | re.MULTILINE
    )
    path = tmp_path / "loky_engine.py"
    path.write_text(code, encoding="utf-8")
    (entry,) = (entry for entry in Plugins.load(files=[path]).catalog if entry.cls.kind == "loky")
    check(entry.cls(workers=2))
