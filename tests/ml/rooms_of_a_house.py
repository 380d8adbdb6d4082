"""Rooms of a house that touch each other, by minutes: the equations of its walls are written here once more."""

import numpy as np

from ml.rooms.identify_room import RoomData

STEP_H, WITHIN = 0.25, 15
# What their thermostats hold by day, and from which hour on.
SET_DEGC, BEGINS_H = (21.0, 17.0, 20.0), (6, 16, 8)


def house(seed: int, *, wall: float, days: int = 21, count: int = 2) -> tuple[float, dict[str, RoomData]]:
    """Rooms with thermostats, clouds, people who come and go, and thermometers of tenths of a degree.

    wall: between all of them, as a share of what the tightest loses to the outdoors. Returns it in kW/K too.
    """
    drawn = np.random.default_rng(seed)
    heater_kw, tau_h = drawn.uniform(0.8, 1.6, count), drawn.uniform(20, 60, count)
    r = 30 / heater_kw * drawn.uniform(0.9, 1.2, count)
    c, between = tau_h / r, wall * float(np.min(1 / r))
    aperture, gain = drawn.uniform(0.2, 1.0, count), drawn.uniform(0.02, 0.1, count)
    steps, minute_h = int(days * 24 / STEP_H), STEP_H / WITHIN
    hour = np.arange(steps * WITHIN) * minute_h
    outdoor = 2 + 4 * np.sin((hour - 9) / 12 * np.pi) + np.clip(np.cumsum(drawn.normal(0, 0.02, hour.size)), -6, 6)
    cloud = np.repeat(drawn.uniform(0.1, 1, days * 24), int(1 / minute_h))
    sun = np.maximum(0, np.sin((hour % 24 - 7) / 10 * np.pi)) * 400 * cloud * ((hour % 24 > 7) & (hour % 24 < 17))
    noise = drawn.normal(0, 0.02 * np.sqrt(minute_h), (hour.size, count))
    set_degc, begins = np.array(SET_DEGC[:count]), np.array(BEGINS_H[:count])
    now, is_on = set_degc.copy(), np.zeros(count, dtype=bool)
    degc, heat = np.zeros((hour.size, count)), np.zeros((hour.size, count))
    for t, at in enumerate((hour % 24).tolist()):
        low = np.where((at >= begins) & (at < 22), set_degc, set_degc - 2.5)
        is_on = (now < low - 0.3) | (is_on & (now <= low + 0.3))
        degc[t], heat[t] = now, heater_kw * is_on
        people_kw = gain * (1 + 0.5 * np.sin(at))
        lost_kw = (now - outdoor[t]) / r + between * (count * now - now.sum())
        now = now + minute_h / c * (heat[t] + people_kw + aperture * sun[t] / 1000 - lost_kw) + noise[t]
    noisy = degc.reshape(steps, WITHIN, count)[:, 0] + drawn.normal(0, 0.1, (steps, count))
    outdoor, sun = (each.reshape(steps, WITHIN).mean(axis=1) for each in (outdoor, sun))
    heating = heat.reshape(steps, WITHIN, count).mean(axis=1)
    return between, {
        f"room{at}": RoomData(STEP_H, np.round(noisy[:, at], 1), outdoor, heating[:, at], sun) for at in range(count)
    }
