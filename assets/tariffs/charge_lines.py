"""Bill arithmetic: usage and a tariff become lines, in exact decimals, each rounded on its own (formulas 5.11).

Only charges of one segment stand here. Credits, minimum and taxes look at a whole bill: assets/bills/engine/settle.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple, TypedDict, Unpack

from assets.tariffs.bill_part import Usage
from assets.tariffs.tiers import Bound, bounds_of, fill, fill_in_time_order, share_pro_rata
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import (
    Charge,
    Component,
    DemandCharge,
    DemandPeriod,
    EnergyCharge,
    ItemName,
    LineOwner,
    TouPeriod,
)

_ZERO, _ONE = Decimal(0), Decimal(1)
POWER_UNITS = {"kw": "kW", "kva": "kVA"}


class Line(NamedTuple):
    """A line before it is published as a BillLine; same fields."""

    line_id: str
    kind: ItemName
    component: Component
    description: str
    amount: Decimal
    quantity: Decimal | None = None
    unit: str = ""
    rate: Decimal | None = None
    rate_unit: str = ""
    charge_id: str = ""
    period_id: str = ""
    tier: int = 0
    party: str = ""
    owner: LineOwner = "unknown"


class Cells(TypedDict, total=False):
    """Details of a bill line beside its amount. rate_unit: without one, currency per unit; charge_id: the line's."""

    quantity: Decimal | None
    unit: str
    rate: Decimal | None
    rate_unit: str
    charge_id: str
    period_id: str
    tier: int
    party: str
    owner: LineOwner


@dataclass
class Pen:
    """Writes lines: rounds half up to `digits` decimals (None: not at all) and marks parts of a split period."""

    currency: str
    digits: int | None
    suffix: str = ""
    lines: list[Line] = field(default_factory=list)

    def money(self, amount: Decimal) -> Decimal:
        """The amount as the tariff rounds it."""
        # Half up, as suppliers round: Decimal's own half even is a cent off at every tie before an even digit.
        return amount if self.digits is None else amount.quantize(_ONE.scaleb(-self.digits), rounding=ROUND_HALF_UP)

    def write(
        self,
        line_id: str,
        kind: ItemName,
        component: Component,
        description: str,
        amount: Decimal,
        **cells: Unpack[Cells],
    ) -> Decimal:
        """Put a line down and return its rounded amount."""
        return self._put(line_id, kind, component, description, amount, cells)

    def write_charge(
        self,
        charge: Charge,
        component: Component,
        amount: Decimal,
        *,
        part: str = "",
        text: str = "",
        **cells: Unpack[Cells],
    ) -> Decimal:
        """A line of a charge, or the part of it that is named behind its id, and in words behind its description."""
        name = charge.charge_id
        cells["charge_id"], cells["party"], cells["owner"] = name, charge.party, charge.owner or "unknown"
        return self._put(name + part, charge.kind, component, (charge.description or name) + text, amount, cells)

    def _put(
        self, line_id: str, kind: ItemName, component: Component, description: str, amount: Decimal, cells: Cells
    ) -> Decimal:
        rounded, unit = self.money(amount), cells.get("unit")
        if unit and "rate_unit" not in cells:
            cells["rate_unit"] = f"{self.currency}/{unit}"
        if "charge_id" not in cells:
            cells["charge_id"] = line_id
        self.lines.append(Line(line_id + self.suffix, kind, component, description, rounded, **cells))
        return rounded


def write_energy(
    pen: Pen, tariff: Tariff, usage: Usage, energy: Mapping[str, tuple[Decimal | None, ...]], demand_kw: Decimal
) -> None:
    """Lines per kWh. energy: charge_id -> kWh to bill per period (import, or what netting left of it);
    demand_kw: highest billed demand, for tiers of hours use.
    """
    for charge in tariff.energy_charges:
        if charge.series is None:
            _write_tiers(pen, charge, usage, energy[charge.charge_id], demand_kw)
            continue
        kwh, cost = usage.series[charge.charge_id]
        # A price per interval has no rate of its own: the line shows the mean, and the amount is the exact sum.
        said = "" if charge.description else f" ({charge.series.series} price per interval)"
        rate = cost / kwh if kwh else None
        pen.write_charge(charge, "energy", cost, text=said, quantity=kwh, unit="kWh", rate=rate)


