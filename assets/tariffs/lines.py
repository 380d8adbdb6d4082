"""Bill arithmetic: usage and a tariff become lines, in exact decimals, each rounded on its own (formulas 5.11).

Only charges of one segment stand here. Credits, minimum and taxes look at a whole bill: assets/bills/settle.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from assets.tariffs.tiers import Bound, bounds_of, fill, fill_in_time_order, share_pro_rata
from assets.tariffs.usage import Usage
from data_quality.contracts.tariff import Tariff
from data_quality.contracts.tariff_charges import (
    CapacityCharge,
    Component,
    DemandCharge,
    DemandPeriod,
    EnergyCharge,
    ItemName,
    TouPeriod,
)

_ZERO, _ONE = Decimal(0), Decimal(1)


class Line(NamedTuple):
    """A line before it is published as a BillLine; same fields."""

    line_id: str
    kind: ItemName
    component: Component
    description: str
    quantity: Decimal | None
    unit: str
    rate: Decimal | None
    rate_unit: str
    amount: Decimal
    charge_id: str = ""
    period_id: str = ""
    tier: int = 0
    party: str = ""


@dataclass
class Pen:
    """Writes lines: rounds half up to `digits` decimals (None: not at all) and marks parts of a split period."""

    currency: str
    digits: int | None
    suffix: str = ""
    lines: list[Line] = field(default_factory=list)

    def money(self, amount: Decimal) -> Decimal:
        """The amount as the tariff rounds it."""
        return amount if self.digits is None else amount.quantize(_ONE.scaleb(-self.digits), rounding=ROUND_HALF_UP)

    def write(
        self,
        line_id: str,
        kind: ItemName,
        component: Component,
        description: str,
        amount: Decimal,
        *,
        quantity: Decimal | None = None,
        unit: str = "",
        rate: Decimal | None = None,
        rate_unit: str = "",
        charge_id: str = "",
        period_id: str = "",
        tier: int = 0,
        party: str = "",
    ) -> Decimal:
        """Put a line down and return its rounded amount."""
        rounded = self.money(amount)
        self.lines.append(
            Line(
                line_id + self.suffix,
                kind,
                component,
                description,
                quantity,
                unit,
                rate,
                rate_unit or (f"{self.currency}/{unit}" if unit else ""),
                rounded,
                charge_id or line_id,
                period_id,
                tier,
                party,
            )
        )
        return rounded


def write_energy(
    pen: Pen, tariff: Tariff, usage: Usage, energy: Mapping[str, tuple[Decimal | None, ...]], demand_kw: Decimal
) -> None:
    """Lines per kWh. energy: charge_id -> kWh to bill per period (import, or what netting left of it);
    demand_kw: highest billed demand, for tiers of hours use.
    """
    for charge in tariff.energy_charges:
        if charge.series is not None:
            kwh, cost = usage.series[charge.charge_id]
            pen.write(
                charge.charge_id,
                charge.kind,
                "energy",
                charge.description or f"{charge.charge_id} ({charge.series.series} price per interval)",
                cost,
                quantity=kwh,
                unit="kWh",
                rate=cost / kwh if kwh else None,
                party=charge.party,
            )
            continue
        _write_tiers(pen, charge, usage, energy[charge.charge_id], demand_kw)


def _write_tiers(
    pen: Pen, charge: EnergyCharge, usage: Usage, amounts: tuple[Decimal | None, ...], demand_kw: Decimal
) -> None:
    held = [(period, amount) for period, amount in zip(charge.all_periods, amounts, strict=True) if amount is not None]
    tables = [
        bounds_of(period.blocks, limit_share=usage.month_share, days=usage.days, demand_kw=demand_kw)
        for period, _ in held
    ]
    for (period, _), parts in zip(held, _parts(charge, usage, held, tables), strict=True):
        has_tiers = bool(period.tiers)
        for bound, kwh in parts:
            pen.write(
                _line_id(charge.charge_id, period.period_id, bound.number if has_tiers else 0, charge.periods),
                charge.kind,
                "energy",
                _text(charge.description or charge.charge_id, period, bound, charge.periods, has_tiers=has_tiers),
                kwh * bound.price,
                quantity=kwh,
                unit="kWh",
                rate=bound.price,
                charge_id=charge.charge_id,
                period_id=period.period_id if charge.periods else "",
                tier=bound.number if has_tiers else 0,
                party=charge.party,
            )


def _parts(
    charge: EnergyCharge,
    usage: Usage,
    held: Sequence[tuple[TouPeriod, Decimal]],
    tables: Sequence[Sequence[Bound]],
) -> Iterable[list[tuple[Bound, Decimal]]]:
    amounts = [amount for _, amount in held]
    if charge.tier_basis == "period" or all(len(table) == 1 for table in tables):
        return [fill(table, amount) for table, amount in zip(tables, amounts, strict=True)]
    timeline = usage.timelines.get(charge.charge_id)
    if charge.tier_basis == "total" or timeline is None:
        return share_pro_rata(tables, amounts)
    index_of = {period.period_id: index for index, period in enumerate(charge.all_periods)}
    places = [index_of[period.period_id] for period, _ in held]
    parts = fill_in_time_order(
        [tables[places.index(n)] if n in places else tables[0] for n in range(len(charge.all_periods))],
        timeline.energy_nano,
        timeline.periods,
        factor=usage.kwh_per_unit,
    )
    return [parts[place] for place in places]


def _line_id(charge_id: str, period_id: str, tier: int, periods: Sequence[object]) -> str:
    parts = [charge_id, *([period_id] if periods else []), *([str(tier)] if tier else [])]
    return ".".join(parts)


def _text(
    name: str, period: TouPeriod | DemandPeriod, bound: Bound, periods: Sequence[object], *, has_tiers: bool
) -> str:
    shown = f"{name}, {period.period_id}" if periods else name
    return f"{shown}, tier {bound.number}" if has_tiers else shown


def billed_demand(
    charge: DemandCharge, usage: Usage, history: Mapping[str, Sequence[Decimal]], *, is_ratchet_month: bool
) -> tuple[Decimal | None, ...]:
    """KW (kVA) to bill per period: the highest of measured, ratchet, minimum and contracted share; then the power
    factor; then the rounding of demand (formulas 5.11). None for a period without a slot in this bill.

    history: period_id -> demands of the months that the ratchet looks back on, each times its share, without the
    present one;
    is_ratchet_month: the present month may set the ratchet.
    """
    measured = usage.demand[charge.charge_id]
    floor = max(charge.minimum_kw, charge.contracted_share * (charge.contracted_kw or _ZERO))
    found: list[Decimal | None] = []
    for period, demand in zip(charge.periods, measured, strict=True):
        if demand is None:
            found.append(None)
            continue
        billed = max(demand, floor, _ratchet(charge, period, usage, history, is_ratchet_month=is_ratchet_month))
        billed *= _power_factor_share(charge, usage)
        if charge.demand_decimals is not None:
            billed = billed.quantize(_ONE.scaleb(-charge.demand_decimals), rounding=ROUND_HALF_UP)
        found.append(billed)
    return tuple(found)


def _ratchet(
    charge: DemandCharge,
    period: DemandPeriod,
    usage: Usage,
    history: Mapping[str, Sequence[Decimal]],
    *,
    is_ratchet_month: bool,
) -> Decimal:
    if charge.ratchet is None:
        return _ZERO
    names = charge.ratchet.of_periods or (period.period_id,)
    seen = [demand for name in names for demand in history.get(name, ())]
    if charge.ratchet.includes_current and is_ratchet_month:
        measured = zip(charge.periods, usage.demand[charge.charge_id], strict=True)
        share = charge.ratchet.share_in(usage.start.month)
        seen += [share * demand for other, demand in measured if other.period_id in names and demand is not None]
    return max(seen, default=_ZERO)


def _power_factor_share(charge: DemandCharge, usage: Usage) -> Decimal:
    """Reference / measured power factor of the bill period where that is above one."""
    if charge.reference_power_factor is None or usage.kvarh is None or not usage.import_kwh:
        return _ONE
    apparent = (usage.import_kwh**2 + usage.kvarh**2).sqrt()
    return max(_ONE, charge.reference_power_factor * apparent / usage.import_kwh)


def write_demand(pen: Pen, tariff: Tariff, usage: Usage, billed: Mapping[str, tuple[Decimal | None, ...]]) -> None:
    """Lines per kW of highest demand; prices are per month, so part of a month costs its share."""
    for charge in tariff.demand:
        unit = "kVA" if charge.unit == "kva" else "kW"
        for period, demand in zip(charge.periods, billed[charge.charge_id], strict=True):
            if demand is None:
                continue
            has_tiers = bool(period.tiers)
            table = bounds_of(period.blocks, limit_share=_ONE, days=usage.days, demand_kw=demand)
            for bound, part in fill(table, demand):
                pen.write(
                    _line_id(charge.charge_id, period.period_id, bound.number if has_tiers else 0, charge.periods),
                    charge.kind,
                    "demand",
                    _text(charge.description or charge.charge_id, period, bound, charge.periods, has_tiers=has_tiers),
                    part * bound.price * usage.month_share,
                    quantity=part,
                    unit=unit,
                    rate=bound.price,
                    charge_id=charge.charge_id,
                    period_id=period.period_id,
                    tier=bound.number if has_tiers else 0,
                    party=charge.party,
                )


def write_capacity(pen: Pen, tariff: Tariff, usage: Usage) -> None:
    """Contracted power, and what exceeds it."""
    for charge in tariff.capacity:
        unit = "kVA" if charge.unit == "kva" else "kW"
        count = _count(charge.per, usage)
        pen.write(
            charge.charge_id,
            charge.kind,
            "capacity",
            charge.description or charge.charge_id,
            charge.contracted * charge.price_per_unit * count,
            quantity=charge.contracted,
            unit=unit,
            rate=charge.price_per_unit,
            rate_unit=f"{pen.currency}/{unit}/{charge.per}",
            party=charge.party,
        )
        excess = _excess(charge, usage)
        if excess and charge.excess_price_per_unit:
            pen.write(
                f"{charge.charge_id}.excess",
                charge.kind,
                "capacity",
                f"{charge.description or charge.charge_id}, above contract",
                excess * charge.excess_price_per_unit,
                quantity=excess,
                unit=unit,
                rate=charge.excess_price_per_unit,
                charge_id=charge.charge_id,
                party=charge.party,
            )


def _excess(charge: CapacityCharge, usage: Usage) -> Decimal:
    return max(_ZERO, usage.capacity[charge.charge_id] - charge.contracted * charge.excess_above_share)


def write_reactive(pen: Pen, tariff: Tariff, usage: Usage) -> None:
    """Kvarh beyond tan phi times the active energy."""
    for charge in tariff.reactive:
        beyond = max(_ZERO, (usage.kvarh or _ZERO) - charge.tan_phi * usage.import_kwh)
        pen.write(
            charge.charge_id,
            charge.kind,
            "reactive",
            charge.description or charge.charge_id,
            beyond * charge.price_per_kvarh,
            quantity=beyond,
            unit="kvarh",
            rate=charge.price_per_kvarh,
            party=charge.party,
        )


def write_fixed(pen: Pen, tariff: Tariff, usage: Usage) -> None:
    """Amounts per day, month, year or bill."""
    for charge in tariff.fixed:
        count = _count(charge.per, usage)
        pen.write(
            charge.charge_id,
            charge.kind,
            "fixed",
            charge.description or charge.charge_id,
            charge.amount * count,
            quantity=count,
            unit=charge.per,
            rate=charge.amount,
            party=charge.party,
        )


def _count(per: str, usage: Usage) -> Decimal:
    if per == "day":
        return Decimal(usage.days)
    if per == "bill":
        return usage.bill_share
    return usage.month_share if per == "month" else usage.month_share / 12
