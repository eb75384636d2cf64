"""The digest of code covers all modules and data files that a component uses."""

import importlib
import os
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from skyred.run.cache.code import NoCacheError, code_digests
from waiting import wait_for

COMPONENT = """
from skyred import Maker, component
{imports}

@component
class OwnMaker(Maker{bases}):
    \"\"\"Does nothing.\"\"\"

    kind = "own-maker"

    def make(self, dataset, observation):
        {work}
        return dataset
"""


@pytest.fixture
def module_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    imported = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - imported:
        del sys.modules[name]


def write_component(path: Path, imports: str = "", bases: str = "", work: str = "pass") -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(COMPONENT.format(imports=imports, bases=bases, work=work))


def digests(module: str) -> dict[str, str]:
    """Import the module again, and return the digests of its component, without skyred's."""
    for name in [name for name in sys.modules if name.split("_")[0] == "digested"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    all_digests = code_digests([importlib.import_module(module).OwnMaker])
    return {name: digest for name, digest in all_digests.items() if name != "skyred"}


def test_digest_depends_on_modules_imported_in_functions(module_folder: Path) -> None:
    write_component(module_folder / "digested_a.py", work="from digested_helper import FACTOR")
    (module_folder / "digested_helper.py").write_text("FACTOR = 1\n")
    expected = digests("digested_a")
    (module_folder / "digested_helper.py").write_text("FACTOR = 3\n")
    assert digests("digested_a") != expected


def test_digest_depends_on_base_classes(module_folder: Path) -> None:
    (module_folder / "other_folder").mkdir()
    sys.path.append(str(module_folder / "other_folder"))
    base = module_folder / "other_folder" / "digested_base.py"
    base.write_text("class Mixin:\n    factor = 1\n")
    write_component(module_folder / "digested_a.py", "from digested_base import Mixin", ", Mixin")
    expected = digests("digested_a")
    base.write_text("class Mixin:\n    factor = 3\n")
    assert digests("digested_a") != expected
    sys.path.remove(str(module_folder / "other_folder"))


def test_digest_depends_on_data_files_of_a_package(module_folder: Path) -> None:
    write_component(module_folder / "digested_package" / "__init__.py")
    table = module_folder / "digested_package" / "table.txt"
    table.write_text("1\n")
    expected = digests("digested_package")
    table.write_text("3\n")
    assert digests("digested_package") != expected


def test_digest_is_independent_of_other_files(module_folder: Path) -> None:
    write_component(module_folder / "digested_a.py")
    expected = digests("digested_a")
    (module_folder / "notes.txt").write_text("anything")
    assert digests("digested_a") == expected


def test_source_that_is_replaced_after_the_import_is_detected(module_folder: Path) -> None:
    write_component(module_folder / "digested_a.py")
    digests("digested_a")
    replacement = module_folder / "other.py.new"
    replacement.write_text((module_folder / "digested_a.py").read_text() + "# changed\n")
    import_time = sys.modules["digested_a"].OwnMaker.declared_at
    # the timestamps of files have a low resolution
    wait_for(lambda: replacement.touch() or replacement.stat().st_ctime > import_time)
    os.utime(replacement, (0, 0))
    replacement.rename(module_folder / "digested_a.py")
    with pytest.raises(NoCacheError, match="was changed after OwnMaker was imported"):
        code_digests([sys.modules["digested_a"].OwnMaker])


def test_folders_that_cannot_be_listed_are_left_out(module_folder: Path) -> None:
    write_component(module_folder / "digested_a" / "__init__.py")
    expected = digests("digested_a")
    package = sys.modules["digested_a"]
    # the placeholder that an editable installation adds for a namespace package
    package.__path__.append("__editable__.digested_a-1.finder.__path_hook__")
    assert code_digests([package.OwnMaker]).items() >= expected.items()


def test_digest_depends_on_linked_folders(module_folder: Path) -> None:
    package, target = module_folder / "digested_a", module_folder / "target"
    write_component(package / "__init__.py")
    target.mkdir()
    (target / "helper.py").write_text("FACTOR = 1\n")
    (package / "linked").symlink_to(target)
    (target / "cycle").symlink_to(package)
    expected = digests("digested_a")
    (target / "helper.py").write_text("FACTOR = 3\n")
    assert digests("digested_a") != expected


def test_digest_is_independent_of_compiled_modules(module_folder: Path) -> None:
    write_component(module_folder / "digested_a" / "__init__.py")
    expected = digests("digested_a")
    folder = module_folder / "digested_a" / "__pycache__"
    folder.mkdir(exist_ok=True)
    (folder / "__init__.cpython-311.pyc.1234").write_bytes(b"being written")
    assert code_digests([sys.modules["digested_a"].OwnMaker]).items() >= expected.items()


def test_package_in_a_zip_file_cannot_be_cached(module_folder: Path) -> None:
    write_component(module_folder / "folder" / "digested_a" / "__init__.py")
    source = module_folder / "folder" / "digested_a" / "__init__.py"
    with ZipFile(module_folder / "packages.zip", "w") as archive:
        archive.write(source, "digested_a/__init__.py")
    sys.path.insert(0, str(module_folder / "packages.zip"))
    try:
        with pytest.raises(NoCacheError, match="has no folder that can be listed"):
            digests("digested_a")
    finally:
        del sys.path[0]


def test_class_without_a_file_cannot_be_cached() -> None:
    from skyred import Maker, component

    source = COMPONENT.format(imports="", bases="", work="pass")
    namespace = {"__name__": "notebook", "Maker": Maker, "component": component}
    exec(source, namespace)
    with pytest.raises(NoCacheError, match="put it into a module"):
        code_digests([namespace["OwnMaker"]])
