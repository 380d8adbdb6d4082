"""Plain files for the commands that need no project: formulas of the hour, no random numbers."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2024, 12, 31, 23, tzinfo=UTC)
HOURS = 273 * 24
TARIFF = """\
tariff_id: {name}
currency: EUR
valid_from: 2024-01-01
valid_to: 2027-01-01
periods:
{periods}
"""
TWO = """\
  - {period_id: day, price_per_kwh: 0.24, start: 06:00, end: 22:00}
  - {period_id: morning, price_per_kwh: 0.16, start: 00:00, end: 06:00}
  - {period_id: night, price_per_kwh: 0.16, start: 22:00, end: 00:00}"""
CASE = {
    "id": "oracle", "currency": "EUR", "start_utc": "2026-01-01T00:00:00Z", "dt_h": 1.0,
    "load": [2.0, 3.0, 1.5, 4.0] * 3, "pv": [0.0, 0.0, 3.0, 5.0] * 3,
    "p_imp": [0.31, 0.12, 0.22, 0.41] * 3, "p_exp": [0.08] * 12, "imp_max": 12.0,
    "exp_max": 8.0, "demand_price": 1.5,
    "battery": {
        "p_ch": 3.0, "p_dis": 3.0, "eta_c": 0.95, "eta_d": 0.94, "soc_min": 1.0, "soc_max": 9.0, "soc_init": 4.0,
        "soc_end_min": 4.0, "wear": 0.013,
    },
    "ev_sessions": [{"from_step": 1, "to_step": 9, "energy_kwh": 14.0, "p_min": 1.4, "p_max": 7.4, "eta": 0.92}],
}  # fmt: skip


def write_inputs(folder: Path) -> None:
    """Energy, weather, a room, two tariffs, an activity with its factor, and a dispatch case."""
    folder.mkdir()
    energy, weather, room = (
        ["timestamp,kwh"],
        ["timestamp,temp_degc"],
        ["timestamp,indoor_degc,outdoor_degc,heating_kw"],
    )
    indoor = 20.0
    for hour in range(HOURS):
        at = START + timedelta(hours=hour)
        local = (hour + 1) % 24
        degc = 10 - 10 * math.cos(2 * math.pi * hour / 8766) + 4 * math.sin(2 * math.pi * (local - 9) / 24)
        degc += hour * 7 % 11 / 5
        kwh = 20 + 1.5 * max(16 - degc, 0) + (12 if 7 <= local < 18 else 0) + hour * 13 % 17 / 10
        energy.append(f"{at.isoformat()},{kwh:.2f}")
        weather.append(f"{at.isoformat()},{degc:.1f}")
        if hour < 1000:
            heating = 4.0 if indoor < 20 + hour * 5 % 7 / 4 else 0.0
            room.append(f"{at.isoformat()},{indoor:.2f},{degc:.1f},{heating:.1f}")
            indoor += (heating - 0.15 * (indoor - degc)) / 6 + (hour * 3 % 5 - 2) / 50
    flat = "  - {period_id: all, price_per_kwh: 0.205}"
    texts = {
        "energy.csv": "\n".join(energy), "weather.csv": "\n".join(weather), "room.csv": "\n".join(room),
        "tariff.yaml": TARIFF.format(name="two_rates", periods=TWO),
        "flat.yaml": TARIFF.format(name="flat", periods=flat),
        "activity.csv": "id,activity,quantity,unit,year\na,electricity,1200,kWh,2025\nb,gas,3400,kWh,2025",
        "factors.csv": "scope,activity,unit,kg_co2e_per_unit,year\n2,electricity,kWh,0.352,2025\n1,gas,kWh,0.182,2025",
        "case.json": json.dumps(CASE),
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(f"{text}\n")
