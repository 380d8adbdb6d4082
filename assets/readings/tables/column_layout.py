"""Which column of a table means what: by the column map where there is one, else by the plain shape of names.

Decides from the header alone; the rows are judged in judged_table.py.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatch

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.units import UNITS, unit_of

TIME_COLUMNS = ("timestamp", "timestamp_utc", "datetime", "zeitstempel", "date", "time")
# A weather file's usual names, and the drivers that they may mean.
ALIASES = {
    "temp_degc": ("outdoor_degc", "outdoor_temp_degc", "outdoor_temperature_degc"),
    "ghi_w_per_m2": ("irradiance_w_per_m2",),
}
# The longest first: flow_m3_per_h ends with h, too.
_WITH_UNIT = sorted(UNITS, key=len, reverse=True)
_OF_EACH = [unit for unit in _WITH_UNIT if "per_" in unit]

# Money (ct/kWh, EUR/MWh, p per kWh), and emissions, of each unit of energy: no energy.
MONEY_PER = re.compile(
    r"(?<![a-z])(?P<money>ct|cts|cents?|pf|rp|rappen|p|ore|øre|öre|hal|c|eur|gbp|chf|usd|cad|aud|nzd|dkk|sek|nok|isk|pln|czk|huf|ron|€|£|\$|\u00a2|fr\.?|kč)"
    r"\s*(?:/|\bper\b|\bpro\b|_per_|_pro_|je)\s*(?P<energy>k|m)wh\b",
    re.IGNORECASE,
)
_EMITTED_PER = re.compile(
    r"(?<![^\W_])(?:k?g|t|lbs?|ton(?:ne)?s?)[ _]?(?:co.?2?.{0,4})?(?:/|_per_| per | pro )[kmg]?wh\b", re.IGNORECASE
)
# How units are written that are not called by their code.
_SPELLED = {
    "kw/h": "kwh",
    "kwh/h": "kw",
    "w/m2": "w_per_m2",
    "°c": "degc",
    "° c": "degc",
    "grad c": "degc",
    "c": "degc",
}
_SPELLED |= {"°f": "degf", "%": "percent", "m/s": "m_per_s", "m3/h": "m3_per_h", "l/min": "l_per_min", "cbm": "m3"}
_SPELLED |= {
    "kwhs": "kwh",
    "kilowatt": "kw",
    "kilowattstunden": "kwh",
    "nm3": "m3",
    "stk": "count",
    "pcs": "count",
    "liter": "l",
}
_SPELLED |= {"therms": "therm", "thm": "therm", "btus": "btu", "dth": "mmbtu", "dekatherm": "mmbtu"}
_SPELLED |= {"dekatherms": "mmbtu", "cuft": "ft3", "cu ft": "ft3", "hcf": "ccf"}


class ValueColumn(Model):
    """One column of values. meter_id None: the meter column names it; register None: the stream's own."""

    column: str
    meter_id: str | None = None
    register_id: str | None = None
    unit: str | None = None


class Layout(Model):
    """The columns of one table. unit_column holds a unit code per row."""

    time: str
    values: tuple[ValueColumn, ...]
    meter: str | None = None
    register_column: str | None = None
    unit_column: str | None = None
    synthetic: str | None = None
    ignored: tuple[str, ...] = ()


def choose_maps(file_name: str, header: list[str], maps: Iterable[ColumnMap]) -> tuple[ColumnMap, ...]:
    """The site's maps for this file; none for the plain shape.

    By name: all whose glob fits and whose columns are there, each reading its part (electricity and gas of one
    table); the first of them where no columns fit, so that its sentence can say which are missing. Else by columns:
    the first without a glob.
    """
    maps = list(maps)
    by_name = [each for each in maps if each.match and fnmatch(file_name, each.match)]
    if not header:
        # A format without columns: its reader finds the foreign names in all maps of the site where none is meant.
        return tuple(by_name[:1])
    if by_name:
        return tuple(each for each in by_name if _has_columns(each, header)) or (by_name[0],)
    return tuple([each for each in maps if not each.match and _has_columns(each, header)][:1])


