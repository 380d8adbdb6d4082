"""The daily table of one SEU: energy, coverage, drivers and day type per local civil day, gaps left visible; and what
a baseline expects of each of its days.

Every stream is brought to days by its own rule first and joined to a day spine afterwards, so streams of
different cadence neither multiply nor drop rows (resolutions C0.11, C0.12). Of many uses files are read once in slices
of days; what is kept of a slice are sums, in memory that does not grow with the site or the period.

Expected energy is a baseline's coefficients applied by name, and approved adjustments. A feature is a column of the
daily table, or a degree-day term written `<driver>.hdd_<base>` or `<driver>.cdd_<base>` (mean-temperature method,
formulas 5.9), so a stored baseline needs nothing but its names. Of the five types of baseline each use reads its own:
they never mix (resolutions X14, X17).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

import polars as pl

from assets.sites.calendar import day_types
from assets.sites.view import readings_in
from assets.sites.virtual import streams_for
from assets.stores.lake.lake_files import LakeFile
from data_quality.contracts.baselines.baseline import Adjustment, Baseline, BaselineType, BaselineVersion
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.site import Driver, Seu, Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, local_midnight_utc
from data_quality.contracts.units import QUANTUM_DECIMALS

QUANTA = 10**QUANTUM_DECIMALS
SLOTS_PER_HOUR = 60 // CANONICAL_MINUTES
# Share of a driver's quarter hours below which its day is unknown; between this and 1 the mean of the
# present ones fills the rest (stricter than CalTRACK 2.2.2.1, which asks for half).
DRIVER_DAY_MIN_COVERAGE = 0.9
FIXED_COLUMNS = (
    "local_date",
    "hours",
    "day_type",
    "energy_kwh",
    "coverage",
    "coverage_worst_meter",
    "estimated_share",
    "is_synthetic",
    "is_weekend",
    "is_holiday",
)


# Columns of LAKE_SCHEMA, in addition to its key, of a daily table.
DAY_COLUMNS = ("value", "unit", "quality_code", "is_synthetic")


def seu_days(readings: pl.DataFrame, *, site: Site, seu: Seu, start: date, end: date) -> pl.DataFrame:
    """One row per local day of [start, end), in order, whatever the readings hold.

    readings: LAKE_SCHEMA, unique by key (the view at T); rows of other sites, streams and days are ignored.
    Returns local_date; hours (23, 24, 25); day_type; energy_kwh (import of the SEU's meters, quantised, null when
    nothing was read; never scaled); coverage (share 0–1 of the quarter hours of all meters);
    coverage_worst_meter (of the meter with the largest gap); estimated_share (of the present quarter hours, null
    when none is); is_synthetic; one Float64 column per driver (null when unknown, never zero);
    is_weekend and is_holiday (0 or 1, never both: a holiday on a Sunday is a holiday).
    Raises BadInput where a driver's id is the name of one of the fixed columns.
    """
    names = [*seu.meters, *(driver.driver_id for driver in seu.drivers)]
    own = readings.filter(pl.col("meter_id").is_in(names))
    return SiteDays(day_sums(own, site=site, start=start, end=end), site=site, start=start, end=end).of(seu)


def day_sums(readings: pl.DataFrame, *, site: Site, start: date, end: date) -> pl.DataFrame:
    """Day sums of each stream on each local day of [start, end) that it has a row of: a hundredth of the readings.

    readings: the key of LAKE_SCHEMA and DAY_COLUMNS, unique by key. Returns meter_id, register, unit, local_date;
    quanta (sum), present and estimated (rows), is_synthetic (of any row). Sums of days apart stand beside each other.
    """
    inside = (pl.col("interval_start_utc") >= local_midnight_utc(start, site.time_zone)) & (
        pl.col("interval_start_utc") < local_midnight_utc(end, site.time_zone)
    )
    # Whole quanta: the sum of a day does not depend on the order of its rows.
    return (
        readings.filter((pl.col("site_id") == site.site_id) & inside)
        .with_columns(local_date=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date())
        .group_by("meter_id", "register", "unit", "local_date")
        .agg(
            quanta=pl.col("value").mul(QUANTA).round().cast(pl.Int64).sum(),
            present=pl.len(),
            estimated=pl.col("quality_code").is_in([int(code) for code in ESTIMATED_CODES]).sum(),
            is_synthetic=pl.col("is_synthetic").any(),
        )
    )


class SiteDays:
    """The daily tables (`seu_days`) of a site's uses over the local dates [start, end), from one set of `day_sums`."""

    def __init__(self, sums: pl.DataFrame, *, site: Site, start: date, end: date) -> None:
        self._spine = day_types(site, start, end).select(
            "local_date",
            "hours",
            "day_type",
            is_weekend=(pl.col("day_type") == "weekend").cast(pl.Int8),
            is_holiday=(pl.col("day_type") == "holiday").cast(pl.Int8),
        )
        self._by_id = {driver.driver_id: driver for driver in site.drivers}
        # Apart once: a use of a thousand must not look through the rows of all others.
        self._sums = {str(name): rows for (name,), rows in sums.partition_by("meter_id", as_dict=True).items()}
        self._nothing = sums.clear()
        self._known: dict[str, pl.DataFrame] = {}

    def of(self, seu: Seu) -> pl.DataFrame:
        """The table of one use."""
        drivers = _drivers(self._by_id, seu)
        names = [driver.driver_id for driver in drivers]
        rows = self._rows([*seu.meters, *names])
        energy = _energy_days(self._rows(seu.meters), self._spine, seu)
        days = self._spine.join(energy, on="local_date", how="left", maintain_order="left", validate="1:1")
        synthetic = rows.group_by("local_date").agg(pl.col("is_synthetic").any())
        for part in [*(self._driver(driver) for driver in drivers), synthetic]:
            days = days.join(part, on="local_date", how="left", maintain_order="left", validate="1:1")
        # Nothing read is a coverage of zero; the energy of that day stays null.
        days = days.with_columns(
            pl.col("coverage", "coverage_worst_meter").fill_null(0.0), pl.col("is_synthetic").fill_null(False)
        )
        return days.select(*FIXED_COLUMNS[:8], *names, "is_weekend", "is_holiday")

    def _rows(self, names: Iterable[str]) -> pl.DataFrame:
        return pl.concat([self._nothing, *(self._sums[name] for name in dict.fromkeys(names) if name in self._sums)])

    def _driver(self, driver: Driver) -> pl.DataFrame:
        # Uses of one site share their weather.
        if driver.driver_id not in self._known:
            self._known[driver.driver_id] = _driver_days(self._rows([driver.driver_id]), self._spine, driver)
        return self._known[driver.driver_id]


