"""Files of a carbon account: activities and factor sets, read and written (CSV, the shapes of the command line)."""

import csv
import io
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets.carbon.factor_choice.gwp import composition_of
from assets.readings.tables.table_rows import Row, read_table
from data_quality.contracts.emissions.carbon import Activity
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import TRUTHS, Basis, Factor, FactorSet, GwpSet, QualityCriteria
from data_quality.contracts.model import StatedUncertainty
from data_quality.contracts.model_faults import sentence_of

_OUTSIDE = ("0", "outside", "outside of scopes", "biogenic")


def read_activities(path: Path) -> tuple[Activity, ...]:
    """Rows `id,activity,quantity,unit` with `year` or `start,end` (end exclusive). Raises BadInput naming the line."""
    table = read_table(path, needs=("id", "activity", "quantity", "unit"))
    if not table.rows:
        raise BadInput("has no activities below its header", file=str(path), reason="empty_file")
    seen: dict[str, int] = {}
    found = []
    for row in table.rows:
        activity = _activity(row)
        if activity.activity_id in seen:
            raise row.bad(
                f"id {activity.activity_id!r} is in line {seen[activity.activity_id]} already",
                reason="duplicate_id",
            )
        seen[activity.activity_id] = row.line
        found.append(activity)
    return tuple(found)


def states_instruments(path: Path) -> bool:
    """True where the file has a column `instrument`: then a line without one is covered by none."""
    return "instrument" in read_table(path).columns


def _activity(row: Row) -> Activity:
    span = row.span("start", "end")
    if span is None:
        raise row.bad("has no time; expected year, or start and end", reason="no_period")
    # Said before the number is read: a negative amount is most often an export, and needs that answer.
    if row.text("quantity").startswith("-"):
        raise row.bad(
            f"quantity is negative ({row.text('quantity')}); expected what was bought or burnt: exports do not net",
            reason="negative",
        )
    quantity = row.number("quantity")
    if quantity is None:
        raise row.bad("has no quantity; an unknown amount is not zero", reason="no_quantity")
    return Activity(
        activity_id=row.needed("id", "has no id"),
        activity=row.needed("activity", "names no activity"),
        quantity=quantity,
        unit=row.needed("unit", "has no unit"),
        start=span[0],
        end=span[1],
        region=row.text("region"),
        supplier=row.text("supplier"),
        instrument=row.text("instrument"),
        file=row.file,
        line=row.line,
    )


def read_factor_set(path: Path) -> FactorSet:
    """A factor set with the hash of its file. Raises BadInput for a factor without unit, validity or value."""
    table = read_table(path, needs=("scope", "activity", "unit"))
    if not table.rows:
        raise BadInput("has no factors below its header", file=str(path), reason="empty_file")
    return FactorSet(path=str(path), sha256=table.sha256, factors=tuple(map(_factor, table.rows)))


def _factor(row: Row) -> Factor:
    span = row.span("valid_from", "valid_to")
    if span is None:
        raise row.bad("factor without validity; expected year, or valid_from and valid_to", reason="no_validity")
    total, gas, mass = row.number("kg_co2e_per_unit"), row.text("gas"), row.number("kg_per_unit")
    if total is None and mass is None:
        raise row.bad("factor without a value; expected kg_co2e_per_unit, or gas and kg_per_unit", reason="no_value")
    if mass is not None and total is None and gas:
        # Refused here, with its line, and not where an account first weighs it.
        composition_of(gas, file=row.file, line=row.line)
    values: dict[str, Any] = {
        # A factor that nobody named is known by its line: every figure says which factor it rests on.
        "factor_id": row.text("factor_id") or f"{Path(row.file).name.split('.')[0]}:{row.line}",
        "scope": _scope(row),
        "activity": row.needed("activity", "names no activity"),
        "unit": row.needed("unit", "factor without a unit"),
        "kg_co2e_per_unit": total,
        "gas": gas,
        "kg_per_unit": mass,
        "gwp_set": _choice(row, "gwp_set", GwpSet, None, str.upper),
        "valid_from": span[0],
        "valid_to": span[1],
        "region": row.text("region"),
        "supplier": row.text("supplier"),
        "basis": _choice(row, "basis", Basis, Basis.LOCATION, str.lower),
        "source": row.text("source"),
        "sha256": row.text("sha256"),
        "instrument_kwh": row.number("instrument_kwh"),
        "criteria": read_criteria(row),
        "uncertainty_percent": row.number("uncertainty_percent"),
        "uncertainty_source": row.text("uncertainty_source"),
        "tier": _tier(row),
        "file": row.file,
        "line": row.line,
    }
    try:
        return Factor(**values)
    except ValidationError as fault:
        raise row.bad(sentence_of(fault.errors()[0]), reason="bad_factor") from fault


