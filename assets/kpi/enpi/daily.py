"""The daily table of one SEU: energy, coverage, drivers and day type per local civil day, gaps left visible.

Every stream is brought to days by its own rule first and joined to a day spine afterwards, so streams of
different cadence neither multiply nor drop rows (resolutions C0.11, C0.12). Of many uses files are read once in slices
of days; what is kept of a slice are sums, in memory that does not grow with the site or the period.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from assets.sites.calendar import day_types
from assets.sites.view import readings_in
from assets.sites.virtual import streams_for
from assets.stores.lake.lake_files import LakeFile
from data_quality.contracts.errors import BadInput
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
        self._spine = _spine(site, start, end)
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


def _spine(site: Site, start: date, end: date) -> pl.DataFrame:
    return day_types(site, start, end).select(
        "local_date",
        "hours",
        "day_type",
        is_weekend=(pl.col("day_type") == "weekend").cast(pl.Int8),
        is_holiday=(pl.col("day_type") == "holiday").cast(pl.Int8),
    )


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