def _drivers(by_id: Mapping[str, Driver], seu: Seu) -> list[Driver]:
    for chosen in seu.drivers:
        if chosen.driver_id in FIXED_COLUMNS:
            raise BadInput(
                f"driver {chosen.driver_id!r} of SEU {seu.seu_id!r} has the name of a column of the daily table",
                reason="reserved_name",
                mend="give the driver another id",
            )
    return [by_id[chosen.driver_id] for chosen in seu.drivers]


def _energy_days(rows: pl.DataFrame, spine: pl.DataFrame, seu: Seu) -> pl.DataFrame:
    per_meter = rows.filter((pl.col("register") == "import") & (pl.col("unit") == "kwh"))
    per_day = per_meter.group_by("local_date").agg(
        pl.col("quanta", "present", "estimated").sum(), fewest=pl.col("present").min(), meters=pl.len()
    )
    wanted = pl.col("hours") * SLOTS_PER_HOUR
    # A meter that was silent all day has no row here, and is the worst of all.
    fewest = pl.when(pl.col("meters") == len(seu.meters)).then(pl.col("fewest")).otherwise(0)
    return per_day.join(spine.select("local_date", "hours"), on="local_date", validate="1:1").select(
        "local_date",
        # Never scaled up to the whole day: what is missing shows as coverage.
        energy_kwh=pl.col("quanta") / QUANTA,
        coverage=pl.col("present") / (wanted * len(seu.meters)),
        coverage_worst_meter=fewest / wanted,
        estimated_share=pl.col("estimated") / pl.col("present"),
    )


