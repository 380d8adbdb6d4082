"""Small random dispatch cases with devices of every kind that second_formulation.py knows."""

import random
from datetime import UTC, datetime
from typing import Any

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.kinds import KINDS

Fields = dict[str, Any]


class _Draw(random.Random):
    def some(self, chance: float, **fields: Any) -> Fields:
        """These fields where the chance falls, otherwise none."""
        return fields if self.random() < chance else {}

    def row(self, n: int, low: float, high: float) -> tuple[float, ...]:
        return tuple(round(self.uniform(low, high), 3) for _ in range(n))


def home(seed: int) -> DispatchCase:
    """The case of a seed; always the same."""
    r = _Draw(seed)
    n, h, import_kw, export_kw = (
        r.randint(4, 9),
        r.choice([0.25, 0.5, 1.0]),
        r.choice([6.0, 20.0]),
        r.choice([0.0, 9.0]),
    )
    step_h = (h,) * n if r.random() < 0.75 else (h,) * (n // 2) + (2 * h,) * (n - n // 2)
    prices, load_kw = r.row(n, r.choice([-0.2, 0.05, 0.05]), 0.6), r.row(n, 0, 4)
    most = {"import_max_kw": (import_kw / 3 + 1,) * 3, "export_max_kw": (export_kw / 3 + 1,) * 3}
    connection = {"import_price_per_kwh": prices, "import_max_kw": import_kw, "export_max_kw": export_kw}
    connection |= {"export_price_per_kwh": r.choice([prices, (0.08,) * n, r.row(n, -0.2, 0.3)])}
    connection |= r.some(0.25, demand_price_per_kw=0.5) | r.some(0.2, phases=most | {"load_share": (0.5, 0.3, 0.2)})
    aims = r.choice([{}, {"peak_price_per_kw": 0.3}, {"preset": "comfort", "imports_price_per_kwh": 0.05}])
    aims = r.some(0.2, preset="environmental", carbon_price_per_tonne=100.0) or aims
    devices = [
        KINDS[kind].model_validate({"device_id": kind} | made)
        for kind, made in _devices(r, n, h, load_kw).items()
        if r.random() < (0.6 if kind in ("pv", "battery") else 0.35)
    ]
    given = {"case_id": f"home-{seed}", "currency": "EUR", "start_utc": datetime(2026, 3, 28, 20, tzinfo=UTC)}
    given |= {"step_h": step_h, "load_kw": load_kw, "carbon_kgco2e_per_kwh": r.row(n, 0.05, 0.6)}
    return DispatchCase.model_validate(given | {"connection": connection, "devices": devices, "objective": aims})


def _devices(r: _Draw, n: int, h: float, load_kw: tuple[float, ...]) -> dict[str, Fields]:
    long, programme = [2 * h, 3 * h], {"programme_kw": r.row(r.randint(1, 4), 0.1, 2), "programme_step_h": 0.25}
    shed = {"own_kw": tuple(min(kw, 2.0) for kw in load_kw), "price_per_kwh": r.uniform(0, 0.4), "max_share": 0.6}
    shed |= r.some(0.5, max_duration_h=r.choice(long)) | r.some(0.5, min_rest_h=r.choice(long))
    shed |= r.some(0.4, max_h=4 * h) | r.some(0.3, is_whole=True) | r.some(0.3, max_kw=1.0)
    return {
        "pv": {"pv_kw": tuple(max(kw - 2.0, 0.0) for kw in r.row(n, 0, 9)), "limit_min_kw": r.choice([0.0, 0.5])},
        "battery": _battery(r, n),
        "ev_charger": _car(r, n, h),
        "tank": _tank(r, n, h),
        "heat_pump": _heat_pump(r, n, h),
        "appliance": programme | {"windows": ((r.randint(0, 2), n),)},
        "sheddable_load": shed,
    }


def _battery(r: _Draw, n: int) -> Fields:
    capacity, kw, low = r.choice([5.0, 10.0]), r.choice([1.5, 3.0, 5.0]), r.choice([0.5, 1.0])
    made = {"max_charge_kw": kw, "max_discharge_kw": kw, "charge_efficiency": 0.9, "discharge_efficiency": 0.95}
    made |= {
        "soc_min_kwh": low,
        "soc_max_kwh": capacity,
        "capacity_kwh": capacity,
        "wear_per_kwh": r.choice([0.0, 0.02]),
    }
    made |= {"soc_init_kwh": r.uniform(low, capacity), "soc_end_min_kwh": low} | r.some(0.2, end_value_per_kwh=0.2)
    curves = {"charge_curve": ((kw * 0.3, kw * 0.24), (kw, kw * 0.93))}
    curves |= {"discharge_curve": ((kw * 0.3, kw * 0.3 / 0.8), (kw, kw / 0.93))}
    made |= r.some(0.25, **curves) | r.some(0.2, wear_bands=((capacity * 0.3, 0.01), (capacity * 0.7, 0.1)))
    made |= r.some(0.2, charge_most_kw=r.row(n, 0, kw), discharge_most_kw=r.row(n, 0, kw))
    return made | r.some(0.15, soc_init_kwh=low - 0.4, return_price_per_kwh=10.0)


def _car(r: _Draw, n: int, h: float) -> Fields:
    first = r.randint(0, n // 2)
    last, start, most = r.randint(first + 1, n), r.uniform(0, 20), r.choice([3.68, 11.04])
    energy = r.uniform(0, 0.8) * min((last - first) * h * most * 0.54, 30.0 - start)
    one_phase = {"min_kw": 4.14, "one_phase": {"min_kw": 1.38, "max_kw": 3.68}} if most > 4 else {"min_kw": 1.38}
    feed_in = {"min_kw": 1.0, "max_kw": 3.0, "efficiency": 0.9, "floor_kwh": 5.0, "wear_per_kwh": 0.03}
    session: Fields = {"from_step": first, "to_step": last, "energy_kwh": energy, "max_kw": most, "efficiency": 0.9}
    session |= {"start_kwh": start, "ceiling_kwh": r.choice([None, 30.0])} | one_phase | r.some(0.4, feed_in=feed_in)
    session |= r.some(0.3, taper={"from_kwh": 18.0, "full_kwh": 30.0, "end_kw": 1.5})
    return {"capacity_kwh": 30.0, "phase_count": 3 if most > 4 else 1, "sessions": (session,)}


def _tank(r: _Draw, n: int, h: float) -> Fields:
    relays = r.choice([(2.0,), (1.0, 2.0), (1.0, 1.0, 2.0)])
    was = {"was_on": tuple(r.random() < 0.5 for _ in relays), "since_h": tuple(r.choice([0.25, 1.0]) for _ in relays)}
    band = {"reheats": True, "thermostat_on_kwh": 2.0, "thermostat_off_kwh": 6.0, "was_reheating": r.random() < 0.3}
    made: Fields = {"relays_kw": relays, "min_on_h": r.choice([0.0, 2 * h]), "min_off_h": r.choice([0.0, 2 * h])}
    made |= {"draw_kw": r.row(n, 0, 2), "loss_kw": 0.05, "cop": r.choice([1.0, 2.5, r.row(n, 1, 4)]), "min_kwh": 0.0}
    made |= {"max_kwh": 10.0, "init_kwh": r.uniform(1, 8), "end_min_kwh": 1.0} | r.some(0.4, **was)
    made |= r.some(0.3, comfort_min_kwh=4.0, comfort_price_per_kwh_h=0.1)
    return made | r.some(0.4, switch_price=0.05) | r.some(0.35, **band)


def _heat_pump(r: _Draw, n: int, h: float) -> Fields:
    made: Fields = {"normal_kw": 1.5, "recommended_kw": r.choice([1.5, 2.0]), "forced_kw": 3.0, "normal_kwh": 5.0}
    made |= {"min_kwh": 0.0, "max_kwh": 12.0, "init_kwh": r.uniform(2, 8), "end_min_kwh": r.choice([0.0, 4.0])}
    made |= {"min_state_h": r.choice([0.25, 2 * h]), "blocked_max_h": r.choice([1.0, 2.0]), "draw_kw": r.row(n, 0, 4)}
    made |= {"loss_kw": 0.1, "cop": r.choice([3.0, r.row(n, 2, 4)])}
    before = {"state_before": r.randint(1, 4), "since_h": r.choice([0.25, 1.0]), "blocked_before_h": 1.0}
    return made | r.some(0.5, **before) | r.some(0.3, comfort_min_kwh=4.0, comfort_price_per_kwh_h=0.1)
