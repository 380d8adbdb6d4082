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
        """What is stored when it leaves, at least."""
        return self.start_kwh + self.energy_kwh

    @property
    def least_kw(self) -> float:
        """The smallest power above zero."""
        return min(self.min_kw, self.one_phase.min_kw) if self.one_phase else self.min_kw

    @property
    def taper_line(self) -> tuple[float, float]:
        """Power <= first - second * stored energy (kWh); no line where nobody said one."""
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
        first, slope = self.taper_line
        stored_kwh, powers, amounts = self.start_kwh, [], []
        for number, (hours, cap) in enumerate(zip(step_h.tolist(), cap_kw.tolist(), strict=True)):
            rate = hours * self.efficiency
            need_kw = (self.target_kwh - stored_kwh) / rate
            room_kw = INF if self.ceiling_kwh is None else (self.ceiling_kwh - stored_kwh) / rate
            # The line must hold at the end of the step too, when the car is fuller.
            most_kw = min(cap, room_kw, (first - slope * stored_kwh) / (1 + slope * rate) if slope else INF)
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