def _driver_days(rows: pl.DataFrame, spine: pl.DataFrame, driver: Driver) -> pl.DataFrame:
    per_day = rows.filter(pl.col("register") == "value").group_by("local_date").agg(pl.col("quanta", "present").sum())
    joined = per_day.join(spine.select("local_date", "hours"), on="local_date", validate="1:1")
    wanted = pl.col("hours") * SLOTS_PER_HOUR
    mean = pl.col("quanta") / QUANTA / pl.col("present")
    whole = pl.col("quanta") / QUANTA
    # A full day keeps its exact sum; only a day with gaps goes by its mean.
    total = pl.when(pl.col("present") == wanted).then(whole).otherwise(mean * wanted)
    value = (total if driver.aggregation == "sum" else mean).round(QUANTUM_DECIMALS)
    is_known = pl.col("present") >= DRIVER_DAY_MIN_COVERAGE * wanted
    return joined.select("local_date", pl.when(is_known).then(value).alias(driver.driver_id))


# A quarter of a GB while they are sorted.
ROWS_A_SLICE = 1_000_000
_SLOTS_A_DAY = 24 * 60 // CANONICAL_MINUTES


def uses_streams(seus: Sequence[Seu]) -> list[str]:
    """Ids of the meters and drivers of the uses, each once."""
    names = (name for seu in seus for name in (*seu.meters, *(driver.driver_id for driver in seu.drivers)))
    return list(dict.fromkeys(names))


