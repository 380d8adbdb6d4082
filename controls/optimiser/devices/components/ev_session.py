"""One stay of a car at a charger: when, what it needs, what its cable carries, and how fast it can fill."""

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from controls.optimiser.backends.expressions import INF, Floats
from data_quality.contracts.model import Model

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
        """Power <= first - second * stored energy (kWh); no line where none is given."""
        if self.taper is None or self.taper.full_kwh <= self.taper.from_kwh:
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
