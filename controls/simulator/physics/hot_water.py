"""A hot-water tank whose relays are switched from outside, and whose own thermostat has the last word. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from controls.optimiser.devices.tank import TankParams
from controls.simulator.physics.noise import generator
from data_quality.contracts.model import Model


class HotWater(TankParams):
    """Tank figures of a site file, as a plan has them: here the limiter never lets it pass full_degc.

    draw_kw: heat taken out. thermostat_…: it heats by itself below the one and up to the other.
    """

    thermostat_on_degc: float
    thermostat_off_degc: float

    def kwh(self, degc: float | None) -> float:
        """Heat stored at a temperature."""
        return super().kwh(degc) or 0.0

    def degc(self, kwh: float) -> float:
        """The temperature of so much heat."""
        return self.empty_degc + (self.full_degc - self.empty_degc) * kwh / self.capacity_kwh


def drawn_kw(tank: HotWater, now_utc: datetime, *, time_zone: str, seed: int) -> float:
    """Heat drawn now: the usual of the local hour, a third more or less. One draw an hour."""
    local = now_utc.astimezone(ZoneInfo(time_zone))
    share = generator(seed, f"{local:%Y-%m-%dT%H}", "live tank").uniform(2 / 3, 4 / 3)
    usual_kw = tank.draw_kw[local.hour] if isinstance(tank.draw_kw, tuple) else tank.draw_kw
    return usual_kw * float(share)


class TankState(Model):
    """Heat stored, electric power now, and whether its own thermostat heats."""

    stored_kwh: float
    power_kw: float = 0.0
    is_reheating: bool = False


def heated(tank: HotWater, state: TankState, *, relays: tuple[bool, ...], draw_kw: float, step_h: float) -> TankState:
    """The tank `step_h` later. relays: as they are switched from outside; a full tank takes nothing all the same."""
    low_kwh, high_kwh = tank.kwh(tank.thermostat_on_degc), tank.kwh(tank.thermostat_off_degc)
    is_reheating = state.stored_kwh < low_kwh or (state.is_reheating and state.stored_kwh < high_kwh)
    switched_kw = sum(power for power, is_on in zip(tank.relays_kw, relays, strict=True) if is_on)
    power_kw = sum(tank.relays_kw) if is_reheating else switched_kw
    # The limiter, which no relay can switch off.
    power_kw = 0.0 if state.stored_kwh >= tank.capacity_kwh else power_kw
    # Water that is cold cannot be drawn any colder.
    stored_kwh = state.stored_kwh + step_h * (power_kw - tank.loss_kw - draw_kw)
    return TankState(
        stored_kwh=min(max(stored_kwh, 0.0), tank.capacity_kwh), power_kw=power_kw, is_reheating=is_reheating
    )