def days_in(files: Sequence[LakeFile], site: Site, streams: Sequence[str], *, start: date, end: date) -> SiteDays:
    """The daily tables of uses of these streams over local dates [start, end). files: of the site (`Lake.parts`)."""
    step = timedelta(days=max(ROWS_A_SLICE // (_SLOTS_A_DAY * max(len(streams_for(site, streams)), 1)), 1))
    parts, first = list[pl.DataFrame](), start
    while first < end or not parts:
        after = min(first + step, end)
        period = Period(label="", start=first, end=after, time_zone=site.time_zone)
        span = {"start_utc": period.start_utc, "end_utc": period.end_utc}
        readings = readings_in(files, site, **span, meters=streams, columns=DAY_COLUMNS)
        parts.append(day_sums(readings, site=site, start=first, end=after))
        first = after
    return SiteDays(pl.concat(parts), site=site, start=start, end=end)


INTERCEPT = "intercept"
_DEGREE_DAYS = re.compile(r"^(?P<driver>[^.]+)\.(?P<kind>hdd|cdd)_(?P<base>-?\d+(?:\.\d+)?)$")


def degree_day_feature(driver_id: str, kind: str, base_degc: float) -> str:
    """The name of a degree-day term, e.g. outdoor_degc.hdd_15.5."""
    return f"{driver_id}.{kind}_{base_degc:g}"


def driver_of(feature: str) -> str:
    """The column of the daily table that a feature is made of."""
    found = _DEGREE_DAYS.match(feature)
    return found["driver"] if found else feature


def feature_expression(feature: str) -> pl.Expr:
    """A feature as Float64 of the daily table's columns: null where its driver is null.

    HDD = max(base − T̄, 0), CDD = max(T̄ − base, 0), both in degC·day of one local day.
    """
    found = _DEGREE_DAYS.match(feature)
    if found is None:
        return pl.col(feature).cast(pl.Float64)
    mean, base = pl.col(found["driver"]).cast(pl.Float64), float(found["base"])
    difference = base - mean if found["kind"] == "hdd" else mean - base
    return difference.clip(lower_bound=0.0)


def feature_table(days: pl.DataFrame, features: tuple[str, ...]) -> pl.DataFrame:
    """local_date and one Float64 column per feature, in the order given.

    Raises OurFault where the daily table has not the column that a feature needs.
    """
    missing = sorted({driver_of(name) for name in features} - set(days.columns))
    if missing:
        raise OurFault(f"the daily table has no column {', '.join(missing)}")
    return days.select("local_date", *(feature_expression(name).alias(name) for name in features))


def features_by_day(baseline: Baseline, days: pl.DataFrame) -> dict[date, tuple[float, ...]]:
    """Local date -> the baseline's features of that day, in its order; days with an unknown driver are left out."""
    # A day without one of its drivers has no expectation, so nobody asks how sure it is.
    table = feature_table(days, baseline.feature_order).drop_nulls()
    return {day: tuple(values) for day, *values in table.iter_rows()}


def expected_days(baseline: Baseline, days: pl.DataFrame) -> pl.DataFrame:
    """Expected energy of each day; a period's is the sum of its days, so the intercept counts once a day.

    days: seu_days(...) of the same SEU. Returns local_date, expected_kwh (quantised; null when a driver is
    missing) and is_extrapolated (a driver lies outside the range it was trained on); same rows, same order.
    Raises OurFault where the coefficients are not intercept + feature_order. Source: formulas 5.3.
    """
    values = {coefficient.name: coefficient.value for coefficient in baseline.coefficients}
    # By name, and the order checked (resolution C0.13): by position a reordered list would pass unseen.
    if list(values) != [INTERCEPT, *baseline.feature_order]:
        raise OurFault(f"coefficients {list(values)} are not the intercept and {list(baseline.feature_order)}")
    features = feature_table(days, baseline.feature_order)
    total = pl.lit(values[INTERCEPT])
    for name in baseline.feature_order:
        total = total + pl.lit(values[name]) * pl.col(name)
    expected = features.select("local_date", expected_kwh=total.round(QUANTUM_DECIMALS))
    # Starts from a column, not from a literal: a baseline without drivers still answers once a day.
    outside = pl.col("local_date").is_null()
    for name, (low, high) in baseline.driver_ranges.items():
        # A driver that is not known is not outside: its day has no expectation anyway.
        outside = outside | ~pl.col(name).is_between(low, high).fill_null(True)
    return expected.with_columns(is_extrapolated=days.select(is_extrapolated=outside).to_series())


Use = Literal["enpi", "savings", "monitoring", "report"]
ALLOWED: dict[Use, tuple[BaselineType, ...]] = {
    "enpi": (BaselineType.ENB,),
    "savings": (BaselineType.MV_PROJECT,),
    "monitoring": (BaselineType.MONITORING,),
    "report": (BaselineType.ENB, BaselineType.MV_PROJECT),
}


def require_type(version: BaselineVersion, use: Use) -> BaselineVersion:
    """The version, where its type is one that this use may read. Raises BadInput (baseline_type) otherwise."""
    found, allowed = version.baseline.baseline_type, ALLOWED[use]
    if found not in allowed:
        raise BadInput(
            f"baseline {version.baseline_id!r} is of type {found.value}; {use} reads only "
            f"{' and '.join(each.value for each in allowed)}",
            reason="baseline_type",
        )
    return version


_QUANTUM = Decimal(1).scaleb(-QUANTUM_DECIMALS)
_HUNDRED = Decimal(100)


def adjustment_of_day_kwh(given: Sequence[Adjustment], day: date, expected_kwh: Decimal) -> Decimal:
    """Sum of the adjustments of one local day to the model's expectation, kWh, a multiple of 1e-9.

    Percents are of `expected_kwh`, each rounded half to even at 1e-9: the order of adjustments does not matter.
    """
    total = Decimal(0)
    for each in given:
        if each.start <= day < each.end:
            if each.kwh_per_day is not None:
                total += each.kwh_per_day
            elif each.percent is not None:
                total += (expected_kwh * each.percent / _HUNDRED).quantize(_QUANTUM, ROUND_HALF_EVEN)
    return total


def adjusted_days(expected: pl.DataFrame, given: Sequence[Adjustment]) -> pl.DataFrame:
    """`expected_days(...)` with the adjustments in expected_kwh, and what they added as adjustment_kwh (0 for none).

    expected: local_date, expected_kwh (quantised; null stays null: nothing is adjusted where nothing is expected),
    is_extrapolated. Same rows, same order.
    """
    if not given:
        return expected.with_columns(adjustment_kwh=pl.lit(0.0))
    added: list[float] = []
    total: list[float | None] = []
    for day, model_kwh in expected.select("local_date", "expected_kwh").iter_rows():
        if model_kwh is None:
            added.append(0.0)
            total.append(None)
            continue
        # The model's float means a whole number of quanta: percents are taken of that, exactly.
        exact = Decimal(round(model_kwh * QUANTA)).scaleb(-QUANTUM_DECIMALS)
        more = adjustment_of_day_kwh(given, day, exact)
        added.append(float(more))
        total.append(float(exact + more))
    return expected.with_columns(
        expected_kwh=pl.Series(total, dtype=pl.Float64), adjustment_kwh=pl.Series(added, dtype=pl.Float64)
    )
