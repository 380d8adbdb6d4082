"""The register of figures: every figure by the number that tables refer to it, with the identifier that traces it.

A report of a large site has thousands of figures, which stand in the content anyway: the register's rows are made of
them when they are printed.
"""

from collections.abc import Sequence
from decimal import Decimal

from pydantic import TypeAdapter

from data_quality.contracts.reporting.figure import Figure
from reports.report_content import Column, Register, Row, Section, Table
from reports.texts.numbers import unit_text
from reports.writer import words

KEY = "register"
_ROWS = TypeAdapter(tuple[Row, ...])
_LONGEST = 22


def register_section(figures: Sequence[Figure]) -> Section:
    """The last section of a report: these figures in this order."""
    note = (
        f"Values of more than {_LONGEST} characters are shown to 17 significant digits; "
        "all digits stand in the JSON file."
    )
    ids = tuple(figure.figure_id for figure in figures)
    block = Register(title="Figures and their identifiers", figure_ids=ids, note=note)
    return Section(key=KEY, title="Register of figures", blocks=(block,), starts_page=True)


def register_table(block: Register, figures: Sequence[Figure]) -> Table:
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
                    {"text": unit_text(figure.unit)},
                    {"text": register_status(figure)},
                ]
            }
            for number, figure in enumerate(listed, start=1)
        ]
    )
    return Table(
        key=KEY,
        title=block.title,
        sheet="",
        columns=(
            Column(title="No.", is_number=True, weight=0.4),
            Column(title="Identifier", weight=1.7),
            Column(title="Place in the report", weight=4),
            Column(title="Value", weight=2.4),
            Column(title="Unit", weight=0.8),
            Column(title="Status", weight=1.4),
        ),
        rows=rows,
        note=block.note,
    )


def register_status(figure: Figure) -> str:
    """The status, or what stands beside a value that is known."""
    return words(figure.status) if figure.status != "ok" else ", ".join(map(words, figure.findings)) or "ok"


def register_text(value: Decimal) -> str:
    """All digits of a value where they fit a column, else 17 significant ones: a p-value may have hundreds."""
    text = f"{value:f}"
    # 17 significant digits bring every double back.
    return text if len(text) <= _LONGEST else f"{value:.17g}"