def _write_tiers(
    pen: Pen, charge: EnergyCharge, usage: Usage, amounts: tuple[Decimal | None, ...], demand_kw: Decimal
) -> None:
    # None: no slot of the period lies in this bill (a summer price in January), so it has no line.
    held = [(period, amount) for period, amount in zip(charge.all_periods, amounts, strict=True) if amount is not None]
    tables = [
        bounds_of(period.blocks, limit_share=usage.month_share, days=usage.days, demand_kw=demand_kw)
        for period, _ in held
    ]
    for (period, _), parts in zip(held, _parts(charge, usage, held, tables), strict=True):
        _write_parts(pen, charge, "energy", period, parts, unit="kWh")


def _write_parts(
    pen: Pen,
    charge: EnergyCharge | DemandCharge,
    component: Component,
    period: TouPeriod | DemandPeriod,
    parts: Iterable[tuple[Bound, Decimal]],
    *,
    unit: str,
    share: Decimal = _ONE,
) -> None:
    """A line for each tier that is reached; share: of the price, where a part of a month is billed."""
    is_named = bool(charge.periods)
    for bound, amount in parts:
        # A single price is no tier: its line must not be called the first of several.
        tier = bound.number if period.tiers else 0
        pen.write_charge(
            charge,
            component,
            amount * bound.price * share,
            part=(f".{period.period_id}" if is_named else "") + (f".{tier}" if tier else ""),
            text=(f", {period.period_id}" if is_named else "") + (f", tier {tier}" if tier else ""),
            quantity=amount,
            unit=unit,
            rate=bound.price,
            period_id=period.period_id if is_named else "",
            tier=tier,
        )


def _parts(
    charge: EnergyCharge,
    usage: Usage,
    held: Sequence[tuple[TouPeriod, Decimal]],
    tables: Sequence[Sequence[Bound]],
) -> Iterable[list[tuple[Bound, Decimal]]]:
    amounts = [amount for _, amount in held]
    # Without tiers the basis has no say, and the plain way keeps each amount whole instead of a share of the total.
    if charge.tier_basis == "period" or all(len(table) == 1 for table in tables):
        return [fill(table, amount) for table, amount in zip(tables, amounts, strict=True)]
    timeline = usage.timelines.get(charge.charge_id)
    # Register reads have no timeline: a share of the total is the nearest that they allow.
    if charge.tier_basis == "total" or timeline is None:
        return share_pro_rata(tables, amounts)
    index_of = {period.period_id: index for index, period in enumerate(charge.all_periods)}
    places = [index_of[period.period_id] for period, _ in held]
    parts = fill_in_time_order(
        # A period without a slot here has no kWh in the timeline: any table may stand in its place.
        [tables[places.index(n)] if n in places else tables[0] for n in range(len(charge.all_periods))],
        timeline.energy_nano,
        timeline.periods,
        factor=usage.kwh_per_unit,
    )
    return [parts[place] for place in places]


def billed_demand(
    charge: DemandCharge, usage: Usage, history: Mapping[str, Sequence[Decimal]]
) -> tuple[Decimal | None, ...]:
    """KW (kVA) to bill per period: the highest of measured, ratchet, minimum and contracted share; then the power
    factor; then the rounding of demand (formulas 5.11). None for a period without a slot in this bill.

    history: period_id -> demands of the months that the ratchet looks back on, each times its share, without the
    present one.
    """
    measured = usage.demand[charge.charge_id]
    floor = max(charge.minimum_kw, charge.contracted_share * (charge.contracted_kw or _ZERO))
    found: list[Decimal | None] = []
    for period, demand in zip(charge.periods, measured, strict=True):
        if demand is None:
            found.append(None)
            continue
        # Floors first, then the power factor, then the rounding of the demand: the order of formulas 5.11.
        billed = max(_over_months(charge, period, demand, usage, history), floor)
        billed *= _power_factor_share(charge, usage)
        if charge.demand_decimals is not None:
            billed = billed.quantize(_ONE.scaleb(-charge.demand_decimals), rounding=ROUND_HALF_UP)
        found.append(billed)
    return tuple(found)


def _over_months(
    charge: DemandCharge, period: DemandPeriod, demand: Decimal, usage: Usage, history: Mapping[str, Sequence[Decimal]]
) -> Decimal:
    """The measured demand, lifted by the ratchet, or the mean of the months that it looks back on."""
    if charge.ratchet is None:
        return demand
    names = charge.ratchet.of_periods or (period.period_id,)
    seen = [demand for name in names for demand in history.get(name, ())]
    # A demand belongs to the month in which its bill part starts, as it does in the account of peaks.
    if charge.ratchet.includes_current and charge.ratchet.is_set_in(usage.start.month):
        measured = zip(charge.periods, usage.demand[charge.charge_id], strict=True)
        share = charge.ratchet.share_in(usage.start.month)
        seen += [share * kw for other, kw in measured if other.period_id in names and kw is not None]
    if charge.ratchet.rule == "mean":
        # Of a new supply no month is known: its first is billed as it was measured.
        return sum(seen, _ZERO) / len(seen) if seen else demand
    return max([demand, *seen])


