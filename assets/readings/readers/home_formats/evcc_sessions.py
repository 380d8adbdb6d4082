"""evcc's charging sessions as CSV: a charger's meter readings become states of its register, charged energy an amount.

Each loadpoint is a meter. Where its register is cumulative and every session has both readings, these are taken; else
the charged energy, spread evenly over the quarter hours that the session touches and marked as interpolated. Between
sessions nothing is said, and nothing is stored. Headings follow the language of the browser, times the clock of the
machine without an offset (evcc-io/evcc: core/session/session.go, util/export, i18n).
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from assets.readings.packed.csv_text import open_text
from assets.readings.parsed import Channel, Parsed, ReadRequest
from assets.readings.readers.placed_rows import (
    PLACED_SCHEMA,
    STATES_SCHEMA,
    RowFilter,
    meter_names,
    place_rows,
    place_states,
)
from assets.readings.readers.table_formats.csv_table import rows_of, unfinished_row
from assets.readings.streams import default_registers
from assets.readings.tables.times import TimeRule, add_instants
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import QUANTUM_DECIMALS

# In lower case; the first of each are those of evcc before it had languages.
_HEADINGS: dict[str, tuple[str, ...]] = {
    "created": ("created", "startzeit", "créé", "aangemaakt", "creato", "hora de inicio", "oprettet", "starttid",
                "utworzenie", "vytvořeno"),
    "finished": ("finished", "endzeit", "terminé", "beëindigd", "finito", "terminado", "færdig", "färdig",
                 "zakończenie", "ukončeno"),
    "loadpoint": ("loadpoint", "charging point", "ladepunkt", "point de charge", "oplaadpunt", "punto di ricarica",
                  "punto de carga", "laddplats", "punkt obciążenia", "nabíjecí bod"),
    "meter_start": ("meter start (kwh)", "anfangszählerstand (kwh)", "zählerstand start (kwh)",
                    "début de compteur (kwh)", "beginwaarde meter (kwh)", "inizio contatore (kwh)",
                    "inicio de metro (kwh)", "målerstart (kwh)", "mätare start (kwh)", "licznik początek (kwh)",
                    "počáteční stav měřiče (kwh)"),
    "meter_stop": ("meter stop (kwh)", "endzählerstand (kwh)", "zählerstand ende (kwh)", "fin de compteur (kwh)",
                   "eindwaarde meter (kwh)", "ferma contatore (kwh)", "parón de metro (kwh)", "målerstop (kwh)",
                   "mätare slut (kwh)", "licznik zakończenie (kwh)", "konečný stav měřiče (kwh)"),
    "energy": ("charged energy (kwh)", "energy (kwh)", "energie (kwh)", "geladene energie (kwh)", "énergie (kwh)",
               "energia (kwh)", "energía (kwh)", "energi (kwh)"),
}  # fmt: skip
_NEEDED = ("created", "finished", "loadpoint", "energy")
# evcc writes the year 1 where a session has not ended.
_OPEN = "0001-01-01"
_KWH = r"^-?\d{1,15}(\.\d{1,30})?([eE][+-]?\d{1,2})?$"
_LONGEST_DAYS = 31
_QUARTER = f"{CANONICAL_MINUTES}m"


class EvccSessions:
    """Reader of that export; `source_line` is the line of the session."""

    name = "evcc"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """By its three first headings, in a language that is known."""
        first = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", "replace")
        names = [name.strip().strip('"').lower() for name in first.split(",")]
        return len(names) > 3 and all(
            name in _HEADINGS[key] for name, key in zip(names, ("created", "finished", "loadpoint"), strict=False)
        )

    def header(self, path: Path) -> list[str]:
        """None that a column map could name: its `meters` name loadpoints."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All sessions. Raises BadInput for a missing column, and times without a zone."""
        sessions, row_filter = _sessions(path, request)
        channels = tuple(_channels(sessions))
        names, site = meter_names(request), request.site
        counters = set()
        for point, rows in sessions.partition_by("loadpoint", as_dict=True, maintain_order=True).items():
            meter = site.meter(names.get(str(point[0]), str(point[0]))) if site is not None else None
            if rows.select((pl.col("meter_stop") >= pl.col("meter_start")).fill_null(value=False).all()).item() and (
                meter is not None and _is_cumulative(meter.meter_id, request)
            ):
                counters.add(point[0])
        is_counter = pl.col("loadpoint").is_in(list(counters))
        states = place_states(_states(sessions.filter(is_counter)), row_filter, request)
        found = RowFilter(_amounts(sessions.filter(~is_counter)))
        rows = place_rows(found, request)
        row_filter.join(found)
        return Parsed(
            rows=rows,
            states=states,
            rejects=row_filter.rejects(),
            warnings=row_filter.warnings,
            channels=channels,
            channels_are_all=True,
            commodities={channel.meter: "electricity" for channel in channels},
            findings=found.findings,
        )


