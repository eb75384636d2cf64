"""Names and versions of the distributions of entry points."""

import shutil
from importlib.metadata import EntryPoint, PathDistribution

import pytest

from distributions import install_distribution
from skyred.plugins.entry_points import distribution_info, find_entry_points

VALID = "Metadata-Version: 2.1\nName: sky-red\nVersion: 1.2\n"
CONTENTS = {
    "short": VALID,
    "description with fields": VALID + "Summary: x\n\nName: wrong\nVersion: 9\n",
    "continued line": "Metadata-Version: 2.1\nLicense: a\n  Name: wrong\n" + VALID,
    "repeated field": VALID + "Classifier: a\nClassifier: b\nName: second\n",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("file", ["METADATA", "PKG-INFO"])
def test_name_and_version_are_those_of_the_metadata(tmp_path, content, file):
    folder = tmp_path / "sky_red-1.2.dist-info"
    folder.mkdir()
    (folder / file).write_text(content)
    dist = PathDistribution(folder)
    point = EntryPoint("a", "b", "skyred")._for(dist)
    expected = (dist.metadata["Name"], dist.metadata["Version"])
    assert distribution_info(point) == expected == ("sky-red", "1.2")


def test_names_of_installed_plugins_are_those_of_the_metadata():
    points = find_entry_points("skyred")
    assert points
    for point in points:
        metadata = point.dist.metadata
        assert distribution_info(point) == (metadata["Name"], metadata["Version"])


def test_entry_point_without_distribution_is_unknown():
    assert distribution_info(EntryPoint("a", "b", "skyred")) == ("unknown", "")


def test_plugin_that_is_installed_or_removed_while_python_runs_is_noticed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    names = {point.name for point in find_entry_points("skyred")}
    assert "late" not in names
    install_distribution(tmp_path, "late", "")
    assert {point.name for point in find_entry_points("skyred")} == names | {"late"}
    shutil.rmtree(tmp_path / "late-1.2.dist-info")
    assert {point.name for point in find_entry_points("skyred")} == names
