"""Answer of an operation: the result, and how people see it as tables and a sentence."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from string import Formatter
from typing import Any

from pydantic import BaseModel

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import plain

# 70 is EX_SOFTWARE of sysexits.h: the caller can do nothing about it.
EXIT_CODES = (0, 1, 2, 3, 70)
DONE, CHECK_FAILED, BAD_INPUT, UNREACHABLE, BUG = EXIT_CODES
UNKNOWN = "-"


class Table:
    """Table of one list of a result.

    rows: the result's field that holds the list (dotted), or the rows themselves. columns: in one text with ` | `
    between them, each a field of the row that is its own title, or `title: cell`; or title -> cell, where a title is
    nobody's constant. A cell is a template of `str.format` over the row: `{start_utc}`, `{value:,.2f} {unit}`,
    `{reason:|none}` (what follows the bar stands where there is nothing). functions: by the name that a cell gives
    them, over the row, for what no field holds. empty: the sentence where there is no row.
    """

    def __init__(
        self,
        rows: str | Sequence[Any],
        columns: str | Mapping[str, str],
        *,
        empty: str = "",
        **functions: Callable[[Any], object],
    ) -> None:
        self.rows, self.empty, self.functions = rows, empty, functions
        self.columns = dict(map(_column, columns.split(" | "))) if isinstance(columns, str) else columns

    def cells(self, result: Any) -> list[list[str]]:
        """The table's texts, row by row."""
        rows = _field(result, self.rows) if isinstance(self.rows, str) else self.rows
        return [[filled(cell, row, self.functions) for cell in self.columns.values()] for row in rows]


def _column(text: str) -> tuple[str, str]:
    # A title may be empty: a column whose cells speak for themselves begins with the colon.
    title, colon, cell = text.partition(": {")
    return (title, "{" + cell) if colon else (text.replace("_", " "), f"{{{text}}}")


@dataclass(frozen=True)
class Answer:
    """Answer of a command: `result`, a model or the keys of the contract with models below them, is the JSON.

    Table and text are how people see it, in this order; several tables may have texts between them. A function makes
    those that cost time: a program that takes the JSON does not wait for them.
    """

    result: BaseModel | Mapping[str, Any]
    table: Table | Sequence[Table | str] | Callable[[], Sequence[Table | str]] | None = None
    text: str = ""
    exit_code: int = DONE

    @cached_property
    def document(self) -> Any:
        """The result as JSON knows it."""
        return plain(self.result)

    @property
    def parts(self) -> list[Table | str]:
        """Blocks of the answer in display order."""
        table = self.table() if callable(self.table) else self.table
        tables = [table] if isinstance(table, Table) else table or ()
        return [*tables, *([self.text] if self.text else [])]


class _Texts(Formatter):
    """`str.format` over the fields of one row, or the functions of a table; nothing is `-`, times are UTC minutes."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        row = args[0]
        found = kwargs[field_name](row) if field_name in kwargs else _field(row, field_name)
        if isinstance(found, str) and field_name == "unit":
            # Only who prints units waits for the texts of reports.
            from reports.texts.locales import unit_text

            found = unit_text(found)
        return found, field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        form, bar, instead = format_spec.partition("|")
        # Zero is a value and is shown; an empty text or list is nothing.
        if value is None or (bar and not value and not isinstance(value, int | float | Decimal)):
            return instead if bar else UNKNOWN
        return format(value, form) if form else value_text(value)


_TEXTS = _Texts()


def _field(value: Any, path: str) -> Any:
    """Value at a dotted path of keys, positions and attributes; None where a part on the way is."""
    for part in path.split("."):
        if value is None:
            return None
        if isinstance(value, Mapping):
            value = value[part]
        else:
            value = value[int(part)] if part.isdigit() else getattr(value, part)
    return value


def filled(template: str, row: Any, functions: Mapping[str, Callable[[Any], object]] | None = None) -> str:
    """A template over a row."""
    return _TEXTS.vformat(template, (row,), functions or {})


def value_text(value: Any) -> str:
    """A value for people, where no other form is asked for."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z".replace(":00Z", "Z")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value))
    return str(value)


def finding_lines(findings: Iterable[Finding], indent: str = "  ") -> list[str]:
    """Findings for people, a line each."""
    return [f"{indent}{each.severity}: {each.code}: {each.message}" for each in findings]
