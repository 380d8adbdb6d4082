"""Bills of interval load with one fault of a known kind each, and right ones.

They are our engine's under wrong terms or with wrong data, since no hand formula would cover demand windows and
calendars; the words are a supplier's.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from assets.bills.engine.bill_load import Load
from assets.bills.engine.compute import make_bill
from data_quality.contracts.billing.bill import BillPeriod
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.time import local_midnight_utc
from tests.bills.papers import Paper, Scene, cents

D = Decimal
BERLIN = "Europe/Berlin"


def interval_tariff(seed: int) -> Tariff:
    """Seasons, holidays, two energy periods, demand in working hours, a rider, two taxes."""
    rates = (("0.2841", "0.1933", "9.75"), ("0.3377", "0.2211", "6.40"))[seed % 2]
    summer = {"day_types": ["weekday"], "start": "08:00", "end": "20:00", "seasons": ["summer"]}
    winter = {"day_types": ["weekday"], "start": "06:00", "end": "22:00", "seasons": ["winter"]}
    rest = [
        {"day_types": ["weekend", "holiday"]},
        {"day_types": ["weekday"], "start": "20:00", "end": "08:00", "seasons": ["summer"]},
        {"day_types": ["weekday"], "start": "22:00", "end": "06:00", "seasons": ["winter"]},
    ]
    return Tariff.model_validate(
        {
            "tariff_id": f"TOU-{seed % 2}-24", "currency": "EUR", "time_zone": BERLIN, "valid_from": "2024-01-01",
            "valid_to": "2025-01-01",
            "calendar": {
                "weekend": ["sat", "sun"],
                "holidays": [{"month_day": "05-01"}, {"easter_offset_days": 1}, {"month_day": "10-03"}],
                "seasons": [
                    {"season_id": "summer", "start": "04-01", "end": "10-01"},
                    {"season_id": "winter", "start": "10-01", "end": "04-01"},
                ],
            },
            "periods": [
                {"period_id": "peak", "price_per_kwh": rates[0], "windows": [summer, winter]},
                {"period_id": "offpeak", "price_per_kwh": rates[1], "windows": rest},
            ],
            "demand": [
                {
                    "charge_id": "demand", "window_minutes": 30,
                    "periods": [{"period_id": "work", "price_per_kw": rates[2], "day_types": ["weekday"],
                                 "start": "07:00", "end": "19:00"}],
                }
            ],
            "fixed": [{"charge_id": "base", "amount": "42.50", "per": "month"}],
            "riders": [{"charge_id": "grid_levy", "price_per_kwh": "0.00643"}],
            "taxes": [{"charge_id": "vat", "share": "0.19"}],
        }
    )  # fmt: skip


def interval_load(seed: int) -> Load:
    """15-minute values of February to July 2024 with working days, noise and evening peaks."""
    rng = np.random.default_rng(seed)
    start, end = date(2024, 2, 1), date(2024, 8, 1)
    begun = local_midnight_utc(start, BERLIN)
    size = int((local_midnight_utc(end, BERLIN) - begun).total_seconds() // 900)
    hour = (np.arange(size) // 4) % 24
    kw = 20 + 55 * ((hour > 6) & (hour < 21)) + rng.gamma(2.0, 6.0, size) + 40 * (rng.random(size) < 0.01)
    kw *= np.repeat(0.8 + 0.4 * rng.random(size // 96 + 1), 96)[:size]
    # Working days differ from week to week and slowly grow, so that no two spans have one sum.
    kw *= 1 + 0.1 * np.arange(size) / size
    # A peak over the edge of two half hours, and a higher one on a Sunday: windows and hours then matter.
    for day, quarters, peak in ((date(2024, 5, 15), (37, 38), 190.0), (date(2024, 5, 12), (48, 49, 50, 51), 240.0)):
        first = int((local_midnight_utc(day, BERLIN) - begun).total_seconds() // 900)
        kw[[first + quarter for quarter in quarters]] = peak + 9 * rng.random(len(quarters))
    return Load(begun, 15, np.rint(kw / 4 * 1e6).astype(np.int64) * 1000, np.ones(size, dtype=np.bool_))


LABELS = {
    "energy.peak": "Peak energy", "energy.offpeak": "Off-peak energy", "demand": "Maximum demand", "base": "Base fee",
    "demand.work": "Maximum demand", "grid_levy": "Grid levy", "vat": "VAT",
}  # fmt: skip


def printed(period: BillPeriod, start: date, end: date, code: str, *, head: tuple[tuple[str, str], ...] = ()) -> Paper:
    """Our bill in a supplier's words, quantities to a tenth of a kWh."""
    lines = [
        (
            LABELS[line.line_id], "" if line.component == "tax" or line.quantity is None else f"{line.quantity:.1f}",
            line.unit, f"{line.rate:f}" if line.rate is not None else "", str(line.amount),
        )
        for line in period.lines
    ]  # fmt: skip
    tax = sum((line.amount for line in period.lines if line.component == "tax"), D(0))
    pairs = [
        ("Supplier", "Any Grid"), ("Invoice", "L-1"), ("Account", "ACC"), ("Meter", "L"), ("Period from", str(start)),
        ("Period to (exclusive)", str(end)), ("Tariff", code), *head, ("Currency", "EUR"),
    ]  # fmt: skip
    return Paper(pairs, lines, period.total - tax, period.total)


