"""The same tariff that makes the bill, as linear terms for an optimiser (formulas 5.11): exact, or refused by name.

One bill under one tariff, over a horizon of its intervals; what is known of the bill outside the horizon is folded in
as constants, floors and parts of windows. assets/bills/engine/bill_terms.py fills this from loads and earlier bills.
"""

from datetime import date
from decimal import Decimal, localcontext
from typing import Literal

from assets.tariffs.compiled import compile_tariff
from assets.tariffs.linear.linear_build import Desk
from assets.tariffs.linear.linear_charges import write_energy, write_fixed, write_reactive
from assets.tariffs.linear.linear_closing import (
    refuse_carried_hours,
    write_credits,
    write_export,
    write_minimum,
    write_riders,
    write_taxes,
    write_true_up,
)
from assets.tariffs.linear.linear_demand import write_capacity, write_demand
from assets.tariffs.linear.linear_frame import BillFrame, Carried
from assets.tariffs.linear.linear_model import ZERO, Energy, Form, LinearTerms, NotLinear, Refused, Side
from assets.tariffs.linear.linear_shape import shaped
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.units import EXACT


def linear_terms(
    tariff: Tariff,
    frame: BillFrame,
    *,
    carried: Carried | None = None,
    currency: str = "",
    credits_beyond: Literal["refuse", "leave_out"] = "refuse",
    day_types: dict[date, DayType] | None = None,
) -> LinearTerms | NotLinear:
    """The unrounded bill of the frame as linear terms, or the component that cannot be one, and why.

    credits_beyond: what surplus is worth in later bills cannot be said with this one. `refuse` it, or `leave_out`: the
    terms are exact for this bill and name under `left_out` what they do not count. Raises BadInput for what the bill
    refuses too: a missing price, periods that are not exact, a grid too coarse.
    """
    with localcontext(EXACT):
        compiled = compile_tariff(tariff, frame.grid, day_types=day_types)
        desk, before = Desk(frame), carried or Carried()
        try:
            # The order of the bill (assets/bills/engine): shares, minimum and taxes stand on the lines above them.
            refuse_carried_hours(tariff, before)
            netted = write_energy(desk, tariff, compiled, before)
            demands = write_demand(desk, tariff, compiled, before.demands_kw)
            write_capacity(desk, tariff)
            write_reactive(desk, tariff)
            write_fixed(desk, tariff)
            write_riders(desk, tariff, netted, demands)
            write_export(desk, tariff, compiled, netted)
            write_credits(desk, tariff, netted)
            left_out = write_minimum(desk, tariff, before)
            beyond = write_true_up(desk, tariff, netted)
            # A credit is worth what later bills would have cost: to leave it out in
            # silence would let the optimiser export too little.
            if beyond and credits_beyond == "refuse":
                return beyond[0]
            # Last: taxes stand on the true-up too.
            write_taxes(desk, tariff)
            left_out += [*beyond, *_later_ratchets(tariff, frame)]
            return _published(desk, tariff, currency, left_out)
        except Refused as refusal:
            return refusal.answer


def _later_ratchets(tariff: Tariff, frame: BillFrame) -> list[NotLinear]:
    return [
        NotLinear(component=charge.charge_id, why="this month's peak may set the ratchet of later bills")
        for charge in tariff.demand
        if charge.ratchet is not None and charge.ratchet.is_set_in(frame.start.month)
    ]


def _published(desk: Desk, tariff: Tariff, currency: str, left_out: list[NotLinear]) -> LinearTerms:
    """Prices per interval from the sums that the cost uses directly; the other variables stay terms."""
    frame, total = desk.frame, desk.sum_of()
    terms = shaped(desk.terms, total, desk.ranges, max_export_kwh=frame.max_export_kwh)
    energies = {term.name: term for term in terms if isinstance(term, Energy)}
    size = frame.last - frame.first
    rates: dict[Side, list[Decimal]] = {"import": [ZERO] * size, "export": [ZERO] * size}
    constant, objective = total.constant, []
    for name, coefficient in total.parts:
        # What the cost takes of an energy directly is a price per interval: the solver needs no variable for it.
        energy = energies.get(name)
        if energy is None:
            objective.append((name, coefficient))
            continue
        constant += coefficient * energy.incurred
        weights = energy.weights or (Decimal(1),) * len(energy.intervals)
        row = rates[energy.side]
        for interval, weight in zip(energy.intervals, weights, strict=True):
            row[interval] += coefficient * weight
    used = _used(Form(parts=tuple(objective)), terms)
    return LinearTerms(
        tariff_id=tariff.tariff_id,
        currency=tariff.currency or currency,
        start=frame.start,
        end=frame.end,
        time_zone=frame.grid.time_zone,
        start_utc=frame.start_utc,
        step_minutes=frame.grid.step_minutes,
        size=size,
        constant=constant,
        import_price_per_kwh=tuple(rates["import"]),
        export_price_per_kwh=tuple(rates["export"]),
        objective=tuple(objective),
        terms=tuple(term for term in terms if term.name in used),
        max_import_kwh=frame.max_import_kwh,
        max_export_kwh=frame.max_export_kwh,
        left_out=tuple(left_out),
    )


def _used(objective: Form, terms: tuple[object, ...]) -> set[str]:
    """Variables that the cost stands on, through others too."""
    used = {name for name, _ in objective.parts}
    # Backwards: a term stands behind everything that it is made of.
    for term in reversed(terms):
        if getattr(term, "name", "") not in used:
            continue
        forms = getattr(term, "forms", None) or ((form,) if (form := getattr(term, "form", None)) else ())
        used |= {name for form in forms for name, _ in form.parts}
    return used
