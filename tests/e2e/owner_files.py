"""Files of three owners as they have them, ending in the hour that it is: a home, a flat, a workshop. Seeded."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import exp, pi, sin
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = "Europe/Berlin"
DAYS = 75
QUARTER = timedelta(minutes=15)
WORKSHOP_TARIFF = """\
tariff_id: gewerbestrom
currency: EUR
valid_from: 2025-01-01
valid_to: 2030-01-01
periods:
  - {period_id: all, price_per_kwh: 0.21}
demand:
  - charge_id: leistung
    window_minutes: 15
    periods: [{period_id: monat, price_per_kw: 11.5}]
"""


def home_files(folder: Path, now_utc: datetime) -> tuple[Path, ...]:
    """Household, PV and the battery's charge in one CSV of quarter hours, in local time with decimal commas."""
    noise, charge = random.Random(11), 50.0
    lines = ["Zeit;Hausverbrauch [kWh];PV-Erzeugung [kWh];Speicher Ladezustand [%]"]
    for local in _quarters(now_utc):
        hour = local.hour + local.minute / 60
        used = (0.06 + 0.05 * _bump(hour, 7, 1.5) + 0.12 * _bump(hour, 19, 2.5)) * noise.uniform(0.8, 1.25)
        sun = max(0.0, sin((hour - 7) / 10 * pi)) * 1.1 * noise.uniform(0.2, 1) if 7 < hour < 17 else 0.0
        charge = min(95.0, max(10.0, charge + 4 * sun - 3 * used))
        lines.append(f"{local:%d.%m.%Y %H:%M};{_comma(used)};{_comma(sun)};{charge:.0f}")
    return (_written(folder / "haus.csv", lines),)


def flat_files(folder: Path, now_utc: datetime) -> tuple[Path, ...]:
    """The household, and a supplier's prices of every hour to the end of tomorrow, in ct/kWh."""
    noise = random.Random(12)
    used = ["timestamp,Household [kWh]"]
    for local in _quarters(now_utc):
        hour = local.hour + local.minute / 60
        kwh = (0.04 + 0.03 * _bump(hour, 8, 1.5) + 0.06 * _bump(hour, 20, 2.0)) * noise.uniform(0.8, 1.25)
        used.append(f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ},{kwh:.3f}")
    end = (now_utc.astimezone(ZoneInfo(ZONE)) + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    prices = ["timestamp,Strompreis [ct/kWh]"]
    for local in _quarters(end.astimezone(UTC)):
        if local.minute == 0:
            cent = 27 + 6 * _bump(local.hour, 8, 2) + 9 * _bump(local.hour, 19, 2.5) - 7 * _bump(local.hour, 3, 2)
            prices.append(f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ},{cent + noise.uniform(-1, 1):.2f}")
    return _written(folder / "household.csv", used), _written(folder / "prices.csv", prices)


def workshop_files(folder: Path, now_utc: datetime) -> tuple[Path, ...]:
    """The mean power of a workshop, and its tariff with a charge for the month's peak."""
    noise = random.Random(13)
    lines = ["Datum;Uhrzeit;Wirkleistung [kW]"]
    for local in _quarters(now_utc):
        works = local.weekday() < 5 and 6 <= local.hour < 17
        power_kw = (38 + 12 * _bump(local.hour, 10, 1.5) if works else 6) * noise.uniform(0.93, 1.07)
        lines.append(f"{local:%d.%m.%Y;%H:%M};{_comma(power_kw)}")
    tariff = folder / "tarif.yaml"
    load = _written(folder / "lastgang.csv", lines)
    tariff.write_text(WORKSHOP_TARIFF, encoding="utf-8")
    return load, tariff


OWNERS: dict[str, Callable[[Path, datetime], tuple[Path, ...]]] = {
    "home": home_files,
    "flat": flat_files,
    "workshop": workshop_files,
}


def _quarters(end_utc: datetime) -> Iterator[datetime]:
    end = end_utc.replace(minute=0, second=0, microsecond=0)
    at, zone = end - timedelta(days=DAYS), ZoneInfo(ZONE)
    while at < end:
        yield at.astimezone(zone)
        at += QUARTER


def _bump(hour: float, middle: float, width: float) -> float:
    return exp(-(((hour - middle) / width) ** 2))


def _comma(value: float) -> str:
    return f"{value:.3f}".replace(".", ",")


def _written(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
