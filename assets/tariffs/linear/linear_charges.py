"""Charges of one bill as forms: energy, capacity, reactive energy, fixed amounts. Demand: linear_demand.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from assets.tariffs.compiled import Compiled
from assets.tariffs.linear.linear_build import Desk
from assets.tariffs.linear.linear_frame import Carried
from assets.tariffs.linear.linear_model import ZERO, Form, Refused, total_of
from assets.tariffs.price_series import series_of
from assets.tariffs.tiers import Bound, bounds_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import EnergyCharge, SeriesPrice, TouPeriod
from data_quality.contracts.units import of_quanta


@dataclass
class Netted:
    """kWh to bill of each energy charge, and what netting leaves over.

    billed: charge -> per period, None where it has no slot in the bill; left_kwh: surplus of the first charge that a
    later bill may use; netted_kwh: surplus of all periods netted; money: credit that surplus became.
    """

    billed: dict[str, list[Form | None]] = field(default_factory=dict)
    left_kwh: Form = field(default_factory=Form)
    netted_kwh: Form = field(default_factory=Form)
    money: Form = field(default_factory=Form)


def write_energy(desk: Desk, tariff: Tariff, compiled: Compiled, carried: Carried) -> Netted:
    """Lines per kWh; returns what was billed. Raises Refused, BadInput."""
    found = Netted(money=Form(constant=carried.money))
    whole = desk.frame.whole
    if tariff.metering.arrangement == "net_metering_energy":
        # Netted over all periods too: the true-up may pay for what the whole bill left, not for each period's rest.
        net = desk.energy("surplus", "export", whole).minus(desk.energy("use", "import", whole))
        kept = net.plus(Form(constant=carried.netted_kwh))
        found.netted_kwh = desk.positive("netted", kept, "surplus of all periods netted")
    for position, charge in enumerate(tariff.energy_charges):
        if charge.series is not None:
            rates = _rates(desk, tariff, charge.series, "import")
            desk.write(charge.charge_id, "energy", desk.energy(charge.charge_id, "import", whole, rates))
            continue
        periods = compiled.energy[charge.charge_id]
        if periods is None:
            raise Refused(charge.charge_id, "periods are the meter's registers: no interval has a price")
        _net(desk, tariff, charge, periods, carried, found, is_first=position == 0)
        desk.write(charge.charge_id, "energy", _priced(desk, tariff, charge, found.billed[charge.charge_id]))
    return found


def _net(
    desk: Desk,
    tariff: Tariff,
    charge: EnergyCharge,
    periods: np.ndarray,
    carried: Carried,
    found: Netted,
    *,
    is_first: bool,
) -> None:
    arrangement = tariff.metering.arrangement
    amounts: list[Form | None] = []
    # Every charge meets the same surplus; only the first one carries it, or a kWh would be credited several times.
    first = next((each.charge_id for each in tariff.energy_charges if each.series is None), "")
    for index, period in enumerate(charge.all_periods):
        name, mask = f"{charge.charge_id}.{period.period_id}", periods == index
        over = carried.kwh.get((charge.charge_id, period.period_id), ZERO)
        if not mask.any():
            # The period has no slot in this bill: what it carries waits for a bill in which it has one.
            amounts.append(None)
            found.left_kwh = found.left_kwh.plus(Form(constant=over if charge.charge_id == first else ZERO))
            continue
        bought = desk.energy(f"{name}.import", "import", mask)
        if not arrangement.startswith("net_metering"):
            amounts.append(bought)
            continue
        net = bought.minus(desk.energy(f"{name}.export", "export", mask))
        if arrangement == "net_metering_energy":
            net = net.minus(Form(constant=over))
        billed = desk.positive(f"{name}.net", net, f"import of {name} beyond its surplus")
        left = billed.minus(net)
        if arrangement == "net_metering_energy":
            found.left_kwh = found.left_kwh.plus(left) if charge.charge_id == first else found.left_kwh
        # The first charge turns all surplus to money, at zero if need be; others only where they name a price.
        elif is_first or period.sell_price_per_kwh:
            found.money = found.money.plus(left, period.sell_price_per_kwh or ZERO)
        amounts.append(billed)
    found.billed[charge.charge_id] = amounts


def _priced(desk: Desk, tariff: Tariff, charge: EnergyCharge, amounts: Sequence[Form | None]) -> Form:
    held = [(p, amount) for p, amount in zip(charge.all_periods, amounts, strict=True) if amount is not None]
    tables = [_table(desk, charge, period) for period, _ in held]
    if charge.tier_basis == "period" or all(len(table) == 1 for table in tables):
        return total_of(
            desk.tiers(f"{charge.charge_id}.{period.period_id}.tiers", amount, table)
            for (period, amount), table in zip(held, tables, strict=True)
        )
    return _shared(desk, tariff, charge, [amount for _, amount in held], tables)


def _table(desk: Desk, charge: EnergyCharge, period: TouPeriod) -> tuple[Bound, ...]:
    if any(tier.up_to_unit == "kwh_per_kw" for tier in period.blocks):
        raise Refused(
            charge.charge_id,
            f"period {period.period_id}: tiers of hours use end at kWh per kW of demand, so a higher peak makes energy "
            "cheaper; their ends are no constants",
        )
    return bounds_of(period.blocks, limit_share=desk.frame.month_share, days=desk.frame.days, demand_kw=ZERO)


def _shared(
    desk: Desk, tariff: Tariff, charge: EnergyCharge, amounts: Sequence[Form], tables: Sequence[Sequence[Bound]]
) -> Form:
    """Tiers that fill with the total. Linear where each tier adds the same to every period's first price."""
    ends = {tuple(bound.up_to for bound in table) for table in tables}
    steps = {tuple(bound.price - table[0].price for bound in table) for table in tables}
    if len(ends) > 1 or len(steps) > 1:
        raise Refused(
            charge.charge_id,
            "tiers fill with the total of periods whose prices do not step alike: which kWh is dear depends on "
            + ("their order" if charge.tier_basis == "in_time_order" else "a product of two energies"),
        )
    if charge.tier_basis == "in_time_order" and tariff.metering.arrangement.startswith("net_metering"):
        raise Refused(charge.charge_id, "tiers in order of time count import, the bill counts what netting leaves")
    total = total_of(amounts)
    base = total_of(amount.times(table[0].price) for amount, table in zip(amounts, tables, strict=True))
    added = [Bound(number=b.number, price=b.price - tables[0][0].price, up_to=b.up_to) for b in tables[0]]
    return base.plus(desk.tiers(f"{charge.charge_id}.tiers", total, added))


