"""From a site's charger and what is known now to the stay of a car: when it leaves, what its strategy allows, what it
needs, what its cable carries, and how fast it can fill.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from controls.optimiser.backends.expressions import INF, Floats
from controls.optimiser.devices.device import AssetState
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import CLOCK, WEEKDAYS, next_clock, zone

# Far below what any solver tells apart: a path that is prescribed must not fail on a rounded digit.
SLACK_KWH = 1e-7


class PowerRange(Model):
    """A power is zero, or in here, kW."""

    min_kw: float = Field(ge=0)
    max_kw: float = Field(ge=0)

    @model_validator(mode="after")
    def _is_open(self) -> Self:
        if self.min_kw > self.max_kw:
            raise ValueError(f"the least power {self.min_kw:g} kW is above the most, {self.max_kw:g} kW")
        return self


class Taper(Model):
    """Constant current, then constant voltage: the most power falls in a straight line down to `end_kw` when full."""

    from_kwh: float = Field(ge=0)
    full_kwh: float = Field(gt=0)
    end_kw: float = Field(ge=0)


class FeedIn(PowerRange):
    """The car gives back (vehicle to grid), never below `floor_kwh`."""

    efficiency: float = Field(gt=0, le=1, description="One way, battery to AC")
    floor_kwh: float = Field(default=0.0, ge=0)
    wear_per_kwh: float = Field(default=0.0, ge=0, description="Currency per kWh given at the AC side")


class Session(PowerRange):
    """Plugged in for the steps [from_step, to_step). Energies at the car's battery, powers at the AC side.

    energy_kwh: to be added by then. ceiling_kwh: never above it; None: nobody said. one_phase: the range on one phase
    where the charger may switch; its own range is on all. cap_kw, pace_kwh: one value a step of the stay, of the
    strategy: no more power than that, no less energy stored at its end; empty: none.
    """

    from_step: int
    to_step: int
    energy_kwh: float = Field(ge=0)
    efficiency: float = Field(gt=0, le=1, description="One way, AC to battery")
    start_kwh: float = Field(default=0.0, ge=0)
    ceiling_kwh: float | None = Field(default=None, ge=0)
    one_phase: PowerRange | None = None
    taper: Taper | None = None
    feed_in: FeedIn | None = None
    cap_kw: tuple[float, ...] = ()
    pace_kwh: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _lies_ahead(self) -> Self:
        if self.to_step <= 0:
            raise ValueError(f"the car leaves in step {self.to_step}, before the plan begins")
        if not 0 <= self.from_step < self.to_step:
            raise ValueError(f"the car comes in step {self.from_step} and leaves in step {self.to_step}")
        for name in ("cap_kw", "pace_kwh"):
            if getattr(self, name) and len(getattr(self, name)) != self.to_step - self.from_step:
                raise ValueError(f"{name} needs one value for each of {self.to_step - self.from_step} steps")
        if self.ceiling_kwh is not None and self.start_kwh > self.ceiling_kwh:
            raise ValueError(f"the car holds {self.start_kwh:g} kWh, above its ceiling of {self.ceiling_kwh:g} kWh")
        return self

    @property
    def steps(self) -> slice:
        """Its steps among those of a case."""
        return slice(self.from_step, self.to_step)

    @property
    def target_kwh(self) -> float:
        """Energy to be stored when it leaves, at least."""
        return self.start_kwh + self.energy_kwh

    @property
    def least_kw(self) -> float:
        """The smallest power above zero."""
        return min(self.min_kw, self.one_phase.min_kw) if self.one_phase else self.min_kw

    @property
    def taper_line(self) -> tuple[float, float]:
        """Power <= first - second * stored energy (kWh); no line where none is given, or none falls below the range."""
        if self.taper is None or self.taper.full_kwh <= self.taper.from_kwh or self.taper.end_kw >= self.max_kw:
            return INF, 0.0
        slope = (self.max_kw - self.taper.end_kw) / (self.taper.full_kwh - self.taper.from_kwh)
        return self.max_kw + slope * self.taper.from_kwh, slope

    def at_most_kw(self, limit_kw: float) -> float:
        """The largest power that it can have up to a limit."""
        if limit_kw >= self.min_kw:
            return min(limit_kw, self.max_kw)
        if self.one_phase and limit_kw >= self.one_phase.min_kw:
            return min(limit_kw, self.one_phase.max_kw)
        return 0.0

    def as_early_as_it_can(self, step_h: Floats, cap_kw: Floats) -> tuple[Floats, Floats]:
        """Powers, and energies stored at the end of each step, of a car that fills to its target at the power it can.

        step_h, cap_kw: of the steps of its stay. Nobody plans here: this is what a car without control does, and by
        it a strategy knows which hours suffice.
        """
        stored_kwh, powers, amounts = self.start_kwh, [], []
        for number, (hours, cap) in enumerate(zip(step_h.tolist(), cap_kw.tolist(), strict=True)):
            rate = hours * self.efficiency
            need_kw = (self.target_kwh - stored_kwh) / rate
            most_kw = min(cap, self._takes_kw(stored_kwh, rate))
            power_kw = self.at_most_kw(min(most_kw, need_kw)) or (self.least_kw if need_kw > 0 else 0.0)
            left_kw = need_kw - power_kw
            if 0 < left_kw < self.least_kw and number < step_h.size - 1:
                # What is left must be enough for the least power, or the car could not take it at all.
                power_kw = self.at_most_kw(need_kw - self.least_kw) or power_kw
            power_kw = power_kw if power_kw <= most_kw + 1e-12 and need_kw > 1e-9 else 0.0
            stored_kwh += rate * power_kw
            powers.append(power_kw)
            amounts.append(stored_kwh)
        return np.array(powers), np.array(amounts)

    def ready(self, step_h: Floats, taken_kw: Floats, given_kw: Floats) -> tuple[Floats, Floats]:
        """Power that a car takes and gives when commanded these powers, one value a step of its stay.

        It takes no more than it can, gives no more than it may, and from when there is no time to lose it charges as
        fast as it can, so that it leaves with what is wanted.
        """
        taken_kw, given_kw, held_kwh = taken_kw.copy(), given_kw.copy(), self.start_kwh
        for t, hours in enumerate(step_h.tolist()):
            rate = hours * self.efficiency
            most_kw = min(self.max_kw, self._takes_kw(held_kwh, rate))
            if taken_kw[t] > most_kw + SLACK_KWH:
                taken_kw[t] = self.at_most_kw(most_kw)
            if self.feed_in:
                spare_kw = (held_kwh - self.feed_in.floor_kwh) * self.feed_in.efficiency / hours
                given_kw[t] = min(given_kw[t], spare_kw) if spare_kw >= self.feed_in.min_kw else 0.0
            else:
                given_kw[t] = 0.0
            after_kwh = held_kwh + self._gain_kwh(hours, taken_kw[t], given_kw[t])
            if self._filled_kwh(after_kwh, step_h[t + 1 :]) < self.target_kwh - 2 * SLACK_KWH:
                taken_kw[t], given_kw[t] = self._as_early(held_kwh, step_h[t:])[0][0], 0.0
                after_kwh = held_kwh + self._gain_kwh(hours, taken_kw[t], 0.0)
            held_kwh = after_kwh
        return taken_kw, given_kw

    def reachable(self, step_h: Floats) -> Self:
        """The same, to leave with no more, and to be on no faster a pace, than it can. step_h: of its stay."""
        _, stored_kwh = self._as_early(self.start_kwh, step_h)
        most_kwh = stored_kwh - SLACK_KWH
        pace_kwh = tuple(np.minimum(self.pace_kwh, most_kwh).tolist()) if self.pace_kwh else ()
        energy_kwh = max(min(self.target_kwh, most_kwh[-1]) - self.start_kwh, 0.0)
        return self.model_copy(update={"energy_kwh": energy_kwh, "pace_kwh": pace_kwh})

    def holding(self, start_kwh: float, target_kwh: float) -> Self:
        """The same from another charge to another."""
        ceiling_kwh = None if self.ceiling_kwh is None else max(self.ceiling_kwh, start_kwh)
        figures = {"start_kwh": start_kwh, "energy_kwh": max(target_kwh - start_kwh, 0.0), "ceiling_kwh": ceiling_kwh}
        return self.model_copy(update=figures)

    def _takes_kw(self, held_kwh: float, rate: float) -> float:
        """The most that its ceiling and taper allow throughout a step in which a kW stores `rate` kWh."""
        line_kw, slope = self.taper_line
        room_kw = INF if self.ceiling_kwh is None else (self.ceiling_kwh - held_kwh) / rate
        # The line must hold at the end of the step too, when the car is fuller.
        return min(room_kw, (line_kw - slope * held_kwh) / (1 + slope * rate))

    def _as_early(self, held_kwh: float, step_h: Floats) -> tuple[Floats, Floats]:
        from_here = self.holding(held_kwh, self.target_kwh)
        return from_here.as_early_as_it_can(step_h, np.full(step_h.size, self.max_kw))

    def _filled_kwh(self, held_kwh: float, step_h: Floats) -> float:
        """Energy that it can hold after these steps, up to its target."""
        if held_kwh >= self.target_kwh or not step_h.size:
            return held_kwh
        return float(self._as_early(held_kwh, step_h)[1][-1])

    def _gain_kwh(self, hours: float, taken_kw: float, given_kw: float) -> float:
        drawn_kw = given_kw / self.feed_in.efficiency if self.feed_in else 0.0
        return hours * (self.efficiency * taken_kw - drawn_kw)


Strategy = Literal["SMART", "ASAP", "CHEAP_HOURS", "SOLAR_ONLY"]


class V2g(Model):
    """Discharge limits of a car. `floor_soc`: share of its battery that stays."""

    max_kw: float = Field(gt=0)
    min_kw: float = Field(default=0.0, ge=0)
    efficiency: float = Field(default=0.9, gt=0, le=1, description="One way")
    floor_soc: float = Field(default=0.3, ge=0, le=1)
    wear_per_kwh: float = Field(default=0.0, ge=0, description="Currency per kWh given back")


class TaperParams(Model):
    """Above `from_soc` the power falls in a straight line to `end_kw` at a full battery."""

    from_soc: float = Field(gt=0, lt=1)
    end_kw: float = Field(ge=0)


class EvParams(Model):
    """A charger and the car that uses it. `departure`: local clock time, by weekday or for all, or one date and time.

    phases: 1, 3, or both where the charger switches between them.
    """

    capacity_kwh: float = Field(gt=0)
    min_current_a: float = Field(default=6.0, gt=0, description="6 A: below it no car charges (IEC 61851)")
    max_current_a: float = Field(default=16.0, gt=0)
    phases: Literal[1, 3] | Annotated[tuple[Literal[1, 3], ...], Field(min_length=1)] = 1
    voltage_v: float = Field(default=230.0, gt=0)
    max_kw: float | None = Field(default=None, gt=0, description="Where charger or car take less than the current")
    efficiency: float = Field(default=0.9, gt=0, le=1, description="One way, AC to battery")
    target_soc: float = Field(default=0.8, gt=0, le=1)
    soc_max: float = Field(default=1.0, gt=0, le=1, description="Never charged above this share")
    departure: str | Mapping[str, str] | None = None
    strategy: Strategy = "SMART"
    taper: TaperParams | None = None
    v2g: V2g | None = None

    @field_validator("departure")
    @classmethod
    def _is_a_time(cls, departure: str | Mapping[str, str] | None) -> str | Mapping[str, str] | None:
        if isinstance(departure, Mapping):
            odd = [
                f"{day}: {clock}" for day, clock in departure.items() if day not in WEEKDAYS or not CLOCK.match(clock)
            ]
            if odd or not departure:
                raise ValueError(f"{', '.join(odd) or 'nothing'}: expected days mon ... sun with clock times HH:MM")
        elif departure is not None and not CLOCK.match(departure):
            try:
                datetime.fromisoformat(departure)
            except ValueError as error:
                raise ValueError(
                    f"{departure!r}: expected HH:MM, or a date and time such as 2026-01-31T07:30"
                ) from error
        return departure

    @field_validator("v2g", mode="before")
    @classmethod
    def _may_be_off(cls, v2g: object) -> object:
        return None if v2g is False else v2g

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.min_current_a > self.max_current_a:
            raise ValueError(f"min_current_a {self.min_current_a:g} is above max_current_a {self.max_current_a:g}")
        if self.target_soc > self.soc_max:
            raise ValueError(f"target_soc {self.target_soc:g} is above soc_max {self.soc_max:g}")
        if not self.ranges(1.0):
            raise ValueError(f"max_kw {self.max_kw:g} is below the power of {self.min_current_a:g} A")
        return self

    @property
    def phase_count(self) -> Literal[1, 3]:
        """The phases of its cable."""
        return 3 if self.phases == 3 or (isinstance(self.phases, tuple) and 3 in self.phases) else 1

    def ranges(self, share: float) -> list[PowerRange]:
        """Ranges of the charger as a share of its rating, by phases, most phases first; empty: nothing.

        6 A are 1.38 kW on one phase and 4.14 on three, 32 A are 7.36 and 22.08 (formulas 5.18).
        """
        phases = (self.phases,) if isinstance(self.phases, int) else self.phases
        kw = {each: each * self.voltage_v / 1000 for each in sorted(set(phases), reverse=True)}
        widest = min(max(kw.values()) * self.max_current_a, self.max_kw or INF)
        found = []
        for each in kw.values():
            least, most = each * self.min_current_a, min(each * self.max_current_a, share * widest)
            if least <= most:
                found.append(PowerRange(min_kw=least, max_kw=most))
        return found


def sessions_of(params: EvParams, name: str, given: AssetState) -> tuple[tuple[Session, ...], tuple[str, ...]]:
    """The stay of the car that is plugged in (given.state: what it holds, kWh; None: no car), and what was assumed.

    Raises BadInput for a departure that has passed. Source: formulas 5.18.
    """
    if given.state is None:
        return (), (f"{name}: no car is plugged in, so nothing is planned for one",)
    # A full car may say a hair more than its battery holds.
    held_kwh = min(given.state, params.capacity_kwh)
    ranges = params.ranges(given.share)
    if not ranges:
        reason = f"{given.share:.0%} of its rating are below the least power, so it is left alone"
        return (), (f"{name}: {reason}",)
    steps = len(given.load_kw)
    leaves_utc, notes = _departure(params, name, given)
    left = steps if leaves_utc is None else int((leaves_utc - _start(given)) / timedelta(hours=given.step_h) + 1e-9)
    if left < 1:
        return (), (*notes, f"{name}: the car leaves within this step, so nothing is planned for it")
    stay = Session(
        from_step=0,
        to_step=min(left, steps),
        energy_kwh=max(params.target_soc * params.capacity_kwh - held_kwh, 0.0),
        min_kw=ranges[0].min_kw,
        max_kw=ranges[0].max_kw,
        one_phase=ranges[1] if len(ranges) > 1 else None,
        efficiency=params.efficiency,
        start_kwh=held_kwh,
        # A car above its limit stays there: it is not emptied for it.
        ceiling_kwh=max(params.soc_max * params.capacity_kwh, held_kwh),
        taper=_taper(params),
        feed_in=_feed_in(params, given.share),
    )
    stay, after = _reachable(stay, name, left, given)
    stay, chosen = _by_strategy(stay, params, name, given)
    return (stay,), (*notes, *after, *chosen)


def chargeable_kwh(params: EvParams, given: AssetState) -> float:
    """Energy that a car surely takes until its next departure; no bound without a start of the plan or departure."""
    ranges = params.ranges(given.share)
    if given.start_utc is None or params.departure is None or not ranges:
        return INF
    leaves_utc = next_clock(params.departure, given.start_utc, given.time_zone)
    if leaves_utc is None:
        return INF
    steps = int((leaves_utc - given.start_utc) / timedelta(hours=given.step_h) + 1e-9)
    most_kw = ranges[0].max_kw if params.taper is None else min(params.taper.end_kw, ranges[0].max_kw)
    # A fifth is left to others on the connection.
    return 0.8 * steps * given.step_h * most_kw * params.efficiency


def _start(given: AssetState) -> datetime:
    return given.start_utc or datetime(1970, 1, 1, tzinfo=UTC)


def _taper(params: EvParams) -> Taper | None:
    if params.taper is None:
        return None
    from_kwh = params.taper.from_soc * params.capacity_kwh
    return Taper(from_kwh=from_kwh, full_kwh=params.capacity_kwh, end_kw=params.taper.end_kw)


def _feed_in(params: EvParams, share: float) -> FeedIn | None:
    if params.v2g is None or share * params.v2g.max_kw < params.v2g.min_kw:
        return None
    return FeedIn(
        min_kw=params.v2g.min_kw,
        max_kw=share * params.v2g.max_kw,
        efficiency=params.v2g.efficiency,
        floor_kwh=params.v2g.floor_soc * params.capacity_kwh,
        wear_per_kwh=params.v2g.wear_per_kwh,
    )


def _departure(params: EvParams, name: str, given: AssetState) -> tuple[datetime | None, tuple[str, ...]]:
    """The next departure after the start and the return of who is away, where one is known."""
    start, here = _start(given), zone(given.time_zone)
    if params.departure is None:
        if given.away_until_utc is not None and given.away_until_utc > start:
            return given.away_until_utc, ()
        reason = "no departure is known, so the car is charged by the end of the plan"
        if params.strategy == "SOLAR_ONLY":
            reason = "no departure is known, so the car takes only what the sun leaves over"
        return None, (f"{name}: {reason}",)
    is_once = isinstance(params.departure, str) and not CLOCK.match(params.departure)
    # Of a household that is away nobody leaves before the return, but by a departure with a date.
    after = start if given.away_until_utc is None or is_once else max(start, given.away_until_utc)
    leaves = next_clock(params.departure, after, given.time_zone)
    if leaves is None:
        message = (
            f"site {given.site_id}, asset {name!r}, params.departure: {params.departure} has passed at the plan's"
            f" start ({start.astimezone(here):%Y-%m-%d %H:%M}); write the next one, or a clock time such as 07:30"
        )
        raise BadInput(message, reason="departure_passed")
    return leaves, ()


def _reachable(stay: Session, name: str, left: int, given: AssetState) -> tuple[Session, tuple[str, ...]]:
    """Charge due within the plan: less where the car leaves after it, or where the mode allows less power."""
    later_h = (left - stay.to_step) * given.step_h
    due_kwh = max(stay.energy_kwh - later_h * stay.max_kw * stay.efficiency, 0.0)
    notes: tuple[str, ...] = ()
    least_kwh = stay.least_kw * given.step_h * stay.efficiency
    room_kwh = INF if stay.ceiling_kwh is None else stay.ceiling_kwh - stay.start_kwh
    if due_kwh > 0 and room_kwh < least_kwh:
        # A full car to within what the least power adds in a step: it could not be charged at all.
        due_kwh, notes = 0.0, (f"{name}: the car is full to within one step at its least power",)
    if given.share < 1:
        _, stored = stay.as_early_as_it_can(_hours(stay, given), np.full(stay.to_step, stay.max_kw))
        can_kwh = stored[-1] - stay.start_kwh
        if due_kwh > can_kwh + 1e-9:
            notes = (f"{name}: the mode allows {stay.max_kw:.2f} kW, so it gets {can_kwh:.1f} of {due_kwh:.1f} kWh",)
            due_kwh = max(can_kwh - 1e-6, 0.0)
    return stay.model_copy(update={"energy_kwh": due_kwh}), notes


def _by_strategy(stay: Session, params: EvParams, name: str, given: AssetState) -> tuple[Session, tuple[str, ...]]:
    """Additions of a strategy to the stay.

    SMART: any hour. ASAP: never later than at full power from now, beside the load. CHEAP_HOURS: only in the cheapest
    hours that suffice. SOLAR_ONLY: only what the sun leaves over, and where that does not suffice for the departure
    the cheapest further hours, which is told.
    """
    if params.strategy == "SMART":
        return stay, ()
    hours, part = _hours(stay, given), stay.steps
    load, sun = np.array(given.load_kw)[part], np.array(given.pv_kw or np.zeros(len(given.load_kw)))[part]
    room = np.clip(given.import_max_kw - load + sun, 0.0, stay.max_kw)
    if params.strategy == "ASAP":
        _, stored = stay.as_early_as_it_can(hours, room)
        # Where that path ends a bit below the target, another may have to fall behind it by a step at the least power.
        is_short = stored[-1] < stay.target_kwh - SLACK_KWH
        slack_kwh = hours * stay.least_kw * stay.efficiency if is_short else SLACK_KWH
        pace = np.maximum(np.minimum(stored, stay.target_kwh) - slack_kwh, 0.0)
        return stay.model_copy(update={"pace_kwh": tuple(pace.tolist())}), ()
    spare = np.maximum(sun - load, 0.0) if params.strategy == "SOLAR_ONLY" else np.zeros_like(room)
    cap = np.minimum(spare, room)
    if params.strategy == "SOLAR_ONLY" and params.departure is None:
        # Nothing is due by any time: as much as the sun gives.
        most_kwh = max(stay.as_early_as_it_can(hours, cap)[1][-1] - stay.start_kwh - SLACK_KWH, 0.0)
        stay = stay.model_copy(update={"energy_kwh": min(stay.energy_kwh, most_kwh)})
    # The caps, raised to all there is room for in the cheapest steps until they suffice; equal prices together.
    price = np.array(given.import_price_per_kwh)[part]
    levels = np.unique(price)
    for limit in (-INF, *levels.tolist()):
        opened = np.where(price <= limit, np.maximum(room, cap), cap)
        if stay.as_early_as_it_can(hours, opened)[1][-1] >= stay.target_kwh - 1e-9:
            break
    remarks: tuple[str, ...] = ()
    if params.strategy == "SOLAR_ONLY" and (opened > cap).any():
        grid_h = float(hours[opened > cap].sum())
        reason = f"the sun alone does not suffice by the departure, so {grid_h:g} h of the cheapest are added"
        remarks = (f"{name}: {reason}",)
    return stay.model_copy(update={"cap_kw": tuple(opened.tolist())}), remarks


def _hours(stay: Session, given: AssetState) -> Floats:
    return np.full(stay.to_step - stay.from_step, given.step_h)
