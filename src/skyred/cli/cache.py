"""The `cache` command: list and remove cached chunks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from skyred.run.cache import Cache, CachedEntry

DAY = 86400.0
_FOLDER_OPTION = click.option(
    "--cache",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the cache; by default $SKYRED_CACHE_DIR, or the user's cache folder.",
)


@click.group(invoke_without_command=True)
@_FOLDER_OPTION
@click.option("-v", "--verbose", is_flag=True, help="List every chunk.")
@click.pass_context
def cache(ctx: click.Context, folder: Path | None, verbose: bool) -> None:
    """Show the reduced chunks that are cached for later analyses.

    An analysis uses chunks that were reduced before from the same files, with the same options and
    the same code. The cache may be removed at any time: missing chunks are reduced again.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = folder
        return
    if (cache_store := _open(folder)) is None:
        return
    entries = cache_store.entries()
    click.echo(
        f"{cache_store.folder}: {_format_total(entries)} (limit: {_format_size(cache_store.limit)})"
    )
    for line in _format_entries(entries) if verbose else _format_by_data_entry(entries):
        click.echo(f"  {line}")


@cache.command()
@_FOLDER_OPTION
@click.option(
    "--older-than", metavar="DAYS", type=click.FloatRange(min=0), default=0.0,
    help="Remove only chunks that have not been used for this many days.",
)  # fmt: skip
@click.pass_obj
def clear(parent_folder: Path | None, folder: Path | None, older_than: float) -> None:
    """Remove cached chunks; later analyses reduce them again."""
    if (cache_store := _open(folder or parent_folder)) is not None:
        click.echo(f"removed {_format_total(cache_store.clear(older_than * DAY))}")


def _open(folder: Path | None) -> Cache | None:
    """Open an existing cache; print a message and return None if there is none."""
    from skyred.run.cache import Cache, default_folder

    cache_folder = folder or default_folder()
    if not (cache_folder / "chunks").is_dir():
        click.echo(f"no cache in {cache_folder}")
        return None
    return Cache.open(cache_folder, create=False)


def _format_by_data_entry(entries: list[CachedEntry]) -> list[str]:
    grouped: dict[str, list[CachedEntry]] = {}
    for entry in entries:
        grouped.setdefault(str(entry.description.get("entry", "unknown")), []).append(entry)
    return [
        f"{name}: {_format_total(group)}, {_format_last_use(group[0])}"
        for name, group in sorted(grouped.items())
    ]


def _format_entries(entries: list[CachedEntry]) -> list[str]:
    return [
        f"{entry.key[:16]} {_format_size(entry.size):>9}  {_format_last_use(entry)}  "
        f"{entry.description.get('entry', '?')}: runs {_format_runs(entry)}"
        for entry in entries
    ]


def _format_runs(entry: CachedEntry) -> str:
    return ", ".join(str(run) for run in entry.description.get("runs", ()))


def _format_total(entries: list[CachedEntry]) -> str:
    n_chunks = len(entries)
    size = _format_size(sum(entry.size for entry in entries))
    return f"{n_chunks} chunk{'' if n_chunks == 1 else 's'}, {size}"


def _format_last_use(entry: CachedEntry) -> str:
    days = (time.time() - entry.used) / DAY
    n_days = round(days)
    return "used today" if days < 1 else f"used {n_days} day{'' if n_days == 1 else 's'} ago"


def _format_size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
