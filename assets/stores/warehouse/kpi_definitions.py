"""The definitions of KPIs that figures were made by: today's, and those of then by their digest, kept as files.

A file is named by its content and never changed: what a trace pins can be read and run again after the SQL changed.
"""

from collections.abc import Callable
from pathlib import Path

from assets.stores.warehouse.scratch import RunSql, rows_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.kpi_definition import KpiDefinition


class Definitions:
    """Today's definition, and a folder of former ones. keeps: a figure that names today's will be stored. run: who runs
    them.
    """

    def __init__(
        self,
        current: Callable[[], KpiDefinition],
        folder: Path | None = None,
        *,
        keeps: bool = True,
        run: RunSql = rows_of,
    ) -> None:
        self._make, self.folder, self._keeps, self.run = current, folder, keeps, run
        self._current: KpiDefinition | None = None

    def current(self) -> KpiDefinition:
        """Today's definition."""
        if self._current is None:
            self._current = self._make()
        return self._current

    def pinned(self) -> KpiDefinition:
        """Today's definition, kept: a figure is about to name it."""
        if self.folder is not None and self._keeps:
            keep_definition(self.folder, self.current())
        return self.current()

    def of(self, sha256: str) -> KpiDefinition:
        """The definition of that digest. Raises BadInput where it was not kept, or is not what it was."""
        if self.current().sha256 == sha256:
            return self.current()
        path = None if self.folder is None else self.folder / f"{sha256}.sql"
        if path is None or not path.is_file():
            raise BadInput(
                f"the definition of KPIs {sha256[:12]} was not kept: its figures cannot be made again by it",
                file=str(path or ""),
                reason="no_definition",
                mend="restore the folder of definitions from a backup, or verify the report's evidence pack",
            )
        found = KpiDefinition.parse(path.read_text(encoding="utf-8"), file=str(path))
        # A file's name is a promise that anybody may break with an editor.
        if found.sha256 != sha256:
            raise BadInput("is not the definition that its name says", file=str(path), reason="no_definition")
        return found


def keep_definition(folder: Path, definition: KpiDefinition) -> Path:
    """Write a definition under its digest, once and whole."""
    path = folder / f"{definition.sha256}.sql"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(definition.text, encoding="utf-8")
        unfinished.replace(path)
    return path
