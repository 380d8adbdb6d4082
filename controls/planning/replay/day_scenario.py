"""A past day as a scenario: each quarter hour's plan, and its problem with measured values instead of forecasts."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.bill_columns import steps_of_intervals
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.devices.device import Device, numbers
from controls.planning.plan_inputs import STEP
from controls.planning.tariff_terms import Offer
from controls.planning.triggers import planned_states
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding

By = Mapping[datetime, float]
# The bills of steps from an instant on, by their load less PV (kW) and the most that the connection may carry.
Bill = Callable[[datetime, Floats, float], Offer | Finding]
# Holes within a day up to this share are filled from the plan, and reported; with more nothing is judged.
MAX_MISSING = 0.05
# A reading this close to a limit (share, kW) was held down by it.
_AT_LIMIT, _AT_LIMIT_KW = 1.02, 0.02


@dataclass(frozen=True)
class Readings:
    """Readings of a day and the hours after it, by the start of each quarter hour: mean kW, currency per kWh.

    generated_kw: of each device with a forecast, by its id. done_kw: by device and column, as its own meter shows it.
    set_points: by device: what it was proven by the ledger to have been told, by capability. bill: where the tariff
    looks at more than the hour (tiers, peaks); None where the prices say it all. unpriced: why there are no prices.
    """

    load_kw: By
    import_price: By
    export_price: By = field(default_factory=dict)
    generated_kw: Mapping[str, By] = field(default_factory=dict)
    done_kw: Mapping[str, Mapping[str, By]] = field(default_factory=dict)
    set_points: Mapping[str, Mapping[datetime, Mapping[str, float]]] = field(default_factory=dict)
    bill: Bill | None = None
    unpriced: Finding | None = None

    def billed(self, case: DispatchCase) -> DispatchCase | Finding:
        """The case with its bills, which look at all that is drawn: at the connection as wide as that may need."""
        if self.bill is None:
            return case
        sun_kw = sum((_undisturbed(device) for device in case.devices if device.forecast), np.zeros(len(case.load_kw)))
        around = case.around
        most_kw = max(case.connection.import_max_kw, around.drawn_max_kw.max(), around.fed_max_kw.max())
        quarters = np.full(round(sum(case.step_h) * timedelta(hours=1) / STEP), STEP / timedelta(hours=1))
        places = steps_of_intervals(case.step_h, quarters)
        offer = self.bill(case.start_utc, (np.array(case.load_kw) - sun_kw)[places], float(most_kw))
        if isinstance(offer, Finding):
            return offer
        bought, sold = (
            tuple((np.bincount(places, side) / np.bincount(places)).tolist())
            for side in (offer.import_price_per_kwh, offer.export_price_per_kwh)
        )
        billed = {
            "import_price_per_kwh": bought,
            "export_price_per_kwh": sold,
            "bills": offer.bills,
            "interval_steps": tuple(places.tolist()) if places.size > len(case.step_h) else (),
        }
        return case.model_copy(update={"connection": case.connection.model_copy(update=billed)})


@dataclass(frozen=True)
class Slot:
    """One quarter hour: the newest plan that was known for it, and which of the plan's steps it is."""

    start_utc: datetime
    plan: Plan
    step: int


