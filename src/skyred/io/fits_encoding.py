"""HDUs as bytes: the bytes that astropy writes, encoded many times as fast."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.io import fits

BLOCK_SIZE = 2880  # bytes; header and data of an HDU are padded to a multiple of it
CARD_SIZE = 80  # characters
NO_CHECKSUM = "0" * 16  # the value of CHECKSUM while the checksum is computed
# the characters between digits and letters, which a checksum does not contain
EXCLUDED = {*range(0x3A, 0x41), *range(0x5B, 0x61)}


def format_card(keyword: str, value: Any, comment: str = "") -> str:
    """Format a card of a header, as astropy does.

    Parameters
    ----------
    keyword : str
        The keyword.
    value : str, bool, int or float
        The value; a long string continues in further cards.
    comment : str
        The comment.

    Returns
    -------
    str
        The card, with a multiple of 80 characters.

    Raises
    ------
    ValueError
        If the value contains characters that FITS does not allow.
    """
    if value == 0 and str(value).startswith("-"):  # the cache does not distinguish -0.0 and 0.0
        return _format_card.__wrapped__(keyword, value, comment)
    return _format_card(keyword, value, comment)


@lru_cache(maxsize=4096, typed=True)
def _format_card(keyword: str, value: Any, comment: str) -> str:
    from astropy.io import fits

    return str(fits.Card(keyword, value, comment or None).image)


def encode_hdu(cards: Sequence[str], data: bytes, checksum: bool = False) -> bytes:
    """Encode an HDU.

    Parameters
    ----------
    cards : sequence of str
        The cards of the header, without END.
    data : bytes
        The data, big-endian.
    checksum : bool
        Whether to add the cards CHECKSUM and DATASUM.

    Returns
    -------
    bytes
        Header and data, padded to multiples of 2880 bytes.
    """
    data = data.ljust(_pad(len(data)), b"\0")
    if not checksum:
        return _encode_header(cards) + data
    time, datasum = datetime.now().isoformat()[:19], sum_words(data)  # noqa: DTZ005 - as astropy
    comment = f"HDU checksum updated {time}"
    data_card = format_card("DATASUM", str(datasum), f"data unit checksum updated {time}")
    header = _encode_header([*cards, format_card("CHECKSUM", NO_CHECKSUM, comment), data_card])
    code = encode_checksum(0xFFFFFFFF - sum_words(header, datasum))
    return _encode_header([*cards, format_card("CHECKSUM", code, comment), data_card]) + data


def encode_with_astropy(hdus: Iterable[fits.PrimaryHDU], checksum: bool = False) -> list[bytes]:
    """Encode HDUs with astropy.

    Parameters
    ----------
    hdus : iterable of HDU
        The HDUs; the first is a primary HDU.
    checksum : bool
        Whether to add the cards CHECKSUM and DATASUM.

    Returns
    -------
    list of bytes
        Header and data of each HDU.

    Raises
    ------
    TypeError
        If the data of an HDU are a masked array.
    """
    from astropy.io import fits

    hdulist, buffer = fits.HDUList(list(hdus)), BytesIO()
    for hdu in hdulist:
        if isinstance(hdu.data, np.ma.MaskedArray):  # in a buffer, astropy drops the mask
            raise TypeError(
                f"the data of HDU {hdu.name} are a masked array, which FITS files cannot store; "
                "replace masked values, for example with NaN"
            )
    hdulist.writeto(buffer, checksum=checksum)
    ends = np.cumsum([hdu.filebytes() for hdu in hdulist]).tolist()
    content = buffer.getvalue()
    return [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def encode_extension(hdu: Any, cards: Iterable[str] = (), checksum: bool = False) -> bytes:
    """Encode an extension with astropy.

    Parameters
    ----------
    hdu : astropy.io.fits.ImageHDU or astropy.io.fits.BinTableHDU
        The extension.
    cards : iterable of str
        Further cards of the header, added to that of the extension.
    checksum : bool
        Whether to add the cards CHECKSUM and DATASUM.

    Returns
    -------
    bytes
        Header and data.

    Raises
    ------
    TypeError
        If the data are a masked array.
    """
    from astropy.io import fits

    hdu.header.update(fits.Header(fits.Card.fromstring(card) for card in cards))
    return encode_with_astropy([fits.PrimaryHDU(), hdu], checksum)[1]


def write_hdus(path: Path, hdus: Iterable[bytes]) -> None:
    """Write HDUs one by one; an existing file is replaced at the end.

    The HDUs are written to a hidden file in the same folder, which is removed on error.

    Parameters
    ----------
    path : Path
        The FITS file.
    hdus : iterable of bytes
        The HDUs; each may be encoded when it is needed.
    """
    hidden_path = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with hidden_path.open("wb") as stream:
            stream.writelines(hdus)
        hidden_path.replace(path)
    except BaseException:
        hidden_path.unlink(missing_ok=True)
        raise


def sum_words(content: bytes, start: int = 0) -> int:
    """Return the sum of 32-bit words in ones' complement, the checksum of FITS.

    Parameters
    ----------
    content : bytes
        The content, in big-endian words.
    start : int
        The sum of earlier words.

    Returns
    -------
    int
        The sum, from 0 to 2**32 - 1.
    """
    total = start + int(np.frombuffer(content, dtype=">u4").sum(dtype=np.uint64))
    while carry := total >> 32:
        total = (total & 0xFFFFFFFF) + carry
    return total


def encode_checksum(value: int) -> str:
    """Encode the complement of a checksum as 16 letters and digits.

    Parameters
    ----------
    value : int
        The complement of the checksum, from 0 to 2**32 - 1.

    Returns
    -------
    str
        The value of the card CHECKSUM.

    References
    ----------
    FITS standard 4.0, appendix J.
    """
    columns = []
    for byte in value.to_bytes(4, "big"):
        quotient, remainder = byte // 4 + ord("0"), byte % 4
        column = [quotient + remainder, quotient, quotient, quotient]
        for first in (0, 2):
            while not EXCLUDED.isdisjoint(column[first : first + 2]):
                column[first] += 1
                column[first + 1] -= 1
        columns.append(column)
    code = "".join(chr(character) for row in zip(*columns, strict=True) for character in row)
    return code[-1] + code[:-1]


def _encode_header(cards: Sequence[str]) -> bytes:
    header = "".join([*cards, "END".ljust(CARD_SIZE)])
    return header.ljust(_pad(len(header))).encode("ascii")


def _pad(size: int) -> int:
    """Return the smallest multiple of the block size that is not less than a size."""
    return -(-size // BLOCK_SIZE) * BLOCK_SIZE
