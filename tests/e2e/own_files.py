"""Files as a German site has them: a wide workbook in local time, a CSV of kW in cp1252, weather, a tariff.

Seeded, and not flagged as synthetic: to the program they are somebody's own.
"""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from math import cos, pi
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import xlsxwriter

ZONE = "Europe/Berlin"
FIRST, AFTER = date(2024, 1, 1), date(2025, 4, 1)
QUARTER = timedelta(minutes=15)
TARIFF = """\
tariff_id: werkstrom
currency: EUR
valid_from: 2023-01-01
valid_to: 2027-01-01
periods:
  - {period_id: all, price_per_kwh: 0.1987}
"""


class OwnFiles(NamedTuple):
    """The four files of the first hour."""

    workbook: Path
    machine: Path
    weather: Path
    tariff: Path


class _Slot(NamedTuple):
    """One quarter hour of the year: local time, outdoor temperature, whether people work."""

    start_utc: datetime
    local: datetime
    outdoor_degc: float
    is_work: bool


def write_own_files(folder: Path, seed: int = 7) -> OwnFiles:
    """Write the files of one site: fifteen months of quarter hours that follow working days and the weather."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = random.Random(seed)
    files = OwnFiles(*(folder / name for name in ("Lastgang.xlsx", "Kompressor.csv", "wetter.csv", "tarif.yaml")))
    slots = list(_slots(noise))
    site, hall, machine = [], [], []
    for slot in slots:
        heating = max(0.0, 15.0 - slot.outdoor_degc)
        machine.append(round((14.0 if slot.is_work else 2.5) * noise.uniform(0.93, 1.07), 2))
        hall.append(round((30.0 if slot.is_work else 9.0) * noise.uniform(0.95, 1.05) / 4, 3))
        site.append(round((18.0 + 1.9 * heating) * noise.uniform(0.97, 1.03) / 4 + hall[-1] + machine[-1] / 4, 3))
    _write_workbook(files.workbook, slots, site, hall)
    lines = ["Datum;Uhrzeit;Wirkleistung Kompressor für Halle 1 [kW]"]
    for slot, power_kw in zip(slots, machine, strict=True):
        lines.append(f"{slot.local:%d.%m.%Y;%H:%M};{str(power_kw).replace('.', ',')}")
    files.machine.write_text("\r\n".join(lines) + "\r\n", encoding="cp1252", newline="")
    hours = [slot for slot in slots if slot.start_utc.minute == 0]
    files.weather.write_text(
        "\n".join(["timestamp,temp_degc", *(f"{s.start_utc:%Y-%m-%dT%H:%M:%SZ},{s.outdoor_degc:.1f}" for s in hours)])
    )
    files.tariff.write_text(TARIFF, encoding="utf-8")
    return files


def _slots(noise: random.Random) -> Iterator[_Slot]:
    zone = ZoneInfo(ZONE)
    at = datetime.combine(FIRST, time(), zone).astimezone(UTC)
    end = datetime.combine(AFTER, time(), zone).astimezone(UTC)
    weather, drift = 0.0, 0.0
    while at < end:
        local = at.astimezone(zone)
        if at.minute == 0:
            drift = 0.985 * drift + noise.gauss(0, 0.55)
            season = -9.5 * cos(2 * pi * (local.timetuple().tm_yday - 20) / 365.25)
            weather = round(10.0 + season - 3.0 * cos(2 * pi * (local.hour - 3) / 24) + drift, 1)
        is_work = local.weekday() < 5 and 6 <= local.hour < 18
        yield _Slot(at, local, weather, is_work)
        at += QUARTER


def _write_workbook(path: Path, slots: list[_Slot], site: list[float], hall: list[float]) -> None:
    book = xlsxwriter.Workbook(path, {"constant_memory": True, "default_date_format": "dd.mm.yyyy hh:mm"})
    sheet = book.add_worksheet("Lastgang")
    sheet.write_row(0, 0, ["Lastgang Werk Nord"])
    sheet.write_row(2, 0, ["Zeitstempel", "Hauptzähler [kWh]", "Halle 1 [kWh]"])
    for row, (slot, *values) in enumerate(zip(slots, site, hall, strict=True), start=3):
        sheet.write_datetime(row, 0, slot.local.replace(tzinfo=None))
        sheet.write_number(row, 1, values[0])
        sheet.write_number(row, 2, values[1])
    book.close()
