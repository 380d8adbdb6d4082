"""The carbon account of a list of activities: Scope 1, Scope 2 by both methods, Scope 3 and biogenic CO2 as data.

Source: GHG Protocol Corporate Standard and Scope 2 Guidance (formulas 5.12); resolutions C3.2, C3.22, C3.23.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import NamedTuple

from assets.carbon.factor_choice.gwp import BIOGENIC, name_key
from assets.carbon.factor_choice.match import Part, applicable, chosen_gwp, named, refuse_overlaps, tile
from assets.carbon.factor_choice.match_units import parse_unit
from assets.carbon.inventory.carbon_lines import line_of, units_of
from assets.carbon.inventory.instruments import Allocation
from assets.carbon.inventory.scope2 import market_lines
from data_quality.contracts.emissions.carbon import Activity, CarbonLine, CarbonResult
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, Basis, Factor, GwpSet
from data_quality.contracts.finding import Finding
from data_quality.contracts.units import EXACT

NOT_SPLIT = "not split"
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


def carbon_of(
    activities: Sequence[Activity],
    factors: Sequence[Factor],
    *,
    gwp: GwpSet | None = None,
    states_instruments: bool = False,
    latest: bool = False,
) -> CarbonResult:
    """The account. `gwp`: the GWP set of gases that name none, and the one that all others must be in.

    states_instruments: a Scope 2 activity without an `instrument` is covered by no certificate or contract. latest: a
    day after the last factor goes by that one, marked; without it, it is refused. Raises
    BadInput for an activity that meets no factor or two, for units that do not match, mixed GWP sets, overlaps.
    """
    lines: list[CarbonLine] = []
    findings: list[Finding] = []
    allocation = Allocation()
    by_name: defaultdict[str, list[Factor]] = defaultdict(list)
    published: dict[str, date] = {}
    # To the last requested day and no further: how long it stands in is reported by days.
    if latest and activities:
        factors, published = extended(factors, max(each.end for each in activities))
    for row in factors:
        by_name[name_key(row.activity)].append(row)
    with localcontext(EXACT):
        for activity in activities:
            plain, market, elsewhere = _rows(activity, by_name[name_key(activity.activity)], gwp)
            parts = tile(activity, plain, gwp)
            # Scope 2 is known only by the factors that were met: the market-based method starts from these lines.
            made = _lines(activity, parts)
            findings += _split_findings(activity, parts)
            if any(line.scope == 2 for line in made):
                made, caveats = market_lines(
                    activity, parts, made, market, gwp=gwp, allocation=allocation,
                    states_instruments=states_instruments, elsewhere=elsewhere,
                )  # fmt: skip
                findings += caveats
            _refuse_mixed(activity, lines, made)
            lines += made
        # Looked for last: an activity that meets two factors is reported with its own line, which says more.
        refuse_overlaps(factors)
        findings += allocation.unclaimed(factors, findings)
        findings += [*gaps(activities), *marked(lines, published)]
        return _result(lines, findings, gwp)


def _rows(
    activity: Activity, factors: Sequence[Factor], gwp: GwpSet | None
) -> tuple[list[Factor], list[Factor], list[Factor]]:
    """Rows of the plain method; of the market-based one, not yet asked about their quality; of it, of other times."""
    fitting = named(activity, factors)
    plain = [row for row in fitting if row.basis is Basis.LOCATION]
    other = [row for row in fitting if row.basis is not Basis.LOCATION]
    wrong = next((row for row in other if row.scope != 2), None)
    if wrong is not None:
        raise BadInput.at(
            wrong,
            f"factor {wrong.factor_id!r} has the basis {wrong.basis}, which only Scope 2 knows",
            reason="bad_basis",
        )
    found = chosen_gwp(activity, applicable(activity, plain), gwp)
    # Of any region: an instrument of another market is refused with its reason, not overlooked.
    fits = applicable(activity, other, any_region=True)
    elsewhere = [row for row in other if row not in fits]
    market = [
        row
        for row in fits
        if row.basis in HELD
        or not row.region
        or not activity.region
        or row.region.casefold() == activity.region.casefold()
    ]
    return found, chosen_gwp(activity, market, gwp) if market else [], elsewhere


def _lines(activity: Activity, parts: Sequence[Part]) -> list[CarbonLine]:
    found = []
    for part in parts:
        is_two = part.bundle.head.scope == 2
        line = line_of(activity, part, basis="location" if is_two else "", is_location=is_two, is_market=False)
        if not part.bundle.is_biogenic_alone:
            found.append(line)
        if part.bundle.is_biogenic_alone or part.bundle.biogenic_kg_per_unit:
            units = units_of(activity, part)
            outside = EXACT.multiply(units, part.bundle.biogenic_kg_per_unit)
            # Biogenic CO2 is reported outside of the scopes and is in no total.
            changes = {"scope": 0, "basis": "", "kgco2e": outside, "is_location": False, "gases": ()}
            found.append(line.model_copy(update=changes))
    return found


def _refuse_mixed(activity: Activity, before: Sequence[CarbonLine], made: Sequence[CarbonLine]) -> None:
    first = next((line for line in [*before, *made] if line.gwp_set), None)
    other = next((line for line in made if first is not None and line.gwp_set not in ("", first.gwp_set)), None)
    if first is not None and other is not None:
        raise BadInput.at(
            activity,
            f"{activity.activity_id} is in the GWP set {other.gwp_set}, {first.line_id} in {first.gwp_set}; an account "
            "has one",
            reason="mixed_gwp",
            mend="name one with --gwp",
        )


def _split_findings(activity: Activity, parts: Sequence[Part]) -> Iterator[Finding]:
    if len(parts) > 1:
        days = [(part.end - part.start).days for part in parts]
        yield Finding(
            code="split_by_days",
            message=f"{activity.activity_id}: {len(parts)} factors hold in its time; it is divided by days "
            f"({', '.join(f'{part.bundle.factor_id} {each}' for part, each in zip(parts, days, strict=True))})",
            severity="info",
            scope=activity.activity_id,
            facts={"parts": len(parts), "days": sum(days)},
        )
    if any(part.bundle.is_co2_alone for part in parts):
        yield Finding(
            code="co2_alone",
            message=f"{activity.activity_id}: the source gives CO2 alone; CH4 and N2O are not in the figure",
            scope=activity.activity_id,
        )


def _result(lines: list[CarbonLine], findings: list[Finding], gwp: GwpSet | None) -> CarbonResult:
    sets = sorted({line.gwp_set for line in lines if line.gwp_set})

    def total(kept: list[Decimal]) -> Decimal:
        return sum(kept, Decimal(0))

    return CarbonResult(
        scope1_kgco2e=total([line.kgco2e for line in lines if line.scope == 1]),
        scope2_location_kgco2e=total([line.kgco2e for line in lines if line.is_location]),
        scope2_market_kgco2e=total([line.kgco2e for line in lines if line.is_market]),
        outside_scopes_kgco2e=total([line.kgco2e for line in lines if line.scope == 0]),
        lines=tuple(lines),
        scope1_by_activity_kgco2e=_by_activity(lines),
        scope1_by_gas_kgco2e=_by_gas(lines),
        gwp_set=sets[0] if sets else (gwp or ""),
        findings=tuple(findings),
    )


def _by_activity(lines: Sequence[CarbonLine]) -> dict[str, Decimal]:
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.scope == 1:
            found[line.activity] += line.kgco2e
    return dict(found)


def _by_gas(lines: Sequence[CarbonLine]) -> dict[str, Decimal]:
    """Sums to Scope 1: what gases leave over of a rounded total, or all of a line without gases, is `not split`."""
    found: dict[str, Decimal] = {}
    for line in lines:
        if line.scope != 1:
            continue
        gases = [(gas.gas, gas.kgco2e) for gas in line.gases if gas.gas != BIOGENIC]
        # Published totals are rounded apart from their gases.
        rest = line.kgco2e - sum((kgco2e for _, kgco2e in gases), Decimal(0))
        for name, kgco2e in [*gases, *([(NOT_SPLIT, rest)] if rest else [])]:
            found[name] = found.get(name, Decimal(0)) + kgco2e
    return found


class Extended(NamedTuple):
    """The factors, and of those that hold on the local date after the last that they were published for, by id."""

    factors: tuple[Factor, ...]
    published_to: dict[str, date]


def extended(factors: Sequence[Factor], until: date) -> Extended:
    """The last rows of each series of factors hold until that date."""
    last: dict[tuple[object, ...], date] = {}
    for row in factors:
        last[_series(row)] = max(last.get(_series(row), row.valid_to), row.valid_to)
    published: dict[str, date] = {}
    found = []
    for row in factors:
        # Of a series only the last row may stand in for the days after it: an older one has been replaced.
        if row.basis in HELD or row.valid_to != last[_series(row)] or row.valid_to >= until:
            found.append(row)
            continue
        published[row.factor_id] = row.valid_to
        found.append(row.model_copy(update={"valid_to": until}))
    return Extended(tuple(found), published)


def marked(lines: Sequence[CarbonLine], published_to: dict[str, date]) -> list[Finding]:
    """A finding for each line that stands on a factor beyond the days that it was published for."""
    found: dict[str, Finding] = {}
    for line in lines:
        # A factor made of gases joins their ids (Bundle.factor_id).
        ends = [end for name in line.factor_id.split("+") if (end := published_to.get(name)) and end < line.end]
        if not ends:
            continue
        end = min(ends)
        message = (
            f"{line.line_id}: {line.factor_id} was published for days until {end - timedelta(days=1)}; it stands in "
            f"until {line.end - timedelta(days=1)}, the latest that the set has"
        )
        found[message] = Finding(
            code="latest_factor",
            message=message,
            scope=line.line_id,
            facts={"factor_id": line.factor_id, "days": (line.end - max(end, line.start)).days},
        )
    return list(found.values())


def _series(row: Factor) -> tuple[object, ...]:
    return (
        row.scope, name_key(row.activity), parse_unit(row.unit), row.region.casefold(), row.supplier.casefold(),
        row.basis, row.gas.casefold(), row.gwp_set,
    )  # fmt: skip
