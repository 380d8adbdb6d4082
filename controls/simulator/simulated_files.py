"""Landing files of a simulated site: plain CSV, a file a month and kind, whole or not at all, and their faults."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.whole_file import whole_file
from controls.simulator.physics.simulated import SimulatedSite
from controls.simulator.worlds.anchor import ANCHOR
from controls.simulator.worlds.generate import SEED, generate_site
from controls.simulator.worlds.lapses import Lapse, with_lapses
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, months_after


def write_site(
    folder: Path,
    site: Site,
    *,
    start: date,
    end: date,
    seed: int = SEED,
    until_utc: datetime | None = None,
    lapses: Sequence[Lapse] = (),
    faults_of: date | None = None,
) -> list[Path]:
    """Simulate the local dates [start, end) and write the files; their paths in order of time. Raises BadInput.

    With `until_utc` only intervals that have ended by then are written, prices apart. lapses: what was left running.
    faults_of: the day whose months have a gap, an estimated day and refused rows.
    """
    made = with_lapses(generate_site(site, start=start, end=end, seed=seed), site, lapses)
    made = made if until_utc is None else made.until(until_utc)
    faulty = () if faults_of is None else months_with_faults(faults_of)
    paths = write_files(folder, with_gaps(made, faulty))
    return [*paths, *(path for month in faulty if (path := write_portal(folder, made, month)) is not None)]


def write_files(folder: Path, made: SimulatedSite) -> list[Path]:
    """Write `<site>_<YYYY-MM>_<meters|volumes|drivers|prices>.csv` into the folder, one partition of the lake each."""
    kinds = {"meters": made.meters, "volumes": made.volumes, "drivers": made.drivers, "prices": made.prices}
    paths = []
    for kind, frame in kinds.items():
        if frame is None:
            continue
        for month, part in _by_month(frame, made.time_zone):
            path = folder / f"{made.site_id}_{month}_{kind}.csv"
            with whole_file(path) as unfinished:
                part.write_csv(unfinished, datetime_format="%Y-%m-%dT%H:%M:%SZ")
            paths.append(path)
    return sorted(paths)


def _by_month(frame: pl.DataFrame, time_zone: str) -> list[tuple[str, pl.DataFrame]]:
    month = pl.col("timestamp").dt.convert_time_zone(time_zone).dt.strftime("%Y-%m")
    parts = frame.with_columns(_month=month).partition_by("_month", as_dict=True, include_key=False)
    return [(str(key[0]), part) for key, part in parts.items()]


# Of the second Tuesday and Thursday of a month. The estimates of the portal are so far from what was metered.
GAP_METER, GAP_HOURS, ESTIMATED_METER, _ESTIMATE = "conveyor", (9, 14), "hvac_hall", 1.04


def months_with_faults(today: date) -> tuple[date, ...]:
    """First days of the running month and of the one before, which are written again while the plant runs; none of a
    time whose figures stand as shipped.
    """
    running = today.replace(day=1)
    return tuple(each for each in (months_after(running, -1), running) if each >= ANCHOR)


def with_gaps(made: SimulatedSite, months: tuple[date, ...]) -> SimulatedSite:
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
    path = folder / f"{made.site_id}_{month:%Y-%m}_portal.json"
    with whole_file(path) as unfinished:
        Path(unfinished).write_text(json.dumps(document, indent=0), encoding="utf-8")
    return path


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
