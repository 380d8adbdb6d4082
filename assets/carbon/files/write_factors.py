"""A factor set as a file that `read_factor_set` gives back unchanged."""

import csv
import io
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

from data_quality.contracts.factor import Factor, FactorSet, QualityCriteria
from data_quality.contracts.model import StatedUncertainty

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
