"""Contractual instruments of the market-based method: who may be used for what, and how much is left of each.

Source: GHG Protocol Scope 2 Guidance 2015, quality criteria and hierarchy (formulas 5.12).
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from data_quality.contracts.carbon import Activity
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HIERARCHY, Basis, Factor, QualityCriteria
from data_quality.contracts.finding import Finding
from data_quality.contracts.hourly_carbon import HourlyCertificate

# "As close as possible to the period of consumption": a year before it and a quarter after it are taken as close.
VINTAGE_BEFORE = timedelta(days=366)
VINTAGE_AFTER = timedelta(days=92)
HELD = (Basis.CERTIFICATE, Basis.CONTRACT)

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


def _failures(criteria: QualityCriteria, market: str, start: date, end: date, consumed_in: str) -> list[str]:
    found = [text for name, text in _CRITERIA.items() if getattr(criteria, name) is False]
    is_foreign = consumed_in and market and consumed_in.casefold() != market.casefold()
    if is_foreign and criteria.is_same_market is not False:
        found.append(f"is of market {market}, the consumption of {consumed_in}")
    first, last = criteria.vintage_from, criteria.vintage_to
    if first is not None and last is not None and (last < start - VINTAGE_BEFORE or first > end + VINTAGE_AFTER):
        found.append(f"has the vintage {first} to {last}, too far from the consumption of {start} to {end}")
    return found


def unstated(row: Factor) -> list[str]:
    """The criteria about which nothing is said."""
    names = [name for name in _CRITERIA if getattr(row.criteria, name) is None]
    return names if row.criteria.vintage_from is not None else [*names, "vintage"]


def asked_for(activity: Activity, rows: Sequence[Factor], *, states_instruments: bool) -> list[Factor]:
    """Of the market-based rows, those that this activity may look at.

    A line that names an instrument (factor_id or basis) may use that one and what stands below it in the hierarchy; one
    without, in a file that has the column, none that is held (certificate, contract). Raises BadInput for a name that
    no row has.
    """
    name = activity.instrument.casefold()
    if not name:
        return [row for row in rows if not states_instruments or row.basis not in HELD]
    ranks = {basis: number for number, basis in enumerate(HIERARCHY)}
    if name in [basis.value for basis in HIERARCHY]:
        first = ranks[Basis(name)]
        wanted = [row for row in rows if row.basis is Basis(name)]
        below = [row for row in rows if ranks[row.basis] > first and row.basis not in HELD]
    else:
        wanted = [row for row in rows if row.factor_id.casefold() == name]
        below = [row for row in rows if row.basis not in HELD and row not in wanted]
        below = [row for row in below if wanted and ranks[row.basis] > ranks[wanted[0].basis]]
    if not wanted:
        raise BadInput(
            f"instrument {activity.instrument!r} fits no factor of {activity.activity!r}; expected a factor_id, or one "
            f"of {', '.join(basis.value for basis in HIERARCHY)} that the set has for its time, unit and supplier",
            file=activity.file,
            line=activity.line,
            reason="unknown_instrument",
        )
    return [*wanted, *below]


def usable(activity: Activity, rows: Sequence[Factor]) -> tuple[list[Factor], list[Finding]]:
    """The rows that meet the quality criteria; a finding for each that fails, and for each that states too little."""
    kept, findings = [], []
    for row in rows:
        if row.basis is Basis.RESIDUAL:
            kept.append(row)
            continue
        reasons = failures(row, start=activity.start, end=activity.end, region=activity.region)
        if reasons:
            findings.append(
                Finding(
                    code="instrument_refused",
                    message=f"{row.basis} {row.factor_id} is not used for {activity.activity_id}: it "
                    + " and ".join(reasons),
                    scope=activity.activity_id,
                    facts={"factor_id": row.factor_id, "criteria": len(reasons)},
                )
            )
            continue
        kept.append(row)
        silent = unstated(row)
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
    """What is left of each instrument, kWh. One account uses one, so that no kWh is claimed twice."""

    def __init__(self) -> None:
        self._left: dict[str, Decimal] = {}

    def left_kwh(self, row: Factor) -> Decimal | None:
        """What is still to be claimed, kWh; None where the instrument names no limit."""
        if row.instrument_kwh is None:
            return None
        return self._left.get(row.factor_id, row.instrument_kwh)

    def take(self, row: Factor, kwh: Decimal) -> None:
        """Claim that much. Raises BadInput for more than is left."""
        left = self.left_kwh(row)
        if left is None:
            return
        if kwh > left:
            raise BadInput(f"{row.factor_id}: {kwh} kWh claimed, {left} left", file=row.file, line=row.line)
        self._left[row.factor_id] = left - kwh
