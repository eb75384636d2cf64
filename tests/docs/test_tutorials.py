"""All tutorials are listed, described, and executed by the documentation build."""

import ast
import importlib.util
import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.py"))


@pytest.fixture(scope="module")
def gallery() -> dict[str, object]:
    """Return the configuration of the gallery; environment variables are restored."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SKYRED_CACHE", "SKYRED_BLOCK", "SKYRED_INTERSPHINX"):
            patch.setenv(name, "")
        patch.syspath_prepend(DOCS / "ext")
        return dict(runpy.run_path(str(DOCS / "conf.py"))["sphinx_gallery_conf"])


@pytest.fixture(scope="module")
def order() -> tuple[str, ...]:
    """Return the names of the listed tutorials, in order."""
    spec = importlib.util.spec_from_file_location(
        "tutorials_in_order", DOCS / "ext" / "tutorials_in_order.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(ValueError, match=r"unlisted\.py is not listed in"):
        module.position("unlisted.py")
    assert [module.position(name) for name in module.ORDER] == list(range(len(module.ORDER)))
    return tuple(module.ORDER)


def test_every_tutorial_is_listed_once(order: tuple[str, ...]) -> None:
    assert sorted(order) == [path.name for path in TUTORIALS]


def test_tutorials_are_executed_and_failures_stop_the_build(
    gallery: dict[str, object], order: tuple[str, ...]
) -> None:
    folder = (DOCS / str(gallery["examples_dirs"])).resolve()
    for name in order:
        path = str(folder / name)
        assert Path(path).is_file()
        assert re.search(str(gallery["filename_pattern"]), path)
        assert not re.search(str(gallery.get("ignore_pattern", r"__init__\.py")), path)
    assert str(gallery.get("plot_gallery", "True")) == "True"
    assert not gallery.get("only_warn_on_example_error")
    assert not gallery.get("expected_failing_examples")


def test_gallery_is_in_the_index(gallery: dict[str, object]) -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert f"\n{gallery['gallery_dirs']}/index\n" in index


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_every_tutorial_has_a_title_a_description_and_prose(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    lines = (ast.get_docstring(ast.parse(content)) or "").split("\n")
    assert len(lines) >= 4
    title, underline, blank = lines[:3]
    assert underline == "=" * len(title)
    assert not blank
    assert lines[-1].endswith(".")
    assert len(re.findall(r"^# %%\n# \S", content, re.M)) >= 3  # cells that start with prose


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_uses_real_data_only_if_available(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    assert '"GAMMAPY_DATA" in os.environ' in content or "GAMMAPY_DATA" not in content
