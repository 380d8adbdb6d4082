"""Do the intervals of a period suffice, and what may not be believed of a fit: refusals and findings of `fit_usage`.

A refusal replaces a number; a blocking finding accompanies one and stops approval (resolution C0.18).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from assets.readings.tables.column_layout import unit_in
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.units import UNITS, Behaviour
from ml.baselines.models.forms import TEMPERATURE, column
from ml.baselines.models.statistics import Vector, quartiles
from ml.baselines.models.sufficiency import SUM_NOISE, length_findings, most_missing
from ml.baselines.usage_tables.usage_table import Usage

_KINDS = {"hourly": "hours", "daily": "days", "billing": "bills"}
# Below these no statement about a model is worth printing: a week of hours, CalTRACK's ten days, five bills.
MIN_ROWS = {"hourly": 168, "daily": 10, "billing": 5}
# CalTRACK 2.3.6: more than three interquartile ranges above the median is extreme; flagged, never deleted.
EXTREME_RANGES = 3.0
MIN_MONTH_COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class Sample:
    """y: kWh per day (daily, billing) or hour of every row of the period, 0 where not in use; weights: 0 where a row
    lacks its energy, temperature or a driver, else 1, or the days of a bill.
    """

    y: Vector
    weights: Vector

    @property
    def n(self) -> int:
        """Rows in use."""
        return int((self.weights > 0).sum())


def sample_of(period: Usage) -> Sample:
    """Part of a period that can be fitted. Without any temperature the model does without it; so not with drivers."""
    energy = column(period, "energy_kwh")
    days = period.frame["days"].to_numpy()
    is_used = np.isfinite(energy)
    temps = column(period, TEMPERATURE)
    # Without a single temperature the model does without; with some of them, rows that lack it are left out.
    if np.isfinite(temps).any():
        is_used &= np.isfinite(temps)
    for name in period.drivers:
        is_used &= np.isfinite(column(period, name))
    rate = energy if period.frequency == "hourly" else energy / days
    weights = np.where(is_used, days if period.frequency == "billing" else 1.0, 0.0)
    return Sample(y=np.where(is_used, rate, 0.0), weights=weights)


def refusal_of(code: str, message: str, n: int, **facts: float | str) -> Finding:
    """A finding in place of a fit."""
    return Finding(code=code, message=message, severity="blocking", facts={"n": n, **facts})


def refused(usage: Usage, sample: Sample, *, start: date, end: date, today: date | None) -> Finding | None:
    """Why no model can be fitted at all, or None. sample: of the usage between start and end."""
    period, kind = usage.between(start, end), _KINDS[usage.frequency]
    # A model without the weather that other years have would pass for one that does not depend on it.
    drivers = (*((TEMPERATURE,) if usage.frame[TEMPERATURE].count() else ()), *usage.drivers)
    if today is not None and end > today:
        return refusal_of(
            "period_in_future", f"The baseline period ends on {end}, after {today}.", sample.n, end=end.isoformat()
        )
    for name in drivers:
        if period.frame.height and period.frame[name].null_count() == period.frame.height:
            return refusal_of("driver_missing", f"Driver {name} is not known in the whole period.", sample.n)
    least = MIN_ROWS[period.frequency]
    if sample.n < least:
        message = Sentence(
            "{0} usable {1} from {2} to {3}; a model needs at least {4}.", sample.n, kind, start, end, least
        )
        return refusal_of("too_few_days", message, sample.n, wanted=least)
    y = sample.y[sample.weights > 0]
    if float(np.sum(y)) <= 0:
        return refusal_of("no_energy", "The meter shows no consumption, or more was fed in than used.", sample.n)
    low, _, high = quartiles(y)
    noise = SUM_NOISE * float(np.max(np.abs(y)))
    # More than half of the hours may be alike, of a machine that stands still at night; days may not.
    if np.ptp(y) <= noise or (high - low <= noise and period.frequency != "hourly"):
        message = Sentence(
            "At least half of the {0} have the same energy: a stuck meter, or a load without drivers.", kind
        )
        return refusal_of("flat_load", message, sample.n)
    for name in drivers:
        if np.ptp(column(period, name)[sample.weights > 0]) == 0:
            return refusal_of("driver_constant", f"Driver {name} never changes in the period.", sample.n)
    return None


def period_findings(period: Usage, sample: Sample, *, start: date, end: date) -> list[Finding]:
    """Findings about the length and completeness of a period (CalTRACK 2.2.1)."""
    found, have = length_findings(start, end), (end - start).days
    known = float(period.frame.filter(pl.Series(sample.weights > 0, dtype=pl.Boolean))["days"].sum())
    missing = have - known
    if missing > most_missing(have):
        message = Sentence(
            "{0} of {1} days lack energy, temperature or a driver; at most 10 % may.", Numeral(f"{missing:.0f}"), have
        )
        found.append(_blocking("missing_days", message, days=have, days_used=known))
    elif missing >= 1:
        message = Sentence(
            "{0} of {1} days are left out: energy, temperature or a driver is unknown.", Numeral(f"{missing:.0f}"), have
        )
        facts: dict[str, str | float | int | bool | None] = {"days": have, "days_used": known}
        found.append(Finding(code="excluded_days", message=message, severity="info", facts=facts))
    if period.frequency == "hourly":
        found += _months(period, sample)
    y = sample.y[sample.weights > 0]
    low, middle, high = quartiles(y)
    extreme = int((y > middle + EXTREME_RANGES * (high - low)).sum()) if high > low else 0
    if extreme:
        message = Sentence(
            "{0} {1} lie over three interquartile ranges above the median.", extreme, _KINDS[period.frequency]
        )
        found.append(Finding(code="extreme_values", message=message, facts={"count": extreme}))
    return found


def _months(period: Usage, sample: Sample) -> list[Finding]:
    """CalTRACK 2.2.1.3 for hours: every calendar month needs over 90 % of its hours."""
    counted = (
        period.frame.select(month=pl.col("local_start").dt.truncate("1mo"))
        .with_columns(is_used=pl.Series(sample.weights > 0, dtype=pl.Boolean))
        .group_by("month")
        .agg(share=pl.col("is_used").mean())
        .filter(pl.col("share") <= MIN_MONTH_COVERAGE)
        .sort("month")
    )
    if counted.is_empty():
        return []
    names = ", ".join(f"{month:%Y-%m}" for month in counted["month"])
    return [_blocking("poor_months", f"Months with 90 % of their hours or less: {names}.", months=counted.height)]


def _blocking(code: str, message: str, **facts: float) -> Finding:
    return Finding(code=code, message=message, severity="blocking", facts={**facts})


def growing_drivers(usage: Usage) -> tuple[str, ...]:
    """Drivers of which more cannot mean less energy: amounts. A level (irradiance, percent) and a flag (0 or 1, such as
    the holidays of a school) may work either way.
    """
    units = {name: unit_in(name) for name in usage.drivers if not usage.frame[name].is_in([0.0, 1.0]).all()}
    return tuple(name for name, unit in units.items() if unit is None or UNITS[unit].behaviour is not Behaviour.LEVEL)


def fitted_findings(fitted: Vector, drivers: Sequence[str]) -> list[Finding]:
    """Findings about the model's fit of its own period."""
    below = int((fitted <= 0).sum())
    if not below:
        return []
    message = Sentence(
        "{0} of {1} intervals are expected to use nothing or less: the form does not fit there.", below, len(fitted)
    )
    return [Finding(code="expected_not_positive", message=message, facts={"count": below, "drivers": len(drivers)})]
