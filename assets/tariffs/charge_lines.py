"""The tariff's arithmetic, read once: quantities become lines (formulas 5.11), of a bill as of a plan's hours.

A writer does what the two do differently: `RoundingWriter` works a bill out in exact decimals, each line rounded on its
own; a plan's writer (linear_build.py) keeps the same lines as linear forms. Only charges of one segment stand here.
Credits, minimum and taxes look at a whole bill: assets/bills/engine/settle.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Generic, NamedTuple, TypedDict, Unpack

from assets.tariffs.bill_part import Usage
from assets.tariffs.linear_model import N
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
from data_quality.contracts.errors import BadInput

_ZERO, _ONE = Decimal(0), Decimal(1)
POWER_UNITS = {"kw": "kW", "kva": "kVA"}
# What tiers make of an amount: the tier, its part of the amount, and what that costs.
Costs = Iterable[tuple[Bound, N | Decimal, N | Decimal]]
# Periods of a charge that have a slot in the bill, with their kWh; and the tiers of each.
PeriodQuantities = Sequence[tuple[TouPeriod, N | Decimal]]
Tables = Sequence[Sequence[Bound]]


class Line(NamedTuple, Generic[N]):
    """A line before it is published as a BillLine; same fields."""

    line_id: str
    kind: ItemName
    component: Component
    description: str
    amount: N | Decimal
    quantity: N | Decimal | None = None
    unit: str = ""
    rate: Decimal | None = None
    rate_unit: str = ""
    charge_id: str = ""
    period_id: str = ""
    tier: int = 0
    party: str = ""
    owner: LineOwner = "unknown"


class Cells(TypedDict, Generic[N], total=False):
    """Details of a bill line except its amount. rate_unit: without one, currency per unit; charge_id: the line's."""

    quantity: N | Decimal | None
    unit: str
    rate: Decimal | None
    rate_unit: str
    charge_id: str
    period_id: str
    tier: int
    party: str
    owner: LineOwner


class Writer(ABC, Generic[N]):
    """Writes lines, and marks parts of a split period by the suffix. Names and meanings of what it works out are those
    of a plan's variables.
    """

    def __init__(self, currency: str) -> None:
        self.currency, self.suffix = currency, ""
        self.lines: list[Line[N]] = []

    @abstractmethod
    def money(self, amount: N | Decimal) -> N | Decimal:
        """The amount as the tariff rounds it."""

    @abstractmethod
    def maximum(self, name: str, values: Sequence[N | Decimal], meaning: str) -> N | Decimal:
        """The greatest of the values."""

    @abstractmethod
    def tiers(self, name: str, amount: N | Decimal, table: Sequence[Bound]) -> Costs[N]:
        """The amount in the tiers that it reaches."""

    @abstractmethod
    def shared_tiers(
        self, charge: EnergyCharge, usage: Usage[N], held: PeriodQuantities[N], tables: Tables
    ) -> Iterable[Costs[N]]:
        """The same for each of several periods, where their total fills the tiers."""

    def positive(self, name: str, value: N | Decimal, meaning: str) -> N | Decimal:
        """The value where it is above zero, else zero."""
        return self.maximum(name, (_ZERO, value), meaning)

    def least(self, name: str, value: N | Decimal, limit: N | Decimal, meaning: str) -> N | Decimal:
        """The lesser of both: the value without what it is beyond the limit."""
        return value - self.positive(name, value - limit, meaning)

    def sum(self, names: Sequence[str] = (), *, beside: Component | None = None) -> N | Decimal:
        """Sum of the lines of those charges or components; where none is named, of all but one component."""
        # Carried amounts tell of the account; they are no part of what is due.
        kept = (line for line in self.lines if line.component not in ("carried", beside))
        if not names:
            return sum((line.amount for line in kept), _ZERO)
        return sum((line.amount for line in kept if line.charge_id in names or line.component in names), _ZERO)

    def write(
        self,
        line_id: str,
        kind: ItemName,
        component: Component,
        description: str,
        amount: N | Decimal,
        **cells: Unpack[Cells[N]],
    ) -> N | Decimal:
        """Put a line down and return its rounded amount."""
        return self._put(line_id, kind, component, description, amount, cells)

    def write_charge(
        self,
        charge: Charge,
        component: Component,
        amount: N | Decimal,
        *,
        part: str = "",
        text: str = "",
        **cells: Unpack[Cells[N]],
    ) -> N | Decimal:
        """A line of a charge, or the part of it that is named behind its id, and in words behind its description."""
        name = charge.charge_id
        cells["charge_id"], cells["party"], cells["owner"] = name, charge.party, charge.owner or "unknown"
        return self._put(name + part, charge.kind, component, (charge.description or name) + text, amount, cells)

    # The cells as they are: to unpack them a second time would cost a tenth of a bill.
    def _put(
        self,
        line_id: str,
        kind: ItemName,
        component: Component,
        description: str,
        amount: N | Decimal,
        cells: Cells[N],
    ) -> N | Decimal:
        rounded, unit = self.money(amount), cells.get("unit")
        if unit and "rate_unit" not in cells:
            cells["rate_unit"] = f"{self.currency}/{unit}"
        if "charge_id" not in cells:
            cells["charge_id"] = line_id
        self.lines.append(Line(line_id + self.suffix, kind, component, description, rounded, **cells))
        return rounded


