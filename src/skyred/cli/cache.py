"""The command cache: what is kept of earlier runs, and removing it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from skyred.run.cache import Cache, CachedEntry

DAY = 86400.0
_DIR = click.option(
    "--cache",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the cache; by default $SKYRED_CACHE_DIR, or the user's cache folder.",
)


@click.group(invoke_without_command=True)
@_DIR
@click.option("-v", "--verbose", is_flag=True, help="List every entry.")
@click.pass_context
def cache(ctx: click.Context, folder: Path | None, verbose: bool) -> None:
    """Show the reduced chunks that are kept for later runs.

    A run takes from the cache what was made before from the same files, with the same options and
    the same code. It may be removed at any time: what is missing is made again.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = folder
        return
    if (kept := _open(folder)) is None:
        return
    entries = kept.entries()
    click.echo(f"{kept.folder}: {_total(entries)}, at most {_size(kept.limit)}")
    for line in _each(entries) if verbose else _by_entry(entries):
        click.echo(f"  {line}")


@cache.command()
@_DIR
@click.option(
    "--older-than", metavar="DAYS", type=click.FloatRange(min=0), default=0.0,
    help="Only what was not used for so many days.",
)  # fmt: skip
@click.pass_obj
def clear(above: Path | None, folder: Path | None, older_than: float) -> None:
    """Remove what is kept; runs that are under way make it again."""
    if (kept := _open(folder or above)) is not None:
        click.echo(f"removed {_total(kept.clear(older_than * DAY))}")


def _open(folder: Path | None) -> Cache | None:
    """Open a cache that is there; None, and a word, if it is not."""
    from skyred.run.cache import Cache, default_folder

    place = folder or default_folder()
    if not (place / "chunks").is_dir():
        click.echo(f"there is no cache in {place}")
        return None
    return Cache.open(place, create=False)


def _by_entry(entries: list[CachedEntry]) -> list[str]:
    grouped: dict[str, list[CachedEntry]] = {}
    for entry in entries:
        grouped.setdefault(str(entry.about.get("entry", "unknown")), []).append(entry)
    return [f"{name}: {_total(held)}, {_last(held[0])}" for name, held in sorted(grouped.items())]


def _each(entries: list[CachedEntry]) -> list[str]:
    return [
        f"{entry.key[:16]} {_size(entry.size):>9}  {_last(entry)}  "
        f"{entry.about.get('entry', '?')}: runs {_runs(entry)}"
        for entry in entries
    ]


def _runs(entry: CachedEntry) -> str:
    return ", ".join(str(run) for run in entry.about.get("runs", ()))


def _total(entries: list[CachedEntry]) -> str:
    number = len(entries)
    size = _size(sum(entry.size for entry in entries))
    return f"{number} chunk{'' if number == 1 else 's'}, {size}"


def _last(entry: CachedEntry) -> str:
    days = (time.time() - entry.used) / DAY
    return "used today" if days < 1 else f"used {days:.0f} days ago"


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
