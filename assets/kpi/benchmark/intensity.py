"""Energy by floor area of each site, months of it for the draws, and meters that are too bad to be compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.kpi.benchmark.register import RegisteredSite
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence

Vector = npt.NDArray[np.float64]
HOURS_A_YEAR = 8_760.0
# Under half of its hours a year is a guess; under nine tenths it is said.
MIN_SHARE, WHOLE_SHARE = 0.5, 0.9
# A month against the other months, an hour against the usual hour: more is a unit or a counter, not a building.
MAX_MONTH_FACTOR, MAX_HOUR_FACTOR, MAX_SPIKES = 20.0, 200.0, 24
# What runs when nobody is there: the hours at this share of all hours, from below.
BASE_QUANTILE = 0.05


@dataclass(frozen=True, slots=True)
class Intensity:
    """One site's energy. value: kWh/m² a year, None where its meter or its floor area is of no use.

    mean_kw and hours: of each month of the comparison, 0 where nothing was read. base_share: share of the energy that
    is taken whether the site is open or not. coverage: share of the period's hours with a reading.
    """

    site: str
    value: float | None
    mean_kw: Vector
    hours: Vector
    base_share: float
    coverage: float
    findings: tuple[Finding, ...] = ()


def intensities(energy: pl.DataFrame, register: Mapping[str, RegisteredSite]) -> list[Intensity]:
    """Each registered site's mean power of its non-zero readings × 8,760 h / m², in the register's order.

    energy: site, local_start (naive), hours (length), kwh, of one period; a zero is a missing reading.
    """
    known = energy.with_columns(month=pl.col("local_start").dt.truncate("1mo"))
    months = known["month"].unique().sort()
    hours = hours_of(known)
    by_site = {str(name): rows for (name,), rows in known.partition_by("site", as_dict=True).items()}
    empty = known.clear()
    return [_intensity(site, by_site.get(site.site, empty), months, hours) for site in register.values()]


def hours_of(energy: pl.DataFrame) -> float:
    """Hours from the first reading of any site to the end of the last: what every site is compared over."""
    start, end = energy["local_start"].min(), energy["local_start"].max()
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return 0.0
    last = energy.filter(pl.col("local_start") == end)["hours"].max()
    return (end - start).total_seconds() / 3600.0 + (float(last) if isinstance(last, float) else 0.0)


def _intensity(site: RegisteredSite, rows: pl.DataFrame, months: pl.Series, hours: float) -> Intensity:
    read = rows.filter(pl.col("kwh") > 0).with_columns(kw=pl.col("kwh") / pl.col("hours"))
    sums = read.group_by("month").agg(pl.col("kwh").sum(), pl.col("hours").sum())
    by_month = months.to_frame().join(sums, on="month", how="left").sort("month").fill_null(0.0)
    counted = by_month["hours"].to_numpy()
    mean_kw = by_month["kwh"].to_numpy() / np.maximum(counted, 1e-9)
    total, length = float(read["kwh"].sum()), float(read["hours"].sum())
    coverage = min(length / hours, 1.0) if hours else 0.0
    findings = _findings(site.site, rows, read, mean_kw, coverage)
    level = total / length if length else 0.0
    is_usable = site.floor_area_m2 is not None and not any(each.is_blocking for each in findings)
    return Intensity(
        site=site.site,
        value=level * HOURS_A_YEAR / site.floor_area_m2 if is_usable and site.floor_area_m2 else None,
        mean_kw=mean_kw,
        hours=counted,
        base_share=min((read["kw"].quantile(BASE_QUANTILE) or 0.0) / level, 1.0) if level > 0 else 0.0,
        coverage=coverage,
        findings=findings,
    )


def _findings(
    site: str, rows: pl.DataFrame, read: pl.DataFrame, mean_kw: Vector, coverage: float
) -> tuple[Finding, ...]:
    """One finding: the worst that the meter has."""
    below = rows.filter(pl.col("kwh") < 0).height
    if read.is_empty():
        return (_bad("no_energy", site, "has no reading above zero in the period"),)
    if below:
        return (_bad("negative_energy", site, f"has {below} readings below zero: it feeds in, or its sign is wrong"),)
    usual_kw = float(read["kw"].median())  # type: ignore[arg-type]
    # Many of them are another unit, and the months say so.
    spikes = read.filter(pl.col("kw") > MAX_HOUR_FACTOR * usual_kw)["kw"]
    if 0 < len(spikes) <= MAX_SPIKES:
        most = Numeral(f"{spikes.to_numpy().max():,.0f}")
        what = Sentence("reads {0} kW, its usual reading is {1}", most, Numeral.rounded(usual_kw, 3))
        return (_bad("reading_out_of_line", site, what),)
    seen = mean_kw[mean_kw > 0]
    usual = float(np.median(seen))
    factor = max(float(seen.max()) / usual, usual / float(seen.min()))
    if factor > MAX_MONTH_FACTOR:
        times = Numeral(f"{factor:,.0f}")
        return (_bad("unit_change_suspected", site, Sentence("has a month {0} times off its other months", times)),)
    if coverage < MIN_SHARE:
        shares = Numeral(f"{coverage:.0%}"), Numeral(f"{MIN_SHARE:.0%}")
        return (_bad("too_little_read", site, Sentence("was read in {0} of the hours; {1} are wanted", *shares)),)
    if coverage < WHOLE_SHARE:
        message = Sentence(
            "{0} was read in {1} of the hours: a season may be missing from its value.",
            site,
            Numeral(f"{coverage:.0%}"),
        )
        facts = {"coverage": coverage}
        return (Finding(code="coverage", message=message, scope=f"site:{site}", facts=facts),)
    return ()


def _bad(code: str, site: str, what: str) -> Finding:
    message = Sentence("The meter of {0} {1}. It has no value and no rank, and is not used as a peer.", site, what)
    return Finding(code=code, message=message, severity="blocking", scope=f"site:{site}")
