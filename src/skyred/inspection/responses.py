"""Checks that the values of responses are finite, non-zero and in range, by HDU type."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skyred.inspection.area_offsets import check_area_offsets
from skyred.inspection.area_smoothness import check_area_smoothness
from skyred.inspection.axes import LAYOUTS, ResponseTable, build_response, check_axes
from skyred.inspection.background import check_background
from skyred.inspection.normalisation import check_dispersion, check_psf
from skyred.inspection.records import Finding
from skyred.inspection.run_hdu import RunHdu

# the maximum effective areas of real instruments are 1e4 to 5e6 m2
AREA_RANGE = (1e2, 1e8)
MAX_RADIUS = 10.0  # deg
# in the psf_3gauss format, unused Gaussians have zero amplitude and sigma
COLUMNS_THAT_MAY_BE_ZERO = ("SIGMA_2", "SIGMA_3", "AMPL_2", "AMPL_3")


def read_response(hdu: RunHdu) -> tuple[ResponseTable | None, list[Finding]]:
    """Read a response, and check its axes, and that its values are finite and not all zero.

    Parameters
    ----------
    hdu : RunHdu
        The HDU of the response.

    Returns
    -------
    response : ResponseTable or None
        The response; None if it has faults, or a format that is not inspected.
    findings : list of Finding
        The findings on the format, the axes, the units and the values.
    """
    layout = LAYOUTS.get(hdu.hdu_class.lower())
    if layout is None:
        return None, [
            hdu.report("not-inspected", f"HDUs of HDU_CLASS {hdu.hdu_class} are not inspected")
        ]
    if hdu.table.has_variable_length:
        return None, [hdu.report("not-inspected", "columns of variable length are not inspected")]
    findings = list(check_axes(hdu, layout))
    if findings:
        return None, findings
    response = build_response(hdu, layout)
    findings = [*hdu.list_assumed_units(layout.columns), *_check_values(response)]
    faults = any(finding.level == "fault" for finding in findings)
    return (None if faults else response), findings


def check_response(response: ResponseTable, area: ResponseTable | None) -> Iterator[Finding]:
    """Check the values of a response.

    Parameters
    ----------
    response : ResponseTable
        The response.
    area : ResponseTable or None
        The effective area of the same run. The energy dispersion and the PSF are tested where the
        area is non-zero.

    Yields
    ------
    Finding
        A finding for each violation.
    """
    hdu_type = response.hdu.hdu_type
    if hdu_type == "aeff":
        yield from _check_maximum(response)
        yield from check_area_smoothness(response)
        yield from check_area_offsets(response)
    elif hdu_type == "edisp" and area is not None:
        yield from check_dispersion(response, area)
    elif hdu_type == "psf" and area is not None:
        yield from check_psf(response, area)
    elif hdu_type == "bkg":
        yield from check_background(response)
    elif hdu_type == "rad_max" and (
        response.values.min() < 0 or response.values.max() > MAX_RADIUS
    ):
        yield response.hdu.report("rad-max", f"RAD_MAX has values outside 0 to {MAX_RADIUS:g} deg")


def sensitive_energy_range(area: ResponseTable) -> tuple[float, float]:
    """Return the energy range with non-zero effective area.

    Parameters
    ----------
    area : ResponseTable
        The effective area.

    Returns
    -------
    low, high : float
        The limits of the range, in TeV.
    """
    nonzero = np.flatnonzero((area.values > 0).any(axis=0))
    return float(area.low["ENERG"][nonzero[0]]), float(area.high["ENERG"][nonzero[-1]])


def _check_values(response: ResponseTable) -> Iterator[Finding]:
    hdu = response.hdu
    for name, values in response.values_by_column.items():
        if n_invalid := int((~np.isfinite(values)).sum()):
            yield hdu.report(
                "response-not-finite", f"{name} is not finite in {n_invalid} of {values.size} cells"
            )
        elif name not in COLUMNS_THAT_MAY_BE_ZERO and not (values > 0).any():
            yield hdu.report("response-zero", f"{name} is zero or negative everywhere")
        elif (values < 0).any():
            percentage = 100 * values.min() / values.max()
            yield hdu.report(
                "response-negative",
                f"{name} has negative values (down to {percentage:.2g} % of the maximum)",
            )


def _check_maximum(area: ResponseTable) -> Iterator[Finding]:
    max_area = float(area.values.max())
    if not AREA_RANGE[0] <= max_area <= AREA_RANGE[1]:
        yield area.hdu.report(
            "area-maximum",
            f"EFFAREA is at most {max_area:.3g} m2; expected {AREA_RANGE[0]:g} to "
            f"{AREA_RANGE[1]:g} m2; check the unit {area.hdu.table.unit('EFFAREA')!r}",
        )