def _power_factor_share(charge: DemandCharge, usage: Usage) -> Decimal:
    """Reference / measured power factor of the bill period where that is above one."""
    # Without kvarh a power factor of 1 is taken; measuring tells it as a finding.
    if charge.reference_power_factor is None or usage.kvarh is None or not usage.import_kwh:
        return _ONE
    # From the energies of the bill: a mean of power factors of intervals would weigh an idle night like a full shift.
    apparent = (usage.import_kwh**2 + usage.kvarh**2).sqrt()
    # The clause only penalises: a better power factor than the reference earns nothing.
    return max(_ONE, charge.reference_power_factor * apparent / usage.import_kwh)


def write_demand(pen: Pen, tariff: Tariff, usage: Usage, billed: Mapping[str, tuple[Decimal | None, ...]]) -> None:
    """Lines per kW of highest demand; prices are per month, so part of a month costs its share."""
    for charge in tariff.demand:
        for period, demand in zip(charge.periods, billed[charge.charge_id], strict=True):
            if demand is None:
                continue
            # Limits in kW do not shrink with the days of a bill, as limits in kWh do: only the price has its share.
            if period.blocks[0].amount is not None:
                _write_block(pen, charge, period, demand, usage.month_share)
                continue
            table = bounds_of(period.blocks, limit_share=_ONE, days=usage.days, demand_kw=demand)
            parts, unit = fill(table, demand), POWER_UNITS[charge.unit]
            _write_parts(pen, charge, "demand", period, parts, unit=unit, share=usage.month_share)


def _write_block(pen: Pen, charge: DemandCharge, period: DemandPeriod, demand: Decimal, share: Decimal) -> None:
    """The amount of the block in which demand lies; at its end it belongs to the lower one, as kWh do."""
    at = next(n for n, tier in enumerate(period.blocks) if tier.up_to is None or demand <= tier.up_to)
    amount, part = period.blocks[at].amount or _ZERO, f".{period.period_id}.{at + 1}"
    pen.write_charge(
        charge, "demand", amount * share, part=part, text=f", {period.period_id}, tier {at + 1}",
        quantity=demand, unit=POWER_UNITS[charge.unit], rate=amount, rate_unit=f"{pen.currency}/month",
        period_id=period.period_id, tier=at + 1,
    )  # fmt: skip


def write_capacity(pen: Pen, tariff: Tariff, usage: Usage) -> None:
    """Contracted power, and what exceeds it."""
    for charge in tariff.capacity:
        unit, rate = POWER_UNITS[charge.unit], charge.price_per_unit
        pen.write_charge(
            charge,
            "capacity",
            charge.contracted * rate * usage.count(charge.per),
            quantity=charge.contracted,
            unit=unit,
            rate=rate,
            rate_unit=f"{pen.currency}/{unit}/{charge.per}",
        )
        excess = max(_ZERO, usage.capacity[charge.charge_id] - charge.contracted * charge.excess_above_share)
        rate = charge.excess_price_per_unit
        # Passing the contract is charged when it happens: no rent by time, hence no share of the month.
        if excess and rate:
            said: Cells = {"quantity": excess, "unit": unit, "rate": rate}
            pen.write_charge(charge, "capacity", excess * rate, part=".excess", text=", above contract", **said)


def write_reactive(pen: Pen, tariff: Tariff, usage: Usage) -> None:
    """Kvarh beyond tan phi times the active energy."""
    for charge in tariff.reactive:
        # Import of the whole bill, not of each interval: a leading night does not pay for a lagging day.
        beyond, rate = max(_ZERO, (usage.kvarh or _ZERO) - charge.tan_phi * usage.import_kwh), charge.price_per_kvarh
        pen.write_charge(charge, "reactive", beyond * rate, quantity=beyond, unit="kvarh", rate=rate)


def write_fixed(pen: Pen, tariff: Tariff, usage: Usage) -> None:
    """Amounts per day, month, year or bill."""
    for charge in tariff.fixed:
        count, rate = usage.count(charge.per), charge.amount
        pen.write_charge(charge, "fixed", rate * count, quantity=count, unit=charge.per, rate=rate)
