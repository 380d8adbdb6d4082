"""Public factor tables as rows of a factor set: UK government factors, eGRID, Ember, global warming potentials.

Each row keeps where it comes from (`source`) and the hash of the table. Sources and their traps: formulas 5.12.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, Literal

from assets.carbon.factor_choice.gwp import BLENDS, species_of
from assets.readings.tables.table_rows import Row, Table, read_table, require
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Factor, FactorSet, GwpSet
from data_quality.contracts.units import EXACT

Kind = Literal["uk_ghg", "egrid", "ember", "gwp"]
# The international pound of 1959, exact.
KG_PER_LB = Decimal("0.45359237")
# A global warming potential does not run out; years before and after these are no reporting years.
ALWAYS = (date(1990, 1, 1), date(2100, 1, 1))
_Rows = Iterator[tuple[Row, dict[str, Any]]]

_UK_PARTS = {
    "kg co2e": "",
    "kg co2": "CO2",
    "kg ch4": "CH4",
    "kg n2o": "N2O",
    "kg co2e of co2": "CO2",
    "kg co2e of ch4": "CH4",
    "kg co2e of n2o": "N2O",
    "kg co2e of co2 per unit": "CO2",
    "kg co2e of ch4 per unit": "CH4",
    "kg co2e of n2o per unit": "N2O",
}
# What some years write into column_text and the unit says already: dropped, so that a name is one in all years.
_UNIT_WORDS = {"energy - gross cv", "energy - net cv", "volume", "tonnes"}
_UPSTREAM = "WTT- "
# The flat file of the UK government says its year in the heading of its factors.
_EDITION = re.compile(r"ghg conversion factor (\d{4})$")
_HEADINGS = {
    **{f"level {number}": f"level{number}" for number in range(1, 5)}, "column text": "column_text", "ghg/unit": "ghg",
    "area": "country_or_region", "entity": "country_or_region", "iso 3 code": "code", "country code": "code",
    "value": "gco2_per_kwh", "carbon intensity of electricity - gco2/kwh": "gco2_per_kwh",
}  # fmt: skip


def import_table(path: Path, kind: Kind) -> tuple[FactorSet, int]:
    """The factor set of a public table, and how many rows the table has. Raises BadInput naming the line."""
    needs, comment, rows = _TABLES[kind]
    table = read_table(path, comment=comment)
    count = len(table.rows)
    if kind in ("uk_ghg", "ember"):
        table = _as_published(table)
    require(table.columns, needs, path)
    factors = tuple(_factor(row, table.sha256, **fields) for row, fields in rows(table, path))
    if not factors:
        raise BadInput("has no rows that are factors", file=str(path), reason="empty_file")
    return FactorSet(path=str(path), sha256=table.sha256, factors=factors), count


def _as_published(table: Table) -> Table:
    """The table under our column names, where it has those of the publisher: DESNZ's flat file, Ember's long format."""
    edition = next((match for name in table.columns if (match := _EDITION.match(name))), None)
    names = {name: "kg_co2e_per_uom" if edition and name == edition[0] else _HEADINGS.get(name, name)
             for name in table.columns}  # fmt: skip
    more = {"year": edition[1]} if edition else {}
    rows = tuple(
        row._replace(cells={names[name]: cell for name, cell in row.cells.items()} | more)
        for row in table.rows
        # The flat file leaves a factor blank that it does not give; the long format holds other quantities too.
        if not (edition and not row.text(edition[0])) and row.text("variable").casefold() in ("", "co2 intensity")
    )
    return Table((*names.values(), *more), rows, table.sha256)


def _uk_ghg(table: Table, _: Path) -> _Rows:
    """All rows; the gas rows are in kgCO2e already. T&D, WTT and water are Scope 3."""
    for row in table.rows:
        gas = _UK_PARTS.get(row.text("ghg").casefold())
        if gas is None:
            raise row.bad(f"ghg: expected one of {', '.join(_UK_PARTS)}, got {row.text('ghg')!r}", reason="bad_gas")
        scope = row.text("scope").casefold().removeprefix("scope").strip()
        if scope not in ("1", "2", "3") and not scope.startswith("outside"):
            raise row.bad(f"scope: expected Scope 1, 2 or 3, got {row.text('scope')!r}", reason="bad_scope")
        yield (
            row,
            {
                "scope": int(scope) if scope.isdigit() else 0,
                "activity": _uk_activity(row),
                "unit": row.needed("uom", "has no unit"),
                "kg_co2e_per_unit": _value(row, "kg_co2e_per_uom"),
                "gas": gas,
                # Older editions hold other countries' grids under this heading.
                "region": "" if "overseas" in row.text("level2").casefold() else "GB",
                "source": f"UK government GHG conversion factors {row.text('year')}",
            },
        )


def _uk_activity(row: Row) -> str:
    """Its levels, each once, joined by ` / `: the same name in every year that has it."""
    unit, found = row.text("uom").casefold(), list[str]()
    for column in ("level1", "level2", "level3", "level4", "column_text"):
        word = row.text(column)
        if found and found[0].startswith(_UPSTREAM):
            # Some years say it again on every level.
            word = word.removeprefix(_UPSTREAM)
        # Some editions repeat the year as a level; with it the name would change every year.
        is_year = len(word) == 4 and word.isdigit()
        if word and word not in found and word.casefold() not in (unit, *_UNIT_WORDS) and not is_year:
            found.append(word)
    if not found:
        raise row.bad("names no activity (level1 to level4)", reason="no_activity")
    return " / ".join(found)


def _egrid(table: Table, path: Path) -> _Rows:
    """Total output rates by gas, to be weighed by a GWP set; or loss-adjusted kgCO2e under a name of its own."""
    lossy = "co2e_lb_per_mwh_loss_adjusted"
    gases = {"CO2": "co2_lb_per_mwh", "CH4": "ch4_lb_per_mwh", "N2O": "n2o_lb_per_mwh"}
    missing = [column for column in gases.values() if column not in table.columns]
    if missing and lossy not in table.columns:
        raise BadInput(f"lacks the columns {', '.join(missing)}", file=str(path), line=1, reason="missing_column")
    for row in table.rows:
        year, place = row.text("egrid_year"), {"region": row.needed("subregion", "names no subregion")}
        where = {"year": year, "scope": 2, "unit": "kWh", **place}
        if lossy in table.columns:
            # Line losses are in it, so it never stands in for a total output rate (Scope 2 leaves losses to Scope 3).
            source = f"EPA eGRID{year} CO2e, adjusted for grid losses"
            own = {"activity": "electricity, grid losses included", "kg_co2e_per_unit": _per_kwh(_value(row, lossy))}
            yield row, {**where, **own, "source": source}
            continue
        source = f"EPA eGRID{year} total output rate, {row.text('name')}".rstrip(", ")
        for gas, column in gases.items():
            own = {"activity": "electricity", "gas": gas, "kg_per_unit": _per_kwh(_value(row, column))}
            yield row, {**where, **own, "source": source}


def _per_kwh(lb_per_mwh: Decimal) -> Decimal:
    with localcontext(EXACT):
        return lb_per_mwh * KG_PER_LB / 1000


def _ember(table: Table, _: Path) -> _Rows:
    """One location-based factor a country or region and year: g to kg."""
    for row in table.rows:
        yield (
            row,
            {
                "scope": 2,
                "activity": "electricity",
                "unit": "kWh",
                "kg_co2e_per_unit": _value(row, "gco2_per_kwh").scaleb(-3),
                # The world, continents and unions have no code.
                "region": row.text("code") or row.needed("country_or_region", "names no country or region"),
                "source": f"Ember {row.text('year')}, {row.text('country_or_region')}".rstrip(", "),
            },
        )


def _gwp(table: Table, path: Path) -> _Rows:
    """A kilogram of each gas, and of each blend whose gases the table has, per GWP set; other columns are not used."""
    columns = {
        gwp: name
        for gwp in GwpSet
        # Editions spell the column in two ways.
        for name in (f"{gwp.lower()}_gwp100", f"{gwp.lower()}gwp100")
        if name in table.columns
    }
    if not columns:
        raise BadInput(
            "has no column ar4_gwp100, ar5_gwp100 or ar6_gwp100", file=str(path), line=1, reason="missing_column"
        )
    known = dict[tuple[str, GwpSet], Row]()
    for row in table.rows:
        name = row.needed("species", "names no gas")
        for gwp, column in columns.items():
            if row.number(column) is not None:
                known[species_of(name) or name, gwp] = row
                yield _gas(row, column, activity=name, gas=name, gwp=gwp)
    for blend, parts in BLENDS.items():
        for gwp, column in columns.items():
            # A blend that lacks a gas would be too light.
            if all((gas, gwp) in known for gas in parts):
                for gas, share in parts.items():
                    yield _gas(known[gas, gwp], column, activity=blend, gas=gas, gwp=gwp, share=share)


def _gas(
    row: Row, column: str, *, activity: str, gas: str, gwp: GwpSet, share: Decimal = Decimal(1)
) -> tuple[Row, dict[str, Any]]:
    return row, {
        "validity": ALWAYS,
        "scope": 1,
        "activity": activity,
        "unit": "kg",
        "kg_co2e_per_unit": EXACT.multiply(share, _value(row, column)),
        "gas": gas,
        "gwp_set": gwp,
        "source": f"IPCC {gwp}, 100 years" + ("" if activity == gas else ", ASHRAE 34 composition"),
    }


def _factor(
    row: Row, sha256: str, *, validity: tuple[date, date] | None = None, year: str = "", **fields: Any
) -> Factor:
    # `span` turns a year into days; in some tables that column has another name.
    span = validity or row._replace(cells={"year": year or row.text("year")}).span("", "")
    if span is None:
        raise row.bad("factor without a year", reason="no_validity")
    words = [fields.get("region", ""), fields["activity"], fields["unit"]]
    words.append(str(fields["gwp_set"]) if fields.get("gwp_set") else str(span[0].year))
    name = " | ".join(word for word in words if word)
    place = {"sha256": sha256, "file": row.file, "line": row.line}
    return Factor(factor_id=name, valid_from=span[0], valid_to=span[1], **place, **fields)


def _value(row: Row, column: str) -> Decimal:
    number = row.number(column)
    if number is None:
        raise row.bad(f"has no {column}; a missing factor is not zero", reason="no_value")
    return number


# Kind -> columns that a table must have, what begins a line that is none, and its rows as fields of factors.
_TABLES: dict[Kind, tuple[tuple[str, ...], str, Callable[[Table, Path], _Rows]]] = {
    "uk_ghg": (("year", "scope", "level1", "level2", "level3", "uom", "ghg", "kg_co2e_per_uom"), "", _uk_ghg),
    "egrid": (("egrid_year", "subregion"), "", _egrid),
    "ember": (("code", "year", "gco2_per_kwh"), "", _ember),
    "gwp": (("species",), "#", _gwp),
}
