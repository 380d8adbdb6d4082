"""Meter files as ordinary programs of Europe export them, made with the truth that they hold."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Driver, Site

Truth = dict[tuple[str, datetime], Decimal]

SEPARATORS = (";", "\t", ",")
ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le")
DATES = ("%d.%m.%Y", "%d.%m.%y", "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d", "day.month")
CLOCKS = ("%H:%M", "%H:%M:%S", "%I:%M %p")
TITLES = ((), ("Lastgang",), ("Export vom 01.02.2025", "Kunde{}Müller GmbH", ""), ("Bericht{}{}", "{}{}"))
SHAPES = ("single", "wide", "long", "clock", "hours", "numbered")
# Names of a single column, in kWh or kW, and of the three meters of the site.
SINGLE = (
    ("Verbrauch [kWh]", "kwh"),
    ("Wirkarbeit in kWh", "kwh"),
    ("Leistung (kW)", "kw"),
    ("Last_kW", "kw"),
    ("Puissance active (kW)", "kw"),
)
METERS = (("Zähler 1", "z1"), ("Zähler 2", "z2"), ("Kälte Halle", "kaelte"))
WIDE = ("{} [kWh]", "{} (kWh)", "{} kWh", "{}")


@dataclass(frozen=True)
class Style:
    """One way of writing a file. month: of a change of the clock, or of none."""

    shape: str
    separator: str
    encoding: str
    titles: tuple[str, ...]
    date: str
    clock: str
    decimal: str
    thousands: str
    header: int
    month: int
    minutes: int
    is_end: bool
    has_units_row: bool
    has_total: bool
    is_packed_in_sheet: bool


def style(seed: int) -> Style:
    """One of the many, the same for a seed; only such as programs write."""
    pick = random.Random(seed)
    shape = pick.choice(SHAPES)
    separator = pick.choice(SEPARATORS)
    decimal = pick.choice(",.") if separator != "," else "."
    is_sheet = pick.random() < 0.1
    date = "%d.%m.%Y" if decimal == "," and pick.random() < 0.5 else pick.choice(DATES)
    return Style(
        shape=shape,
        separator=separator,
        encoding=pick.choice(ENCODINGS),
        titles=pick.choice(TITLES) if pick.random() < 0.5 else (),
        date=date,
        clock="%H:%M" if pick.random() < 0.6 else pick.choice(CLOCKS),
        decimal=decimal,
        thousands=pick.choice(("", "", "." if decimal == "," else "", " " if separator != "," else "")),
        header=pick.randrange(4),
        month=pick.choice((1, 3, 10)),
        minutes=pick.choice((15, 30, 60)),
        is_end=pick.random() < 0.2,
        has_units_row=shape == "wide" and pick.random() < 0.3,
        has_total=pick.random() < 0.15,
        is_packed_in_sheet=is_sheet,
    )


def home(zone: str = "Europe/Berlin") -> Site:
    """A site of one meter and a temperature outside."""
    return _site(zone, (Meter(meter_id="main", name="Hauptzähler"),))


def works(zone: str = "Europe/Berlin") -> Site:
    """A site of three meters with German names, and a temperature outside."""
    return _site(zone, tuple(Meter(meter_id=meter_id, name=name) for name, meter_id in METERS))


def _site(zone: str, meters: tuple[Meter, ...]) -> Site:
    outdoor = Driver(driver_id="outdoor_degc", unit="degc", aggregation="mean")
    return Site(
        site_id="werk", name="Werk", time_zone=zone, currency="EUR", country="DE", meters=meters, drivers=(outdoor,)
    )


def local_starts(month: int, minutes: int, zone: str = "Europe/Berlin") -> list[datetime]:
    """Starts of intervals of four whole local days about a change of the clock, or of none, with their offsets."""
    day = {1: 11, 3: 27, 10: 24}[month]
    place = ZoneInfo(zone)
    at, end = (datetime(2025, month, each, tzinfo=place).astimezone(UTC) for each in (day, day + 4))
    return [
        (at + timedelta(minutes=minutes * n)).astimezone(place)
        for n in range(int((end - at).total_seconds()) // 60 // minutes)
    ]


def write(chosen: Style, folder: Path) -> tuple[Path, Truth, Site, str]:
    """The file, what it holds (by stream and start in UTC), its site, and the unit of its values."""
    pick = random.Random(repr(chosen))
    starts = local_starts(chosen.month, chosen.minutes)
    if chosen.shape in ("hours", "numbered") and chosen.month != 1:
        # A table by the hours of the day has no place for a day of 23 or 25.
        starts = local_starts(1, chosen.minutes)
    few = chosen.shape in ("single", "clock", "hours", "numbered")
    site = home() if few else works()
    names = [("", "main")] if few else list(METERS)
    single, unit = SINGLE[chosen.header % len(SINGLE)] if few else ("", "kwh")
    # By the instant: of two equal local times Python would take one for the other.
    truth = {
        (stream, start.astimezone(UTC)): Decimal(pick.randrange(1, 4_000_000 if chosen.thousands else 99_000)) / 1000
        for start in starts
        for _, stream in names
    }
    table = _table(chosen, starts, names, truth, single)
    return _written(chosen, table, folder), truth, site, unit


def _table(
    chosen: Style, starts: list[datetime], names: list[tuple[str, str]], truth: Truth, single: str
) -> list[list[str]]:
    form = f"{chosen.date} {chosen.clock}"
    time_name = ("Zeitstempel", "Datum", "Timestamp", "Date/heure")[chosen.header]
    shift = timedelta(minutes=chosen.minutes if chosen.is_end else 0)

    def time(start: datetime, form: str) -> str:
        return _formatted((start.astimezone(UTC) + shift).astimezone(start.tzinfo), form)

    def value(stream: str, start: datetime) -> str:
        return _number(truth[stream, start.astimezone(UTC)], chosen)

    if chosen.shape == "single":
        return [[time_name, single], *([time(s, form), value("main", s)] for s in starts)]
    if chosen.shape == "clock":
        rows = ([time(s, chosen.date), time(s, chosen.clock), value("main", s)] for s in starts)
        return [["Datum", "Uhrzeit", single], *rows]
    if chosen.shape == "long":
        rows = ([time(s, form), name, value(stream, s)] for s in starts for name, stream in names)
        return [[time_name, "Zähler", "Verbrauch [kWh]"], *rows]
    if chosen.shape == "wide":
        pattern = "{}" if chosen.has_units_row else WIDE[chosen.header % 3]
        head = [[time_name, *(pattern.format(name) for name, _ in names)]]
        head += [["", *("kWh" for _ in names)]] if chosen.has_units_row else []
        return [*head, *([time(s, form), *(value(stream, s) for _, stream in names)] for s in starts)]
    days = list(dict.fromkeys(start.date() for start in starts))
    parts = len(starts) // len(days)
    names_of = [f"H{n + 1}" if parts == 24 else str(n + 1) for n in range(parts)]
    if chosen.shape == "hours":
        names_of = [time(start, "%H:%M") for start in starts[:parts]]
        names_of[-1] = "24:00" if chosen.is_end else names_of[-1]
    by_day = [starts[n : n + parts] for n in range(0, len(starts), parts)]
    rows = ([_formatted(day[0], chosen.date), *(value("main", s) for s in day)] for day in by_day)
    return [["Datum", *names_of], *rows]


def _formatted(moment: datetime, form: str) -> str:
    if form.startswith("day.month"):
        return f"{moment.day}.{moment.month}.{moment.year}" + moment.strftime(form.removeprefix("day.month"))
    return moment.strftime(form)


def _number(value: Decimal, chosen: Style) -> str:
    text = f"{value:,.3f}" if chosen.thousands else f"{value:.3f}"
    return text.replace(",", "#").replace(".", chosen.decimal).replace("#", chosen.thousands)


def _written(chosen: Style, table: list[list[str]], folder: Path) -> Path:
    titles = [line.format(*[chosen.separator] * 9) for line in chosen.titles]
    if chosen.has_total and chosen.shape in ("single", "wide", "long", "clock"):
        table = [*table, ["Summe", *("" for _ in table[0][1:])]]
    if chosen.is_packed_in_sheet:
        return _sheet(chosen, table, titles, folder)
    lines = [*titles, *(chosen.separator.join(row) for row in table)]
    path = folder / "lastgang_2025-03.csv"
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(chosen.encoding))
    return path


def _sheet(chosen: Style, table: list[list[str]], titles: list[str], folder: Path) -> Path:
    import xlsxwriter

    path = folder / "lastgang_2025-03.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Daten")
        for at, row in enumerate([*([title] for title in titles), *table]):
            for place, cell in enumerate(row):
                sheet.write_string(at, place, cell)
    return path


def rows_of(frame: pl.DataFrame) -> Truth:
    """Rows that were read, in the form of the truth."""
    return {
        (meter, start.astimezone(UTC)): Decimal(repr(value)).quantize(Decimal("0.001"))
        for meter, start, value in frame.select("meter_id", "interval_start_utc", "value").iter_rows()
    }
