"""Faults of the plant's late meter files: a gap, a day that its portal estimated, rows that are refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.whole_file import whole_file
from controls.simulator.physics.simulated import SimulatedSite
from data_quality.contracts.time import CANONICAL_MINUTES

# Of the second Tuesday and Thursday of a month. The estimates of the portal are so far from what was metered.
GAP_METER, GAP_HOURS, ESTIMATED_METER, _ESTIMATE = "conveyor", (9, 14), "hvac_hall", 1.04


def with_gaps(made: SimulatedSite, months: Sequence[date]) -> SimulatedSite:
    """The site without the readings that its meters did not send in these months."""
    lost = [each for month in months for each in _spells(made, month)]
    return replace(made, meters=made.meters.filter(~pl.any_horizontal(lost))) if lost else made


def write_portal(folder: Path, made: SimulatedSite, month: date) -> Path | None:
    """`<site>_<YYYY-MM>_portal.json`: the portal's estimates of a day of the month, and rows that are refused: a meter
    that the site does not have, and amounts below zero. None where that day is still to come.
    """
    gap, estimated = _spells(made, month)
    rows = [_row(*each, quality="estimated_reference_day") for each in _values(made, estimated, by=_ESTIMATE)]
    if not rows:
        return None
    refused = list(_values(made, gap, by=-1.0))
    rows += [_row(*each) for each in refused[:2]]
    rows += [_row("conveyor_2", start, -kwh) for _, start, kwh in refused[:4]]
    document = {"site": made.site_id, "is_synthetic": True, "readings": rows}
    path = portal_file(folder, made.site_id, month)
    with whole_file(path) as unfinished:
        Path(unfinished).write_text(json.dumps(document, indent=0), encoding="utf-8")
    return path


def portal_file(folder: Path, site_id: str, month: date) -> Path:
    """The file of estimates and refused rows of a month."""
    return folder / f"{site_id}_{month:%Y-%m}_portal.json"


def _spells(made: SimulatedSite, month: date) -> tuple[pl.Expr, pl.Expr]:
    """Rows of the gap, and of the estimated day."""
    local = pl.col("timestamp").dt.convert_time_zone(made.time_zone)
    tuesday = month + timedelta(days=(8 - month.weekday()) % 7 + 7)
    hours = local.dt.hour().is_between(*GAP_HOURS, closed="left")
    gap = (pl.col("meter") == GAP_METER) & (local.dt.date() == tuesday) & hours
    return gap, (pl.col("meter") == ESTIMATED_METER) & (local.dt.date() == tuesday + timedelta(days=2))


def _values(made: SimulatedSite, spell: pl.Expr, *, by: float) -> Any:
    return made.meters.filter(spell).select("meter", "timestamp", (pl.col("kwh") * by).round(4)).iter_rows()


def _row(meter: str, start: Any, kwh: float, **more: str) -> dict[str, Any]:
    at = f"{start:%Y-%m-%dT%H:%M:%SZ}"
    return {"meter": meter, "start": at, "minutes": CANONICAL_MINUTES, "value": f"{kwh:.4f}", "unit": "kwh", **more}
