"""Gives every table row the register numbers of its figures, so that a reader finds the identifier behind a cell."""

from collections.abc import Mapping

from reports.report_content import Column, Row, Section, Table
from reports.texts.locales import word
from reports.texts.numbers import in_runs
from reports.writer import plain


def with_references(section: Section, numbers: Mapping[str, int], language: str = "en") -> Section:
    """The section with a last column `Ref.` in each table that shows figures."""
    blocks = tuple(_table(block, numbers, language) if isinstance(block, Table) else block for block in section.blocks)
    return section.model_copy(update={"blocks": blocks})


def _table(table: Table, numbers: Mapping[str, int], language: str) -> Table:
    if not any(cell.figure_id for row in table.rows for cell in row.cells):
        return table
    rows = tuple(
        Row(
            cells=(
                *row.cells,
                plain(ranges([numbers[cell.figure_id] for cell in row.cells if cell.figure_id]), "muted"),
            ),
            is_total=row.is_total,
        )
        for row in table.rows
    )
    columns = (*table.columns, Column(title=word("Ref.", language), weight=0.9))
    return Table(key=table.key, title=table.title, sheet=table.sheet, columns=columns, rows=rows, note=table.note)


def ranges(numbers: list[int]) -> str:
    """Numbers as short ranges: 3, 4, 5, 9 -> 3–5, 9."""
    parts = in_runs(sorted(set(numbers)))
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in parts)
