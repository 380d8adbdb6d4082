"""Home Assistant's History page as CSV (`entity_id,state,last_changed`): counters become states, the rest means.

The file holds changes only and names no unit: that stands under `units` of a column map, or in a column
`unit_of_measurement` that some exports add. What is older than the recorder keeps stands there as hourly statistics,
of which a counter's state is that of the end of the hour, written with its beginning (home-assistant/frontend,
src/panels/history; home-assistant/core, components/recorder/statistics.py).
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from assets.readings.packed.csv_text import open_text
from assets.readings.parsed import PARSED_SCHEMA, Channel, Parsed, ReadRequest
from assets.readings.readers.home_formats.entity_names import Entity, named_entities, refuse_shared
from assets.readings.readers.live_format.samples import LEAST_COVERAGE, WHOLE_COVERAGE, needed_states, weighted_means
from assets.readings.readers.placed_rows import PLACED_SCHEMA, STATES_SCHEMA, RowFilter, place_rows, place_states
from assets.readings.readers.table_formats.csv_table import rows_of, unfinished_row
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour

COLUMNS = ("entity_id", "state", "last_changed")
UNIT = "unit_of_measurement"
_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|\+00:00)$"
_NUMBER = r"^[+-]?\d{1,20}(\.\d{1,30})?([eE][+-]?\d{1,2})?$"
# What Home Assistant writes where it has no reading.
_NO_READING = ("unavailable", "unknown", "")
_QUARTER = f"{CANONICAL_MINUTES}m"
# A value that never changes is cut here, so that a file of two lines cannot fill the lake.
_LONGEST_DAYS = 31


class HistoryCsv:
    """Reader of that export; `source_line` is the line of the file."""

    name = "home_assistant_history"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """By the header, whole or not."""
        first = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", "replace")
        names = [name.strip().strip('"') for name in first.split(",")]
        return names[0] == COLUMNS[0] and any(name in names for name in COLUMNS[1:])

    def header(self, path: Path) -> list[str]:
        """None that a column map could name: its `values` name entities."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """The entities that the site names; without a site all, and no rows. Raises BadInput."""
        frame, row_filter = _rows(path)
        entities = _entities(frame, request)
        if request.site is None and request.mapping is None:
            return Parsed(
                rows=pl.DataFrame(schema=PARSED_SCHEMA),
                rejects=row_filter.rejects(),
                warnings=row_filter.warnings,
                channels=tuple(_channel(each, frame) for each in entities),
            )
        refuse_shared(entities)
        good = _judged(entities, row_filter, request)
        rows = frame.join(_table(good), on="entity_id", how="inner", maintain_order="left").rename(
            {"entity_id": "point"}
        )
        rows = rows.with_columns(pl.col("value") * pl.col("factor"))
        bad = ~(pl.col("is_missing") | pl.col("value").is_not_null())
        for line, entity, got in rows.filter(bad).select("_line", "point", "state").iter_rows():
            row_filter.reject(line, "not_a_number", "a number, unavailable or unknown", f"{entity}: {got}")
        rows = rows.filter(~bad)
        row_filter.warn("missing_intervals", int(rows["is_missing"].sum()))
        states = place_states(_states(rows.filter("is_counter"), row_filter), row_filter, request)
        found = RowFilter(_means(rows.filter(~pl.col("is_counter")), row_filter))
        placed = place_rows(found, request)
        row_filter.join(found)
        row_filter.findings = found.findings
        return Parsed(
            rows=placed,
            states=states,
            rejects=row_filter.rejects(),
            warnings=row_filter.warnings,
            findings=row_filter.findings,
        )


def _rows(path: Path) -> tuple[pl.DataFrame, RowFilter]:
    """entity_id, state, at, value, is_missing, unit, _line, sorted by entity and time. Raises BadInput."""
    text = open_text(path)
    for name in COLUMNS:
        if name not in text.header or text.separator != ",":
            message = f"column {name!r} is missing; Home Assistant's history has {','.join(COLUMNS)}"
            raise BadInput(message, line=1, reason="missing_column", mend="export it again from the History page")
    frame, wrong = rows_of(text)
    tail, frame = unfinished_row(text, frame)
    row_filter = RowFilter(pl.DataFrame(schema=PLACED_SCHEMA), text.warnings)
    for row in pl.concat([wrong, tail]).iter_rows():
        row_filter.reject(*row)
    written = pl.col("last_changed")
    at = pl.when(written.str.contains(_TIME)).then(written.str.replace("(Z|\\+00:00)$", ""))
    number = pl.when(pl.col("state").str.contains(_NUMBER)).then(pl.col("state"))
    frame = frame.with_columns(
        at=at.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us").dt.replace_time_zone("UTC"),
        value=number.cast(pl.Float64, strict=False),
        is_missing=pl.col("state").fill_null("").is_in(_NO_READING),
        unit=pl.col(UNIT) if UNIT in text.header else pl.lit(None, pl.String),
    )
    for line, got in frame.filter(pl.col("at").is_null()).select("_line", "last_changed").iter_rows():
        row_filter.reject(line, "bad_timestamp", "a time in UTC, as 2025-01-31T10:15:00.000Z", got or "nothing")
    for line in frame.filter(pl.col("entity_id").is_null())["_line"]:
        row_filter.reject(line, "unknown_meter", "the name of an entity", "nothing")
    frame = frame.filter(pl.col("at").is_not_null() & pl.col("entity_id").is_not_null())
    if frame.is_empty():
        raise BadInput("there is a header but no row that can be read", line=1, reason="no_rows")
    return frame.sort("entity_id", "at", "_line"), row_filter


def _entities(frame: pl.DataFrame, request: ReadRequest) -> list[Entity]:
    """Raises BadInput for an entity of two units."""
    facts = frame.group_by("entity_id", maintain_order=True).agg(
        line=pl.col("_line").min(), units=pl.col("unit").drop_nulls().unique().sort()
    )
    for entity, line, units in facts.iter_rows():
        if len(units) > 1:
            message = f"{entity} has two units, {' and '.join(units[:2])}: which of its states has which is not known"
            raise BadInput(message, line=line, reason="unit_mismatch", mend="export each time span by itself")
    return named_entities(
        [Entity(line, entity, units[0] if units else None, is_sum=False) for entity, line, units in facts.iter_rows()],
        request,
    )


def _judged(entities: Sequence[Entity], row_filter: RowFilter, request: ReadRequest) -> list[Entity]:
    """The entities whose rows are read; one without a meter is counted, one without a unit a reject by its name."""
    good = [each for each in entities if each.meter and each.code]
    for each in entities:
        if each.meter and not each.code:
            expected = (
                "its unit under `units` of a column map, as kwh, wh, w, kw, m3 or degc: the file does not name it"
            )
            row_filter.reject(each.line, "unknown_unit", expected, f"{each.foreign_id}: {each.unit or 'no unit'}")
        elif not each.meter and not (request.mapping is not None and request.mapping.other_meters == "skip"):
            expected = "a meter of the site for it, under `values` of a column map (or other_meters: skip)"
            row_filter.reject(each.line, "unknown_meter", expected, each.foreign_id)
    row_filter.warn("other_meters", sum(not each.meter for each in entities))
    return good


def _table(good: Sequence[Entity]) -> pl.DataFrame:
    """Table of entities: a unit that adds up is a counter's, another one is measured at each moment."""
    names = ["entity_id", "meter", "register", "code"]
    rows = [
        (
            each.foreign_id,
            each.meter,
            each.register,
            each.code,
            each.factor,
            UNITS[each.code].behaviour is Behaviour.AMOUNT and not UNITS[each.code].is_power,
        )
        for each in good
    ]
    kinds: dict[str, type[pl.DataType]] = {"factor": pl.Float64, "is_counter": pl.Boolean}
    return pl.DataFrame(rows, schema={**dict.fromkeys(names, pl.String), **kinds}, orient="row")