class RoundingWriter(Writer[Decimal]):
    """Writes a bill: rounds half up to `digits` decimals (None: not at all)."""

    def __init__(self, currency: str, digits: int | None) -> None:
        super().__init__(currency)
        self.digits = digits

    def money(self, amount: Decimal) -> Decimal:
        """The amount as the tariff rounds it."""
        if self.digits is None:
            return amount
        try:
            # Half up, as suppliers round: Decimal's own half even is a cent off at every tie before an even digit.
            return amount.quantize(_ONE.scaleb(-self.digits), rounding=ROUND_HALF_UP)
        except InvalidOperation as error:
            raise BadInput(
                f"a line comes to {amount:.2E} {self.currency}; expected prices that make an amount of money",
                reason="amount_size",
            ) from error

    def maximum(self, name: str, values: Sequence[Decimal], meaning: str) -> Decimal:
        """The greatest of the values."""
        return max(values)

    def least(self, name: str, value: Decimal, limit: Decimal, meaning: str) -> Decimal:
        """The lesser of both."""
        return min(limit, value)

    def tiers(self, name: str, amount: Decimal, table: Sequence[Bound]) -> Costs[Decimal]:
        """The amount in the tiers that it reaches."""
        return _priced(fill(table, amount))

    def shared_tiers(
        self, charge: EnergyCharge, usage: Usage[Decimal], held: PeriodQuantities[Decimal], tables: Tables
    ) -> Iterable[Costs[Decimal]]:
        """Tiers of the total: in order of time, or by each period's share of it."""
        timeline = usage.timelines.get(charge.charge_id)
        # Register reads have no timeline: a share of the total is the nearest that they allow.
        if charge.tier_basis == "total" or timeline is None:
            return [_priced(parts) for parts in share_pro_rata(tables, [amount for _, amount in held])]
        index_of = {period.period_id: index for index, period in enumerate(charge.all_periods)}
        places = [index_of[period.period_id] for period, _ in held]
        parts = fill_in_time_order(
            # A period without a slot here has no kWh in the timeline: any table may stand in its place.
            [tables[places.index(n)] if n in places else tables[0] for n in range(len(charge.all_periods))],
            timeline.energy_nano,
            timeline.periods,
            factor=usage.kwh_per_unit,
        )
        return [_priced(parts[place]) for place in places]


def _priced(parts: Sequence[tuple[Bound, Decimal]]) -> Costs[Decimal]:
    return [(bound, amount, amount * bound.price) for bound, amount in parts]


def write_energy(
    pen: Writer[N],
    tariff: Tariff,
    usage: Usage[N],
    energy: Mapping[str, tuple[N | Decimal | None, ...]],
    demand_kw: N | Decimal,
) -> None:
    """Lines per kWh. energy: charge_id -> kWh to bill per period (import, or what netting left of it);
    demand_kw: highest billed demand, for tiers of hours use.
    """
    for charge in tariff.energy_charges:
        if charge.series is None:
            _write_tiers(pen, charge, usage, energy[charge.charge_id], demand_kw, unit=tariff.billed_unit)
            continue
        kwh, cost = usage.series[charge.charge_id]
        # A price per interval has no rate of its own: the line shows the mean, and the amount is the exact sum.
        text = "" if charge.description else f" ({charge.series.series} price per interval)"
        pen.write_charge(
            charge, "energy", cost, text=text, quantity=kwh, unit=tariff.billed_unit, rate=mean_price(cost, kwh)
        )


def mean_price(cost: N | Decimal, kwh: Decimal) -> Decimal | None:
    """Cost per kWh; None where nothing was used, or a plan has yet to decide."""
    return cost / kwh if isinstance(cost, Decimal) and kwh else None