def _rates(desk: Desk, tariff: Tariff, price: SeriesPrice, side: str, *, is_floored: bool = False) -> list[Decimal]:
    """Price per kWh in each slot of the bill. Raises BadInput where an open slot, or one with energy, has none."""
    frame = desk.frame
    needed = frame.known(side) != 0
    # The solver may put energy into any open slot: each needs a price, though nothing is used there yet.
    needed[frame.first : frame.last] = True
    series = series_of(tariff, price, frame.prices)
    # Decimals are worked out once per different price, not once per slot: they cost far more than floats.
    nano, index = np.unique(series.on(frame.grid.start_us, frame.grid.step_minutes, needed), return_inverse=True)
    rates = [price.rate(of_quanta(value), is_floored=is_floored) for value in nano]
    return [rates[place] for place in index.tolist()]


def export_rates(desk: Desk, tariff: Tariff) -> list[Decimal] | None:
    """Rate of a kWh fed in in each slot, where a series says so."""
    terms = tariff.export_terms
    if terms.series is None:
        return None
    return _rates(desk, tariff, terms.series, "export", is_floored=terms.negative_prices == "zero")


def write_reactive(desk: Desk, tariff: Tariff) -> None:
    """Kvarh beyond tan phi times the import; the kvarh of the bill must be known."""
    for charge in tariff.reactive:
        if desk.frame.kvarh is None:
            raise Refused(charge.charge_id, "the reactive energy of the bill is not known")
        used = desk.energy(f"{charge.charge_id}.import", "import", desk.frame.whole)
        beyond = Form(constant=desk.frame.kvarh).plus(used, -charge.tan_phi)
        over = desk.positive(f"{charge.charge_id}.beyond", beyond, "kvarh beyond what tan phi allows")
        desk.write(charge.charge_id, "reactive", over.times(charge.price_per_kvarh))


def write_fixed(desk: Desk, tariff: Tariff) -> None:
    """Amounts per day, month, year or bill: constants."""
    for charge in tariff.fixed:
        desk.write(charge.charge_id, "fixed", Form(constant=charge.amount * desk.frame.count(charge.per)))