def interval_scene(name: str, seed: int) -> Scene:
    """A bill of interval load; `right` or a fault of INTERVAL_FAULTS."""
    tariff, load = interval_tariff(seed), interval_load(seed)
    start, end = date(2024, 5, 1), date(2024, 6, 1)
    older = tariff.model_copy(
        update={
            "tariff_id": f"TOU-{seed % 2}-23", "valid_from": date(2023, 1, 1), "valid_to": date(2024, 1, 1),
            "periods": tuple(
                period.model_copy(update={"price_per_kwh": (period.price_per_kwh or D(0)) + D("0.0317")})
                for period in tariff.periods
            ),
        }
    )  # fmt: skip
    cause, changed, used, dates = INTERVAL_FAULTS[name](tariff, load, start, end, seed)
    if name == "old_prices":
        changed = older.model_copy(update={"valid_from": date(2024, 1, 1), "valid_to": date(2025, 1, 1)})
    period = make_bill([changed], used, time_zone=BERLIN, start=dates[0], end=dates[1]).periods[0]
    paper = printed(period, start, end, tariff.tariff_id)
    held = load
    if name == "gap":
        present = load.is_present.copy()
        first = int((local_midnight_utc(date(2024, 5, 13), BERLIN) - load.start_utc).total_seconds() // 900)
        present[first : first + 300] = False
        held = replace(load, load=np.where(present, load.load, 0), is_present=present)
    if name == "odd_demand":
        at = next(n for n, line in enumerate(paper.lines) if line[0] == "Maximum demand")
        wrong = D(paper.lines[at][4]) + D("133.77")
        lines = [*paper.lines]
        lines[at] = (*lines[at][:4], str(wrong))
        net = paper.net + D("133.77")
        lines[-1] = (*lines[-1][:4], str(cents(net * D("0.19"))))
        paper = Paper(paper.head, lines, net, net + cents(net * D("0.19")))
    return Scene(f"interval-{name}-{seed}", cause, paper, (older, tariff), load=held, time_zone=BERLIN)


Made = tuple[str, Tariff, Load, tuple[date, date]]


def _terms(cause: str, **changes: Any) -> Callable[[Tariff, Load, date, date, int], Made]:
    def made(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
        return cause, tariff.model_copy(update=changes), load, (start, end)

    return made


def _demand(**changes: Any) -> Callable[[Tariff, Load, date, date, int], Made]:
    def made(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
        demand = (tariff.demand[0].model_copy(update=changes),)
        return "demand_window", tariff.model_copy(update={"demand": demand}), load, (start, end)

    return made


def _always(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
    period = tariff.demand[0].periods[0]
    wide = period.model_copy(
        update={"day_types": ("weekday", "weekend", "holiday"), "start": period.end, "end": period.end}
    )
    return _demand(periods=(wide,))(tariff, load, start, end, seed)


def _calendar(**changes: Any) -> Callable[[Tariff, Load, date, date, int], Made]:
    def made(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
        calendar = tariff.calendar.model_copy(update=changes)
        return "wrong_tariff_period", tariff.model_copy(update={"calendar": calendar}), load, (start, end)

    return made


def _other_season(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
    seasons = tuple(
        season.model_copy(update={"start": other.start, "end": other.end})
        for season, other in zip(tariff.calendar.seasons, reversed(tariff.calendar.seasons), strict=True)
    )
    return _calendar(seasons=seasons)(tariff, load, start, end, seed)


def _scaled(cause: str, factor: float) -> Callable[[Tariff, Load, date, date, int], Made]:
    def made(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
        return cause, tariff, replace(load, load=np.rint(load.load * factor).astype(np.int64)), (start, end)

    return made


def _dates(before: int, after: int) -> Callable[[Tariff, Load, date, date, int], Made]:
    def made(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
        return "wrong_read_date", tariff, load, (start + timedelta(days=before), end + timedelta(days=after))

    return made


def _no_days(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
    values = load.load.copy()
    first = int((local_midnight_utc(date(2024, 5, 7), BERLIN) - load.start_utc).total_seconds() // 900)
    values[first : first + 96 * (2 + seed % 3)] = 0
    return "missing_data", tariff, replace(load, load=values), (start, end)


def _estimate(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
    def kwh(first: date, last: date) -> int:
        part = load.between(local_midnight_utc(first, BERLIN), local_midnight_utc(last, BERLIN))
        return int(part.load.sum())

    days = (end - start).days
    mean = kwh(start - timedelta(days=days), start)
    return _scaled("estimated_read", mean / kwh(start, end))(tariff, load, start, end, seed)


def _right(tariff: Tariff, load: Load, start: date, end: date, seed: int) -> Made:
    return "none", tariff, load, (start, end)


INTERVAL_FAULTS: dict[str, Callable[[Tariff, Load, date, date, int], Made]] = {
    "right": _right,
    "standard_clock": _terms("wrong_tariff_period", clock="standard"),
    "no_holidays": _calendar(holidays=()),
    "other_season": _other_season,
    "old_prices": _terms("wrong_tariff_period"),
    "demand_15_min": _demand(window_minutes=15),
    "demand_60_min": _demand(window_minutes=60),
    "demand_rolling": _demand(method="rolling", window_minutes=30, sub_interval_minutes=15),
    "demand_all_hours": _always,
    "multiplier_10": _scaled("meter_multiplier", 10),
    "multiplier_third": _scaled("meter_multiplier", 1 / 4),
    "three_days_late": _dates(3, 3),
    "last_day_twice": _dates(0, 1),
    "days_left_out": _no_days,
    "gap": lambda *given: ("missing_data", *_right(*given)[1:]),
    "last_month": _estimate,
    "vat_7": lambda tariff, load, start, end, seed: (
        "tax",
        tariff.model_copy(update={"taxes": (tariff.taxes[0].model_copy(update={"share": D("0.07")}),)}),
        load,
        (start, end),
    ),
    "odd_demand": lambda *given: ("unexplained", *_right(*given)[1:]),
}
