"""Bills as intervals: estimated ones merged, too short and too long ones left out (CalTRACK 2.2.3)."""

from typing import Any

import polars as pl

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from ml.baselines.usage_tables.usage_clean import count_finding

# A shorter one is cut by a new contract or customer, a longer one hides a reading that was missed.
MIN_BILL_DAYS, MAX_MONTHLY_DAYS, MAX_BIMONTHLY_DAYS = 25, 35, 70


def bill_rows(readings: pl.DataFrame, *, zone: str) -> tuple[pl.DataFrame, list[Finding]]:
    """start_utc, end_utc, local_start, days, energy_kwh, coverage of each usable bill.

    readings: start_utc, minutes, energy_kwh, optionally is_estimated. An estimated bill is merged with the next one
    while both are at most 70 days; one that meets no real read so, bills under 25 days, and over 35 (monthly) or 70
    (two-monthly, told by the median bill), are left out. Raises BadInput for bills that overlap.
    """
    end = pl.col("start_utc") + pl.duration(minutes="minutes")
    rows = readings.sort("start_utc").with_columns(end_utc=end)
    if "is_estimated" not in rows.columns:
        rows = rows.with_columns(is_estimated=pl.lit(value=False))
    overlaps = rows.filter(pl.col("start_utc") < pl.col("end_utc").shift(1))
    if overlaps.height:
        raise BadInput(
            f"the bill that starts {overlaps['start_utc'][0]:%Y-%m-%d} overlaps the one before",
            reason="duplicate_intervals",
        )
    merged, merges, unread = _merged(rows)
    local = {
        name: pl.col(f"{name}_utc").dt.convert_time_zone(zone).dt.replace_time_zone(None) for name in ("start", "end")
    }
    # To the nearest midnight: a bill read at 01:00 summer time began with that day.
    days = ((local["end"] - local["start"]).dt.total_minutes() / 1440.0).round()
    frame = merged.with_columns(local_start=local["start"], days=days)
    middle = frame["days"].median()
    longest = MAX_BIMONTHLY_DAYS if isinstance(middle, float) and middle > MAX_MONTHLY_DAYS else MAX_MONTHLY_DAYS
    is_usable = pl.col("days").is_between(MIN_BILL_DAYS, longest) & pl.col("energy_kwh").is_not_null()
    found = [
        count_finding("estimated_merged", merges, "estimated bills are merged with the next"),
        count_finding(
            "estimated_left_out", unread, f"estimated bills met no real read within {MAX_BIMONTHLY_DAYS} days: left out"
        ),
        count_finding(
            "short_bills", frame.filter(pl.col("days") < MIN_BILL_DAYS).height, "bills under 25 days left out"
        ),
        count_finding(
            "long_bills", frame.filter(pl.col("days") > longest).height, f"bills over {longest} days left out"
        ),
        count_finding(
            "bills_without_energy", frame["energy_kwh"].null_count(), "bills without a known energy left out"
        ),
        count_finding(
            "negative_energy", frame.filter(pl.col("energy_kwh") < 0).height, "bills are negative", severity="warning"
        ),
    ]
    kept = frame.filter(is_usable).select(
        "start_utc", "end_utc", "local_start", "days", "energy_kwh", coverage=pl.lit(1.0)
    )
    return kept, [each for each in found if each is not None]


def _merged(rows: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """Estimated bills put together with what follows, up to the next real read; how many met one, and how many none."""
    if not rows["is_estimated"].any():
        return rows.select("start_utc", "end_utc", "energy_kwh"), 0, 0
    out: list[dict[str, object]] = []
    merges = unread = estimates = 0
    open_bill: dict[str, Any] | None = None
    for row in rows.select("start_utc", "end_utc", "energy_kwh", "is_estimated").iter_rows(named=True):
        bill = dict(row)
        # Over a gap the real read would be spread on days that no bill is about.
        follows = open_bill is not None and open_bill["end_utc"] == bill["start_utc"]
        if open_bill is not None and follows and (bill["end_utc"] - open_bill["start_utc"]).days <= MAX_BIMONTHLY_DAYS:
            bill["start_utc"] = open_bill["start_utc"]
            parts = (open_bill["energy_kwh"], bill["energy_kwh"])
            # A part that nobody knows leaves the whole unknown.
            bill["energy_kwh"] = None if None in parts else sum(parts)
        else:
            # An estimate that meets no real read is no measurement.
            unread, estimates = unread + estimates, 0
        if bill.pop("is_estimated"):
            open_bill, estimates = bill, estimates + 1
            continue
        out.append(bill)
        open_bill, merges, estimates = None, merges + estimates, 0
    types = {name: rows.schema[name] for name in ("start_utc", "end_utc", "energy_kwh")}
    return pl.DataFrame(out, schema=types), merges, unread + estimates