def _states(rows: pl.DataFrame, row_filter: RowFilter) -> pl.DataFrame:
    """STATES_SCHEMA of counters. Hourly rows on whole hours are statistics: states of the end of their hour."""
    rows = rows.filter(pl.col("value").is_not_null())
    is_whole = pl.col("at") == pl.col("at").dt.truncate("1h")
    gaps = [pl.col("at").diff().over("point").shift(-by).over("point") == pl.duration(hours=1) for by in (0, 1)]
    whole = [is_whole.shift(by).over("point") for by in (1, -1)]
    near = pl.any_horizontal(gap & other for gap, other in zip(gaps, whole, strict=True)).fill_null(value=False)
    rows = rows.with_columns(_is_hour=is_whole & near)
    row_filter.warn("hourly_statistics", int(rows["_is_hour"].sum()))
    rows = rows.with_columns(at=pl.col("at") + pl.when("_is_hour").then(pl.duration(hours=1)).otherwise(pl.duration()))
    rows = needed_states(rows.sort("point", "at", "_line"))
    got = [None if value is None else f"{value:.{QUANTUM_DECIMALS}f}" for value in rows["value"]]
    return _placed(
        rows.with_columns(start=pl.col("at").dt.truncate("1s"), got=pl.Series(got, dtype=pl.String)),
        minutes=1,
        quality=pl.lit(int(QualityCode.RAW)),
        series=True,
    )


