"""Energy that a site bought of each carrier on each local day, from its readings: the input of a footprint."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Literal

import polars as pl

from assets.sites.generation import generation
from assets.sites.meter_tree import ENERGY_UNIT, has_import, primary_meters, total_meters, tree_spans
from assets.sites.organisation import InternalDelivery
from data_quality.contracts.emissions.footprint import Role, SiteEnergy
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, local_day_hours
from data_quality.contracts.units import EXACT, QUANTUM_DECIMALS

EXPORT_REGISTER = "export"
_Days = dict[tuple[str, str, date], tuple[int, int, int]]


def site_energies(readings: pl.DataFrame, *, site: Site, period: Period) -> tuple[SiteEnergy, ...]:
    """One row per carrier, role and local day; kwh is None on a day that nothing was read.

    readings: LAKE_SCHEMA, the view at T (`site_readings`). Purchased: import of the meters that make the site's total
    and stand below no other meter. Made on site of metered energy (compressed air, steam, heat below a gas meter):
    secondary, counted in no total. Export of a meter that also buys: never netted; what was generated beyond it is
    self-consumed. Sums are exact (quanta of 1e-9 kWh).
    """
    days = _by_day(readings, site)
    exporters = {meter.meter_id for meter in site.meters if _exports(meter)}
    metered = [meter for meter in site.meters if not meter.is_virtual and has_import(meter)]
    trees = [
        (
            part.end,
            {*primary_meters(site, part.start)},
            {each: total_meters(site, each, part.start) for each in Carrier},
        )
        for part in tree_spans(site)
    ]
    found: list[SiteEnergy] = []
    for day in [period.start + timedelta(days=offset) for offset in range(period.days)]:
        # 92 or 100 on the days when clocks are moved.
        slots = int(local_day_hours(day, site.time_zone) * 60) // CANONICAL_MINUTES
        _, bought, totals = next(tree for tree in trees if day < tree[0])
        for carrier, total in totals.items():
            groups: dict[tuple[Role, Literal["", "gross", "net"]], list[str]] = {}
            for meter in metered:
                if meter.carrier is carrier:
                    role = _role(meter, bought, total)
                    if role is not None:
                        groups.setdefault((role, _calorific(meter, day)), []).append(meter.meter_id)
            exporting = [name for name in total if name in bought and name in exporters]
            for (role, calorific), meters in groups.items():
                energy = _energy(days, meters, CONSUMPTION_REGISTER, carrier, day, slots, role)
                found.append(energy.model_copy(update={"calorific_basis": calorific}))
            if exporting:
                fed_in = _energy(days, exporting, EXPORT_REGISTER, carrier, day, slots, "exported")
                found += [fed_in, *_self_consumed(days, site, fed_in, day, slots)]
    return tuple(found)


def without_deliveries(
    energies: Iterable[SiteEnergy], readings: pl.DataFrame, *, site: Site, left_out: Sequence[InternalDelivery]
) -> tuple[tuple[SiteEnergy, ...], Decimal]:
    """Energies by day without what sites of the same organisation delivered, and how many kWh that was.

    Of a seller that is owned in part only the share is left out: the rest is bought from its other owners. Raises
    BadInput where more was delivered than the site bought of the carrier on that day.
    """
    days, found, total = _by_day(readings, site) if left_out else {}, list[SiteEnergy](), Decimal(0)
    with localcontext(EXACT):
        for energy in energies:
            own = Decimal(0)
            for each in left_out if energy.role == "purchased" and energy.kwh is not None else ():
                quanta = days.get((each.meter, CONSUMPTION_REGISTER, energy.start), (0, 0, 0))[0]
                own += each.share * Decimal(quanta).scaleb(-QUANTUM_DECIMALS) * (each.carrier is energy.carrier)
            if energy.kwh is not None and own > energy.kwh:
                raise BadInput(
                    f"{site.site_id}: own sites delivered {own:f} kWh of {energy.carrier} on {energy.start}, but only "
                    f"{energy.kwh:f} were bought",
                    reason="delivered_too_much",
                )
            found.append(energy if not own else energy.model_copy(update={"kwh": (energy.kwh or Decimal(0)) - own}))
            total += own
    return tuple(found), total


def _by_day(readings: pl.DataFrame, site: Site) -> _Days:
    """(meter, register, local date) -> quanta, quarter hours read, of these estimated."""
    own = readings.filter((pl.col("site_id") == site.site_id) & (pl.col("unit") == ENERGY_UNIT))
    estimated = pl.col("quality_code").is_in([int(code) for code in ESTIMATED_CODES])
    # Whole quanta, so that a day's sum does not depend on the order of its quarter hours.
    rows = own.group_by(
        "meter_id",
        "register",
        local_date=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date(),
    ).agg(
        # A single amount fits 64 bits; a sum past 9.2 TWh would turn over in silence.
        (pl.col("value") * 10.0**QUANTUM_DECIMALS).round().cast(pl.Int64).cast(pl.Int128).sum().alias("quanta"),
        pl.len().alias("present"),
        estimated.sum().alias("estimated"),
    )
    return {
        (meter, register, day): (int(quanta), present, guessed)
        for meter, register, day, quanta, present, guessed in rows.iter_rows()
    }


def _energy(
    days: _Days, meters: list[str], register: str, carrier: Carrier, day: date, slots: int, role: Role
) -> SiteEnergy:
    read = [found for meter in meters if (found := days.get((meter, register, day))) is not None]
    present = sum(each[1] for each in read)
    return SiteEnergy(
        carrier=carrier,
        start=day,
        end=day + timedelta(days=1),
        kwh=Decimal(sum(each[0] for each in read)).scaleb(-QUANTUM_DECIMALS) if read else None,
        role=role,
        coverage=min(Decimal(1), Decimal(present) / (slots * len(meters))),
        estimated_share=Decimal(sum(each[2] for each in read)) / present if present else Decimal(0),
    )


def _self_consumed(days: _Days, site: Site, fed_in: SiteEnergy, day: date, slots: int) -> list[SiteEnergy]:
    """Energy made and not fed in; nothing where either was not read, or more left than was made."""
    if fed_in.carrier is not Carrier.ELECTRICITY or fed_in.kwh is None:
        return []
    made = [
        _energy(days, [meter], register, fed_in.carrier, day, slots, "self_consumed")
        for meter, register in generation(site)
    ]
    # With several generators all must be read: what a silent one made would pass as not consumed.
    kwh = sum((each.kwh for each in made if each.kwh is not None), Decimal(0)) - fed_in.kwh
    if not made or any(each.kwh is None for each in made) or kwh < 0:
        return []
    return [made[0].model_copy(update={"kwh": kwh, "coverage": min(each.coverage for each in [*made, fed_in])})]


def bought_generation(site: Site) -> tuple[str, ...]:
    """Meters of generation that count in the register of what is bought, and stand below no meter."""
    bought = set(primary_meters(site))
    return tuple(meter for meter, register in generation(site) if register == CONSUMPTION_REGISTER and meter in bought)


def _role(meter: Meter, bought: Collection[str], total: Collection[str]) -> Role | None:
    if meter.meter_id in bought:
        return "purchased"
    return "secondary" if meter.meter_id in total or meter.is_made_on_site else None


def _exports(meter: Meter) -> bool:
    return any(register.register_id == EXPORT_REGISTER for register in meter.registers)


def _calorific(meter: Meter, day: date) -> Literal["", "gross", "net"]:
    for factors in meter.gas_factors:
        if factors.valid_from <= day and (factors.valid_to is None or day < factors.valid_to):
            return factors.basis
    return ""
