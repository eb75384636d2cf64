"""Products that cannot be read back fail when they are written, and the others are published."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from skyred import Estimator, Orchestrator, Product, Result, component, option
from skyred.errors import ComponentError, OutputError, SkyredWarning
from skyred.interfaces.records import Owner
from toys import ToyEstimator, ToyFitter, ToyProduct, toy_pipeline, toy_plugins

OWNER = Owner("badly-made", "0.3", "bad")
SOURCE = r"estimator bad-product of badly-made 0\.3"


LATER_FAULTS: dict[str, Callable[[], object]] = {}  # by name of the product, after the run


@attrs.define(eq=False)
class BadProduct(ToyProduct):
    """A product with a fault."""

    def write(self, folder: Path) -> list[Path]:
        if self.name == "exits":
            sys.exit(2)
        if self.name == "name":
            (folder / "counts.txt").write_text("1", encoding="utf-8")
            return [folder / "counts.txt"]
        if self.name == "raises":
            (folder / "raises.txt").write_text("1", encoding="utf-8")
            raise ZeroDivisionError("no counts")
        if self.name == "nothing":
            return []
        paths = super().write(folder)
        returned: dict[str, Any] = {
            "no-list": None,
            "numbers": [*paths, 1],
            "missing": [*paths, folder / "missing.png"],
        }
        return returned.get(self.name, paths)

    @classmethod
    def read(cls, folder: Path, name: str, models: Any) -> Any:
        if name in LATER_FAULTS:
            LATER_FAULTS[name]()
            return 42
        if name == "unreadable":
            raise NotImplementedError("read")
        return None if name == "none" else super().read(folder, name, models)


@attrs.define(eq=False)
class OtherProduct(ToyProduct):
    """A product that another class reads."""

    @classmethod
    def read(cls, folder: Path, name: str, models: Any) -> Any:
        return cls(name, 1.0)


@component
class BadEstimator(Estimator):
    """An estimator of faulty products."""

    kind = "bad-product"
    product = BadProduct
    fault: str = option("", doc="The fault of `estimate`.")

    def estimate(self, datasets: Any, fit: Any) -> Any:
        if self.fault == "list":
            return [1, 2]
        if self.fault == "class":
            return OtherProduct(self.label, 1.0)
        return BadProduct("other" if self.fault == "name" else self.label, 1.0)


def create_orchestrator(*estimators: Estimator) -> Orchestrator:
    plugins = toy_plugins()
    assert plugins.catalog.add(BadEstimator, OWNER) == ""
    estimate = [*estimators, ToyEstimator()]
    return Orchestrator(toy_pipeline(fit=ToyFitter(), estimate=estimate), plugins=plugins)


@pytest.mark.parametrize(
    ("name", "error_type", "message"),
    [
        ("exits", ComponentError, r"BadProduct\.write exits Python \(code 2\)"),
        ("name", ComponentError, r"wrote no file name\.\*"),
        ("nothing", ComponentError, r"wrote no file nothing\.\*"),
        ("no-list", ComponentError, r"BadProduct\.write returned NoneType, not a list"),
        ("numbers", ComponentError, r"BadProduct\.write returned a list with int"),
        ("missing", ComponentError, r"write returned .*missing\.png, which is no file"),
        ("raises", ZeroDivisionError, "no counts"),
        ("unreadable", ComponentError, r"BadProduct\.read raised NotImplementedError: read"),
        ("none", ComponentError, r"BadProduct\.read returned NoneType, not a Product"),
    ],
)
def test_product_that_cannot_be_read_back_is_reported_and_the_others_are_published(
    tmp_path: Path, name: str, error_type: type[Exception], message: str
) -> None:
    orchestrator = create_orchestrator(BadEstimator(name=name), BadEstimator(name="good"))
    with pytest.raises(error_type, match=message) as excinfo:
        orchestrator.run(tmp_path / "run")
    assert f"raised in the {SOURCE}".replace("\\", "") in excinfo.value.__notes__[0]
    assert json.loads((tmp_path / "run/report.json").read_text())["state"] == "failed"
    files = sorted(path.name for path in (tmp_path / "run/estimates").iterdir())
    assert files == ["good.txt", "toy-total.txt"]
    plugins = toy_plugins()
    assert plugins.catalog.add(BadEstimator, OWNER) == ""
    result = Result.read(tmp_path / "run", plugins=plugins)
    assert sorted(result.estimates) == ["good", "toy-total"]
    assert result.fit is not None


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("list", "returned list, not a Product"),
        ("class", "is a OtherProduct, but the `product` of the estimator is BadProduct"),
        ("name", "has the name 'other', under which it is not read"),
    ],
)
def test_product_that_its_estimator_does_not_declare_is_not_kept(fault: str, message: str) -> None:
    orchestrator = create_orchestrator(BadEstimator(fault=fault))
    with pytest.raises(ComponentError, match=message) as excinfo:
        orchestrator.estimate()
    assert SOURCE.replace("\\", "") in excinfo.value.__notes__[0]
    assert list(orchestrator.estimates) == ["toy-total"]


def test_error_of_the_run_is_raised_if_a_product_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    orchestrator = create_orchestrator(BadEstimator(name="unreadable"), ToyEstimator(
        name="fails", fails=True))  # fmt: skip
    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match="estimator failed"):
        orchestrator.run(tmp_path / "run")
    message, *_ = [message for message in caplog.messages if "NotImplementedError" in message]
    assert message.count("the estimate unreadable") == 1


def test_estimator_without_product_is_rejected_when_it_is_declared() -> None:
    class NoProduct(Estimator):
        """An estimator without product."""

        kind = "no-product"

        def estimate(self, datasets: Any, fit: Any) -> Any:
            return None

    with pytest.raises(TypeError, match="NoProduct has no `product`; expected a subclass of Pro"):
        component(NoProduct)


def test_estimator_of_an_incomplete_product_is_rejected_when_it_is_declared() -> None:
    class NoReader(Product):
        """A product that cannot be read."""

        def write(self, folder: Path) -> list[Path]:
            return []

        def table(self) -> Any: ...

        def plot(self, ax: Any = None) -> Any: ...

    class Incomplete(Estimator):
        """An estimator of products that cannot be read."""

        kind = "incomplete"
        product = NoReader

        def estimate(self, datasets: Any, fit: Any) -> Any:
            return None

    with pytest.raises(TypeError, match="`product` NoReader, which does not implement read"):
        component(Incomplete)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda: {}["version"], "raised KeyError: 'version'"),
        (lambda: sys.exit(3), "raised SystemExit: 3"),
        (lambda: None, "returned int, not a Product"),
    ],
)
def test_folder_opens_without_a_product_that_another_version_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, message: str
) -> None:
    create_orchestrator(BadEstimator(name="later")).run(tmp_path / "run")
    monkeypatch.setitem(LATER_FAULTS, "later", fault)
    plugins = toy_plugins()
    assert plugins.catalog.add(BadEstimator, Owner("badly-made", "0.4", "bad")) == ""
    with pytest.warns(SkyredWarning, match="the estimate later is not read"):
        result = Result.read(tmp_path / "run", plugins=plugins)
    source = "badly-made 0.4 (plugin 'bad'), written with version 0.3"
    assert result.unread == {"later": f"BadProduct.read of {source} {message}"}
    assert sorted(result.estimates) == ["toy-total"]
    assert result.fit is not None


def test_damaged_product_of_skyred_is_an_error(tmp_path: Path) -> None:
    create_orchestrator().run(tmp_path / "run")
    (tmp_path / "run/estimates/toy-total.txt").write_text("no number", encoding="utf-8")
    plugins = toy_plugins()
    with pytest.raises(OutputError, match="SHA256SUMS"):
        Result.read(tmp_path / "run", plugins=plugins)


class FailingEstimator:
    """An estimator with gammapy's interface that fails."""

    def run(self, datasets: Any) -> None:
        """Raise an error."""
        raise RuntimeError("it failed")


def test_folder_of_a_failed_gammapy_estimator_is_read(tmp_path: Path) -> None:
    orchestrator = create_orchestrator(Estimator.adapt(FailingEstimator(), name="fails"))
    with pytest.raises(RuntimeError, match="it failed"):
        orchestrator.run(tmp_path / "run")
    assert list(Result.read(tmp_path / "run", plugins=toy_plugins()).estimates) == ["toy-total"]
