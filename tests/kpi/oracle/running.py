"""The running figures of a supply in pure Python, from lake.interval_cost: what the SQL of dbt_project is held to.

The SQL of the marts is in dbt_project (int_site__quarter_hour_running and what follows); a test holds the two together.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import polars as pl

from assets.kpi.mart_windows import LOOK_BACK_DAYS, month_after, month_start
from assets.kpi.running_cost.month_to_date import RunningFigures, figures_at
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES
from tests.kpi.oracle.amounts import NANO

_STEP = timedelta(minutes=CANONICAL_MINUTES)
_EMISSION = Decimal(1).scaleb(-15)
_Day = Mapping[str, Any]


def running_again(site: Site, costs: pl.DataFrame, *, at_utc: datetime) -> RunningFigures:
    """The figures at the end of the last quarter hour that is over then.

    costs: lake.interval_cost over `source_span`. Raises BadInput where it does not reach the instant.
    """
    quarters = _quarters(site, costs)
    over = [row for row in quarters.iter_rows(named=True) if row["interval_start_utc"] + _STEP <= at_utc]
    if not over:
        raise BadInput(f"nothing is known of site {site.site_id!r} at {at_utc}", reason="nothing_known")
    today = over[-1]["local_date"]
    to_date = [row for row in over if row["local_date"] >= month_start(today)]
    ahead = _projection(_days(quarters.iter_rows(named=True)), today)
    return figures_at(site.site_id, quarters, over[-1] | _month(to_date), ahead | {"local_date": today})


def _quarters(site: Site, costs: pl.DataFrame) -> pl.DataFrame:
    """The rows of mart_site__quarter_hour_running but for what it sums up over the month."""
    zone = site.time_zone
    rows = costs.filter(pl.col("site_id") == site.site_id).sort("interval_start_utc")
    emission = [
        None if kwh is None or factor is None else (kwh * factor).quantize(_EMISSION, rounding=ROUND_HALF_UP)
        for kwh, factor in rows.select("import_kwh", "kgco2e_per_kwh").iter_rows()
    ]
    demand = [
        None if kwh is None else float(int(kwh * NANO)) / NANO * 60 / minutes
        for kwh, minutes in rows.select("block_kwh", "block_minutes").iter_rows()
    ]
    return rows.with_columns(
        local_date=pl.col("interval_start_utc").dt.convert_time_zone(zone).dt.date(),
        cost=pl.col("energy_cost") + pl.col("other_cost"),
        emission_kgco2e=pl.Series(emission, dtype=pl.Decimal(38, 15)),
        block_demand_kw=pl.Series(demand, dtype=pl.Float64),
        currency=pl.lit(site.currency),
    )


def _month(rows: Sequence[_Day]) -> dict[str, Any]:
    """Sums of the mart over the local month to date."""
    costs = (row["cost"] if row["cost"] is not None else row["other_cost"] for row in rows)
    return {
        "month_import_kwh": _sum(row["import_kwh"] for row in rows),
        "month_cost": _sum(costs),
        "month_emission_kgco2e": _sum(row["emission_kgco2e"] for row in rows),
        "month_peak_kw": _peak(rows),
        "month_covered_minutes": CANONICAL_MINUTES * sum(bool(row["is_present"]) for row in rows),
        "month_elapsed_minutes": CANONICAL_MINUTES * len(rows),
        "month_uncosted_minutes": CANONICAL_MINUTES * sum(row["cost"] is None for row in rows),
        "month_unfactored_minutes": CANONICAL_MINUTES
        * sum(row["emission_kgco2e"] is None and row["import_kwh"] is not None for row in rows),
    }


def _days(rows: Iterable[_Day]) -> dict[date, dict[str, Any]]:
    """int_site__running_days: a part of a day's cost or emission is not the day's."""
    by_day: dict[date, list[_Day]] = {}
    for row in rows:
        by_day.setdefault(row["local_date"], []).append(row)
    found = {}
    for day, mine in by_day.items():
        emitted = [row["emission_kgco2e"] for row in mine if row["import_kwh"] is not None]
        found[day] = {
            "is_complete": all(row["is_present"] for row in mine),
            "import": _sum(row["import_kwh"] for row in mine),
            "cost": None if any(row["cost"] is None for row in mine) else _sum(row["cost"] for row in mine),
            "emission": None if None in emitted else _sum(emitted),
            "peak": _peak(mine),
        }
    return found


def _projection(days: Mapping[date, Mapping[str, Any]], today: date) -> dict[str, Any]:
    """mart_site__day_projection of one local day: month to date, and the means of weekdays for the days to come."""
    before = [days[day] for day in days if month_start(today) <= day < today]
    to_come: dict[int, int] = {}
    for day in (day for day in days if today <= day < month_after(today)):
        to_come[day.isoweekday()] = to_come.get(day.isoweekday(), 0) + 1
    past = {
        weekday: [
            each
            for day, each in days.items()
            if day.isoweekday() == weekday
            and today - timedelta(days=LOOK_BACK_DAYS) <= day < today
            and each["is_complete"]
        ]
        for weekday in to_come
    }
    if any(len(each) < 2 for each in past.values()):
        return _ahead("too_little_history")
    sums = {name: _whole(name, before, past, to_come) for name in ("import", "cost", "emission")}
    peaks = [each["peak"] for each in [*before, *(day for each in past.values() for day in each)]]
    finding = (
        "cost_unknown"
        if sums["cost"] is None
        else "emission_unknown"
        if sums["emission"] is None
        else None
        if all(each["is_complete"] for each in before)
        else "gap_in_month_to_date"
    )
    known = [peak for peak in peaks if peak is not None]
    return _ahead(finding) | {
        "projected_import_kwh": sums["import"],
        "projected_cost": sums["cost"],
        "projected_emission_kgco2e": sums["emission"],
        "projected_peak_kw": max(known) if known else None,
    }


def _ahead(finding: str | None) -> dict[str, Any]:
    nothing = dict.fromkeys(f"projected_{name}" for name in ("import_kwh", "cost", "emission_kgco2e", "peak_kw"))
    return {**nothing, "method": "month_to_date_plus_weekday_means_of_28_days", "finding": finding}


def _whole(
    name: str,
    before: Sequence[Mapping[str, Any]],
    past: Mapping[int, Sequence[Mapping[str, Any]]],
    to_come: Mapping[int, int],
) -> float | None:
    """Twelfths of the whole month, as a double of billionths; None where a day of it has no amount.

    A weekday has at most four days in the look back: its mean is a whole number of twelfths.
    """
    is_import = name == "import"
    if not is_import and any(each[name] is None for each in before):
        return None
    twelfths = 12 * (_sum(each[name] for each in before) or Decimal(0))
    for weekday, days in past.items():
        known = [each[name] for each in days if each[name] is not None]
        if not is_import and len(known) < 2:
            return None
        count = len(days) if is_import else len(known)
        twelfths += (_sum(known) or Decimal(0)) * to_come[weekday] * (12 // count)
    nano = int((twelfths * NANO).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    found: float = float(nano) / 12 / NANO
    return found


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = [each for each in amounts if each is not None]
    return sum(known, Decimal(0)) if known else None


def _peak(rows: Iterable[_Day]) -> float | None:
    """Highest full demand window."""
    full = [row["block_demand_kw"] for row in rows if row["block_minutes"] == row["window_minutes"]]
    known = [float(each) for each in full if each is not None]
    return max(known) if known else None
