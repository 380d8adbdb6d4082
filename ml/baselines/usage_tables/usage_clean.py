"""Cleaning of readings before they count: duplicates, zeros that mean "missing", short gaps of the weather.

Bills become intervals: estimated ones merged, too short and too long ones left out (CalTRACK 2.2.3).
"""

from datetime import timedelta
from typing import Any

import polars as pl

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding

# CalTRACK 2.2.4.1: gaps of the temperature up to six hours are drawn over.
MAX_TEMPERATURE_GAP = timedelta(hours=6)
# Where more than this share of days holds zeros among other values, zero is an ordinary reading of the meter.
ORDINARY_ZERO_DAYS = 0.2
READINGS: dict[str, pl.DataType] = {
    "start_utc": pl.Datetime("us", "UTC"),
    "minutes": pl.Int64(),
    "energy_kwh": pl.Float64(),
}
TEMPERATURES: dict[str, pl.DataType] = {
    "start_utc": pl.Datetime("us", "UTC"),
    "minutes": pl.Int64(),
    "temp_degc": pl.Float64(),
}


def count_finding(code: str, count: int, what: str, *, severity: str = "info") -> Finding | None:
    """A finding that says how many, or None where there is none."""
    if count == 0:
        return None
    return Finding.model_validate(
        {"code": code, "message": f"{count} {what}.", "severity": severity, "facts": {"count": count}}
    )


def cleaned(
    readings: pl.DataFrame | None, *, zone: str, zero_is_missing: bool | None
) -> tuple[pl.DataFrame, list[Finding]]:
    """Readings with null where zero means missing, and what was found.

    zero_is_missing: as declared; None asks the readings whether the meter often reads zero (_without_zeros). Raises
    BadInput for two readings of one interval: a join on time would count the energy twice.
    """
    if readings is None:
        return pl.DataFrame(schema=READINGS), []
    doubled = readings.filter(pl.col("start_utc").is_duplicated())
    if doubled.height:
        first = doubled.sort("start_utc")["start_utc"][0]
        raise BadInput(
            f"{doubled['start_utc'].n_unique()} intervals are there twice, the first at {first:%Y-%m-%d %H:%M}Z; "
            "expected one reading an interval",
            reason="duplicate_intervals",
        )
    findings = []
    negative = readings.filter(pl.col("energy_kwh") < 0).height
    findings.append(
        count_finding("negative_energy", negative, "readings are negative, as of a net meter", severity="warning")
    )
    if zero_is_missing is None:
        readings, found = _without_zeros(readings, zone)
        findings.append(found)
    else:
        readings, declared = declared_zeros(readings, is_missing=zero_is_missing)
        findings += declared
    return readings, [each for each in findings if each is not None]


def declared_zeros(readings: pl.DataFrame, *, is_missing: bool) -> tuple[pl.DataFrame, list[Finding]]:
    """Readings with null for every zero where a person says that zeros are none, and the finding that counts them."""
    zeros = readings.filter(pl.col("energy_kwh") == 0).height
    if not is_missing or not zeros:
        return readings, []
    nulled = readings.with_columns(energy_kwh=pl.when(pl.col("energy_kwh") != 0).then("energy_kwh"))
    message = "readings of zero are taken as missing"
    return nulled, [each for each in [count_finding("zeros_as_missing", zeros, message)] if each is not None]


def _without_zeros(readings: pl.DataFrame, zone: str) -> tuple[pl.DataFrame, Finding | None]:
    """Zeros become null (CalTRACK 2.2.1.4), unless the meter often reads zero between other values."""
    is_zero = pl.col("energy_kwh") == 0
    zeros = readings.filter(is_zero).height
    if not zeros:
        return readings, None
    day = pl.col("start_utc").dt.convert_time_zone(zone).dt.date()
    # A day of nothing but zeros is an outage; zeros among other values are a machine's use.
    by_day = readings.group_by(day=day).agg(zeros=is_zero.sum(), n=pl.len())
    mixed = by_day.filter((pl.col("zeros") > 0) & (pl.col("zeros") < pl.col("n"))).height
    if mixed > ORDINARY_ZERO_DAYS * by_day.height:
        return readings, count_finding("zeros_kept", zeros, "readings are zero on ordinary days: kept as readings")
    nulled = readings.with_columns(energy_kwh=pl.when(~is_zero).then("energy_kwh"))
    return nulled, count_finding("zeros_as_missing", zeros, "readings of zero are taken as missing (electricity)")


def filled_temperatures(temperatures: pl.DataFrame | None) -> tuple[pl.DataFrame, list[Finding]]:
    """Temperatures with gaps of up to six hours drawn over in a straight line; longer ones stay (CalTRACK 2.2.4.1).

    Raises BadInput for two temperatures of one interval.
    """
    if temperatures is None or temperatures.is_empty():
        return pl.DataFrame(schema=TEMPERATURES), []
    known = temperatures.drop_nulls("temp_degc").sort("start_utc")
    if known["start_utc"].is_duplicated().any():
        first = known.filter(pl.col("start_utc").is_duplicated())["start_utc"][0]
        raise BadInput(f"two temperatures at {first:%Y-%m-%d %H:%M}Z; expected one", reason="duplicate_intervals")
    step = known["minutes"].min()
    # Means of days have no gaps of hours to be drawn over.
    if not isinstance(step, int) or step > 60 or known.height < 2:
        return known, []
    gap = pl.col("start_utc").shift(-1) - pl.col("start_utc")
    # From reading to reading a gap of six hours is a step longer.
    holes = known.filter((gap > timedelta(minutes=step)) & (gap <= MAX_TEMPERATURE_GAP + timedelta(minutes=step)))
    if holes.is_empty():
        return known, []
    grid = known.upsample("start_utc", every=f"{step}m").with_columns(_after=pl.col("start_utc"))
    bounds = known.select(_before="start_utc", _next=pl.col("start_utc").shift(-1))
    placed = grid.join_asof(bounds, left_on="start_utc", right_on="_before", strategy="backward")
    is_short = (pl.col("_next") - pl.col("_before")) <= MAX_TEMPERATURE_GAP + timedelta(minutes=step)
    is_known = pl.col("temp_degc").is_not_null()
    drawn = placed.with_columns(_drawn=pl.col("temp_degc").interpolate_by("start_utc"))
    filled = drawn.filter(is_known | is_short).select(
        "start_utc", minutes=pl.lit(step, pl.Int64), temp_degc=pl.coalesce("temp_degc", "_drawn")
    )
    return filled, [
        each
        for each in [
            count_finding("temperature_filled", filled.height - known.height, "temperatures drawn over gaps up to 6 h")
        ]
        if each is not None
    ]


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