@dataclass(frozen=True)
class DayScenario:
    """The quarter hours of a day that plans governed and readings tell, with the plans of the day, the oldest first.

    requested_utc: [start, end) of the whole day. holes: quarter hours for which what the plan foresaw stands.
    """

    slots: tuple[Slot, ...]
    plans: tuple[Plan, ...]
    readings: Readings
    requested_utc: tuple[datetime, datetime]
    holes: int = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Caveats to the figures of the day."""
        first, last = self.slots[0], self.slots[-1].start_utc + STEP
        found = []
        if (first.start_utc, last) != self.requested_utc:
            message = (
                f"only {_at(first.start_utc)} to {_at(last)} is judged: plans and readings cover no more of the day"
            )
            facts: dict[str, str | float | int | bool | None] = {"quarter_hours": len(self.slots)}
            found.append(Finding(code="day_is_partial", message=message, facts=facts))
        if self.holes:
            message = f"load, PV or price of {self.holes} quarter hours is missing; the plan's forecast is used for it"
            found.append(Finding(code="readings_filled", message=message, facts={"missing": self.holes}))
        if first.step:
            message = f"the day begins within plan {first.plan.version}: its charge then is as planned, not as measured"
            found.append(Finding(code="start_as_planned", message=message))
        if self.held:
            message = f"{', '.join(self.held)}: kept as planned under every policy, and so no part of regret or saving"
            found.append(Finding(code="held_as_planned", message=message))
        down = sum(
            self.could_give(name, slot) > self.readings.generated_kw[name].get(slot.start_utc, np.inf)
            for name in self.sunny
            for slot in self.slots
        )
        if down:
            message = f"PV was held down by its limit in {down} quarter hours: what it could have given is the forecast"
            found.append(Finding(code="sun_behind_a_limit", message=message, facts={"quarter_hours": down}))
        return tuple(found)

    @cached_property
    def planned(self) -> dict[str, DispatchCase]:
        """The problem of each plan by its id, as it was solved then."""
        return {plan.plan_id: case_of(plan.request).model_copy(update={"uncertain": None}) for plan in self.plans}

    @cached_property
    def step_h(self) -> Floats:
        """Hours of each quarter hour."""
        return np.full(len(self.slots), STEP.total_seconds() / 3600)

    def device_then(self, slot: Slot, device_id: str) -> Device | None:
        """A device as the plan of that quarter hour knew it."""
        return next((one for one in self.planned[slot.plan.plan_id].devices if one.device_id == device_id), None)

    @cached_property
    def begun(self) -> dict[str, float]:
        """Amount in each store at the start: as measured for a plan that begins there, else as planned."""
        first = self.slots[0]
        return {name: amount for name, (amount, _) in planned_states(first.plan, first.start_utc).items()}

    @cached_property
    def replayed(self) -> tuple[str, ...]:
        """The devices that can be decided anew: known to every plan, and with figures that go with other steps."""
        known = [{one.device_id for one in case.devices if one.with_state() is not None} for case in self._governing]
        everywhere = set.intersection(*known)
        return tuple(one.device_id for one in self._governing[0].devices if one.device_id in everywhere)

    @cached_property
    def held(self) -> tuple[str, ...]:
        """The devices that stay as they were planned, and so are load to every policy."""
        names = dict.fromkeys(one.device_id for case in self._governing for one in case.devices)
        return tuple(name for name in names if name not in self.replayed)

    @cached_property
    def case(self) -> DispatchCase:
        """The day as one problem: load, sun and prices as they came, and every store to end as it began.

        What it costs is money alone, whatever the plans were to be good at, and its devices may do all they can: so it
        bounds every policy. A car leaves with what was wanted; one that stays holds what the last plan wanted by then.
        """
        found = self.billed
        assert not isinstance(found, Finding)  # noqa: S101 - day_scenario has said so
        return found

    @cached_property
    def billed(self) -> DispatchCase | Finding:
        """The same, or why its bill is not known."""
        first = self._governing[0]
        connection = first.connection.over(
            [(self.planned[slot.plan.plan_id].connection, slot.step) for slot in self.slots]
        ).model_copy(
            update={
                "import_price_per_kwh": self._actual(self.readings.import_price, "import_price_per_kwh"),
                "export_price_per_kwh": self._actual(self.readings.export_price, "export_price_per_kwh"),
                # Those of a plan are about its own steps.
                "bills": (),
            }
        )
        devices = []
        for name in self.replayed:
            every = [(_device(self.planned[slot.plan.plan_id], name), slot.step) for slot in self.slots]
            begun = end = self.begun.get(name)
            if every[0][0].is_taken_away:
                end = self._left_there(name)
            sun_kw = self.sun_kw[name] if every[0][0].forecast else None
            joined = every[0][0].over(every).with_state(start=begun, end=end, forecast_kw=sun_kw, step_h=self.step_h)
            assert joined is not None  # noqa: S101 - `replayed` holds no other
            devices.append(joined.unconstrained())
        held = {plan.plan_id: self.drawn_as_planned(plan, self.held) for plan in self.plans}
        held_kw = np.array([held[slot.plan.plan_id][slot.step] for slot in self.slots])
        whole = DispatchCase(
            case_id=first.case_id,
            currency=first.currency,
            start_utc=self.slots[0].start_utc,
            step_h=tuple(self.step_h.tolist()),
            load_kw=tuple((np.array(self._actual(self.readings.load_kw, "load_kw")) + held_kw).tolist()),
            connection=connection,
            devices=tuple(devices),
        )
        return self.readings.billed(whole)

    @cached_property
    def sun_kw(self) -> dict[str, Floats]:
        """Available power of each device with a forecast, kW: as metered, or more where a limit curtailed it."""
        return {name: np.array([self.could_give(name, slot) for slot in self.slots]) for name in self.sunny}

    def could_give(self, name: str, slot: Slot) -> float:
        """The same of one quarter hour. Where the plan's limit was reached, what was foreseen if that is more."""
        device = self.device_then(slot, name)
        if device is None:
            return 0.0
        foreseen_kw = float(_undisturbed(device)[slot.step])
        given_kw = self.readings.generated_kw.get(name, {}).get(slot.start_utc)
        if given_kw is None:
            return foreseen_kw
        cut_kw = sum(slot.plan.steps[slot.step].devices[name][column] for column in device.columns)
        is_held_down = cut_kw > 0 and given_kw <= _AT_LIMIT * (foreseen_kw - cut_kw) + _AT_LIMIT_KW
        return max(given_kw, foreseen_kw) if is_held_down else given_kw

    @cached_property
    def measured(self) -> dict[str, tuple[datetime, float]]:
        """When each store was last measured within the day or at its end, and what it held; only where it was."""
        first, end = self.slots[0].start_utc, self.slots[-1].start_utc + STEP
        return {
            device.device_id: (plan.request.start_utc, device.state.start)
            for plan in self.plans
            if first < plan.request.start_utc <= end
            for device in self.planned[plan.plan_id].devices
            if device.state and not device.is_taken_away
        }

    @cached_property
    def _governing(self) -> list[DispatchCase]:
        return [self.planned[name] for name in dict.fromkeys(slot.plan.plan_id for slot in self.slots)]

    @cached_property
    def sunny(self) -> list[str]:
        """The devices with a forecast of their own."""
        return [name for name in self.replayed if _device(self._governing[0], name).forecast]

    def _actual(self, known: By, foreseen: str) -> tuple[float, ...]:
        """By the readings; else that field of the request of the plan that governed the quarter hour."""
        return tuple(known.get(each.start_utc, getattr(each.plan.request, foreseen)[each.step]) for each in self.slots)

    def _left_there(self, name: str) -> float | None:
        """Amount in a store at the end of the day by the last plan; None where it leaves before, or is absent."""
        plan, last = self.slots[-1].plan, self.slots[-1].step
        steps = [step.devices[name] for step in plan.steps]
        columns = {column: tuple(step[column] for step in steps) for column in steps[last]}
        return _device(self.planned[plan.plan_id], name).carried(columns, last)

    def drawn_as_planned(self, plan: Plan, names: Collection[str]) -> Floats:
        """Total planned power of these devices in each step of a plan, kW."""
        drawn_kw = np.zeros(len(plan.steps))
        for device in self.planned[plan.plan_id].devices:
            if device.device_id in names:
                steps = [step.devices[device.device_id] for step in plan.steps]
                columns = numbers({column: [step[column] for step in steps] for column in steps[0]})
                drawn_kw = drawn_kw + device.drawn_kw(columns)
        return drawn_kw


