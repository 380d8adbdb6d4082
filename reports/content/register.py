"""The register of figures: every figure by the number that tables refer to it, with the identifier that traces it.

A report of a large site has thousands of figures, which stand in the content anyway: the register's rows are made of
them when they are printed.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pydantic import TypeAdapter

from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence
from reports.report_content import Column, Register, Row, Section, Table
from reports.texts.locales import in_runs, page_word, unit_text, word
from reports.writer import plain, words

KEY = "register"
_ROWS = TypeAdapter(tuple[Row, ...])
_LONGEST = 22
TITLE = "Figures and their identifiers"
_HEADS = (
    ("No.", 0.4), ("Identifier", 1.7), ("Place in the report", 4.0), ("Value", 2.4), ("Unit", 0.8), ("Status", 1.4),
)  # fmt: skip


def register_section(figures: Sequence[Figure], language: str = "en") -> Section:
    """The last section of a report: these figures in this order."""
    note = Sentence(
        "Values of more than {0} characters are shown to 17 significant digits; all digits are in the JSON file.",
        _LONGEST,
    )
    ids = tuple(figure.figure_id for figure in figures)
    block = Register(title=word(TITLE, language), figure_ids=ids, note=page_word(note, language))
    return Section(key=KEY, title=word("Register of figures", language), blocks=(block,), starts_page=True)


def register_table(block: Register, figures: Sequence[Figure], language: str = "en") -> Table:
    """The register's rows, made of the content's figures."""
    by_id = {figure.figure_id: figure for figure in figures}
    listed = [by_id[each] for each in block.figure_ids]
    # Thousands of cells: read from plain values in one go, which costs a tenth of making them one by one.
    rows = _ROWS.validate_python(
        [
            {
                "cells": [
                    {"text": str(number)},
                    {"text": figure.figure_id},
                    {"text": figure.path},
                    {"text": "–" if figure.value is None else register_text(figure.value)},
                    {"text": word(unit_text(figure.unit), language)},
                    {"text": register_status(figure, language)},
                ]
            }
            for number, figure in enumerate(listed, start=1)
        ]
    )
    return Table(
        key=KEY,
        title=block.title,
        sheet="",
        columns=tuple(
            Column(title=word(title, language), is_number=title == "No.", weight=weight) for title, weight in _HEADS
        ),
        rows=rows,
        note=block.note,
    )


def register_status(figure: Figure, language: str = "en") -> str:
    """The status, or what stands beside a value that is known."""
    codes = [figure.status] if figure.status != "ok" else figure.findings
    return ", ".join(word(words(code), language) for code in codes) or "ok"


def register_text(value: Decimal) -> str:
    """All digits of a value where they fit a column, else 17 significant ones: a p-value may have hundreds."""
    text = f"{value:f}"
    # 17 significant digits bring every double back.
    return text if len(text) <= _LONGEST else f"{value:.17g}"


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