def _means(rows: pl.DataFrame, row_filter: RowFilter) -> pl.DataFrame:
    """PLACED_SCHEMA: the mean of each quarter hour by time; a value holds until the next row of its entity, which
    `unavailable` is too. After the last one nothing is known.
    """
    longest = pl.duration(days=_LONGEST_DAYS)
    following = pl.col("at").shift(-1).over("point").fill_null(pl.col("at"))
    until = pl.min_horizontal(following, pl.col("at") + longest)
    held = rows.with_columns(until=until).filter(pl.col("value").is_not_null() & (pl.col("until") > pl.col("at")))
    first = pl.col("at").dt.truncate(_QUARTER)
    held = held.with_columns(start=pl.datetime_ranges(first, pl.col("until"), _QUARTER, closed="left")).explode("start")
    end = pl.min_horizontal(pl.col("until"), pl.col("start") + pl.duration(minutes=CANONICAL_MINUTES))
    begin = pl.max_horizontal(pl.col("at"), pl.col("start"))
    held = held.with_columns(_s=(end - begin).dt.total_microseconds() / 1e6).rename({"_line": "line"})
    means = weighted_means(held, ["point", "meter", "register", "code", "start"])
    own = RowFilter(means)
    seconds = (pl.col("coverage") * 60 * CANONICAL_MINUTES).round().cast(pl.Int64)
    covered = pl.concat_str("point", pl.lit(": "), seconds, pl.lit(" s"))
    expected = f"values over {LEAST_COVERAGE:.0%} of the quarter hour"
    own.take("incomplete_quarter", pl.col("coverage") < LEAST_COVERAGE, expected, covered)
    row_filter.join(own)
    row_filter.warn("partly_covered", own.frame.filter(pl.col("coverage") < WHOLE_COVERAGE).height)
    frame = own.frame.with_columns(got=pl.col("value").cast(pl.String)).rename({"line": "_line"})
    return _placed(frame, minutes=CANONICAL_MINUTES, quality=pl.col("quality"), series=False)


def _placed(frame: pl.DataFrame, *, minutes: int, quality: pl.Expr, series: bool) -> pl.DataFrame:
    """PLACED_SCHEMA, or with a series STATES_SCHEMA."""
    schema = STATES_SCHEMA if series else PLACED_SCHEMA
    columns = {
        "meter": pl.col("meter"),
        "alias": pl.lit(None),
        "register": pl.col("register"),
        "start": pl.col("start"),
        "minutes": pl.lit(minutes),
        "value": pl.col("value"),
        "unit": pl.col("code"),
        "quality": quality,
        "line": pl.col("_line"),
        "got": pl.col("got"),
        "series": pl.lit(""),
    }
    return frame.select(columns[name].cast(kind).alias(name) for name, kind in schema.items())


def _channel(entity: Entity, frame: pl.DataFrame) -> Channel:
    """Description of an entity, for a person who has named none and chooses from these."""
    own = frame.filter(pl.col("entity_id") == entity.foreign_id)
    numbers = own["value"].drop_nulls()
    first, last = own["at"].min(), own["at"].max()
    # Only for the person who is asked: a counter rises, and where it falls it begins anew.
    has_fallen = ((numbers.diff() < 0) & (numbers > numbers.shift(1) / 2)).any()
    is_counter = numbers.len() > 2 and not has_fallen and numbers[-1] != numbers[0]
    return Channel(
        meter=entity.foreign_id,
        channel=("counter" if is_counter else "state") if numbers.len() else "text",
        unit=entity.code or entity.unit or "unknown",
        start_utc=first,
        end_utc=last,
        reading=float(numbers[-1]) if numbers.len() else None,
    )
