"""The page of the report: complete, without network, and safe for any text in the data."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from gammapy.datasets import Datasets
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

import skyred
import small_datasets as small
from skyred import FluxPoints, Outcome, Result
from skyred.products.table import TableProduct
from skyred.report import create_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = (
    "</script><script>document.title='hacked'</script><img src=x onerror=alert(1)>&amp;{{ 1 }}"
)
MAX_SIZE = 10_000_000  # bytes


class Page(HTMLParser):
    """The elements of a page, with their attributes and texts."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag == "script":
            self._script = attributes.get("id") or f"script-{len(self.scripts)}"
            self.scripts[self._script] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.texts.append(data)
        else:
            self.scripts[self._script] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]


def spectra() -> Datasets:
    datasets = Datasets([small.spectrum_on_off("one")])
    spectrum = PowerLawSpectralModel(index=2.2, amplitude="2e-11 cm-2 s-1 TeV-1")
    datasets.models = [SkyModel(spectrum, name="crab")]
    return datasets


@pytest.fixture(scope="module")
def result() -> Result:
    datasets = spectra()
    datasets.append(small.map_dataset("map"))
    fit = skyred.fit(datasets[0])
    points = FluxPoints(source="crab", energy_edges=[1, 10] * u.TeV)
    table = TableProduct("notes", Table({"text": [HOSTILE], "value": [1.5] * u.m}))
    outcomes = [
        Outcome("hess", 1, "reduced", counts=12),
        Outcome("hess", 2, "failed", reason=HOSTILE),
        Outcome("hess", 3, "skipped", reason="no events", notes=("a finding",)),
    ]
    return Result(
        config=f"# {HOSTILE}\ndata: {{}}\n",
        digest="ab" * 32,
        outcomes=tuple(outcomes),
        datasets=datasets,
        models=datasets.models,
        fit=fit,
        estimates={"flux-points": points.estimate(Datasets([datasets[0]]), fit), "notes": table},
        kinds={"flux-points": "flux-points"},
    )


@pytest.fixture(scope="module")
def page(result: Result) -> Page:
    return Page(create_report(result, {"name": HOSTILE, "state": "finished"}))


def test_page_has_all_sections_and_unique_identifiers(page: Page) -> None:
    ids = page.ids()
    assert len(ids) == len(set(ids))
    assert {"summary", "sky", "estimates", "model", "data", "provenance"} <= set(ids)
    for _, attributes in page.elements:
        target = str(attributes.get("href", ""))
        assert not target or target.removeprefix("#") in ids


def test_page_needs_no_network_and_is_small(page: Page, result: Result) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed")
        assert not str(attributes.get("src", "data:")).startswith(("http", "//"))
    assert len(create_report(result, {}).encode()) < MAX_SIZE
    policies = [a["content"] for t, a in page.elements if a.get("http-equiv")]
    assert len(policies) == 1
    assert "default-src 'none'" in str(policies[0])


def test_text_of_data_is_escaped(page: Page) -> None:
    names = {"script", "style", "meta", "title", "html", "head", "body"}
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    data_scripts = [item for item in scripts if item.get("type") == "application/json"]
    assert len(scripts) - len(data_scripts) == 2  # plotly, and those of the page
    assert "img" not in {tag for tag, _ in page.elements} - names
    assert page.text.count("document.title='hacked'") >= 3  # shown as text
    for item in data_scripts:
        json.loads(page.scripts[str(item["id"])])
    observations = json.loads(page.scripts["observations-data"])
    assert observations[0][6] == HOSTILE


def test_summary_has_the_first_numbers(page: Page, result: Result) -> None:
    assert re.search(
        r"crab is detected with a significance of [\d.]+σ from 1 TeV to 10 TeV", page.text
    )
    assert "Runs used 1 of 3 1 failed, 1 skipped" in page.text
    assert "2 of 3 requested observations are not in the result" in page.text
    assert result.fit is not None
    assert f"{result.fit.stat:.2f}" in page.text


def test_values_of_figures_are_those_of_the_table(page: Page, result: Result) -> None:
    figure = json.loads(page.scripts["figure-0-0"])
    points = next(trace for trace in figure["data"] if trace.get("name") == "flux points")
    table = result.estimates["flux-points"].table()
    energy = table["e_ref"].quantity.to_value("TeV")
    flux = (table["e_ref"].quantity ** 2 * table["dnde"].quantity).to_value("TeV cm-2 s-1")
    np.testing.assert_allclose(points["x"], energy, rtol=1e-5)
    np.testing.assert_allclose(points["y"], flux, rtol=1e-5)
    assert f"{flux[0]:.3e}" in points["hovertext"][0]


def test_result_without_anything_has_a_report() -> None:
    page = Page(create_report(Result(), {}))
    assert {"summary", "data", "provenance"} <= set(page.ids())
    assert not any("Plotly" in script for script in page.scripts.values() if len(script) > 1e6)


def test_product_that_raises_an_error_does_not_prevent_the_report(result: Result) -> None:
    class Broken(TableProduct):
        def table(self) -> Table:
            raise RuntimeError("no table today")

    broken = Broken("broken", Table({"a": [1]}))
    page = Page(create_report(Result(estimates={"broken": broken}), {}))
    assert "no table: RuntimeError: no table today" in page.text


def test_notebook_shows_the_report_in_a_frame(result: Result, tmp_path: Path) -> None:
    page = result.report(tmp_path / "page.html")
    assert page._repr_html_().startswith("<iframe srcdoc=")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == str(page)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_browser_draws_all_figures_without_errors(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    result.report(path)
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
               f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000",
               "--dump-dom", path.as_uri()]  # fmt: skip
    process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    messages = [line for line in process.stderr.splitlines() if "CONSOLE" in line]
    assert messages == []
    page = Page(process.stdout)
    charts = sum(attributes.get("class") == "main-svg" for _, attributes in page.elements)
    assert charts >= 3  # each figure has more than one
    assert "hacked" not in re.sub(r"<script.*?</script>", "", process.stdout)[:500]
    rows = re.search(r'<table id="observations".*?</table>', process.stdout, re.DOTALL)
    assert rows is not None
    assert rows.group().count("<tr>") == 1 + 3
    assert "counts at RA" in page.text
