"""Damaging DL3 archives: real bytes on disk."""

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

INDEX = {"hdu": "hdu-index.fits.gz", "obs": "obs-index.fits.gz"}
CLASSES = {"EFF_AREA": "aeff", "EDISP": "edisp", "RPSF": "psf", "PSF": "psf", "BKG": "bkg"}
Change = Callable[[Any], object]


@attrs.frozen
class Archive:
    """An archive that may be damaged: a copy."""

    folder: Path

    @classmethod
    def copy(cls, source: Path, folder: Path, *, sums: bool = False) -> Archive:
        """Copy one; without its sums, by which any damage would be found."""
        ignored = shutil.ignore_patterns() if sums else shutil.ignore_patterns(SUMS)
        return cls(Path(shutil.copytree(source, folder, ignore=ignored)))

    @property
    def runs(self) -> list[int]:
        """The runs of the index."""
        return [int(obs_id) for obs_id in Table.read(self.folder / INDEX["obs"])["OBS_ID"]]

    def path(self, run: int) -> Path:
        """Give the file of a run."""
        (found,) = self.folder.glob(f"data/*{run}.fits.gz")
        return found

    def pack(self, run: int, change: Callable[[bytes], bytes]) -> None:
        """Change the bytes that lie on disk."""
        self.path(run).write_bytes(change(self.path(run).read_bytes()))

    def unpacked(self, run: int, change: Callable[[bytes], bytes]) -> None:
        """Change the bytes before they are packed: gzip's sums are right."""
        self.pack(run, lambda packed: gzip.compress(change(gzip.decompress(packed)), 1, mtime=0))

    def hdus(self, run: int, change: Change) -> None:
        """Change the HDUs; their checksum cards, which would tell, are taken out."""

        def rewrite(content: bytes) -> bytes:
            with fits.open(io.BytesIO(content)) as hdus:
                for hdu in hdus:
                    hdu.header.remove("CHECKSUM", ignore_missing=True)
                    hdu.header.remove("DATASUM", ignore_missing=True)
                change(hdus)
                written = io.BytesIO()
                hdus.writeto(written, output_verify="ignore")
                return written.getvalue()

        self.unpacked(run, rewrite)

    def hdu(self, run: int, kind: str, change: Change) -> None:
        """Change one HDU."""
        self.hdus(run, lambda hdus: change(find(hdus, kind)))

    def index(self, which: str, change: Callable[[Table], Table]) -> None:
        """Change an index table."""
        path = self.folder / INDEX[which]
        table = Table.read(path)
        for name in table.colnames:
            if table[name].dtype.kind in "SU":
                table[name] = table[name].astype("U120")
        change(table).write(path, overwrite=True)


@attrs.frozen
class Damage:
    """One damage to a run, and what must be said of it.

    Parameters
    ----------
    name : str
        What is done.
    apply : callable
        Does it, to an archive, its damaged run and another one.
    word : str
        What must be in the message.
    kind : str
        The HDU that must be named; "" where the file is damaged as a whole.
    file : bool
        Whether a file must be named.
    other : bool
        Whether the other run has a fault by it too: of two that share something, who is right?
    """

    name: str
    apply: Callable[[Archive, int, int], object]
    word: str
    kind: str = ""
    file: bool = True
    other: bool = False


def find(hdus: fits.HDUList, kind: str) -> Any:
    """Give the HDU of a kind."""
    for hdu in hdus[1:]:
        name = CLASSES.get(str(hdu.header.get("HDUCLAS2", "")), hdu.name.lower())
        if name == kind:
            return hdu
    raise KeyError(kind)


def flip(array: Any, index: tuple[int, ...], bit: int) -> None:
    """Flip a bit of one float32 of a FITS array (big-endian); 23 is the lowest of the exponent."""
    value = np.array(array[index], ">f4")
    array[index] = (value.view(">u4") ^ np.uint32(1 << bit)).view(">f4")


def brightest(cube: Any) -> tuple[int, ...]:
    """Give the largest cell in the middle of the last axis, where real responses are lit."""
    first = cube.shape[-1] // 2
    middle = cube[..., first : first + cube.shape[-1] // 8 + 1]
    *place, last = np.unravel_index(int(np.argmax(middle)), middle.shape)
    return (*(int(i) for i in place), first + int(last))