def _has_columns(mapping: ColumnMap, header: list[str]) -> bool:
    # The header of a workbook is its first sheet's, that of a text its first line's: a map that names another one is
    # judged when it is read.
    is_elsewhere = mapping.sheet is not None or mapping.header_line is not None or mapping.encoding is not None
    return is_elsewhere or all(name in header for name in _named(mapping))


def _named(mapping: ColumnMap) -> list[str]:
    names = [mapping.timestamp, *mapping.date_columns, *mapping.values, *mapping.clocks, *mapping.where]
    return names + [name for name in (mapping.value, mapping.meter, mapping.clock) if name is not None]


def check_columns(header: list[str], mapping: ColumnMap) -> None:
    """Raises BadInput (line 1) where a column of the map is not in the table."""
    for name in _named(mapping):
        if name not in header:
            raise _missing(f"column {name!r} of the column map", header)


def resolve(header: list[str], mapping: ColumnMap | None, site: Site | None) -> Layout:
    """The layout of a table. Raises BadInput (line 1) naming the columns found and expected."""
    return _plain(header, site) if mapping is None else _mapped(header, mapping, site)


def _mapped(header: list[str], mapping: ColumnMap, site: Site | None) -> Layout:
    check_columns(header, mapping)
    # A column may be called `kwh` and hold values: a unit code is a unit first.
    is_code = mapping.unit is not None and mapping.unit.strip().lower() in UNITS
    unit_column = mapping.unit if mapping.unit in header and not is_code else None
    unit = None if unit_column or mapping.unit is None else unit_of(mapping.unit, line=1).code
    synthetic = "is_synthetic" if "is_synthetic" in header else None
    if mapping.values:
        columns = []
        for column, stream in mapping.values.items():
            meter_id, _, register_id = stream.partition(".")
            columns.append(
                ValueColumn(
                    column=column,
                    meter_id=meter_id,
                    register_id=register_id or None,
                    # For a site, an open unit means the register's own; without one only the column's name can say it.
                    unit=_declared_unit(mapping, column) or unit or (None if site else unit_in(column)),
                )
            )
        return Layout(time=mapping.timestamp, values=tuple(columns), unit_column=unit_column, synthetic=synthetic)
    value = mapping.value or _only_unit_column(header, {mapping.timestamp, mapping.meter})
    # Without a column of meters, a map that names a single one means the whole file.
    named = sorted(set(mapping.meters.values()))
    of_file = named[0] if len(named) == 1 else _only_meter(site, value) if mapping.meter is None else None
    register = "register" if "register" in header and mapping.value != "register" else None
    only = ValueColumn(
        column=value,
        meter_id=None if mapping.meter else of_file,
        # `import` is the map's default, and means the stream's own: a driver's register has another name.
        register_id=None if mapping.register_id == "import" else mapping.register_id,
        unit=_declared_unit(mapping, value)
        or unit
        or (unit_in(value) if unit_column is None and mapping.unit is None else None),
    )
    return Layout(
        time=mapping.timestamp,
        values=(only,),
        meter=mapping.meter,
        register_column=register,
        unit_column=unit_column,
        synthetic=synthetic,
    )


def _declared_unit(mapping: ColumnMap, column: str) -> str | None:
    return unit_of(mapping.units[column], line=1).code if column in mapping.units else None


