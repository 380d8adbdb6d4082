"""Estimated rows of the lake for readings that validation excluded: additional to the raw ones, with a quality code."""

from dataclasses import replace

import numpy as np
import polars as pl

from assets.readings.parsed import PARSED_SCHEMA
from assets.readings.tables.normalise import normalise
from assets.stores.lake.lake import KEY
from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.site_file.vee import Action
from data_quality.contracts.time import Period
from data_quality.estimate.gap import Estimate, Gap
from data_quality.estimate.methods import fill, references
from data_quality.reading_grid import Grid
from data_quality.rules.equal_runs import dead
from data_quality.rules.shared.hits import stretches
from data_quality.validate import Judged, Validation, history_start

# Somebody has looked at these: a rule may doubt them aloud, but does not replace them.
VOUCHED_FOR = (
    QualityCode.MANUALLY_EDITED,
    QualityCode.VALIDATED,
    QualityCode.VERIFIED,
    QualityCode.REVENUE_QUALITY,
)
# What comes at once after a dead meter is its missed energy where it is of that size; else it is a spike of its own.
_CATCH_UP = (0.5, 2.0)


def estimated_rows(
    validation: Validation, delivered: pl.DataFrame, site: Site, month: Period
) -> tuple[pl.DataFrame, tuple[Estimate, ...], tuple[Finding, ...]]:
    """Estimates of a month's excluded readings as lake rows (CANONICAL_SCHEMA, site_id, is_synthetic), unique per key.

    delivered: the readings that were judged. Only quarter hours that were delivered are replaced, and none that
    somebody vouched for. Nothing after the month is used, so that a later month does not move its estimates. Also
    returned: the estimates, and the findings of gaps that no method could fill.
    """
    parts = [pl.DataFrame(schema=PARSED_SCHEMA)]
    made: list[Estimate] = []
    refused: list[Finding] = []
    for judged in validation.judged:
        grid, gaps = excluded_gaps(judged, site, month)
        answer = fill(grid, gaps, time_zone=site.time_zone, rules=site.validation)
        made += answer.estimates
        refused += answer.refused
        parts += [_parsed(grid, estimate) for estimate in answer.estimates]
    rows = normalise(pl.concat(parts).sort("meter_id", "register", "interval_start_utc"))
    replaced = delivered.filter(~pl.col("quality_code").is_in([int(code) for code in VOUCHED_FOR]))
    origin = replaced.select(*KEY, "is_synthetic")
    rows = rows.with_columns(site_id=pl.lit(site.site_id)).join(origin, on=KEY, how="inner", validate="1:1")
    return rows, tuple(made), tuple(refused)


def excluded_gaps(judged: Judged, site: Site, month: Period) -> tuple[Grid, list[Gap]]:
    """The grid up to the month's end with its history, and in it the month's slots that are excluded, as gaps.

    Overlapping and touching events are one gap; what an earlier month excludes is unknown in the grid.
    """
    whole = judged.days.grid
    grid = whole.between(history_start(month.start_utc, site.time_zone), month.end_utc)
    offset = whole.slot(grid.start_utc)
    excluded = np.zeros(grid.values.shape, bool)
    dead_ends = set()
    for event in judged.events:
        if event.action is Action.EXCLUDE:
            # A negative place would count from the grid's end.
            excluded[event.row, max(event.first - offset, 0) : max(event.end - offset, 0)] = True
            if event.rule == dead.NAME:
                dead_ends.add((event.row, event.end - offset))
    first = max(0, grid.slot_from(month.start_utc))
    gaps = [
        Gap(int(row), first + start, first + end)
        for row in np.flatnonzero(excluded[:, first:].any(axis=1))
        for start, end in stretches(excluded[row, first:])
    ]
    usable = replace(grid, values=np.where(excluded, np.nan, grid.values))
    return usable, [_with_total(grid, usable, gap, dead_ends, site.time_zone) for gap in gaps]


def _with_total(raw: Grid, usable: Grid, gap: Gap, dead_ends: set[tuple[int, int]], time_zone: str) -> Gap:
    """The gap with its total where it is a dead meter followed at once by what it missed."""
    # The dead stretch must end inside the gap: then what follows it at once is excluded as well, and may be its energy.
    if not any(row == gap.row and gap.first < end < gap.end for row, end in dead_ends):
        return gap
    total = float(np.nansum(raw.values[gap.row, gap.first : gap.end]))
    usual, _ = references(usable, gap, time_zone)
    expected = float(usual.sum()) if np.isfinite(usual).all() else 0.0
    is_missed_energy = expected > 0 and _CATCH_UP[0] <= total / expected <= _CATCH_UP[1]
    return replace(gap, total=total) if is_missed_energy else gap


def _parsed(grid: Grid, estimate: Estimate) -> pl.DataFrame:
    """PARSED_SCHEMA of one estimate, in the stream's canonical unit and the grid's step."""
    gap, stream = estimate.gap, grid.streams[estimate.gap.row]
    slots = range(gap.first, gap.end)
    return pl.DataFrame(
        {
            "meter_id": [stream.meter_id] * gap.slots,
            "register": [stream.register] * gap.slots,
            "interval_start_utc": [grid.instant(slot) for slot in slots],
            "source_minutes": [grid.step_minutes] * gap.slots,
            "value": estimate.values,
            "unit": [stream.unit] * gap.slots,
            "quality_code": [int(estimate.quality_code)] * gap.slots,
            "source_line": [0] * gap.slots,
        },
        schema=PARSED_SCHEMA,
    )