def _tier(row: Row) -> int | None:
    text = row.text("tier")
    if text not in ("", "1", "2", "3"):
        raise row.bad(f"tier: expected 1, 2 or 3, got {text!r}", reason="bad_tier")
    return int(text) if text else None


def read_criteria(row: Row) -> QualityCriteria:
    """The quality criteria that a line states; a column that is absent or empty states nothing."""
    # Half a vintage is refused by `day`: it would pass as unstated.
    vintage = row.text("vintage_from") or row.text("vintage_to")
    return QualityCriteria(
        **{name: row.truth(name) for name in TRUTHS},
        vintage_from=row.day("vintage_from") if vintage else None,
        vintage_to=row.day("vintage_to") if vintage else None,
    )


def _scope(row: Row) -> int:
    text = row.text("scope").casefold().removeprefix("scope").strip()
    if text in _OUTSIDE:
        return 0
    if text not in ("1", "2", "3"):
        raise row.bad(f"scope: expected 1, 2 or 3 (or outside), got {row.text('scope')!r}", reason="bad_scope")
    return int(text)


def _choice(row: Row, column: str, kind: Any, default: Any, spell: Any) -> Any:
    text = row.text(column)
    if not text:
        return default
    try:
        return kind(spell(text))
    except ValueError:
        allowed = ", ".join(item.value for item in kind)
        raise row.bad(f"{column}: expected one of {allowed}, got {text!r}", reason=f"bad_{column}") from None


COLUMNS = (
    "scope", "activity", "unit", "kg_co2e_per_unit", "gas", "kg_per_unit", "gwp_set", "valid_from", "valid_to",
    "factor_id", "region", "supplier", "basis", "source", "sha256",
)  # fmt: skip
INSTRUMENT_COLUMNS = (
    "instrument_kwh", *QualityCriteria.model_fields,
)  # fmt: skip
UNCERTAINTY_COLUMNS = tuple(StatedUncertainty.model_fields)


def factor_csv(factors: FactorSet) -> str:
    """The set as CSV; columns of instruments, and of uncertainty, only where some row is one or states it."""
    has_instruments = any(
        row.instrument_kwh is not None or row.criteria != type(row.criteria)() for row in factors.factors
    )
    has_uncertainty = any(row.uncertainty_percent is not None or row.tier is not None for row in factors.factors)
    columns = (
        *COLUMNS, *(INSTRUMENT_COLUMNS if has_instruments else ()), *(UNCERTAINTY_COLUMNS if has_uncertainty else ()),
    )  # fmt: skip
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in factors.factors:
        cells = cells_of(row)
        writer.writerow([cells[name] for name in columns])
    return text.getvalue()


def write_factor_set(factors: FactorSet, path: Path) -> None:
    """Write the file whole or not at all."""
    # Named by the process: two that write one file never share a half-written one.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(factor_csv(factors), encoding="utf-8")
        temporary.replace(path)
    finally:
        # After the rename nothing is left; after a failure no half-written file is.
        temporary.unlink(missing_ok=True)


def cells_of(row: Factor) -> dict[str, str]:
    """One factor as the cells of its line."""
    values = {**row.model_dump(), **row.criteria.model_dump(), **row.stated}
    values["scope"] = row.scope or "outside"
    return {name: _text(values[name]) for name in (*COLUMNS, *INSTRUMENT_COLUMNS, *UNCERTAINTY_COLUMNS)}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # Never with an exponent: spreadsheets rewrite 1E-7.
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
