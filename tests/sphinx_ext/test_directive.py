"""The directive ``skyred-components``: sections of the components of a distribution."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from distributions import install_distribution

CODE = '''
from skyred import Maker, component, hookimpl, option, quantity

@component
class Cut(Maker):
    """Remove short runs."""
    kind = "{kind}"
    limit = quantity("1 min", doc="Shortest livetime.")
    prefix = option("", doc="Beginning of names.")
    def make(self, dataset, observation):
        return dataset

@hookimpl
def skyred_components():
    return [Cut]
'''
sphinx_application = pytest.importorskip("sphinx.application")


def build(folder: Path, distribution: str) -> tuple[str, str]:
    """Build a page with the directive, and return it as text, with the warnings."""
    folder.mkdir()
    (folder / "conf.py").write_text('extensions = ["skyred.sphinx_ext"]', encoding="utf-8")
    page = f"Reference\n=========\n\n.. skyred-components:: {distribution}\n"
    (folder / "index.rst").write_text(page, encoding="utf-8")
    warnings = io.StringIO()
    output = folder / "output"
    app = sphinx_application.Sphinx(
        folder, folder, output, output / "doctrees", "text", status=None, warning=warnings
    )
    app.build()
    return (output / "index.txt").read_text(encoding="utf-8"), warnings.getvalue()


def test_each_component_has_a_section_with_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_distribution(tmp_path, "skyred-directive", CODE.replace("{kind}", "directive-cut"))
    monkeypatch.syspath_prepend(str(tmp_path))
    page, warnings = build(tmp_path / "docs", "skyred-directive")
    assert warnings == ""
    assert "directive-cut\n=============\n\nRemove short runs." in page.replace("-" * 13, "=" * 13)
    assert "skyred_directive.Cut" in page
    assert '"limit"' in page
    assert "Shortest livetime." in page
    assert "empty by default" in page


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "skyred-nothing cannot be loaded: cannot be imported: ZeroDivisionError"),
        ("", "no installed plugin of a distribution 'skyred-nothing' has components"),
    ],
)
def test_missing_components_are_a_warning_of_the_build(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_distribution(tmp_path, "skyred-nothing", code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "skyred_nothing", raising=False)
    _, warnings = build(tmp_path / "docs", "skyred-nothing")
    assert message in warnings
