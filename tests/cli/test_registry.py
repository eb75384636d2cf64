"""`skyred plugins --format`: distributions with their metadata, components, hooks and commands."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from distributions import install_distribution
from skyred.cli import main

CODE = '''
from skyred import Maker, component, hookimpl

@component
class Cut(Maker):
    """Remove events | all <of them>."""
    kind = "dusty-cut"
    def make(self, dataset, observation):
        return dataset

@hookimpl
def skyred_components():
    return [Cut]

@hookimpl
def skyred_archive(location):
    """Open `dust:FOLDER`."""
'''
COMMAND = """
import click
from skyred import hookimpl

@hookimpl
def skyred_commands(cli):
    @cli.command()
    def sweep():
        "Sweep the archive."
"""
METADATA = """\
Metadata-Version: 2.4
Name: skyred-dusty
Version: 1.2
Summary: Removes dust.
License-Expression: MIT
Requires-Python: >=3.11
Requires-Dist: skyred<0.2,>=0.1
Requires-Dist: skyred-example
Requires-Dist: numpy
Project-URL: Homepage, https://example.org/dusty
"""


def plugins_in(output_format: str) -> str:
    result = CliRunner().invoke(main, ["plugins", "--format", output_format])
    assert result.exit_code == 0, result.output
    return result.stdout


def registry() -> dict[str, Any]:
    return {record["name"]: record for record in json.loads(plugins_in("json"))}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on `sys.path` with two distributions; one has the metadata above."""
    for name in ("skyred_dusty", "dusty_commands"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    install_distribution(tmp_path, "skyred-dusty", CODE, plugin="dusty")
    (tmp_path / "skyred_dusty-1.2.dist-info" / "METADATA").write_text(METADATA, encoding="utf-8")
    install_distribution(tmp_path, "dusty-commands", COMMAND, group="skyred.commands")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_json_has_the_metadata_of_a_distribution_and_all_that_it_provides(site: Path) -> None:
    record = registry()["skyred-dusty"]
    assert record | {"plugins": []} == {
        "name": "skyred-dusty",
        "version": "1.2",
        "summary": "Removes dust.",
        "license": "MIT",
        "requires": ["Python >=3.11", "skyred<0.2,>=0.1"],
        "urls": {"Homepage": "https://example.org/dusty"},
        "plugins": [],
    }
    (plugin,) = record["plugins"]
    assert (plugin["name"], plugin["group"], plugin["fault"]) == ("dusty", "skyred", "")
    assert plugin["provides"] == [
        {"role": "maker", "kind": "dusty-cut", "description": "Remove events | all <of them>."},
        {"role": "hook", "kind": "skyred_archive", "description": "Open `dust:FOLDER`."},
    ]


def test_commands_and_adapters_are_listed(site: Path) -> None:
    records = registry()
    (plugin,) = records["dusty-commands"]["plugins"]
    expected = {"role": "command", "kind": "sweep", "description": "Sweep the archive."}
    assert plugin["provides"] == [expected]
    groups = {plugin["group"] for plugin in records["skyred"]["plugins"]}
    assert groups == {"skyred", "skyred.commands", "skyred.adapters"}
    assert records["skyred"]["version"] == version("skyred")


def test_markdown_table_escapes_descriptions(site: Path) -> None:
    page = plugins_in("markdown")
    section = page[page.index("## skyred-dusty 1.2") :]
    assert "- Licence: MIT\n- Requires: Python >=3.11, skyred<0.2,>=0.1\n" in section
    assert "- Links: [Homepage](https://example.org/dusty)\n" in section
    row = "| dusty | maker | `dusty-cut` | Remove events \\| all &lt;of them>. |"
    assert row in section


def test_faulty_and_blocked_plugins_are_marked(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYRED_BLOCK", "dusty")
    install_distribution(site, "skyred-broken", "raise RuntimeError('no | libfoo')")
    records = registry()
    assert records["skyred-dusty"]["plugins"][0]["blocked"] is True
    assert records["skyred-dusty"]["plugins"][0]["provides"] == []
    fault = "cannot be imported: RuntimeError: no | libfoo"
    assert records["skyred-broken"]["plugins"][0]["fault"] == fault
    page = plugins_in("markdown")
    assert "The plugin `dusty` is blocked by `SKYRED_BLOCK`." in page
    assert "is faulty: cannot be imported: RuntimeError: no \\| libfoo" in page


def test_plugin_file_is_listed_without_metadata(tmp_path: Path) -> None:
    path = tmp_path / "dusty.py"
    path.write_text(CODE, encoding="utf-8")
    args = ["plugins", "--format", "json", "--plugin", str(path)]
    records = {
        record["name"]: record for record in json.loads(CliRunner().invoke(main, args).stdout)
    }
    record = records["dusty.py"]
    assert record["license"] == ""
    assert record["plugins"][0]["provides"][0]["kind"] == "dusty-cut"
