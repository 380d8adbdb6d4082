"""Months that a list of activities leaves out: what is bought all the time and stands in the list with a hole in it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

from assets.carbon.factor_choice.gwp import name_key
from assets.carbon.factor_choice.match_units import parse_unit
from data_quality.contracts.emissions.carbon import Activity
from data_quality.contracts.finding import Finding

# A row of four weeks or more tells of a period; a shorter one is an event (a delivery, a refill) or a day of a series.
PERIOD_DAYS = 28
# A leap year's list is a year's list.
YEAR_DAYS = 366


def gaps(activities: Sequence[Activity]) -> list[Finding]:
    """A finding with its coverage for each series of periods that does not cover its time.

    A series: the rows of one activity, region, supplier and kind of unit, each of four weeks or more. Its time: from
    its first day to its last; where the whole list spans a year at most, that of the list.
    """
    series: defaultdict[tuple[str, str, str, str], list[Activity]] = defaultdict(list)
    for each in activities:
        unit = parse_unit(each.unit)
        key = name_key(each.activity), each.region.casefold(), each.supplier.casefold(), unit.calorific_basis
        series[key].append(each)
    periodic = [rows for rows in series.values() if all((row.end - row.start).days >= PERIOD_DAYS for row in rows)]
    if not periodic:
        return []
    start = min(row.start for rows in periodic for row in rows)
    end = max(row.end for rows in periodic for row in rows)
    # A list of a year is meant as that year: a series that begins in March lacks two months.
    is_year = (end - start).days <= YEAR_DAYS
    return [
        finding
        for rows in periodic
        if (
            finding := _gap(
                rows, *((start, end) if is_year else (min(r.start for r in rows), max(r.end for r in rows)))
            )
        )
    ]


def _gap(rows: Sequence[Activity], start: date, end: date) -> Finding | None:
    holes = []
    at = start
    for row in sorted(rows, key=lambda each: each.start):
        if row.start > at:
            holes.append((at, row.start))
        at = max(at, row.end)
    if at < end:
        holes.append((at, end))
    if not holes:
        return None
    missing = sum((last - first).days for first, last in holes)
    share = 1 - missing / (end - start).days
    spans = ", ".join(f"{first} to {last - timedelta(days=1)}" for first, last in holes)
    head = rows[0]
    place = f" in {head.region}" if head.region else ""
    return Finding(
        code="missing_time",
        message=f"{head.activity}{place}: nothing is listed for {spans}; the account covers {share:.1%} of {start} to "
        f"{end - timedelta(days=1)} and is not scaled up",
        scope=head.activity,
        facts={"coverage": share, "days": missing},
    )
