"""Reproducible files: gzipped FITS with checksums and without timestamps."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

from astropy.io import fits

if TYPE_CHECKING:
    from gammapy.data import Observation

FIXED_DATE = "2026-01-01T00:00:00"
GADF_URL = "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats"
CONVENTION = {"HDUCLASS": "GADF", "HDUDOC": GADF_URL, "HDUVERS": "0.2"}


def observation_hdus(observation: Observation) -> fits.HDUList:
    """Convert a run to the layout of DL3 files (GADF 0.2): events, GTI and each IRF.

    `Observation.write` is not used, since it writes only to paths and adds the current time.

    Parameters
    ----------
    observation : gammapy.data.Observation
        The run, with events, GTI, pointing and IRFs.

    Returns
    -------
    astropy.io.fits.HDUList
        The HDUs.
    """
    events = observation.events.to_table_hdu(format="gadf")
    events.header.update(observation.pointing.to_fits_header(time_ref=observation.events.time_ref))
    gti = observation.gti.to_table_hdu(format="gadf")
    gti.header.update({**CONVENTION, "HDUCLAS1": "GTI", "TIMEUNIT": "s", "TIMEREF": "LOCAL"})
    gti.header.update({key: events.header[key] for key in ("OBS_ID", "TSTART", "TSTOP")})
    irfs = [
        getattr(observation, name).to_table_hdu(format="gadf-dl3")
        for name in observation.available_irfs
    ]
    return fits.HDUList([fits.PrimaryHDU(), events, gti, *irfs])


def fits_bytes(hdus: fits.HDUList) -> bytes:
    """Convert HDUs to the bytes of a gzipped FITS file, the same bytes for the same content.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The HDUs; their dates are replaced by a fixed date, and checksums are added.

    Returns
    -------
    bytes
        The content of the file.
    """
    for hdu in hdus:
        for key in {"CREATED", "DATE"} & set(hdu.header):
            hdu.header[key] = FIXED_DATE
        # writeto(checksum=True) would write the current time into the comments of the cards
        hdu.add_checksum(when=FIXED_DATE)
    fits_file, gzip_file = io.BytesIO(), io.BytesIO()
    hdus.writeto(fits_file)
    with gzip.GzipFile(
        fileobj=gzip_file, mode="wb", compresslevel=6, mtime=0, filename=""
    ) as stream:
        stream.write(fits_file.getvalue())
    return gzip_file.getvalue()
