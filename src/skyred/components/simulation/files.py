"""Reproducible files: gzipped FITS with checksums and without timestamps."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

from astropy.io import fits

if TYPE_CHECKING:
    from gammapy.data import Observation

CREATED = "2026-01-01T00:00:00"
DOCUMENT = "https://github.com/open-gamma-ray-astro/gamma-astro-data-formats"
CONVENTION = {"HDUCLASS": "GADF", "HDUDOC": DOCUMENT, "HDUVERS": "0.2"}


def observation_hdus(observation: Observation) -> fits.HDUList:
    """Convert a run to the layout of DL3 files (GADF 0.2): events, GTI and each IRF.

    `Observation.write` writes to paths only, and adds the current time.

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
    """Return HDUs as the bytes of a gzipped FITS file; equal content has equal bytes.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The HDUs; dates are replaced by a fixed one, and checksums are added.

    Returns
    -------
    bytes
        The content of the file.
    """
    for hdu in hdus:
        for key in {"CREATED", "DATE"} & set(hdu.header):
            hdu.header[key] = CREATED
        # writeto(checksum=True) would add the current time to its cards
        hdu.add_checksum(when=CREATED)
    raw, packed = io.BytesIO(), io.BytesIO()
    hdus.writeto(raw)
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0, filename="") as stream:
        stream.write(raw.getvalue())
    return packed.getvalue()