def day_scenario(
    plans: Sequence[Plan], readings: Readings, *, start_utc: datetime, end_utc: datetime
) -> DayScenario | Finding:
    """The part of [start, end) that can be judged, or the finding why none of it can.

    plans: all that may have governed it, and one that begins at its end where there is one (it measured the stores).
    Each quarter hour follows the newest plan known then: of those that begin at or before it the last, and of two that
    begin at once the one of the higher version.
    """
    slots = governed(plans, start_utc, end_utc)
    if not slots:
        others = {hours for plan in plans for hours in plan.request.steps_h} - {STEP / timedelta(hours=1)}
        why = f"; those with steps of {min(others):g} h cannot be laid over it" if others else ""
        message = f"no plan governs a quarter hour from {_at(start_utc)} to {_at(end_utc)}{why}"
        return Finding(code="no_plan", message=message, severity="blocking")
    if readings.unpriced:
        return readings.unpriced
    requested_utc = (start_utc, end_utc)
    whole = DayScenario(tuple(slots), tuple(plans), readings, requested_utc)
    missing = [_missing(whole, slot) for slot in slots]
    # What nobody has read yet at the end of a day is no hole.
    last = max((t + 1 for t, names in enumerate(missing) if not names), default=0)
    holes = [names for names in missing[:last] if names]
    if not last or len(holes) > MAX_MISSING * last:
        count, names = (len(holes), holes) if last else (len(slots), missing)
        what = " and ".join(sorted({name for each in names for name in each}))
        return Finding(
            code="readings_missing",
            message=f"{count} of {last or len(slots)} quarter hours from {_at(slots[0].start_utc)} on have no reading "
            f"of {what}; at most {MAX_MISSING:.0%} of a day may be without",
            severity="blocking",
            facts={"missing": count, "quarter_hours": last or len(slots)},
        )
    found = DayScenario(tuple(slots[:last]), tuple(plans), readings, requested_utc, len(holes))
    return found.billed if isinstance(found.billed, Finding) else found


