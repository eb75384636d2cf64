"""Map datasets as FITS files: the HDUs of gammapy's `MapDataset.to_hdulist`, encoded faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skyred.io.fits_encoding import encode_with_astropy
from skyred.io.map_files import encode_map
from skyred.io.table_encoding import encode_gti, encode_table

if TYPE_CHECKING:
    from astropy.io import fits
    from gammapy.datasets import MapDataset
    from gammapy.maps import Map

ENCODED_CLASSES = ("MapDataset", "MapDatasetOnOff")
OFF_MAPS = ("counts_off", "acceptance", "acceptance_off")


def is_encodable(dataset: Any) -> bool:
    """Return whether `encode_dataset` supports the class of a dataset.

    Parameters
    ----------
    dataset : gammapy.datasets.Dataset
        The dataset.

    Returns
    -------
    bool
        Whether it is a map dataset of gammapy, and not of a subclass.
    """
    cls = type(dataset)
    return cls.__module__.startswith("gammapy.") and cls.__name__ in ENCODED_CLASSES


def encode_dataset(dataset: MapDataset, cards: Mapping[str, Sequence[str]]) -> Iterator[bytes]:
    """Encode a map dataset, with checksums and the current time as the time of creation.

    Parameters
    ----------
    dataset : gammapy.datasets.MapDataset
        The dataset.
    cards : mapping of str to sequence of str
        Further cards of the HDUs of maps, by name of the map.

    Yields
    ------
    bytes
        Each HDU.
    """
    primary = _create_primary(dataset)
    common_cards = _format_creation(dataset)
    yield encode_with_astropy([primary], checksum=True)[0]
    for name, sky_map in _list_maps(dataset).items():
        yield from encode_map(
            sky_map, name, cards=common_cards, map_cards=cards.get(name, ()), checksum=True
        )
    if dataset.gti is not None:
        yield encode_gti(dataset.gti, common_cards, checksum=True)
    if dataset.meta_table is not None:
        yield encode_table(dataset.meta_table, "META_TABLE", common_cards, checksum=True)
    for name in OFF_MAPS:
        if (sky_map := getattr(dataset, name, None)) is not None:
            yield from encode_map(sky_map, name, cards=common_cards, checksum=True)


def _create_primary(dataset: MapDataset) -> fits.PrimaryHDU:
    """Return the primary HDU, and set the time of creation to now."""
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    primary.header["NAME"] = dataset.name
    primary.header.update(dataset.meta.to_header())
    dataset.meta.creation.update_time()
    primary.header.update(dataset.meta.creation.to_header())
    return primary


def _format_creation(dataset: MapDataset) -> list[str]:
    from astropy.io import fits

    header = fits.Header()
    header.update(dataset.meta.creation.to_header())
    return [card.image for card in header.cards]


def _list_maps(dataset: MapDataset) -> dict[str, Map]:
    """Return the maps before the tables, by name of the HDU and in the order of gammapy."""
    from gammapy.irf.io import IRF_MAP_HDU_SPECIFICATION

    maps: dict[str, Any] = {"counts": dataset.counts, "exposure": dataset.exposure}
    if not hasattr(dataset, "counts_off"):  # the background of on-off data is not written
        maps["background"] = dataset.background
    for irf in (dataset.edisp, dataset.psf):
        if irf is not None:
            name = IRF_MAP_HDU_SPECIFICATION[irf.tag]
            maps |= {name: irf._irf_map, f"{name}_exposure": irf.exposure_map}
    maps |= {"mask_safe": dataset.mask_safe, "mask_fit": dataset.mask_fit}
    return {name: sky_map for name, sky_map in maps.items() if sky_map is not None}
