"""A car at its charger: when it is there, how full it comes home, and what it takes of a set-point. Pure, seeded."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import Field

from controls.simulator.physics.noise import generator
from data_quality.contracts.model import Model
from data_quality.contracts.time import local_day


class Taper(Model):
    """From a charge of `from_soc` on, its cells take less and less, down to `end_kw` when full (constant voltage)."""

    from_soc: float = Field(default=0.8, gt=0, lt=1)
    end_kw: float = Field(default=1.5, ge=0)


class Car(Model):
    """Car and charger: what the site file says, and how the car is used. Energies at its battery, powers at the wall.

    departure: local clock time. It comes back half an hour sooner or later than `comes`; a trip takes a third more or
    less than `trip_kwh`.
    """

    capacity_kwh: float = Field(gt=0)
    max_kw: float = Field(gt=0)
    min_current_a: float = Field(default=6.0, gt=0, description="Below, a charger pauses (IEC 61851-1)")
    voltage_v: float = 230.0
    efficiency: float = Field(default=0.9, gt=0, le=1)
    taper: Taper = Taper()
    departure: time = time(7, 30)
    comes: time = time(17, 30)
    trip_kwh: float = Field(default=9.0, ge=0)


def accepted_kw(car: Car, *, stored_kwh: float, set_point_kw: float) -> float:
    """Power accepted on one phase, kW: tapering near full, 0 when full or below the least current."""
    soc, taper = stored_kwh / car.capacity_kwh, car.taper
    if soc >= 1.0:
        return 0.0
    fading = max(soc - taper.from_soc, 0.0) / (1.0 - taper.from_soc)
    wanted_kw = min(set_point_kw, car.max_kw - fading * (car.max_kw - taper.end_kw))
    return wanted_kw if wanted_kw >= car.min_current_a * car.voltage_v / 1000 else 0.0


def charged(car: Car, *, stored_kwh: float, set_point_kw: float, step_h: float) -> tuple[float, float]:
    """Mean power of a step above 0 h (kW) and the energy stored at its end (kWh): the last step is charged in part."""
    fits_kw = (car.capacity_kwh - stored_kwh) / (step_h * car.efficiency)
    power_kw = min(accepted_kw(car, stored_kwh=stored_kwh, set_point_kw=set_point_kw), fits_kw)
    return power_kw, min(stored_kwh + step_h * car.efficiency * power_kw, car.capacity_kwh)


def trip_of(car: Car, day: date, *, time_zone: str, seed: int) -> tuple[datetime, datetime, float]:
    """When it leaves and comes back on a local day, UTC, and the energy that it drives. One draw a day."""
    rng, zone = generator(seed, day.isoformat(), "live car"), ZoneInfo(time_zone)
    late, share = rng.uniform(-0.5, 0.5), rng.uniform(2 / 3, 4 / 3)
    leaves, comes = (datetime.combine(day, at, zone).astimezone(UTC) for at in (car.departure, car.comes))
    return leaves, comes + timedelta(hours=float(late)), car.trip_kwh * float(share)


def whereabouts(car: Car, now_utc: datetime, *, since_utc: datetime, time_zone: str, seed: int) -> tuple[bool, float]:
    """Presence at its charger, and the energy of the day's trip. Plugged in at since_utc, it stays until its next
    departure.
    """
    day = local_day(now_utc, time_zone)
    leaves, comes, trip_kwh = trip_of(car, day, time_zone=time_zone, seed=seed)
    return not since_utc < leaves <= now_utc < comes, trip_kwh
