"""Scope 2 by the hour: location-based, and market-based with certificates matched in their hour and market; the annual
factors beside it.

Source: GHG Protocol Scope 2 consultation of 2025 (formulas 5.12); its outcome is not final. Exact decimals: with a
constant factor the hours sum to the annual method to the last digit.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from zoneinfo import ZoneInfo

from assets.carbon.factor_choice.factor_view import carrier_of
from assets.carbon.factor_choice.match import applicable, chosen_gwp, tile
from assets.carbon.factor_choice.match_units import converted, ratio
from assets.carbon.inventory.instruments import certificate_failures, certificate_unstated
from data_quality.contracts.emissions.carbon import Activity
from data_quality.contracts.emissions.hourly_carbon import HourlyCertificate, HourlyScope2
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis, Factor, GwpSet
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.units import EXACT

Hours = Mapping[datetime, Decimal]
HOUR = timedelta(hours=1)
ZERO = Decimal(0)
MAX_NAMED = 3
ELECTRICITY = "electricity"


def hourly_scope2(
    load_kwh: Hours,
    grid_kgco2e_per_kwh: Hours,
    *,
    certificates: Sequence[HourlyCertificate] = (),
    market: str = "",
    residual_kgco2e_per_kwh: Hours | Decimal | None = None,
    annual_kgco2e_per_kwh: Hours | Decimal | None = None,
    mean_kgco2e_per_kwh: Hours | None = None,
) -> HourlyScope2:
    """Both methods over the hours of the load (UTC hour starts, kWh bought, >= 0).

    grid: hourly location-based factors; residual: of what no certificate covers; annual: of the annual method, both
    by hour or one number. mean: the hours' factors by time, where `grid` is weighed within them. market: the
    consumption's; certificates of another are refused. Raises BadInput for an hour without factor: never zero.
    """
    if not load_kwh:
        raise BadInput("the load has no hours", reason="empty_load")
    grid = _each_hour(load_kwh, grid_kgco2e_per_kwh, "grid factor")
    # What is refused by its quality criteria must be out before the matching: it would take hours from others.
    findings, used = _eligible(certificates, load_kwh, market)
    rest = residual_kgco2e_per_kwh
    if rest is None:
        findings.append(_no_residual())
        rest = grid
    rates = _each_hour(load_kwh, rest, "residual factor")
    annual = annual_kgco2e_per_kwh
    year = None if annual is None else _each_hour(load_kwh, annual, "annual factor")
    means = grid if mean_kgco2e_per_kwh is None else mean_kgco2e_per_kwh
    with localcontext(EXACT):
        return _account(
            load_kwh, grid, rates, used, year, means, findings,
            "grid_average" if residual_kgco2e_per_kwh is None else "residual",
        )  # fmt: skip


def _account(
    load: Hours,
    grid: Hours,
    rates: Hours,
    used: Sequence[HourlyCertificate],
    year: Hours | None,
    means: Hours,
    findings: list[Finding],
    unmatched_basis: str,
) -> HourlyScope2:
    total = sum(load.values(), ZERO)
    location = sum((load[hour] * grid[hour] for hour in load), ZERO)
    mean = sum((means[hour] for hour in load), ZERO) / len(load)
    annual = None if year is None else sum((load[hour] * year[hour] for hour in load), ZERO)
    # The draft's legacy clause: contracts of before keep their yearly claim, and match no hour.
    matched, claimed, unmatched = _match(load, [each for each in used if not each.is_legacy])
    unmatched_kg = sum((unmatched[hour] * rates[hour] for hour in load), ZERO)
    unmatched_kwh = sum(unmatched.values(), ZERO)
    # The method of today: any hour of the year, and no more than was used.
    volumetric, volumetric_kg = _take(used, total)
    legacy, legacy_kg = _take([each for each in used if each.is_legacy], unmatched_kwh)
    load_weighted = sum((load[hour] * rates[hour] for hour in load), ZERO)
    # Legacy claims are of no hour, so they take their share of every unmatched one.
    left = (unmatched_kwh - legacy) / unmatched_kwh if unmatched_kwh else Decimal(1)
    return HourlyScope2(
        start_utc=min(load),
        end_utc=max(load) + HOUR,
        hours=len(load),
        load_kwh=total,
        location_hourly_kgco2e=location,
        location_annual_kgco2e=annual,
        annual_kgco2e_per_kwh=None if year is None or annual is None else _weighed(year, annual, total),
        mean_kgco2e_per_kwh=mean,
        # Why hours and year differ, in two parts: the level of the series, and when the site draws from the grid.
        location_level_kgco2e=None if annual is None else total * mean - annual,
        location_shape_kgco2e=location - total * mean,
        market_hourly_kgco2e=claimed + unmatched_kg,
        market_annual_kgco2e=volumetric_kg + (load_weighted * (total - volumetric) / total if total else ZERO),
        market_with_legacy_kgco2e=claimed + legacy_kg + unmatched_kg * left,
        matched_kwh=matched,
        volumetric_kwh=volumetric,
        legacy_kwh=legacy,
        matched_share=_share(matched, total),
        volumetric_share=_share(volumetric, total),
        has_legacy=any(each.is_legacy for each in used),
        unmatched_basis=unmatched_basis,
        findings=tuple(findings),
    )


def _match(load: Hours, certificates: Sequence[HourlyCertificate]) -> tuple[Decimal, Decimal, dict[datetime, Decimal]]:
    """Matched kWh, its kgCO2e, and what each hour has left."""
    unmatched, matched, kgco2e = dict(load), ZERO, ZERO
    for each in certificates:
        # Energy of an hour without load is lost: surplus of noon covers no night.
        if each.hour_utc is None or each.hour_utc not in unmatched:
            continue
        taken = min(unmatched[each.hour_utc], each.kwh)
        unmatched[each.hour_utc] -= taken
        matched += taken
        kgco2e += taken * each.kgco2e_per_kwh
    return matched, kgco2e, unmatched


def _take(certificates: Sequence[HourlyCertificate], limit: Decimal) -> tuple[Decimal, Decimal]:
    """Kilowatt hours of the certificates up to the limit, and their kgCO2e."""
    taken, kgco2e = ZERO, ZERO
    for each in certificates:
        kwh = min(each.kwh, limit - taken)
        taken += kwh
        kgco2e += kwh * each.kgco2e_per_kwh
    return taken, kgco2e


def _weighed(year: Hours, kgco2e: Decimal, total: Decimal) -> Decimal | None:
    """The one annual factor, or that of several years weighed by the load; None where there is nothing to weigh by."""
    held = set(year.values())
    return held.pop() if len(held) == 1 else kgco2e / total if total else None


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole else ZERO


def _eligible(
    certificates: Sequence[HourlyCertificate], load: Hours, market: str
) -> tuple[list[Finding], list[HourlyCertificate]]:
    # UTC days suffice: vintages are judged within months, and a zone is some hours.
    start, end = min(load).date(), (max(load) + HOUR).date()
    refused: defaultdict[str, list[HourlyCertificate]] = defaultdict(list)
    reasons: dict[str, str] = {}
    used = []
    for each in certificates:
        why = certificate_failures(each, start=start, end=end, market=market)
        if not why:
            used.append(each)
            continue
        refused[each.certificate_id].append(each)
        reasons[each.certificate_id] = " and ".join(why)
    findings = [
        Finding(
            code="instrument_refused",
            message=Sentence("certificate {0} is not used: it {1}", name, reasons[name]),
            scope=name,
            facts={"rows": len(rows), "kwh": float(sum((row.kwh for row in rows), ZERO))},
        )
        for name, rows in refused.items()
    ]
    findings += _unstated(used)
    # Where there is more than the load, the order says which count: the cleanest first, never the order of a file.
    used.sort(key=lambda each: (each.kgco2e_per_kwh, each.certificate_id, str(each.hour_utc)))
    return findings, used


def _unstated(used: Sequence[HourlyCertificate]) -> list[Finding]:
    """One finding for all certificates that are silent about the same criteria."""
    silent: defaultdict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for each in used:
        silent[tuple(certificate_unstated(each))][each.certificate_id] = None
    return [
        Finding(
            code="criteria_not_stated",
            message=Sentence(
                "certificates {0} are used although {1} is not stated",
                ", ".join([*list(names)[:MAX_NAMED], *["…"][: len(names) > MAX_NAMED]]),
                ", ".join(criteria),
            ),
            facts={"certificates": len(names)},
        )
        for criteria, names in silent.items()
        if criteria
    ]


def _each_hour(load: Hours, factors: Hours | Decimal, what: str) -> Hours:
    """The factors by hour; one number is that of every hour. Raises BadInput for an hour of the load without one."""
    if isinstance(factors, Decimal):
        return dict.fromkeys(load, factors)
    gaps = sorted(set(load) - set(factors))
    if gaps:
        raise BadInput(
            f"no {what} for {len(gaps)} of {len(load)} hours of the load, the first {gaps[0]:%Y-%m-%d %H:%M} UTC",
            reason="factor_gap",
        )
    return factors


def _no_residual() -> Finding:
    return Finding(
        code="no_residual_mix",
        message="no residual mix is given: what no certificate covers goes by the hour's grid average; energy that "
        "others have claimed may be in it",
    )


def annual_factors(
    rows: Sequence[Factor],
    basis: Basis,
    hours: Mapping[datetime, Decimal],
    local: ZoneInfo,
    *,
    region: str = "",
    gwp: GwpSet | None = None,
) -> dict[datetime, Decimal] | None:
    """Kilograms per kWh of that basis for each hour, by its local date; None where the set has none.

    Where the year changes within the hours, each has the factor of its own. Raises BadInput for a day with none or two.
    """
    mine = [
        row
        for row in rows
        if carrier_of(row.activity) is Carrier.ELECTRICITY
        and row.basis is basis
        # Sets name upstream and grid losses of electricity too: those are Scope 3.
        and row.scope == 2
        and ratio("kWh", row.unit)
    ]
    # No factor at all leaves the comparison out; a set that lacks single days is a fault, refused below.
    if not mine:
        return None
    # A factor holds for local days: the hours around New Year belong to the year that the clock on the wall shows.
    days = {hour: hour.astimezone(local).date() for hour in hours}
    activity = Activity(
        activity_id=ELECTRICITY,
        activity=ELECTRICITY,
        # One unit: only which factor holds on which day is asked, no quantity.
        quantity=Decimal(1),
        unit="kWh",
        start=min(days.values()),
        end=date.fromordinal(max(days.values()).toordinal() + 1),
        region=region,
        file=mine[0].file,
    )
    parts = tile(activity, chosen_gwp(activity, applicable(activity, mine), gwp), gwp, what=f"{basis} ")
    found: dict[datetime, Decimal] = {}
    for part in parts:
        by = ratio("kWh", part.bundle.head.unit)
        assert by is not None  # noqa: S101
        factor = converted(part.bundle.kgco2e_per_unit, by)
        found |= {hour: factor for hour, day in days.items() if part.start <= day < part.end}
    return found