def _write_tiers(
    pen: Writer[N],
    charge: EnergyCharge,
    usage: Usage[N],
    amounts: tuple[N | Decimal | None, ...],
    demand_kw: N | Decimal,
    *,
    unit: str,
) -> None:
    # None: no slot of the period lies in this bill (a summer price in January), so it has no line.
    held = [(period, amount) for period, amount in zip(charge.all_periods, amounts, strict=True) if amount is not None]
    # Tiers of hours use end at kWh per kW: a plan, which may decide the demand, refuses them before.
    kw = demand_kw if isinstance(demand_kw, Decimal) else _ZERO
    tables = [
        bounds_of(period.blocks, limit_share=usage.month_share, days=usage.days, demand_kw=kw) for period, _ in held
    ]
    # Without tiers the basis has no say, and the plain way keeps each amount whole instead of a share of the total.
    if charge.tier_basis == "period" or all(len(table) == 1 for table in tables):
        costs: Iterable[Costs[N]] = [
            pen.tiers(f"{charge.charge_id}.{period.period_id}.tiers", amount, table)
            for (period, amount), table in zip(held, tables, strict=True)
        ]
    else:
        costs = pen.shared_tiers(charge, usage, held, tables)
    for (period, _), parts in zip(held, costs, strict=True):
        _write_parts(pen, charge, "energy", period, parts, unit=unit)


def _write_parts(
    pen: Writer[N],
    charge: EnergyCharge | DemandCharge,
    component: Component,
    period: TouPeriod | DemandPeriod,
    parts: Costs[N],
    *,
    unit: str,
    share: Decimal = _ONE,
) -> None:
    """A line for each tier that is reached; share: of the price, where a part of a month is billed."""
    is_named = bool(charge.periods)
    for bound, amount, cost in parts:
        # A single price is no tier: its line must not be called the first of several.
        tier = bound.number if period.tiers else 0
        pen.write_charge(
            charge,
            component,
            cost * share,
            part=(f".{period.period_id}" if is_named else "") + (f".{tier}" if tier else ""),
            text=(f", {period.period_id}" if is_named else "") + (f", tier {tier}" if tier else ""),
            quantity=amount,
            unit=unit,
            rate=bound.price,
            period_id=period.period_id if is_named else "",
            tier=tier,
        )


def billed_demand(
    pen: Writer[N], charge: DemandCharge, usage: Usage[N], history: Mapping[str, Sequence[Decimal]]
) -> tuple[N | Decimal | None, ...]:
    """KW (kVA) to bill per period: the highest of measured, ratchet, minimum and contracted share; then the power
    factor; then the rounding of demand (formulas 5.11). None for a period without a slot in this bill.

    history: period_id -> demands of the months that the ratchet looks back on, each times its share, without the
    present one.
    """
    measured = usage.demand[charge.charge_id]
    floor = max(charge.minimum_kw, charge.contracted_share * (charge.contracted_kw or _ZERO))
    found: list[N | Decimal | None] = []
    for index, period in enumerate(charge.periods):
        demand = measured[index]
        if demand is None:
            found.append(None)
            continue
        # Floors first, then the power factor, then the rounding of the demand: the order of formulas 5.11.
        values = _over_months(charge, period, demand, usage, history)
        values.append(floor)
        billed = pen.maximum(f"{charge.charge_id}.{period.period_id}.billed", values, "demand, or its floor")
        # Both are no sums of what a plan decides, which refuses them before.
        if isinstance(billed, Decimal):
            billed *= _power_factor_share(charge, usage)
            if charge.demand_decimals is not None:
                billed = billed.quantize(_ONE.scaleb(-charge.demand_decimals), rounding=ROUND_HALF_UP)
        found.append(billed)
    return tuple(found)


def _over_months(
    charge: DemandCharge,
    period: DemandPeriod,
    demand: N | Decimal,
    usage: Usage[N],
    history: Mapping[str, Sequence[Decimal]],
) -> list[N | Decimal]:
    """The measured demand and what the ratchet lifts it to, or the mean of the months that it looks back on."""
    if charge.ratchet is None:
        return [demand]
    names = charge.ratchet.of_periods or (period.period_id,)
    seen: list[N | Decimal] = [kw for name in names for kw in history.get(name, ())]
    # A demand belongs to the month in which its bill part starts, as it does in the account of peaks.
    if charge.ratchet.includes_current and charge.ratchet.is_set_in(usage.start.month):
        measured = zip(charge.periods, usage.demand[charge.charge_id], strict=True)
        share = charge.ratchet.share_in(usage.start.month)
        seen += [kw * share for other, kw in measured if other.period_id in names and kw is not None]
    if charge.ratchet.rule == "mean":
        # Of a new supply no month is known: its first is billed as it was measured.
        return [sum(seen, _ZERO) / len(seen) if seen else demand]
    seen.insert(0, demand)
    return seen