def _is_cumulative(meter_id: str, request: ReadRequest) -> bool:
    site = request.site
    meter = site.meter(meter_id) if site is not None else None
    if site is None or meter is None:
        return False
    usual = default_registers(site)[meter_id]
    return any(each.register_id == usual and each.kind == "cumulative" for each in meter.registers)


def _sessions(path: Path, request: ReadRequest) -> tuple[pl.DataFrame, RowFilter]:
    """loadpoint, begin, end (UTC), energy, meter_start, meter_stop (kWh), energy_text, _line; what is no session is a
    reject.
    """
    text = open_text(path)
    columns = _columns(text.header)
    frame, wrong = rows_of(text)
    tail, frame = unfinished_row(text, frame)
    row_filter = RowFilter(pl.DataFrame(schema=PLACED_SCHEMA), text.warnings)
    for row in pl.concat([wrong, tail]).iter_rows():
        row_filter.reject(*row)
    named = [(pl.col(columns[key]) if key in columns else pl.lit(None, pl.String)).alias(key) for key in _HEADINGS]
    frame = frame.select("_line", *named)
    is_open = pl.col("finished").str.starts_with(_OPEN).fill_null(value=True)
    row_filter.warn("open_sessions", frame.filter(is_open).height)
    # The reading with which it began counts all the same.
    frame = frame.with_columns(
        pl.when(is_open).then("created").otherwise("finished").alias("finished"),
        pl.when(is_open).then(pl.lit("0")).otherwise("energy").alias("energy"),
        pl.when(is_open).then("meter_start").otherwise("meter_stop").alias("meter_stop"),
    )
    for key, name in (("created", "begin"), ("finished", "end")):
        frame = _with_instants(frame, key, name, request)
    numbers = ("energy", "meter_start", "meter_stop")
    frame = frame.with_columns(
        pl.when(pl.col(key).str.contains(_KWH)).then(pl.col(key)).cast(pl.Float64, strict=False) for key in numbers
    )
    tests = {
        "bad_timestamp": (pl.col("begin").is_null() | pl.col("end").is_null(), "times as 2025-01-31 10:15:00"),
        "bad_interval": (
            ~(pl.col("end") - pl.col("begin")).is_between(pl.duration(seconds=0), pl.duration(days=_LONGEST_DAYS)),
            f"an end after the start, at most {_LONGEST_DAYS} days later",
        ),
        "not_a_number": (~(pl.col("energy") >= 0), "the charged energy in kWh, not below 0"),
        "unknown_meter": (pl.col("loadpoint").is_null(), "the name of a loadpoint"),
    }
    for reason, (bad, expected) in tests.items():
        is_bad = bad.fill_null(value=True)
        for line, point in frame.filter(is_bad).select("_line", "loadpoint").iter_rows():
            row_filter.reject(line, reason, expected, f"session of {point}")
        frame = frame.filter(~is_bad)
    return frame.sort("loadpoint", "begin", "_line"), row_filter


def _columns(header: list[str]) -> Mapping[str, str]:
    """Our word -> heading. Raises BadInput for one that is missing."""
    found = {key: name for name in header for key, known in _HEADINGS.items() if name.strip().lower() in known}
    for key in _NEEDED:
        if key not in found:
            message = f"no column {_HEADINGS[key][0]!r} of evcc's charging sessions, in a language that is known"
            raise BadInput(message, line=1, reason="missing_column", mend="export the sessions in English or German")
    return found


