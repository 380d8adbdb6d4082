"""Simulated site-years whose waste only the generator knows: hours of an office with a workshop, by a seed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
from scipy.signal import lfilter

from assets.advice.site_hours import Charger, MeterHours, SiteHours, Supply, WeatherSlope
from assets.bills.engine.bill_load import Load, nano
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import CapacityCharge

HOURS = 365 * 24
KINDS = (
    "base_load", "start_stop", "simultaneous", "setpoint", "compressed_air", "demand_charge", "power_factor",
    "billing_fault",
)  # fmt: skip
TARIFF = Tariff.model_validate(
    {
        "tariff_id": "t", "currency": "EUR",
        "periods": [{"period_id": "all", "price_per_kwh": "0.2"}],
        "demand": [{"charge_id": "peak", "window_minutes": 60, "periods": [{"period_id": "any", "price_per_kw": "9"}]}],
        "reactive": [{"charge_id": "reactive", "price_per_kvarh": "0.02", "tan_phi": "0.5"}],
    }
)  # fmt: skip
# Kinds that came later draw from their own stream: the site-years of the others stay as they were measured.
LATER = ("contracted_power", "ev_hours")
_DEAR, _CHEAP, _DEPARTURE = 0.3, 0.18, 7
_PRICE, _FACTOR, _GAS_PRICE, _GAS_FACTOR = 0.2, 0.35, 0.08, 0.2


@dataclass
class Truth:
    """Energy and money wasted: kind -> kWh and money."""

    kwh: dict[str, float] = field(default_factory=dict)
    money: dict[str, float] = field(default_factory=dict)


@dataclass
class Plant:
    """Hours of the meters while waste is put in. rng: draws everything."""

    rng: np.random.Generator
    hour: np.ndarray
    day: np.ndarray
    is_free: np.ndarray
    degc: np.ndarray
    active: np.ndarray
    kwh: dict[str, np.ndarray]
    kvarh_share: float = 0.3
    overbilled: dict[str, Decimal] = field(default_factory=dict)
    truth: Truth = field(default_factory=Truth)
    heat_slope: float = 0.0
    heat_base: float = 15.5
    spikes: np.ndarray | None = None
    contracted_share: float | None = None
    car: np.ndarray | None = None


def site_year(seed: int, *, wasted: tuple[str, ...] | None = None) -> tuple[SiteHours, Truth]:
    """A site-year and its truth. wasted: kinds; None: a random set."""
    rng = np.random.default_rng(seed)
    plant = _clean(rng)
    chosen = [kind for kind in KINDS if rng.random() < 0.5] if wasted is None else list(wasted)
    for kind in chosen:
        _WASTE[kind](plant)
    plant.rng = np.random.default_rng([seed, 1])
    later = [kind for kind in LATER if plant.rng.random() < 0.5] if wasted is None else []
    for kind in later:
        _WASTE[kind](plant)
    return _site(plant), plant.truth


def _noise(rng: np.random.Generator, share: float) -> np.ndarray:
    """Factors around one with the memory of hours."""
    steps = lfilter([0.8], [1.0, -0.6], rng.normal(0, share, HOURS))
    return np.asarray(np.clip(1 + steps, 0.5, 1.5))


def _clean(rng: np.random.Generator) -> Plant:
    hour, day = np.tile(np.arange(24), 365), np.repeat(np.arange(365), 24)
    is_free = (day % 7 >= 5) | (rng.random(365) < 0.03)[day]
    daily = (
        10
        - 9 * np.cos(2 * np.pi * (np.arange(365) - 20) / 365)
        + np.convolve(rng.normal(0, 4, 369), [0.2] * 5, "valid")
    )
    degc = daily[day] + 4 * np.sin(2 * np.pi * (hour - 9) / 24)
    first, last = int(rng.integers(6, 9)), int(rng.integers(16, 19))
    active = ~is_free & (hour >= first) & (hour <= last)
    size = float(rng.uniform(0.5, 3))

    def load(on: float, off: float, share: float) -> np.ndarray:
        return np.asarray(size * np.where(active, on, off) * _noise(rng, share))

    heat_slope = size * float(rng.uniform(30, 60))
    by_day = np.bincount(day, degc) / 24
    heat = heat_slope * np.maximum(15.5 - by_day, 0)[day] / 24 * _noise(rng, 0.05) + size * 0.4 * _noise(rng, 0.1)
    cold = size * (np.maximum(degc - 18, 0) * 2.5 * _noise(rng, 0.06) + 0.3 * _noise(rng, 0.05))
    kwh = {
        "lights": load(12, 1.5, 0.05), "office": load(15, 4, 0.06), "fans": load(10, 0.8, 0.04),
        "workshop": load(30, 2, 0.08), "server": size * 6 * _noise(rng, 0.02),
        "compressor_1": load(20, 20 * float(rng.uniform(0.03, 0.08)), 0.05), "boiler": heat, "chiller": cold,
    }  # fmt: skip
    return Plant(rng, hour, day, is_free, degc, active, kwh, heat_slope=heat_slope)


def _add(plant: Plant, kind: str, meter: str, extra: np.ndarray, price: float = _PRICE) -> None:
    plant.kwh[meter] = plant.kwh[meter] + extra
    total = float(extra.sum())
    plant.truth.kwh[kind] = plant.truth.kwh.get(kind, 0.0) + total
    plant.truth.money[kind] = plant.truth.money.get(kind, 0.0) + total * price


def _base_load(plant: Plant) -> None:
    rng, meter = plant.rng, str(plant.rng.choice(["lights", "office", "workshop"]))
    nights = rng.random(366) < rng.uniform(0.08, 0.5)
    is_night = (plant.hour >= 22) | (plant.hour < 5)
    left = is_night & nights[plant.day + (plant.hour >= 22)]
    high = float(np.quantile(plant.kwh[meter], 0.95))
    _add(plant, "base_load", meter, left * high * rng.uniform(0.3, 0.8) * _noise(rng, 0.03))


def _start_stop(plant: Plant) -> None:
    rng = plant.rng
    first = int(plant.hour[plant.active].min())
    last = int(plant.hour[plant.active].max())
    early, late = int(rng.integers(2, 4)), int(rng.integers(2, 5))
    run = ~plant.is_free & (
        ((plant.hour >= first - early) & (plant.hour < first - 1) & (plant.hour > 3))
        | ((plant.hour > last + 1) & (plant.hour <= min(last + late, 23)))
    )
    # The hour that a start may be ahead, and a stop behind, is no waste.
    near = ~plant.is_free & ((plant.hour == first - 1) | (plant.hour == last + 1))
    high = float(np.median(plant.kwh["fans"][plant.active]))
    plant.kwh["fans"] = plant.kwh["fans"] + near * (high - plant.kwh["fans"])
    level = float(np.median(plant.kwh["fans"][~plant.active & ~near]))
    _add(plant, "start_stop", "fans", run * (high - level) * _noise(rng, 0.04))


def _simultaneous(plant: Plant) -> None:
    rng, cop = plant.rng, float(plant.rng.normal(3, 0.3))
    swing = (plant.degc > 4) & (plant.degc < rng.uniform(15, 20)) & plant.active
    lost = swing * float(np.quantile(plant.kwh["boiler"], 0.9)) * rng.uniform(0.4, 0.9) * _noise(rng, 0.05)
    _add(plant, "simultaneous", "boiler", lost, _GAS_PRICE)
    _add(plant, "simultaneous", "chiller", lost / cop)


def _setpoint(plant: Plant) -> None:
    rng = plant.rng
    by_day = np.bincount(plant.day, plant.degc) / 24
    plant.heat_base = 15.5 + float(rng.uniform(1.25, 3))
    fewer = np.maximum(plant.heat_base - by_day, 0) - np.maximum(15.5 - by_day, 0)
    _add(plant, "setpoint", "boiler", plant.heat_slope * fewer[plant.day] / 24 * _noise(rng, 0.05), _GAS_PRICE)


def _compressed_air(plant: Plant) -> None:
    rng = plant.rng
    leak = float(np.median(plant.kwh["compressor_1"][plant.active])) * rng.uniform(0.12, 0.35)
    _add(plant, "compressed_air", "compressor_1", leak * _noise(rng, 0.04))


def _demand_charge(plant: Plant) -> None:
    rng = plant.rng
    plant.spikes = np.zeros(HOURS)
    months = np.arange(np.datetime64("2025-01-01"), np.datetime64("2026-01-01")).astype("datetime64[M]").astype(int)
    share = rng.uniform(0.15, 0.4)
    for month in np.unique(months):
        days = np.flatnonzero(months == month)
        hours = np.flatnonzero(np.isin(plant.day, days) & plant.active)
        plant.spikes[rng.choice(hours, int(rng.integers(1, 5)), replace=False)] = share


def _power_factor(plant: Plant) -> None:
    plant.kvarh_share = float(plant.rng.uniform(0.7, 1.1))


def _contracted_power(plant: Plant) -> None:
    plant.contracted_share = float(plant.rng.uniform(1.15, 1.8))


def _ev_hours(plant: Plant) -> None:
    """A car of 11 kW that comes at six and takes dear hours first; from ten to six energy is cheap."""
    rng, car = plant.rng, np.zeros(HOURS)
    dear = 0.0
    for day in np.flatnonzero(rng.random(364) < rng.uniform(0.4, 0.9)):
        left, at = float(rng.uniform(8, 40)), int(day) * 24 + int(rng.integers(17, 20))
        while left > 0:
            car[at] = min(left, 11.0)
            dear += car[at] if plant.hour[at] < 22 else 0.0
            left -= car[at]
            at += 1
    # What it took in its first hour before it can be put off is its own: the rest fits into eight cheap hours.
    plant.car = car
    plant.truth.kwh["ev_hours"], plant.truth.money["ev_hours"] = 0.0, dear * (_DEAR - _CHEAP)


def _billing_fault(plant: Plant) -> None:
    amount = round(float(plant.rng.uniform(50, 900)), 2)
    plant.overbilled = {"bill-1": Decimal(str(amount)), "bill-2": Decimal("-12.5")}
    plant.truth.money["billing_fault"], plant.truth.kwh["billing_fault"] = amount, 0.0


_WASTE: dict[str, Callable[[Plant], None]] = {
    "base_load": _base_load, "start_stop": _start_stop, "simultaneous": _simultaneous, "setpoint": _setpoint,
    "compressed_air": _compressed_air, "demand_charge": _demand_charge, "power_factor": _power_factor,
    "billing_fault": _billing_fault, "contracted_power": _contracted_power, "ev_hours": _ev_hours,
}  # fmt: skip


def _site(plant: Plant) -> SiteHours:
    """The site as the advisor sees it."""
    main = np.sum([kwh for name, kwh in plant.kwh.items() if name != "boiler"], axis=0)
    main = main if plant.car is None else main + plant.car
    if plant.spikes is not None:
        peak_kw = _put_spikes(plant, main)
        plant.truth.kwh["demand_charge"], plant.truth.money["demand_charge"] = 0.0, 9 * peak_kw
        main = main + plant.spikes
    kvarh = main * plant.kvarh_share
    over = np.maximum(plant.kvarh_share - 0.5, 0) * main.sum() * 0.02
    if over > 0:
        plant.truth.kwh["power_factor"], plant.truth.money["power_factor"] = 0.0, float(over)
    load = Load(datetime(2025, 1, 1, tzinfo=UTC), 60, nano(main), np.ones(HOURS, dtype=np.bool_), kvarh=nano(kvarh))
    meters = [_meter("main", main, (), is_leaf=False)]
    meters += [_meter(name, kwh, () if name == "boiler" else ("main",)) for name, kwh in plant.kwh.items()]
    made = SiteHours(
        site_id="site", start=date(2025, 1, 1), end=date(2026, 1, 1), hour=plant.hour, day=plant.day,
        is_free=plant.is_free, meters=tuple(meters), outdoor_degc=plant.degc, activity=plant.active,
        declared_degc={"hdd": 15.5, "cdd": 18.0}, overbilled=plant.overbilled,
        supply=Supply(load, (_tariff(plant, main),), "UTC", "EUR"),
    )  # fmt: skip
    if plant.car is not None:
        price = np.where((plant.hour < 6) | (plant.hour >= 22), _CHEAP, _DEAR)
        car = replace(_meter("car", plant.car, ("main",)), price_per_kwh=price)
        made = replace(made, meters=(*made.meters, car), chargers=(Charger("car", 11.0, _DEPARTURE),))
    return replace(made, slopes=_fitted(plant))


def _tariff(plant: Plant, main: np.ndarray) -> Tariff:
    """The tariff; where power is contracted, well above the highest hour, at a price that excess costs three times."""
    if plant.contracted_share is None:
        return TARIFF
    months = np.arange(np.datetime64("2025-01-01"), np.datetime64("2026-01-01")).astype("datetime64[M]").astype(int)
    peaks = [float(main[months[plant.day] == each].max()) for each in np.unique(months)]
    contracted = plant.contracted_share * max(peaks)
    levels = np.arange(1.0, contracted)
    costs = 12 * 4 * levels + 12 * np.maximum(np.subtract.outer(peaks, levels), 0).sum(axis=0)
    plant.truth.kwh["contracted_power"] = 0.0
    plant.truth.money["contracted_power"] = 12 * 4 * contracted - float(costs.min())
    charge = {
        "charge_id": "contract", "contracted": Decimal(str(contracted)), "price_per_unit": "4",
        "excess_price_per_unit": "12", "window_minutes": 60,
    }  # fmt: skip
    return TARIFF.model_copy(update={"capacity": (CapacityCharge.model_validate(charge),)})


def _put_spikes(plant: Plant, main: np.ndarray) -> float:
    """Turn shares into kWh above each month's highest hour; what the twelve highest are above it together, kW."""
    assert plant.spikes is not None
    months = np.arange(np.datetime64("2025-01-01"), np.datetime64("2026-01-01")).astype("datetime64[M]").astype(int)
    total = 0.0
    for month in np.unique(months):
        of = np.isin(plant.day, np.flatnonzero(months == month))
        top = float(main[of & (plant.spikes == 0)].max())
        at = of & (plant.spikes > 0)
        wanted = top * (1 + plant.spikes[at] * plant.rng.uniform(0.8, 1.2, int(at.sum())))
        plant.spikes[at] = np.maximum(wanted - main[at], 0)
        total += float((main[at] + plant.spikes[at]).max() - top)
    return total