def _power_factor_share(charge: DemandCharge, usage: Usage[N]) -> Decimal:
    """Reference / measured power factor of the bill period where that is above one."""
    # Without kvarh a power factor of 1 is taken; measuring tells it as a finding.
    used, kvarh = usage.import_kwh, usage.kvarh
    if charge.reference_power_factor is None or kvarh is None or not used or not isinstance(used, Decimal):
        return _ONE
    # From the energies of the bill: a mean of power factors of intervals would weigh an idle night like a full shift.
    apparent = (used**2 + kvarh**2).sqrt()
    # The clause only penalises: a better power factor than the reference earns nothing.
    return max(_ONE, charge.reference_power_factor * apparent / used)


def write_demand(
    pen: Writer[N], tariff: Tariff, usage: Usage[N], billed: Mapping[str, tuple[N | Decimal | None, ...]]
) -> None:
    """Lines per kW of highest demand; prices are per month, so part of a month costs its share."""
    for charge in tariff.demand:
        for period, demand in zip(charge.periods, billed[charge.charge_id], strict=True):
            if demand is None:
                continue
            # Limits in kW do not shrink with the days of a bill, as limits in kWh do: only the price has its share.
            if period.blocks[0].amount is not None and isinstance(demand, Decimal):
                _write_block(pen, charge, period, demand, usage.month_share)
                continue
            # Tiers of demand end at kW: there is no demand for a limit to depend on.
            table = bounds_of(period.blocks, limit_share=_ONE, days=usage.days, demand_kw=_ZERO)
            parts = pen.tiers(f"{charge.charge_id}.{period.period_id}.tiers", demand, table)
            _write_parts(pen, charge, "demand", period, parts, unit=POWER_UNITS[charge.unit], share=usage.month_share)


def _write_block(pen: Writer[N], charge: DemandCharge, period: DemandPeriod, demand: Decimal, share: Decimal) -> None:
    """The amount of the block in which demand lies; at its end it belongs to the lower one, as kWh do."""
    at = next(n for n, tier in enumerate(period.blocks) if tier.up_to is None or demand <= tier.up_to)
    amount, part = period.blocks[at].amount or _ZERO, f".{period.period_id}.{at + 1}"
    pen.write_charge(
        charge, "demand", amount * share, part=part, text=f", {period.period_id}, tier {at + 1}",
        quantity=demand, unit=POWER_UNITS[charge.unit], rate=amount, rate_unit=f"{pen.currency}/month",
        period_id=period.period_id, tier=at + 1,
    )  # fmt: skip


def write_capacity(pen: Writer[N], tariff: Tariff, usage: Usage[N]) -> None:
    """Contracted power, and what exceeds it."""
    for charge in tariff.capacity:
        name, unit, rate = charge.charge_id, POWER_UNITS[charge.unit], charge.price_per_unit
        pen.write_charge(
            charge,
            "capacity",
            charge.contracted * rate * usage.count(charge.per),
            quantity=charge.contracted,
            unit=unit,
            rate=rate,
            rate_unit=f"{pen.currency}/{unit}/{charge.per}",
        )
        beyond = usage.capacity[name] - charge.contracted * charge.excess_above_share
        excess, rate = pen.positive(f"{name}.excess", beyond, "power above contract"), charge.excess_price_per_unit
        # Passing the contract is charged when it happens, once a bill: no rent by time, hence no share of the month.
        if excess and rate:
            cells: Cells[N] = {"quantity": excess, "unit": unit, "rate": rate}
            cost = excess * rate * usage.bill_share
            pen.write_charge(charge, "capacity", cost, part=".excess", text=", above contract", **cells)


def write_reactive(pen: Writer[N], tariff: Tariff, usage: Usage[N]) -> None:
    """Kvarh beyond tan phi times the active energy."""
    for charge in tariff.reactive:
        # Import of the whole bill, not of each interval: a leading night does not pay for a lagging day.
        over, rate = (usage.kvarh or _ZERO) - usage.import_kwh * charge.tan_phi, charge.price_per_kvarh
        beyond = pen.positive(f"{charge.charge_id}.beyond", over, "kvarh beyond what tan phi allows")
        pen.write_charge(charge, "reactive", beyond * rate, quantity=beyond, unit="kvarh", rate=rate)


def write_fixed(pen: Writer[N], tariff: Tariff, usage: Usage[N]) -> None:
    """Amounts per day, month, year or bill."""
    for charge in tariff.fixed:
        count, rate = usage.count(charge.per), charge.amount
        pen.write_charge(charge, "fixed", rate * count, quantity=count, unit=charge.per, rate=rate)
