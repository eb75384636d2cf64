"""Configurations of spectra: errors are reported before data are read."""

from __future__ import annotations

import re

import pytest

from skyred import Pipeline
from skyred.components.gammapy import EnergyAxis, ReflectedRegions, SpectrumGeometry
from skyred.errors import ConfigError, FieldError

CIRCLE = "icrs; circle(83.63, 22.01, 0.11)"
CONFIG = """
data:
  crab:
    archive: sim:crab
    geometry:
      kind: spectrum
      on_region: "{region}"
      energy: {{min: 1 TeV, max: 10 TeV, bins: 4}}
      energy_true: {{min: 0.5 TeV, max: 20 TeV, bins: 10}}
    make:
      - {{kind: spectrum, {spectrum_options}}}
      - {{kind: safe-mask, {safe_mask_options}}}
      - {{kind: {background_maker}}}
    stack: {{kind: sum}}
estimate: [{estimate}]
"""
REFLECTED_REGIONS = "reflected-regions"
WOBBLE = "reflected-regions, finder: wobble"


def error_message(
    region: str = CIRCLE,
    spectrum_options: str = "use_region_center: true",
    safe_mask_options: str = "methods: aeff-max",
    background_maker: str = REFLECTED_REGIONS,
    estimate: str = "",
) -> str:
    """Return the error message of an invalid pipeline, with one problem per line."""
    yaml_text = CONFIG.format(
        region=region,
        spectrum_options=spectrum_options,
        safe_mask_options=safe_mask_options,
        background_maker=background_maker,
        estimate=estimate,
    )
    with pytest.raises(ConfigError) as excinfo:
        Pipeline.from_yaml(yaml_text)
    return str(excinfo.value)


def load(**changes: str) -> Pipeline:
    values = {
        "region": CIRCLE,
        "spectrum_options": "use_region_center: true",
        "safe_mask_options": "methods: aeff-max",
        "background_maker": REFLECTED_REGIONS,
        "estimate": "",
        **changes,
    }
    return Pipeline.from_yaml(CONFIG.format(**values))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"region": "icrs; ellipse(83.63, 22.01, 0.2, 0.1, 30)"},
        {"region": "galactic; box(184.56, -5.78, 0.2, 0.1, 0)"},
        {"region": "icrs; point(83.63, 22.01)", "background_maker": WOBBLE + ", n_off_regions: 3"},
        {"region": "icrs; polygon(83, 22, 83.2, 22, 83.1, 22.2)",
         "background_maker": "phase-background, on_phase: [0, 0.1], off_phase: [0.5, 0.9]"},
        {"spectrum_options": "containment_correction: true"},
        {"spectrum_options": "parts: [counts, exposure, edisp, background]",
         "background_maker": "safe-mask"},
        {"safe_mask_options": "position: [83.63 deg, 22.01 deg], methods: aeff-max, irfs: DL3"},
    ],
    ids=lambda changes: "+".join(changes) or "default",
)  # fmt: skip
def test_valid_configuration_is_accepted_and_written_as_yaml(changes):
    pipeline = load(**changes)
    assert Pipeline.from_yaml(pipeline.to_yaml()).digest() == pipeline.digest()


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("icrs; circl(83.63, 22.01, 0.11)", r"circl\(83\.63.* is not a DS9 region"),
        ("icrs; circle(83.63, 22.01, 0.1); circle(84, 22, 0.1)", r"contains 2 regions"),
        ("image; circle(10, 10, 3)", r"pixel region, not a sky region"),
        ("ecliptic; circle(84, -1.3, 0.1)", "is in the frame barycentricmeanecliptic; expected"),
        ("nowhere", r"neither a region nor a region file"),
        ("", r"is not a region"),
    ],
)
def test_on_region_must_be_a_single_sky_region(region, message):
    assert re.search(r"data\.crab\.geometry\.on_region: .*" + message, error_message(region))


def test_mask_map_as_on_region_is_rejected(tmp_path):
    (tmp_path / "mask.fits").touch()
    assert "mask.fits is a map; expected one region" in error_message(str(tmp_path / "mask.fits"))


def test_on_region_is_required():
    axis = EnergyAxis(min="1 TeV", max="10 TeV", bins=4)
    with pytest.raises(TypeError, match="on_region"):
        SpectrumGeometry(energy=axis, energy_true=axis)


def test_true_energies_must_overlap_with_reconstructed_energies():
    with pytest.raises(FieldError, match="energy_true: does not overlap with energy"):
        SpectrumGeometry(
            on_region=CIRCLE,
            energy=EnergyAxis(min="1 TeV", max="10 TeV", bins=4),
            energy_true=EnergyAxis(min="20 TeV", max="30 TeV", bins=4),
        )


