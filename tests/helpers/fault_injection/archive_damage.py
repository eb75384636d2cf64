"""Damage to the files of DL3 archives on disk."""

from __future__ import annotations

import gzip
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from astropy.io import fits
from astropy.table import Table

from skyred.io.checksums import SUMS

INDEX_FILES = {"hdu": "hdu-index.fits.gz", "obs": "obs-index.fits.gz"}
TYPE_BY_CLASS = {"EFF_AREA": "aeff", "EDISP": "edisp", "RPSF": "psf", "PSF": "psf", "BKG": "bkg"}
Change = Callable[[Any], object]


@attrs.frozen
class Archive:
    """A copy of an archive, which can be damaged."""

    folder: Path

    @classmethod
    def copy(cls, source: Path, folder: Path, *, checksums: bool = False) -> Archive:
        """Copy an archive, by default without its checksums, which would detect any damage."""
        ignored = shutil.ignore_patterns() if checksums else shutil.ignore_patterns(SUMS)
        return cls(Path(shutil.copytree(source, folder, ignore=ignored)))

    @property
    def runs(self) -> list[int]:
        """Observation ids in the index, in its order."""
        return [int(obs_id) for obs_id in Table.read(self.folder / INDEX_FILES["obs"])["OBS_ID"]]

    def path(self, run: int) -> Path:
        """Return the file of a run."""
        (path,) = self.folder.glob(f"data/*{run}.fits.gz")
        return path

    def change_file(self, run: int, change: Callable[[bytes], bytes]) -> None:
        """Change the bytes of a file on disk."""
        self.path(run).write_bytes(change(self.path(run).read_bytes()))

    def change_content(self, run: int, change: Callable[[bytes], bytes]) -> None:
        """Change the bytes of a file before compression, so that gzip's checksums are valid."""
        self.change_file(
            run, lambda compressed: gzip.compress(change(gzip.decompress(compressed)), 1, mtime=0)
        )

    def change_hdus(self, run: int, change: Change) -> None:
        """Change the HDUs of a file, and remove their checksums, which would detect the change."""

        def rewrite(content: bytes) -> bytes:
            with fits.open(io.BytesIO(content)) as hdus:
                for hdu in hdus:
                    hdu.header.remove("CHECKSUM", ignore_missing=True)
                    hdu.header.remove("DATASUM", ignore_missing=True)
                change(hdus)
                stream = io.BytesIO()
                hdus.writeto(stream, output_verify="ignore")
                return stream.getvalue()

        self.change_content(run, rewrite)

    def change_hdu(self, run: int, hdu_type: str, change: Change) -> None:
        """Change one HDU of a file."""
        self.change_hdus(run, lambda hdus: change(find_hdu(hdus, hdu_type)))

    def change_index(self, index_name: str, change: Callable[[Table], Table]) -> None:
        """Change an index table: "hdu" or "obs"."""
        path = self.folder / INDEX_FILES[index_name]
        table = Table.read(path)
        for name in table.colnames:
            # allow longer strings
            if table[name].dtype.kind in "SU":
                table[name] = table[name].astype("U120")
        change(table).write(path, overwrite=True)


@attrs.frozen
class Damage:
    """Damage to a run, and the expected report.

    Parameters
    ----------
    name : str
        Description.
    apply : callable
        Function that damages a run; its arguments are an archive, the run and another run.
    message_part : str
        Expected part of the message.
    hdu_type : str
        The HDU in the message; "" if the complete file is damaged.
    names_file : bool
        Whether the message contains the path of a file.
    both_runs : bool
        Whether the other run is also reported, since both runs share a file.
    severity : {"fault", "warning"}
        The severity of the report.
    """

    name: str
    apply: Callable[[Archive, int, int], object]
    message_part: str
    hdu_type: str = ""
    names_file: bool = True
    both_runs: bool = False
    severity: str = "fault"


def find_hdu(hdus: fits.HDUList, hdu_type: str) -> Any:
    """Return the first HDU of a type, such as "aeff" or "gti".

    Raises
    ------
    KeyError
        If there is none.
    """
    for hdu in hdus[1:]:
        name = TYPE_BY_CLASS.get(str(hdu.header.get("HDUCLAS2", "")), hdu.name.lower())
        if name == hdu_type:
            return hdu
    raise KeyError(hdu_type)


def flip_bit(array: Any, index: tuple[int, ...], bit: int) -> None:
    """Flip a bit of one big-endian float32; bit 23 is the lowest bit of the exponent."""
    value = np.array(array[index], ">f4")
    array[index] = (value.view(">u4") ^ np.uint32(1 << bit)).view(">f4")


def find_largest_cell(cube: Any) -> tuple[int, ...]:
    """Return the index of the largest value near the middle of the last axis.

    IRFs of real archives are zero at the ends of the energy axis, but not in the middle.
    """
    first = cube.shape[-1] // 2
    middle = cube[..., first : first + cube.shape[-1] // 8 + 1]
    *indices, last = np.unravel_index(int(np.argmax(middle)), middle.shape)
    return (*(int(i) for i in indices), first + int(last))
