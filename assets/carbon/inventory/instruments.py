"""Contractual instruments of the market-based method: who may be used for what, and how much is left of each.

Source: GHG Protocol Scope 2 Guidance 2015, quality criteria and hierarchy (formulas 5.12).
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from data_quality.contracts.emissions.carbon import Activity
from data_quality.contracts.emissions.hourly_carbon import HourlyCertificate
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, HIERARCHY, Basis, Factor, QualityCriteria
from data_quality.contracts.finding import Finding

# "As close as possible to the period of consumption" is in figures the window of 21 months that labels of renewable
# energy use: the reporting year, half a year before and a quarter after it.
VINTAGE_BEFORE = timedelta(days=184)
VINTAGE_AFTER = timedelta(days=92)
YEAR_DAYS = 365

_CRITERIA = {
    "is_conveyed": "does not convey its emission claim",
    "is_unique": "is not the only instrument with its claim",
    "is_redeemed": "is not redeemed for the reporter",
    "is_same_market": "is of another market",
    "is_residual_mix_used": "belongs to a market where what is not claimed goes without a residual mix",
}


def failures(row: Factor, *, start: date, end: date, region: str = "") -> list[str]:
    """The quality criteria that the instrument fails for consumption in [start, end) of that region, as sentences."""
    return _failures(row.criteria, row.region, start, end, region)


def certificate_failures(certificate: HourlyCertificate, *, start: date, end: date, market: str = "") -> list[str]:
    """As `failures`, of a certificate known by the hour: that hour is its vintage."""
    criteria = certificate.criteria
    if certificate.hour_utc is not None and criteria.vintage_from is None:
        day = certificate.hour_utc.date()
        criteria = criteria.model_copy(update={"vintage_from": day, "vintage_to": day + timedelta(days=1)})
    return _failures(criteria, certificate.market, start, end, market)


def certificate_unstated(certificate: HourlyCertificate) -> list[str]:
    """The criteria about which nothing is said; a market or an hour that is named says so of itself."""
    silent = [name for name in _CRITERIA if getattr(certificate.criteria, name) is None]
    if certificate.market and "is_same_market" in silent:
        silent.remove("is_same_market")
    is_dated = certificate.hour_utc is not None or certificate.criteria.vintage_from is not None
    return silent if is_dated else [*silent, "vintage"]


def _failures(criteria: QualityCriteria, market: str, start: date, end: date, consumed_in: str) -> list[str]:
    # Silence is None and is told; only a stated no refuses.
    found = [text for name, text in _CRITERIA.items() if getattr(criteria, name) is False]
    is_foreign = consumed_in and market and consumed_in.casefold() != market.casefold()
    # Said once: the criterion and the two names are one reason.
    if is_foreign and criteria.is_same_market is not False:
        found.append(f"is of market {market}, the consumption of {consumed_in}")
    first, last = criteria.vintage_from, criteria.vintage_to
    if first is not None and last is not None and not _is_close(first, last, *reporting_period(start, end)):
        found.append(f"has the vintage {first} to {last}, too far from the consumption of {start} to {end}")
    return found


def reporting_period(start: date, end: date) -> tuple[date, date]:
    """The span itself where it is a year or more, else the calendar years that it lies in: a month is part of one."""
    if (end - start).days >= YEAR_DAYS:
        return start, end
    return date(start.year, 1, 1), date((end - timedelta(days=1)).year + 1, 1, 1)


def _is_close(first: date, last: date, start: date, end: date) -> bool:
    """Within the window whole; or of a year at most, and in part of the period itself (a calendar year's certificates
    for a financial year).
    """
    is_within = start - VINTAGE_BEFORE <= first and last <= end + VINTAGE_AFTER
    return is_within or ((last - first).days <= YEAR_DAYS + 1 and first < end and start < last)


def requested_instruments(
    activity: Activity, rows: Sequence[Factor], *, states_instruments: bool, elsewhere: Sequence[Factor] = ()
) -> tuple[list[Factor], list[Finding]]:
    """Of the market-based rows, those that this activity may look at; findings of what it names in vain.

    A line that names an instrument (factor_id or basis) may use that one and what stands below it in the hierarchy; one
    without, in a file that has the column, none that is held (certificate, contract). elsewhere: rows of the activity
    that are of another time or supplier. Raises BadInput for a name that none of all these has.
    """
    name = activity.instrument.casefold()
    if not name:
        return [row for row in rows if not states_instruments or row.basis not in HELD], []
    ranks = {basis: number for number, basis in enumerate(HIERARCHY)}
    wanted = [row for row in rows if name in _names(row)]
    vain = [row for row in elsewhere if name in _names(row)] if not wanted else []
    if not wanted and not vain:
        raise BadInput.at(
            activity,
            f"instrument {activity.instrument!r} fits no factor of {activity.activity!r}; expected a factor_id, or one "
            f"of {', '.join(basis.value for basis in HIERARCHY)} that the set has for its unit",
            reason="unknown_instrument",
        )
    # One that is named in vain counts too: it must not open the way to a better instrument than was bought.
    highest = min(ranks[row.basis] for row in [*wanted, *vain])
    below = [row for row in rows if row.basis not in HELD and row not in wanted and ranks[row.basis] > highest]
    return [*wanted, *below], [_refused(activity, row, [_elsewhere(activity, row)]) for row in vain]


def _names(row: Factor) -> tuple[str, str]:
    """Names by which a line may call it: a basis, or its id."""
    return row.basis.value, row.factor_id.casefold()


def _elsewhere(activity: Activity, row: Factor) -> str:
    if row.valid_to <= activity.start or activity.end <= row.valid_from:
        return (
            f"holds from {row.valid_from} to {row.valid_to}, the consumption is of {activity.start} to {activity.end}"
        )
    return f"is of supplier {row.supplier}, the consumption of {activity.supplier or 'none that is named'}"


def _refused(activity: Activity, row: Factor, reasons: Sequence[str]) -> Finding:
    return Finding(
        code="instrument_refused",
        message=f"{row.basis} {row.factor_id} is not used for {activity.activity_id}: it {' and '.join(reasons)}",
        scope=activity.activity_id,
        facts={"factor_id": row.factor_id, "criteria": len(reasons)},
    )


def usable(activity: Activity, rows: Sequence[Factor]) -> tuple[list[Factor], list[Finding]]:
    """The rows that meet the quality criteria; a finding for each that fails, and for each that states too little."""
    kept, findings = [], []
    for row in rows:
        # The quality criteria are about claims; a residual mix is what is left when all claims are taken out.
        if row.basis is Basis.RESIDUAL:
            kept.append(row)
            continue
        reasons = failures(row, start=activity.start, end=activity.end, region=activity.region)
        if reasons:
            findings.append(_refused(activity, row, reasons))
            continue
        kept.append(row)
        # The criteria about which nothing is said.
        names = [name for name in _CRITERIA if getattr(row.criteria, name) is None]
        if row.criteria.vintage_from is None:
            names.append("vintage")
        silent = [*names, "instrument_kwh"] if row.basis in HELD and row.instrument_kwh is None else names
        if silent:
            findings.append(
                Finding(
                    code="criteria_not_stated",
                    message=f"{row.basis} {row.factor_id} is used although its set says nothing of {', '.join(silent)}",
                    scope=activity.activity_id,
                    facts={"factor_id": row.factor_id},
                )
            )
    return kept, findings


class Allocation:
    """Remainder of each instrument, kWh. One account uses one, so that no kWh is claimed twice.

    An instrument is its id and first day: a contract with an amount for each month is twelve.
    """

    def __init__(self) -> None:
        self._left: dict[tuple[str, date], Decimal] = {}
        self._used: set[tuple[str, date]] = set()

    def left_kwh(self, row: Factor) -> Decimal | None:
        """Quantity still to be claimed, kWh; None where the instrument names no limit."""
        if row.instrument_kwh is None:
            return None
        return self._left.get((row.factor_id, row.valid_from), row.instrument_kwh)

    def take(self, row: Factor, kwh: Decimal) -> None:
        """Claim that much. Raises BadInput for more than is left."""
        self._used.add((row.factor_id, row.valid_from))
        left = self.left_kwh(row)
        if left is None:
            return
        if kwh > left:
            raise BadInput.at(row, f"{row.factor_id}: {kwh} kWh claimed, {left} left")
        self._left[row.factor_id, row.valid_from] = left - kwh

    def unclaimed(self, rows: Sequence[Factor], findings: Sequence[Finding]) -> list[Finding]:
        """A finding for each held instrument of which something is left, unless `said` tells of it already."""
        reported = {name for each in findings for name in str(each.facts.get("factor_id", "")).split(", ")}
        found: dict[tuple[str, date], Finding] = {}
        for row in rows:
            key = row.factor_id, row.valid_from
            left = self.left_kwh(row)
            # An instrument that was refused has been told with its reason; one that is used in part has not.
            if row.basis not in HELD or (row.factor_id in reported and key not in self._used):
                continue
            if key in self._used and not left:
                continue
            amount = (
                "it is used for nothing" if left is None else f"{left:,f} of {row.instrument_kwh:,f} kWh are not used"
            )
            found[key] = Finding(
                code="instrument_unclaimed",
                message=f"{row.basis} {row.factor_id}: {amount}",
                severity="info",
                scope=row.factor_id,
                facts={"factor_id": row.factor_id, "kwh": float(left or 0)},
            )
        return list(found.values())