def _plain(header: list[str], site: Site | None) -> Layout:
    lower = {name.lower(): name for name in header}
    time = next((lower[name] for name in TIME_COLUMNS if name in lower), None)
    # A date beside a time of day is half of a time: only a map says that they belong together.
    if time is None or (time.lower() == "date" and "time" in lower):
        raise _missing("a column 'timestamp'", header)
    meter, register, synthetic = (lower.get(name) for name in ("meter", "register", "is_synthetic"))
    rest = [name for name in header if name not in (time, meter, register, synthetic)]
    common = Layout(time=time, values=(), meter=meter, register_column=register, synthetic=synthetic)
    if meter is not None:
        value = _only_unit_column(header, {time, meter, register, synthetic})
        ignored = tuple(name for name in rest if name != value)
        values = (ValueColumn(column=value, unit=unit_in(value)),)
        return common.model_copy(update={"values": values, "ignored": ignored})
    named = [found for name in rest if (found := _named_stream(name, site)) is not None]
    if not named:
        value = _only_unit_column(header, {time, register, synthetic})
        named = [ValueColumn(column=value, meter_id=_only_meter(site, value), unit=unit_in(value))]
    taken = {column.column for column in named}
    ignored = tuple(name for name in rest if name not in taken)
    return common.model_copy(update={"values": tuple(named), "ignored": ignored})


def _named_stream(name: str, site: Site | None) -> ValueColumn | None:
    """A column that names a meter, meter.register or driver of the site; without a site, any name with a unit."""
    if site is None:
        # A column called kwh holds the values of one meter, and is no meter of that name.
        is_bare = name.strip().lower().replace("³", "3") in UNITS
        unit = unit_in(name)
        return None if unit is None or is_bare else ValueColumn(column=name, meter_id=name, unit=unit)
    streams = site.stream_ids()
    meter_id, _, register = name.strip().lower().partition(".")
    if meter_id in streams:
        return ValueColumn(column=name, meter_id=meter_id, register_id=register or None)
    alias = next((each for each in ALIASES.get(name.strip().lower(), ()) if each in streams), None)
    return None if alias is None else ValueColumn(column=name, meter_id=alias, unit=unit_in(name))


def unit_text(text: str) -> str | None:
    """The unit that a text is: kWh, °C, m³."""
    plain = text.strip().lower().replace("³", "3").replace("²", "2").replace("_", "_")
    return plain if plain in UNITS else _SPELLED.get(plain)


def is_of_each_kwh(name: str) -> bool:
    """A price or an emission of each unit of energy: ct/kWh, gCO₂eq/kWh (direct)."""
    return bool(MONEY_PER.search(name) or _EMITTED_PER.search(name))


def unit_in(column: str) -> str | None:
    """The unit that a column name is, or ends with after a separator: kwh, Consumption_kWh, Load (kW)."""
    name = column.strip().lower().replace("³", "3").rstrip(")]")
    ratio = re.split(r"[\s(\[_]+", name)[-1]
    if "/" in ratio and (spelled := unit_text(ratio)) is not None:
        return spelled
    for unit in _OF_EACH if is_of_each_kwh(name) else _WITH_UNIT:
        if name == unit or (name.endswith(unit) and name[-len(unit) - 1] in "_ ([.-/"):
            return unit
    return None


def _only_unit_column(header: list[str], others: set[str | None]) -> str:
    rest = [name for name in header if name not in others]
    found = [name for name in rest if unit_in(name) is not None]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(
            f"several value columns ({', '.join(found)}); expected one, or a column map that names it",
            line=1,
            reason="several_value_columns",
        )
    if rest:
        raise BadInput(
            f"no column is named with a known unit (found {', '.join(header)}); expected one such as kwh or "
            "'Load [kW]', or a column map that says the unit",
            line=1,
            reason="unknown_unit_column",
        )
    raise _missing("a value column named with its unit, such as kwh or 'Load [kW]'", header)


def _only_meter(site: Site | None, column: str) -> str:
    if site is None:
        return ""
    if len(site.meters) == 1:
        return site.meters[0].meter_id
    known = ", ".join(meter.meter_id for meter in site.meters)
    raise BadInput(
        f"column {column!r} does not say which meter it is of; expected a column 'meter' or columns named {known}",
        line=1,
        reason="missing_column",
    )


def _missing(what: str, header: list[str]) -> BadInput:
    return BadInput(f"expected {what}, found {', '.join(header)}", line=1, reason="missing_column")
