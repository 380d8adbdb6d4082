"""Known readings, written as exports of many kinds: what is proposed reads them as they are."""

import csv
import io
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from assets.readings.sniff_files import read_file, sniff_file

SEEDS = 40
ZONES = ("Europe/Berlin", "Europe/Madrid", "Australia/Sydney", "Asia/Kolkata")
METERS = ("Halle 1", "Halle 2", "Büro")
# What stands beside the readings: name, and a cell of it by the random source, the row and the amount.
BESIDE: dict[str, Callable[[random.Random, int, float], str]] = {
    "Kosten (EUR)": lambda _chance, _row, kwh: f"{kwh * 0.3:.2f}",
    "Preis (ct/kWh)": lambda chance, _row, _kwh: f"{20 + 9 * chance.random():.2f}",
    "CO2 (g/kWh)": lambda chance, _row, _kwh: f"{300 + 90 * chance.random():.0f}",
    "Status": lambda chance, _row, _kwh: chance.choice("WWWE"),
    "Qualität": lambda _chance, _row, _kwh: "gemessen",
    "Temperatur (°C)": lambda chance, _row, _kwh: f"{5 + 9 * chance.random():.1f}",
    "OBIS": lambda _chance, _row, _kwh: "1-1:1.29.0",
    "Spannung (V)": lambda chance, _row, _kwh: f"{230 + chance.random():.1f}",
    "cos phi": lambda chance, _row, _kwh: f"{0.9 + chance.random() / 20:.2f}",
    "Blindarbeit (kvarh)": lambda _chance, _row, kwh: f"{kwh / 3:.3f}",
    "Nr.": lambda _chance, row, _kwh: str(row + 1),
    "Bemerkung": lambda _chance, _row, _kwh: "",
    "Tarif": lambda chance, _row, _kwh: chance.choice(("HT", "NT")),
    "PLZ": lambda _chance, _row, _kwh: "5000",
}
Truth = dict[str, list[tuple[datetime, float]]]


def written(chance: random.Random, truth: Truth, zone: str, *, is_wide: bool) -> bytes:
    """The readings as a table: order, marks, letters and what stands beside them as chance has it."""
    separator = chance.choice(";,\t")
    decimal = chance.choice(",.") if separator != "," else "."
    style = chance.choice(("%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d-%b-%Y %H:%M", "%Y/%m/%d %H:%M"))
    beside = chance.sample(sorted(BESIDE), chance.randrange(4))
    times = [at.astimezone(ZoneInfo(zone)).strftime(style) for at, _ in next(iter(truth.values()))]
    rows: list[list[str]] = []
    for row, at in enumerate(times):
        amounts = [(meter, truth[meter][row][1]) for meter in truth]
        for cells in [amounts] if is_wide else [[each] for each in amounts]:
            others = [BESIDE[name](chance, len(rows), cells[0][1]) for name in beside]
            names = [] if is_wide or len(truth) == 1 else [cells[0][0]]
            numbers = [f"{kwh:.3f}".replace(".", decimal) for _, kwh in cells]
            rows.append(
                [at, *names, *numbers, *(each.replace(".", decimal) if "." in each else each for each in others)]
            )
    head = ["Zeit", *([] if is_wide or len(truth) == 1 else ["Zähler"])]
    head += [f"{meter} (kWh)" for meter in truth] if is_wide else ["Verbrauch (kWh)"]
    if chance.random() < 0.25:
        rows.reverse()
    text = io.StringIO()
    table = csv.writer(text, delimiter=separator, lineterminator="\n", quoting=chance.choice((0, 1)))
    titles: Sequence[Sequence[str]] = chance.choice(([], [["Kunde", "Muster AG"], []]))
    table.writerows([*titles, head + beside, *rows])
    return text.getvalue().encode(chance.choice(("utf-8", "utf-8-sig", "cp1252")))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_an_export_is_read_as_it_is_whatever_stands_beside_its_readings(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    zone, step = chance.choice(ZONES), timedelta(minutes=chance.choice((15, 30, 60)))
    meters, begin = METERS[: chance.randrange(1, 4)], datetime(2024, 5, 13, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    truth = {
        meter: [(begin + n * step, round(place + 3 * chance.random(), 3)) for n in range(timedelta(days=3) // step)]
        for place, meter in enumerate(meters)
    }
    path = tmp_path / "export.csv"
    path.write_bytes(written(chance, truth, zone, is_wide=chance.random() < 0.5))
    report = sniff_file(path, tz=zone)
    mapping = report.draft.column_map() if report.draft is not None else None
    assert report.draft is None or report.draft.questions == ()
    rows = read_file(path, mapping=mapping, tz=zone).rows.filter(unit="kwh")
    found = [
        dict(zip(part["interval_start_utc"], part["value"], strict=True))
        for part in rows.partition_by("meter_id", "register")
    ]
    for meter, readings in truth.items():
        assert dict(readings) in found, (meter, report.proposal)
