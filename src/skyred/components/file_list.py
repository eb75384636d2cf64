"""The selector `file-list`: runs whose OBS_ID is listed in a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skyred.components.run_lists import (
    ENCODING,
    ENTRY,
    EntryError,
    RunList,
    id_column,
    is_ecsv,
    read_ids,
    read_table,
)
from skyred.components.selectors import select_ids
from skyred.errors import ArchiveError, ExportError, Problem
from skyred.fields import Location, option
from skyred.interfaces import Chain, Selector, component
from skyred.scripting import literal

if TYPE_CHECKING:
    from gammapy.data import ObservationTable

    from skyred.scripting import Script


@component
class FileList(Selector):
    """Runs whose OBS_ID is listed in a file."""

    kind = "file-list"
    path: Location = option(
        type=Location,
        doc="A text file with one OBS_ID per line, where # begins a comment, and further columns "
        "(separated by commas or spaces) are ignored; or an ECSV table with a column OBS_ID or "
        "obs_id, such as the observations.ecsv of a run folder.",
    )
    entry: str | None = option(
        None,
        type=str,
        doc="The value of the column entry of an ECSV table, to use only the runs of one data "
        "entry; needed if the table has several.",
    )

    def check(self, pipeline: Chain) -> Iterable[Problem]:
        """Check that the file is a list of OBS_IDs.

        Parameters
        ----------
        pipeline : Chain
            The whole pipeline.

        Yields
        ------
        Problem
            A file that is not a valid list of OBS_IDs; missing files are reported elsewhere.
        """
        if self.path.unset_variables() or not self.path.path().is_file():
            return
        try:
            read_ids(self.path.path(), self.entry)
        except EntryError as error:
            yield Problem((ENTRY,), error.message, error.advice)
        except ArchiveError as error:
            yield Problem(("path",), str(error), "correct the file")

    def select(self, table: ObservationTable) -> ObservationTable:
        """Keep the runs in the file.

        Parameters
        ----------
        table : gammapy.data.ObservationTable
            The observations to select from.

        Returns
        -------
        gammapy.data.ObservationTable
            The selected rows, unchanged.

        Raises
        ------
        ArchiveError
            If the file is not a list of OBS_IDs; or if one of them is not in the table, because it
            is missing from the archive or excluded by a previous selector.
        """
        path = self.path.path()
        runs = read_ids(path, self.entry)
        runs.check_further_values(set(table["OBS_ID"].tolist()))
        return select_ids(table, list(runs.ids), f"'file-list' ({path})", "correct the file")

    def write_script(self, script: Script) -> None:
        """Write code that selects rows by the OBS_IDs in the file.

        Parameters
        ----------
        script : Script
            The script to add code to.

        Raises
        ------
        ExportError
            If the file is not a list of OBS_IDs, as in `select`.
        """
        script.use("numpy as np")
        try:
            code = self._ids_code(script)
        except ArchiveError as error:
            raise ExportError(f"reads the list {self.path}: {error}") from None
        runs = script.constant(f"{script.entry}_RUNS", code)
        script.body.add(f'table = table[np.isin(table["OBS_ID"], {runs})]')

    def _ids_code(self, script: Script) -> str:
        """Return the code that reads the OBS_IDs."""
        path, code = self.path.path(), script.path(self.path)
        runs = read_ids(path, self.entry)  # the script does not check the file
        if not is_ecsv(path):
            return _text_code(runs, code)
        script.use("astropy.table", "Table")
        rows = script.constant(
            f"{script.entry}_LIST",
            f'Table.read({code}, format="ascii.ecsv", encoding="{ENCODING}")',
        )
        if self.entry is not None:
            rows += f'[{rows}["{ENTRY}"] == {literal(self.entry)}]'
        return f'{rows}["{id_column(read_table(path), path)}"].astype(int)'


def _text_code(runs: RunList, path_code: str) -> str:
    """Return the code that reads the OBS_IDs from a text file, or lists them."""
    if any(row.further_values for row in runs.rows):
        return literal(list(runs.ids))
    return f'np.loadtxt({path_code}, dtype=int, ndmin=1, encoding="{ENCODING}")'