def _meter(name: str, kwh: np.ndarray, above: tuple[str, ...], *, is_leaf: bool = True) -> MeterHours:
    roles = {"boiler": "heating", "chiller": "cooling", "compressor_1": "compressed_air"}
    price, factor = (_GAS_PRICE, _GAS_FACTOR) if name == "boiler" else (_PRICE, _FACTOR)
    return MeterHours(
        meter_id=name, roles=frozenset({roles[name]} if name in roles else ()), above=above, is_leaf=is_leaf, kwh=kwh,
        price_per_kwh=np.full(HOURS, price), kgco2e_per_kwh=np.full(HOURS, factor),
    )  # fmt: skip


def _fitted(plant: Plant) -> tuple[WeatherSlope, ...]:
    """The boiler's degree days by least squares over bases half a degree apart, as a baseline is fitted."""
    daily, degc = np.bincount(plant.day, plant.kwh["boiler"]), np.bincount(plant.day, plant.degc) / 24
    best: tuple[float, float, float, float] | None = None
    for base in np.arange(10, 22, 0.5):
        design = np.column_stack((np.ones(365), np.maximum(base - degc, 0)))
        found, rest, *_ = np.linalg.lstsq(design, daily, rcond=None)
        variance = float(rest[0]) / 363
        error = float(np.sqrt(variance * np.linalg.inv(design.T @ design)[1, 1]))
        if best is None or variance < best[0]:
            best = variance, float(base), float(found[1]), error
    assert best is not None
    return (WeatherSlope(("boiler",), "hdd", best[1], best[2], best[3], "site/boiler/enb@1"),)
