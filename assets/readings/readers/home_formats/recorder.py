"""Home Assistant's recorder database: growing sums become states of registers, hourly means become readings.

Which entity is which meter stands under `values` (or `meters`) of a column map. `source_line` is the id of the row in
its table, of a statistic as a whole its id in statistics_meta.
"""

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.packed.bounded import unpacked_head
from assets.readings.parsed import Channel, Parsed, ReadRequest
from assets.readings.readers.child import run_limited
from assets.readings.readers.home_formats.entity_names import Entity, named_entities, refuse_shared
from assets.readings.readers.placed_rows import PLACED_SCHEMA, STATES_SCHEMA, RowFilter, place_rows, place_states
from assets.stores.foreign_database import SQLITE_MAGIC
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.units import UNITS, Behaviour

_READ = "assets.readings.readers.home_formats.recorder_tables:read_recorder"
# Beyond it a time is no time of a clock; reading goes on, and the row is reported.
_LAST_S = 4_102_444_800
_SUMS = "a unit that adds up, as kWh or m³, since the statistic is a sum"
_MEANS = "a power or a level, as W or °C, since the statistic is a mean: a mean of kWh is a content and no amount"


class Recorder:
    """Reader of recorder databases; one that a running Home Assistant holds is read without a write."""

    name = "home_assistant"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """A SQLite database: what else is one, its tables tell."""
        return unpacked_head(head).startswith(SQLITE_MAGIC)

    def header(self, path: Path) -> list[str]:
        """None: statistics are no columns."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """The statistics that the site names; without a site or a map every sum. Raises BadInput."""
        statistics = _run_child(path, None, None)
        entities = named_entities([_entity(each) for each in statistics], request)
        refuse_shared(entities)
        row_filter = RowFilter(pl.DataFrame(schema=PLACED_SCHEMA))
        good = _judged(entities, row_filter, request)
        with tempfile.TemporaryDirectory(prefix="meterloom-") as folder:
            out = Path(folder) / "rows.arrow"
            _run_child(path, [each.foreign_id for each in good], out)
            rows = pl.read_ipc(out)
        placed = _placed(rows, good)
        row_filter.warn("missing_intervals", placed.filter(pl.col("value").is_null()).height)
        row_filter.warn("register_reset", _resets(rows, good))
        placed = placed.filter(pl.col("value").is_not_null())
        states = place_states(placed.filter("is_sum").select(*STATES_SCHEMA), row_filter, request)
        row_filter.frame = placed.filter(~pl.col("is_sum")).select(*PLACED_SCHEMA)
        means = place_rows(row_filter, request)
        return Parsed(
            rows=means,
            states=states,
            rejects=row_filter.rejects(),
            warnings=row_filter.warnings,
            channels=tuple(_channel(each, entity) for each, entity in zip(statistics, entities, strict=True))
            if request.site is None and request.mapping is None
            else (),
            findings=row_filter.findings,
        )


def _run_child(path: Path, wanted: Sequence[str] | None, out: Path | None) -> list[dict[str, Any]]:
    # Resolved: the child keeps the working folder that it was started in.
    arguments = {"path": str(path.resolve()), "wanted": wanted, "out": out and str(out)}
    found: list[dict[str, Any]] = run_limited(_READ, arguments)
    return found


def _entity(statistic: Mapping[str, Any]) -> Entity:
    return Entity(
        line=statistic["id"],
        foreign_id=statistic["statistic_id"],
        unit=statistic["unit"],
        is_sum=bool(statistic["has_sum"]),
    )


def _judged(entities: Sequence[Entity], row_filter: RowFilter, request: ReadRequest) -> list[Entity]:
    """The entities whose rows are read; each other one is counted, or a reject by its name."""
    good, others = [], 0
    skips = request.mapping is not None and request.mapping.other_meters == "skip"
    is_open = request.site is None and request.mapping is None
    for each in entities:
        unit = UNITS.get(each.code)
        if not each.meter and not is_open:
            # Means are those of any sensor in the house; what adds up may be a meter that was forgotten.
            if each.is_sum and not skips:
                expected = "a meter of the site for it, under `values` of a column map (or other_meters: skip)"
                row_filter.reject(each.line, "unknown_meter", expected, each.foreign_id)
            else:
                others += 1
        elif is_open and not each.is_sum:
            continue
        elif unit is None:
            expected = f"a unit that is known ({', '.join(sorted(UNITS))}); say it under `units` of a column map"
            row_filter.reject(each.line, "unknown_unit", expected, f"{each.foreign_id}: {each.unit}")
        elif (unit.behaviour is Behaviour.AMOUNT and not unit.is_power) != each.is_sum:
            got = f"{each.foreign_id}: {'sum' if each.is_sum else 'mean'} of {each.unit}"
            row_filter.reject(each.line, "unit_kind_mismatch", _SUMS if each.is_sum else _MEANS, got)
        else:
            good.append(each)
    row_filter.warn("other_meters", others)
    return good


def _placed(rows: pl.DataFrame, good: Sequence[Entity]) -> pl.DataFrame:
    """STATES_SCHEMA with `is_sum`: of a sum the state at the end of its row, of a mean the row."""
    table = pl.DataFrame(
        [
            (each.line, each.meter or each.foreign_id, each.register, each.code, each.factor, each.is_sum)
            for each in good
        ],
        schema={"stream": pl.Int64, "meter": pl.String, "register": pl.String, "unit": pl.String}
        | {"factor": pl.Float64, "is_sum": pl.Boolean},
        orient="row",
    )
    is_time = pl.col("start_s").is_between(0, _LAST_S)
    at_s = pl.col("start_s") + pl.when("is_sum").then(pl.col("minutes") * 60).otherwise(0)
    at = pl.from_epoch(pl.when(is_time).then(at_s.round()).cast(pl.Int64), time_unit="s")
    frame = rows.join(table, on="stream", how="inner", maintain_order="left", validate="m:1").with_columns(
        value=pl.when("is_sum").then("sum").otherwise("mean") * pl.col("factor")
    )
    # As decimals: a sum of doubles has more digits than any meter.
    texts = [None if value is None else f"{value:.9f}" for value in frame["value"].to_list()]
    return frame.with_columns(got=pl.Series(texts, dtype=pl.String)).select(
        "meter",
        pl.lit(None, pl.String).alias("alias"),
        "register",
        at.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("start"),
        # A state lasts no time; the checks made for intervals ask for a length.
        pl.when("is_sum").then(pl.lit(1)).otherwise("minutes").cast(pl.Int32).alias("minutes"),
        "value",
        "unit",
        pl.lit(int(QualityCode.RAW), pl.Int32).alias("quality"),
        "line",
        "got",
        pl.lit("").alias("series"),
        "is_sum",
    )


def _resets(rows: pl.DataFrame, good: Sequence[Entity]) -> int:
    """Times that a meter began anew while Home Assistant's sum went on: counted, and nothing is lost by it."""
    sums = rows.filter(pl.col("stream").is_in([each.line for each in good if each.is_sum]) & (pl.col("minutes") == 60))
    fell, rose = (pl.col(name).diff().over("stream", order_by="start_s") for name in ("state", "sum"))
    return int(sums.select(((fell < 0) & (rose >= 0)).sum()).item() or 0)


def _channel(statistic: Mapping[str, Any], entity: Entity) -> Channel:
    """Description of a statistic, for a person who has named none and chooses from these."""
    first, last = (
        None if at_s is None or not 0 <= at_s <= _LAST_S else datetime.fromtimestamp(at_s, UTC)
        for at_s in (statistic["first_s"], statistic["last_s"])
    )
    return Channel(
        meter=entity.foreign_id,
        channel="sum" if entity.is_sum else "mean",
        unit=entity.code or entity.unit or "unknown",
        start_utc=first,
        end_utc=last,
    )