def governed(plans: Sequence[Plan], start_utc: datetime, end_utc: datetime) -> list[Slot]:
    """The first run of quarter hours without a hole."""
    slots: list[Slot] = []
    for k in range(round((end_utc - start_utc) / STEP)):
        at = start_utc + k * STEP
        covering = [(plan, step) for plan in plans if (step := commanded_step(plan, at)) is not None]
        if covering:
            newest, step = max(covering, key=lambda one: (one[0].request.start_utc, one[0].version))
            slots.append(Slot(at, newest, step))
        elif slots:
            break
    return slots


def commanded_step(plan: Plan, start_utc: datetime) -> int | None:
    """The step of a plan that is this quarter hour; None: it has none, or a longer one, which is never commanded."""
    step = plan.step_at(start_utc)
    return step if step is not None and plan.steps[step].end_utc - plan.steps[step].start_utc == STEP else None


def _missing(day: DayScenario, slot: Slot) -> list[str]:
    """Names of the readings missing for a quarter hour."""
    needed = {"load": day.readings.load_kw, "price": day.readings.import_price}
    needed |= {name: day.readings.generated_kw.get(name, {}) for name in day.sunny}
    return [name for name, known in needed.items() if slot.start_utc not in known]


def _device(case: DispatchCase, name: str) -> Device:
    return next(one for one in case.devices if one.device_id == name)


def _undisturbed(device: Device) -> Floats:
    """Power of a device with a forecast without any decision, kW a step."""
    given: Floats = -np.asarray(device.drawn_kw(dict.fromkeys(device.columns, 0.0)), np.float64)
    return given


def _at(at_utc: datetime) -> str:
    return f"{at_utc:%Y-%m-%d %H:%MZ}"
