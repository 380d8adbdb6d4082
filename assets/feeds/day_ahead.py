"""Documents of day-ahead prices: of the shape of aWATTar's `/v1/marketdata`, and ENTSO-E's A44 publication. Prices per
MWh of the market, by intervals of one length; what a document does not say is refused, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from assets.feeds.weather_values import document
from assets.readings.readers.xml_safe import walk
from data_quality.contracts.errors import BadInput
from data_quality.contracts.text import one_line

EXPECTED = 'prices as aWATTar gives them: {"data": [{"start_timestamp", "end_timestamp", "marketprice", "unit"}]}'
LENGTHS = {"PT15M": 15, "PT30M": 30, "PT60M": 60, "PT1H": 60}
# Europe's market clears between -500 and 4000 EUR/MWh; what lies far outside is another unit.
LIMIT_PER_MWH = 20_000.0
SCHEMA = {"at": pl.Datetime("us", "UTC"), "minutes": pl.Int32(), "value": pl.Float64()}
# A03: a position that is left out has the price of the one before it; of other curves each stands there.
FILLED = "A03"


@dataclass(frozen=True)
class MarketPrices:
    """rows: at (UTC start), minutes, value (currency per MWh), in time order, each time once."""

    currency: str
    rows: pl.DataFrame


def read_awattar(content: bytes, *, file: str = "") -> MarketPrices:
    """Raises BadInput naming what was expected."""
    found = document(content, expected=EXPECTED, file=file).get("data")
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise BadInput(f"expected {EXPECTED}", file=file, reason="wrong_shape")
    rows, currencies = [], set()
    for place, each in enumerate(found, start=1):
        start, end, price = (each.get(name) for name in ("start_timestamp", "end_timestamp", "marketprice"))
        currency, _, per = str(each.get("unit")).upper().partition("/")
        times_are_numbers = all(isinstance(at, int) and not isinstance(at, bool) for at in (start, end))
        if not times_are_numbers or not isinstance(price, int | float) or isinstance(price, bool) or per != "MWH":
            raise BadInput(f"element {place} of data: expected {EXPECTED} in EUR/MWh", file=file, reason="wrong_shape")
        minutes, rest = divmod(end - start, 60_000)
        if rest or minutes not in LENGTHS.values():
            raise BadInput(f"element {place} lasts {minutes} minutes; expected 15, 30 or 60", file=file)
        rows.append((datetime.fromtimestamp(start / 1000, UTC), minutes, float(price)))
        currencies.add(currency)
    return _prices(currencies, rows, file)


@dataclass
class _Series:
    currency: str = ""
    per: str = ""
    curve: str = "A01"
    position: str = "1"
    rows: list[tuple[datetime, int, float]] = field(default_factory=list)


@dataclass
class _Period:
    start: datetime | None = None
    end: datetime | None = None
    minutes: int = 0
    points: dict[int, float] = field(default_factory=dict)


class _Publication:
    """Parsed A44 document."""

    def __init__(self, file: str) -> None:
        self.file, self.series, self.reason, self.root = file, [_Series()], "", ""
        self._period, self._place = _Period(), 0

    def opened(self, name: str, _attributes: dict[str, str], line: int) -> None:
        """An element begins."""
        self.root = self.root or name
        if name == "TimeSeries":
            self.series.append(_Series())
        elif name == "Period":
            self._period = _Period()

    def closed(self, name: str, text: str) -> None:
        """An element ends."""
        series, period, text = self.series[-1], self._period, text.strip()
        match name:
            case "currency_Unit.name":
                series.currency = text.upper()
            case "price_Measure_Unit.name":
                series.per = text.upper()
            case "curveType":
                series.curve = text
            case "classificationSequence_AttributeInstanceComponent.position":
                series.position = text
            case "start":
                period.start = self._time(text)
            case "end":
                period.end = self._time(text)
            case "resolution":
                period.minutes = LENGTHS.get(text, 0)
                if not period.minutes:
                    raise BadInput(f"resolution {text!r:.40}; expected {', '.join(LENGTHS)}", file=self.file)
            case "position":
                self._place = int(self._number(text))
            case "price.amount":
                period.points[self._place] = self._number(text)
            case "Period":
                series.rows += self._rows(period, series.curve)
            case "text":
                self.reason = self.reason or one_line(text, 200)

    def _rows(self, period: _Period, curve: str) -> list[tuple[datetime, int, float]]:
        if period.start is None or period.end is None or not period.minutes:
            raise BadInput("a Period without timeInterval or resolution", file=self.file, reason="wrong_shape")
        count = int((period.end - period.start) / timedelta(minutes=period.minutes))
        wrong = sorted(set(period.points) - set(range(1, count + 1)))
        if wrong or 1 not in period.points or (curve != FILLED and len(period.points) < count):
            got = f"{len(period.points)} of {count} positions" + (f", among them {wrong[0]}" if wrong else "")
            raise BadInput(f"a Period from {period.start:%Y-%m-%d %H:%MZ} has {got}", file=self.file, reason="gaps")
        rows, price = [], 0.0
        for place in range(1, count + 1):
            price = period.points.get(place, price)
            rows.append((period.start + timedelta(minutes=period.minutes * (place - 1)), period.minutes, price))
        return rows

    def _time(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise BadInput(f"cannot read time {text!r:.40}", file=self.file, reason="bad_timestamp") from error
        if moment.tzinfo is None:
            raise BadInput(f"time {text!r} has no offset", file=self.file, reason="no_zone")
        return moment.astimezone(UTC)

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError as error:
            raise BadInput(f"{text!r:.40} is no number", file=self.file, reason="not_a_number") from error


def read_entsoe(path: Path, *, file: str = "") -> MarketPrices:
    """Of a kept answer. Raises BadInput: no XML, no prices (with the reason that the platform gives)."""
    publication = _Publication(file)
    walk(path, publication)
    found = [each for each in publication.series if each.rows]
    if not publication.root.startswith("Publication_MarketDocument") or not found:
        why = publication.reason or f"it is a document {publication.root!r:.60} without prices"
        raise BadInput(f"no prices: {why}", file=file, reason="no_prices")
    if any(each.per != "MWH" for each in found):
        raise BadInput(f"prices are per {found[0].per!r:.20}; expected MWH", file=file, reason="unknown_unit")
    # Where a zone has several auctions for a day, the first is the coupled one.
    first = [each for each in found if each.position == "1"] or found
    return _prices({each.currency for each in first}, [row for each in first for row in each.rows], file)


def _prices(currencies: set[str], rows: list[tuple[datetime, int, float]], file: str) -> MarketPrices:
    if not rows:
        raise BadInput("it holds no price", file=file, reason="no_prices")
    if len(currencies) != 1:
        raise BadInput(f"prices are in {', '.join(sorted(currencies))}; expected one currency", file=file)
    odd = next((row for row in rows if not -LIMIT_PER_MWH <= row[2] <= LIMIT_PER_MWH), None)
    if odd is not None:
        raise BadInput(f"{odd[2]} per MWh from {odd[0]:%Y-%m-%d %H:%MZ} is no price", file=file, reason="implausible")
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").unique().sort("at", "minutes")
    # The finer of two products stands.
    frame = frame.filter(pl.col("minutes") == pl.col("minutes").min().over(pl.col("at").dt.truncate("1h")))
    clash = frame.filter(pl.col("at").is_duplicated())
    if not clash.is_empty():
        raise BadInput(f"two prices for {clash['at'][0]:%Y-%m-%d %H:%MZ}", file=file, reason="duplicate_conflict")
    return MarketPrices(currency=currencies.pop(), rows=frame)