@pytest.mark.parametrize(
    ("changes", "option_path", "message"),
    [
        (
            {"region": "icrs; ellipse(83.6, 22, 0.2, 0.1, 0)",
             "spectrum_options": "containment_correction: true"},
            "make[0].containment_correction", "needs a circle, but the on region of data.crab is a",
        ),
        (
            {"region": "icrs; point(83.6, 22)", "spectrum_options": "use_region_center: false",
             "background_maker": WOBBLE + ", n_off_regions: 3"},
            "make[0].use_region_center", "must be true: the on region of data.crab is a point",
        ),
        (
            {"background_maker": "safe-mask"},
            "make[0]", "no maker of data.crab creates a background; add a maker such as reflected",
        ),
        (
            {"region": "icrs; point(83.6, 22)"},
            "make[2].finder", "on region of data.crab is a point; expected finder: wobble",
        ),
        (
            {"region": "icrs; polygon(83, 22, 83.2, 22, 83.1, 22.2)"},
            "make[2]", "is a PolygonSkyRegion; expected a region with a centre",
        ),
        (
            {"background_maker": WOBBLE},
            "make[2].n_off_regions", "is not set; finder: wobble needs a number",
        ),
        (
            {"background_maker": WOBBLE + ", n_off_regions: 3, min_distance: 0.2 rad"},
            "make[2].min_distance", "has no effect with finder: wobble",
        ),
        (
            {"background_maker": REFLECTED_REGIONS + ", n_off_regions: 3"},
            "make[2].n_off_regions", "has no effect with finder: reflected; set max_region_number",
        ),
        (
            {"background_maker": WOBBLE + ", n_off_regions: 0"},
            "make[2].n_off_regions", "at least 1",
        ),
        (
            {"background_maker": REFLECTED_REGIONS + ', exclude: "icrs; circl(1, 2, 3)"'},
            "make[2].exclude", "is not a DS9 region",
        ),
        (
            {"background_maker": "fov-background"},
            "make[2]",
            "the maker 'fov-background' needs a geometry for map datasets, but data.crab has",
        ),
        (
            {"background_maker": "map"},
            "make[2]", "the maker 'map' needs a geometry for map datasets",
        ),
        (
            {"safe_mask_options": "position: [83.6 deg, 22 deg], methods: aeff-max"},
            "make[1].position", "the DL4 IRFs are evaluated for the on region of data.crab",
        ),
        (
            {"safe_mask_options": "fixed_offset: 1 deg, methods: edisp-bias"},
            "make[1].fixed_offset", "set irfs: DL3, or remove fixed_offset",
        ),
        (
            {"estimate": "{kind: excess-map}"},
            "estimate[0]", "needs a map, but all data are spectra",
        ),
        (
            {"estimate": '{kind: residuals, region: "icrs; circle(83.6, 22, 1)"}'},
            "estimate[0]", "needs a map, but all data are spectra",
        ),
        (
            {"background_maker": "phase-background, on_phase: [0.1, 0.3], off_phase: [0.2, 0.9]"},
            "make[2].off_phase", "overlaps with on_phase at phase 0.2",
        ),
        (
            {"background_maker": "phase-background, on_phase: [[0.9, 0.1], [0, 0.2]], "
             "off_phase: [0.5, 0.6]"},
            "make[2].on_phase", "two of its intervals overlap at phase 0",
        ),
        (
            {"background_maker": "phase-background, on_phase: [0.1, 1.3], off_phase: [0.2, 0.9]"},
            "make[2].on_phase", "invalid interval [0.1, 1.3]; expected [low, high] between 0 and 1",
        ),
        (
            {"background_maker": "phase-background, on_phase: [0.1], off_phase: [0.2, 0.2]"},
            "make[2].on_phase", "expected [low, high] between 0 and 1",
        ),
        (
            {"background_maker": "phase-background, on_phase: [0.1, 0.2], off_phase: []"},
            "make[2].off_phase", "is empty; expected [low, high]",
        ),
    ],
    ids=lambda case: case.replace("make[", "").replace("]", "") if isinstance(case, str) else "",
)  # fmt: skip
def test_inconsistent_options_are_reported(changes, option_path, message):
    error = error_message(**changes)
    assert message in error
    assert f"{option_path}: " in error


def test_spectrum_makers_need_a_spectrum_geometry(crab_yaml):
    for kind in ("spectrum", "reflected-regions"):
        with pytest.raises(ConfigError, match=f"maker '{kind}' needs a geometry for spectrum"):
            Pipeline.from_yaml(crab_yaml.replace("{kind: map}", f"{{kind: {kind}}}"))


def test_options_of_another_finder_are_rejected_in_python():
    with pytest.raises(FieldError, match="angle_increment: has no effect with finder: wobble"):
        ReflectedRegions(finder="wobble", n_off_regions=2, angle_increment="0.2 rad")