def _with_instants(frame: pl.DataFrame, key: str, name: str, request: ReadRequest) -> pl.DataFrame:
    mapping, site = request.mapping, request.site
    zone = (mapping.zone if mapping else None) or request.tz or (site.time_zone if site else None)
    rule = TimeRule(time_zone=zone)
    found = add_instants(
        frame.sort("loadpoint", "_line", descending=[False, False]), column=key, rule=rule, by="loadpoint"
    )
    good = pl.when(pl.col("_time_fault").is_null()).then(pl.col("_start"))
    return found.with_columns(good.alias(name)).select(*frame.columns, name)


def _states(sessions: pl.DataFrame) -> pl.DataFrame:
    """STATES_SCHEMA: two readings a session."""
    parts = [
        sessions.select("loadpoint", "_line", start=pl.col(at), value=pl.col(value))
        for at, value in (("begin", "meter_start"), ("end", "meter_stop"))
    ]
    frame = pl.concat(parts).sort("loadpoint", "start", "value")
    got = [f"{value:.{QUANTUM_DECIMALS}f}" for value in frame["value"]]
    return _placed(
        frame.with_columns(got=pl.Series(got, dtype=pl.String), minutes=1), int(QualityCode.RAW), STATES_SCHEMA
    )


def _amounts(sessions: pl.DataFrame) -> pl.DataFrame:
    """PLACED_SCHEMA: the energy of sessions that share a quarter hour as one amount."""
    begin = pl.col("begin").dt.truncate(_QUARTER)
    end = (pl.col("end") + pl.duration(minutes=CANONICAL_MINUTES, microseconds=-1)).dt.truncate(_QUARTER)
    frame = sessions.filter(pl.col("energy") > 0).with_columns(
        start=begin, until=pl.max_horizontal(end, begin.dt.offset_by(_QUARTER))
    )
    before = pl.col("until").cum_max().shift(1).over("loadpoint")
    frame = frame.sort("loadpoint", "start").with_columns(
        _group=(pl.col("start") >= before).fill_null(value=True).cum_sum().over("loadpoint")
    )
    merged = frame.group_by("loadpoint", "_group", maintain_order=True).agg(
        pl.col("start").min(), pl.col("until").max(), pl.col("_line").min(), value=pl.col("energy").sum()
    )
    minutes = (pl.col("until") - pl.col("start")).dt.total_minutes()
    merged = merged.with_columns(minutes=minutes, got=pl.col("value").cast(pl.String))
    return _placed(merged, int(QualityCode.ESTIMATED_INTERPOLATED), PLACED_SCHEMA)


def _placed(frame: pl.DataFrame, quality: int, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    columns = {
        "meter": pl.col("loadpoint"),
        "alias": pl.lit(None),
        "register": pl.lit("import"),
        "start": pl.col("start"),
        "minutes": pl.col("minutes"),
        "value": pl.col("value"),
        "unit": pl.lit("kwh"),
        "quality": pl.lit(quality),
        "line": pl.col("_line"),
        "got": pl.col("got"),
        "series": pl.lit(""),
    }
    return frame.select(columns[name].cast(kind).alias(name) for name, kind in schema.items())


def _channels(sessions: pl.DataFrame) -> list[Channel]:
    """Each loadpoint with its sessions and their energy."""
    facts = sessions.group_by("loadpoint", maintain_order=True).agg(
        count=(pl.col("end") > pl.col("begin")).sum(),
        first=pl.col("begin").min(),
        last=pl.col("end").max(),
        energy=pl.col("energy").sum(),
    )
    return [
        Channel(
            meter=point,
            channel="import",
            commodity="electricity",
            unit="kwh",
            intervals=count,
            start_utc=first,
            end_utc=last,
            sum=round(energy, QUANTUM_DECIMALS),
            sum_kwh=round(energy, QUANTUM_DECIMALS),
        )
        for point, count, first, last, energy in facts.iter_rows()
    ]
