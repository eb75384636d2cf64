"""Files of gammapy's flux points and flux maps, with their reference model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyred.io.fits_encoding import encode_with_astropy, format_card, write_hdus
from skyred.io.map_files import encode_maps
from skyred.io.table_encoding import encode_gti, encode_table

if TYPE_CHECKING:
    from gammapy.estimators import FluxMaps, FluxPoints

CARDS = {"n_sigma": "NSIGMA", "n_sigma_ul": "NSIGMAUL"}
# metadata without a default in gammapy
SENSITIVITY_CARDS = {
    "n_sigma_sensitivity": "NSIGSENS",
    "gamma_min_sensitivity": "GAMMAMIN",
    "bkg_syst_fraction_sensitivity": "BKGSYST",
}
# maps that `FluxMaps.to_maps` and `FluxMaps.from_maps` drop
ON_OFF_MAPS = ("alpha", "acceptance_on", "acceptance_off")


def write_maps(maps: FluxMaps, path: Path) -> list[Path]:
    """Write flux maps as FITS, and their reference model as YAML next to it.

    `FluxMaps.write` is not used, because it stores the absolute path of the model file, and the
    folder is moved later. If the model file is missing, gammapy reads the same fluxes with an E^-2
    reference spectrum.

    Parameters
    ----------
    maps : FluxMaps
        The flux maps.
    path : Path
        The FITS file.

    Returns
    -------
    list of Path
        The files.
    """
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header["SED_TYPE"] = "flux"
    for key, card in CARDS.items():
        primary.header[card] = getattr(maps, key)  # gammapy writes no metadata
    for key, card in SENSITIVITY_CARDS.items():
        if key in maps.meta:
            primary.header[card] = maps.meta[key]
    tables = [encode_gti(maps.gti)] if maps.gti else []
    on_off_maps = {
        name: getattr(maps, name) for name in ON_OFF_MAPS if name in maps.available_quantities
    }
    encoded_maps = encode_maps({**maps.to_maps("flux"), **on_off_maps})
    write_hdus(path, chain(encode_with_astropy([primary]), encoded_maps, tables))
    return [path, _write_model(maps, path)]


def read_maps(path: Path) -> FluxMaps:
    """Read flux maps written by `write_maps`.

    Parameters
    ----------
    path : Path
        The FITS file.

    Returns
    -------
    FluxMaps
        The flux maps.
    """
    from astropy.io import fits
    from gammapy.data import GTI
    from gammapy.estimators import FluxMaps
    from gammapy.maps import Maps

    with fits.open(path, memmap=False) as hdulist:
        header = hdulist[0].header
        gti = GTI.from_table_hdu(hdulist["GTI"]) if "GTI" in hdulist else None
        maps = Maps.from_hdulist(hdulist, hdu_bands=None)
    cards = CARDS | SENSITIVITY_CARDS
    meta = {key: header[card] for key, card in cards.items() if card in header}
    flux_maps = FluxMaps.from_maps(maps, header["SED_TYPE"], _read_model(path), gti, meta)
    data = {name: getattr(flux_maps, name) for name in flux_maps.available_quantities}
    data |= {name: maps[name] for name in ON_OFF_MAPS if name in maps}
    return FluxMaps(data, flux_maps.reference_model, meta, gti)


def write_points(points: FluxPoints, path: Path) -> list[Path]:
    """Write flux points, a light curve or a profile as FITS, and their reference model as YAML.

    Parameters
    ----------
    points : FluxPoints
        The flux points.
    path : Path
        The FITS file.

    Returns
    -------
    list of Path
        The files.
    """
    # gammapy does not write these cards for light curves and profiles
    cards = [format_card("SED_TYPE", points.sed_type_init)]
    cards += [format_card(card, getattr(points, key)) for key, card in CARDS.items()]
    write_points_table(points, path, cards)
    return [path, _write_model(points, path)]


def write_points_table(
    points: FluxPoints,
    path: Path,
    cards: Sequence[str] = (),
    sed_type: str | None = None,
    table_format: str | None = None,
) -> None:
    """Write flux points and their good time, as `FluxPoints.write` does.

    Parameters
    ----------
    points : FluxPoints
        The flux points.
    path : Path
        The FITS file.
    cards : sequence of str
        Further cards of the header of the table.
    sed_type : str, optional
        The type of the fluxes; by default that of the flux points.
    table_format : str, optional
        The format of the table; by default the one that fits the axes.
    """
    from astropy.io import fits

    table = points.to_table(sed_type=sed_type or points.sed_type_init, format=table_format)
    hdus = [*encode_with_astropy([fits.PrimaryHDU()]), encode_table(table, "FLUXPOINTS", cards)]
    hdus += [encode_gti(points.gti)] if points.gti else []
    write_hdus(path, hdus)


def read_points(path: Path) -> FluxPoints:
    """Read flux points written by `write_points`.

    Parameters
    ----------
    path : Path
        The FITS file.

    Returns
    -------
    FluxPoints
        The flux points.
    """
    from astropy.io import fits
    from gammapy.estimators import FluxPoints

    points = FluxPoints.read(path, reference_model=_read_model(path))
    header = fits.getheader(path, "FLUXPOINTS")
    points.meta.update({key: header[card] for key, card in CARDS.items() if card in header})
    return points


def _write_model(maps: FluxMaps, path: Path) -> Path:
    from gammapy.modeling.models import Models

    model = maps.reference_model
    if model.spatial_model is None:  # gammapy's default model has a random name
        model = model.copy(name=path.stem)
    model_path = path.with_suffix(".yaml")
    Models([model]).write(model_path, overwrite=True, write_covariance=False)
    return model_path


def _read_model(path: Path) -> Any:
    from gammapy.modeling.models import Models

    return Models.read(path.with_suffix(".yaml"))[0]
