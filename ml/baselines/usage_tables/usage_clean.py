"""Cleaning of readings before they count: duplicates, zeros that mean "missing", short gaps of the weather."""

from datetime import timedelta

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
